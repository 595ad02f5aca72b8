//! Prints the figures that the project promises: `cargo bench -p tcpconform [-- setup catalogue latency judging formats answers walks machines]`.
//!
//! Not a timed test: nothing fails here, people read it. Without names it does all but `machines`, which boots the
//! kernels named in `TCPCONFORM_KERNELS`. Needs what `tcpconform run` needs. Whether runs on a busy machine agree says `tcpconform stress`.

mod answers;
mod machines;
mod measured;
mod walks;

use std::cell::Cell;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use measured::Measured;
use nix::sys::resource::{UsageWho, getrusage};
use tcpconform::catalogue;
use tcpconform::player::KernelPlayer;
use tcpconform::rehearsal::rehearse;
use tcpconform_engine::judge::judge;
use tcpconform_engine::play::{Progress, play};
use tcpconform_engine::run::{Planned, Player};
use tcpconform_engine::trace::{Time, Trace};
use tcpconform_engine::trace_file;
use tcpconform_reports::Report;
use tcpconform_reports::json;

const BINARY: &str = env!("CARGO_BIN_EXE_tcpconform");
/// Plays for the median of the set-up.
const PLAYS: usize = 100;
/// For how long traces are judged again and again.
const JUDGING: Duration = Duration::from_secs(2);

type Outcome = Result<(), Box<dyn Error>>;

/// A figure that can be asked for.
struct Figure {
    name: &'static str,
    print: fn() -> Outcome,
    by_default: bool,
}

const FIGURES: [Figure; 8] = [
    Figure { name: "setup", print: setup, by_default: true },
    Figure { name: "latency", print: latency, by_default: true },
    Figure { name: "catalogue", print: catalogue_run, by_default: true },
    Figure { name: "judging", print: judging, by_default: true },
    Figure { name: "formats", print: answers::formats, by_default: true },
    Figure { name: "answers", print: answers::answers, by_default: true },
    Figure { name: "walks", print: walks::walks, by_default: true },
    Figure { name: "machines", print: machines::machines, by_default: false },
];

fn main() -> Outcome {
    // cargo passes `--bench`.
    let names: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let Some(unknown) = names.iter().find(|name| FIGURES.iter().all(|figure| figure.name != *name)) {
        let known: Vec<&str> = FIGURES.iter().map(|figure| figure.name).collect();
        return Err(format!("no figure `{unknown}`; there are: {}", known.join(" ")).into());
    }
    for figure in FIGURES {
        if names.iter().any(|name| name == figure.name) || (names.is_empty() && figure.by_default) {
            (figure.print)()?;
        }
    }
    Ok(())
}

/// The player, made when first asked for: it must be while the process has one thread, and this one never has more.
fn player() -> Result<&'static KernelPlayer, Box<dyn Error>> {
    static PLAYER: std::sync::OnceLock<Result<KernelPlayer, String>> = std::sync::OnceLock::new();
    let player = PLAYER.get_or_init(|| KernelPlayer::start(Time::Real).map_err(|refusal| refusal.to_string()));
    player.as_ref().map_err(|why| why.clone().into())
}

/// The shortest cases of the catalogue by the model's clock.
fn shortest(count: usize) -> Result<Vec<Planned>, Box<dyn Error>> {
    let mut planned = catalogue::load(None).and_then(rehearse).map_err(|refusal| refusal.to_string())?;
    planned.sort_by_key(|planned| planned.lasts);
    planned.truncate(count);
    if planned.is_empty() { Err("the catalogue is empty".into()) } else { Ok(planned) }
}

fn setup() -> Outcome {
    let player = player()?;
    let case = shortest(1)?.remove(0).case;
    let mut own = Vec::new();
    for _ in 0..PLAYS {
        let waiting_since: Cell<Option<Instant>> = Cell::new(None);
        let waited = Cell::new(Duration::ZERO);
        let progress = |progress| {
            let since = waiting_since.take();
            waited.set(waited.get() + since.map_or(Duration::ZERO, |since| since.elapsed()));
            match progress {
                Progress::Waiting { .. } => waiting_since.set(Some(Instant::now())),
                Progress::Active => {}
            }
        };
        let start = Instant::now();
        player.play(&case, &progress)?;
        own.push((start.elapsed() - waited.get()).as_secs_f64() * 1e3);
    }
    let [median, worst] = [percentile(&mut own, 50), percentile(&mut own, 99)];
    println!("setup: {median:.2} ms median, {worst:.2} ms p99, from set-up to tear-down without its own waiting");
    println!("       ({PLAYS} plays of {}, one in flight; wanted: at most 8 ms)", case.name());
    Ok(())
}

