//! `tcpconform coverage`: what rules and cases cover of RFC 9293, read from the reports of runs.

use tcpconform_reports::coverage::{coverage as coverage_of, json, text};
use tcpconform_reports::{Palette, Report};

use crate::arguments::CoverageArguments;
use crate::exit::{Exit, Refusal};
use crate::{show_on_stdout, stored};

/// Shows what these reports cover, or the last run on the running kernel; without any, which rule covers what.
pub fn coverage(arguments: &CoverageArguments) -> Result<Exit, Refusal> {
    let paths = match &arguments.reports[..] {
        [] => stored::last_run().into_iter().collect(),
        reports => reports.to_vec(),
    };
    let reports: Vec<Report> = paths.iter().map(|path| stored::report(path)).collect::<Result<_, _>>()?;
    let coverage = coverage_of(&reports);
    show_on_stdout(|out| match arguments.json {
        true => json(&coverage, out),
        false => text(&coverage, &Palette::coloured(), out),
    })?;
    Ok(Exit::AllPass)
}
