//! `tcpconform claims`: the ledger of claims with the verdicts of runs, read from their reports.

use std::fs;
use std::path::PathBuf;

use tcpconform_reports::claims::{json, table};
use tcpconform_reports::{JSON, Palette, Report};

use crate::arguments::ClaimsArguments;
use crate::exit::{Exit, Refusal};
use crate::run::default_out;
use crate::{show_on_stdout, stored};

/// The running kernel's release, as in uname(2).
const RELEASE: &str = "/proc/sys/kernel/osrelease";

/// Shows the claims of these reports, or of the last run on the running kernel.
pub fn claims(arguments: &ClaimsArguments) -> Result<Exit, Refusal> {
    let paths = if arguments.reports.is_empty() { vec![last_run()?] } else { arguments.reports.clone() };
    let reports: Vec<Report> = paths.iter().map(|path| stored::report(path)).collect::<Result<_, _>>()?;
    show_on_stdout(|out| match arguments.json {
        true => json(&reports, out),
        false => table(&reports, &Palette::coloured(), out),
    })?;
    Ok(Exit::AllPass)
}

/// The report of the last run on the running kernel.
fn last_run() -> Result<PathBuf, Refusal> {
    let help = "tcpconform run makes one; or name one: tcpconform claims REPORT";
    let refuse = |what: String| Refusal { help: Some(help.to_string()), ..Refusal::usage(what) };
    let release = fs::read_to_string(RELEASE).map_err(|error| refuse(format!("reading {RELEASE}: {error}")))?;
    let path = default_out(release.trim()).join(JSON);
    if path.exists() { Ok(path) } else { Err(refuse(format!("no report of this kernel: {}", path.display()))) }
}
