//! `tcpconform claims`: the ledger of claims with the verdicts of runs, read from their reports.

use tcpconform_reports::claims::{json, table};
use tcpconform_reports::{Palette, Report};

use crate::arguments::ClaimsArguments;
use crate::exit::{Exit, Refusal};
use crate::{show_on_stdout, stored};

/// Shows the claims of these reports, or of the last run on the running kernel.
pub fn claims(arguments: &ClaimsArguments) -> Result<Exit, Refusal> {
    let paths = if arguments.reports.is_empty() { vec![stored::last_run()?] } else { arguments.reports.clone() };
    let reports: Vec<Report> = paths.iter().map(|path| stored::report(path)).collect::<Result<_, _>>()?;
    show_on_stdout(|out| match arguments.json {
        true => json(&reports, out),
        false => table(&reports, &Palette::coloured(), out),
    })?;
    Ok(Exit::AllPass)
}