fn latency() -> Outcome {
    let player = player()?;
    let mut micros = Vec::new();
    for planned in shortest(60)? {
        let mut measured = Measured::new(player.target(&planned.case)?);
        play(&planned.case, &mut measured, &|_| ())?;
        micros.extend(measured.answers.iter().map(|nanos| *nanos as f64 / 1e3));
    }
    if micros.is_empty() {
        return Err("no injected segment was answered".into());
    }
    let count = micros.len();
    let [median, worst] = [percentile(&mut micros, 50), percentile(&mut micros, 99)];
    println!(
        "latency: {median:.1} us median, {worst:.1} us p99, from an injected segment's stamp to its answer seen by us"
    );
    println!("         ({count} answers; wanted: at most 30 us)");
    Ok(())
}

fn catalogue_run() -> Outcome {
    let run = whole_run()?;
    let longest = run.report.cases.iter().map(|case| case.target_seconds).fold(0.0, f64::max);
    let wall = run.wall.as_secs_f64();
    println!(
        "catalogue: {wall:.1} s wall, longest case {longest:.1} s: {:.3} x; {}",
        wall / longest,
        run.report.totals
    );
    println!("           {} MB resident at most (wanted: at most 1.15 x and 300 MB)", run.resident_kib >> 10);
    Ok(())
}

fn judging() -> Outcome {
    let folder = traces_folder();
    if !folder.exists() {
        whole_run()?;
    }
    let mut texts = Vec::new();
    collect(&folder, &mut texts)?;
    let traces: Vec<Trace> = texts.iter().map(|text| trace_file::read(text.as_slice())).collect::<Result<_, _>>()?;
    let records: usize = traces.iter().map(|trace| trace.records.len()).sum();
    let alone = repeat(records, || traces.iter().for_each(|trace| drop(judge(trace))));
    let parsing = repeat(records, || {
        for text in &texts {
            drop(trace_file::read(text.as_slice()).map(|trace| judge(&trace)));
        }
    });
    println!("judging: {alone:.0} records/s, {parsing:.0} records/s with parsing the JSON");
    println!("         ({} traces, {records} records, one core; wanted: at least 200000)", traces.len());
    Ok(())
}

/// How many records a second are done when `work` does all of them.
fn repeat(records: usize, work: impl Fn()) -> f64 {
    let start = Instant::now();
    let mut rounds = 0;
    while start.elapsed() < JUDGING {
        work();
        rounds += 1;
    }
    (rounds * records) as f64 / start.elapsed().as_secs_f64()
}

/// A whole run of the catalogue by the program itself.
struct WholeRun {
    report: Report,
    wall: Duration,
    resident_kib: i64,
}

fn whole_run() -> Result<WholeRun, Box<dyn Error>> {
    let out = out_folder();
    // What an older catalogue left behind would be judged as well.
    let _ = fs::remove_dir_all(&out);
    let start = Instant::now();
    let status = Command::new(BINARY).arg("run").arg("--out").arg(&out).stdout(Stdio::null()).status()?;
    let wall = start.elapsed();
    let report = fs::read(out.join("report.json")).map_err(|error| format!("{status}, and no report: {error}"))?;
    // The largest of all children so far; the program is the only large one.
    let resident_kib = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss();
    Ok(WholeRun { report: json::read(&report)?, wall, resident_kib })
}

fn out_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("figures")
}

fn traces_folder() -> PathBuf {
    out_folder().join("traces")
}

fn collect(folder: &Path, texts: &mut Vec<Vec<u8>>) -> Outcome {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { collect(&path, texts)? } else { texts.push(fs::read(path)?) }
    }
    Ok(())
}

fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() * percent / 100).min(values.len() - 1)]
}
