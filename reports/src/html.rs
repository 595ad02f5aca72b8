//! `index.html`: one run, or several side by side, as one file for a browser that asks for nothing else.
//!
//! Owns the file: its frame, its style and scripts, and the packed data that they draw from: an index that is unpacked when the
//! page opens, and the plays of each case, unpacked when a reader opens it. Refuses to judge.

mod index;
mod packed;
mod play;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde::Serialize;
use tcpconform_engine::claims::ClaimState;
use tcpconform_engine::judgement::{Judgement, Verdict};
use tcpconform_engine::trace::Trace;

use crate::Reporter;
use crate::printable::printable;
use crate::report::{Report, Target};
use index::Index;
use play::Play;

/// The name of the report for browsers.
pub const INDEX: &str = "index.html";

const STYLE: &str = concat!(include_str!("html/page.css"), include_str!("html/ladder.css"));
const SCRIPT: [&str; 5] = [
    include_str!("html/page.js"),
    include_str!("html/grid.js"),
    include_str!("html/ledger.js"),
    include_str!("html/ladder.js"),
    include_str!("html/case.js"),
];

/// Whether a stored trace is that of a judgement: the trace, or why it cannot be shown.
pub type Traces<'t> = dyn Fn(&Judgement) -> Result<Trace, String> + Sync + 't;

/// A run with its traces.
#[derive(Clone, Copy)]
pub struct Run<'r> {
    /// What came of it.
    pub report: &'r Report,
    /// What it left.
    pub traces: &'r Traces<'r>,
}

/// Writes the page of one run.
pub struct Html<'t> {
    /// The run's traces.
    pub traces: &'t Traces<'t>,
}

impl Reporter for Html<'_> {
    fn write(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        write(&[Run { report, traces: self.traces }], out)
    }
}

/// Writes the page of these runs, which stand side by side in their order.
pub fn write(runs: &[Run<'_>], out: &mut dyn io::Write) -> io::Result<()> {
    let data = Data::of(runs);
    let title = title(runs);
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n"
    )?;
    write!(out, include_str!("html/frame.html"), summary = summary(runs))?;
    packed::write("index", &data.index, out)?;
    for (number, plays) in data.plays.iter().enumerate() {
        packed::write(&format!("case-{number}"), plays, out)?;
    }
    write!(out, "<script>\n'use strict';\n(() => {{\n")?;
    SCRIPT.iter().try_for_each(|part| out.write_all(part.as_bytes()))?;
    writeln!(out, "}})();\n</script>\n</html>")
}

/// What the scripts draw from, packed.
struct Data {
    index: Vec<u8>,
    /// Of each case of the index, in its order.
    plays: Vec<Vec<u8>>,
}

impl Data {
    fn of(runs: &[Run<'_>]) -> Data {
        let (index, plays) = gather(runs);
        Data { index: packed(&index), plays: in_parallel(&plays, packed) }
    }
}

/// The plays of one case: for each variant, for each run.
type Plays<'r> = Vec<Vec<Option<Play<'r>>>>;

fn gather<'r>(runs: &[Run<'r>]) -> (Index<'r>, Vec<Plays<'r>>) {
    let mut index = Index::of(runs);
    let mut plays = in_parallel(&index.cases, |case| {
        let of_variant = |judgements: &Vec<Option<&'r Judgement>>| {
            let of_run = |(run, judgement): (&Run<'_>, &Option<&'r Judgement>)| {
                judgement.map(|judgement| Play::of(judgement, trace(run, judgement)))
            };
            runs.iter().zip(judgements).map(of_run).collect()
        };
        case.variants.iter().map(|variant| of_variant(&variant.judgements)).collect()
    });
    index.learn(&mut plays);
    (index, plays)
}

fn trace(run: &Run<'_>, judgement: &Judgement) -> Result<Trace, String> {
    match judgement.verdict {
        Verdict::Skip => Err("it was not played".to_string()),
        Verdict::Pass | Verdict::Inconclusive | Verdict::Fail | Verdict::Error => (run.traces)(judgement),
    }
}

fn packed(data: &impl Serialize) -> Vec<u8> {
    let json = serde_json::to_vec(data).expect("data without maps of other keys than strings is JSON");
    packed::pack(&json)
}

/// What becomes of each item, in their order, worked out on as many threads as there are processors.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            match items.get(number) {
                Some(item) => done.push((number, work(item))),
                None => return done,
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut done: Vec<(usize, R)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("the work does not panic")).collect()
    });
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

/// As in `linux 6.12.117: 1028 pass`, or of several their releases.
fn title(runs: &[Run<'_>]) -> String {
    let title = match runs {
        [run] => format!("{}: {}", run.report.target.title(), run.report.totals),
        [..] => runs.iter().map(|run| run.report.target.release.as_str()).collect::<Vec<_>>().join(", "),
    };
    escaped(&title)
}

/// The table at the top, which needs no scripts: a line for each run.
fn summary(runs: &[Run<'_>]) -> String {
    let used: Vec<Verdict> =
        Verdict::ALL.into_iter().filter(|verdict| runs.iter().any(|run| run.report.totals.of(*verdict) > 0)).collect();
    let heads: String = used.iter().map(|verdict| format!("<th class=\"n\">{verdict}</th>")).collect();
    let mut rows = String::new();
    for Run { report, .. } in runs {
        let Target { hz, time, .. } = &report.target;
        let counts: String = (used.iter())
            .map(|verdict| match report.totals.of(*verdict) {
                0 => "<td class=\"n\"></td>".to_string(),
                count => format!("<td class=\"n {verdict}\">{count}</td>"),
            })
            .collect();
        let of_claims = |state: ClaimState| report.claims.iter().filter(|claim| claim.verdict == state).count();
        let claims: Vec<String> = (ClaimState::ALL.into_iter())
            .filter(|state| of_claims(*state) > 0)
            .map(|state| format!("{} {state}", of_claims(state)))
            .collect();
        let not_run = if report.not_run > 0 { format!(", {} not run", report.not_run) } else { String::new() };
        rows += &format!(
            "<tr><th scope=\"row\">{}</th>{counts}<td>{}</td><td>{} time, HZ {hz}</td><td>{}</td>\
             <td class=\"n\">{}{not_run}</td></tr>\n",
            escaped(&report.target.title()),
            claims.join(", "),
            time.name(),
            escaped(&report.started),
            took(report.wall_seconds)
        );
    }
    format!(
        "<table><thead><tr><th>target</th>{heads}<th>claims</th><th>clock</th><th>played</th><th class=\"n\">took</th>\
         </tr></thead>\n<tbody>{rows}</tbody></table>"
    )
}

/// Nothing for what took no time worth telling: traces that were judged again.
fn took(seconds: f64) -> String {
    match seconds {
        0.0 => String::new(),
        ..120.0 => format!("{seconds:.1} s"),
        _ => format!("{:.1} min", seconds / 60.0),
    }
}

/// The text as HTML shows it, its control characters as escapes.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests;
