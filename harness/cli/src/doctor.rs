//! `tcpconform doctor`: what this machine allows, and the command that fixes what it does not.

use std::io::{self, Write};

use anstyle::AnsiColor;
use tcpconform_reports::printable::printable;

use crate::exit::{Exit, Refusal};
use crate::player::{Check, examine};
use crate::show_on_stdout;

/// Shows every check; what playing on the running kernel cannot do without decides the exit code.
pub fn doctor() -> Result<Exit, Refusal> {
    let checks = examine();
    let width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
    show_on_stdout(|out| checks.iter().try_for_each(|check| line(out, check, width)))?;
    let lacking = checks.iter().any(|check| check.required && check.outcome.is_err());
    Ok(if lacking { Exit::CouldNotRun } else { Exit::AllPass })
}

fn line(out: &mut dyn Write, check: &Check, width: usize) -> io::Result<()> {
    let (word, style, text) = match (&check.outcome, check.required) {
        (Ok(found), _) => ("ok", AnsiColor::Green.on_default(), found),
        (Err(lack), true) => ("no", AnsiColor::Red.on_default().bold(), lack),
        (Err(lack), false) => ("less", AnsiColor::Yellow.on_default(), lack),
    };
    writeln!(out, "{style}{word:<4}{style:#}  {:width$}  {}", check.name, printable(text))
}
