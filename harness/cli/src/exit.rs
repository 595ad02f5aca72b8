//! Exit codes, and the trouble that ends a command early.

use std::fmt;
use std::process::ExitCode;

use tcpconform_engine::judgement::Verdict;
use tcpconform_reports::report::Totals;

/// What the exit code says; scripts rely on the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: all that was played passed.
    AllPass,
    /// 1: findings: a fail, or an inconclusive.
    Findings,
    /// 2: usage, or a bad case file; nothing was run.
    Usage,
    /// 3: could not run, or not to the end.
    CouldNotRun,
    /// 4: nothing selected.
    NothingSelected,
}

impl Exit {
    /// The code of a run with these verdicts, of which some cases were kept from being run by an interrupt.
    ///
    /// An `error` is trouble of the harness, not a finding about the target; a run that skipped everything has shown nothing.
    pub fn of(totals: &Totals, not_run: usize) -> Exit {
        if totals.of(Verdict::Fail) + totals.of(Verdict::Inconclusive) > 0 {
            Exit::Findings
        } else if totals.of(Verdict::Error) + not_run > 0 || totals.of(Verdict::Pass) == 0 {
            Exit::CouldNotRun
        } else {
            Exit::AllPass
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::AllPass => 0,
            Exit::Findings => 1,
            Exit::Usage => 2,
            Exit::CouldNotRun => 3,
            Exit::NothingSelected => 4,
        })
    }
}

/// Why a command ended before it did its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The exit code.
    pub exit: Exit,
    /// What is wrong, with the place; ready to print.
    pub what: String,
    /// What helps, a command where there is one.
    pub help: Option<String>,
}

impl Refusal {
    /// The user's input is wrong.
    pub fn usage(what: impl Into<String>) -> Refusal {
        Refusal { exit: Exit::Usage, what: what.into(), help: None }
    }

    /// The machine does not allow it.
    pub fn could_not_run(what: impl Into<String>, help: Option<&str>) -> Refusal {
        Refusal { exit: Exit::CouldNotRun, what: what.into(), help: help.map(str::to_owned) }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A diagnostic brings its own heading.
        let heading = if self.what.starts_with("error") { "" } else { "error: " };
        write!(f, "{heading}{}", self.what.trim_end())?;
        match &self.help {
            Some(help) => write!(f, "\n help: {help}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_tells_findings_from_trouble() {
        let totals = |pass, inconclusive, fail, error, skip| Totals { pass, inconclusive, fail, error, skip };
        assert_eq!(Exit::of(&totals(5, 0, 0, 0, 0), 0), Exit::AllPass);
        assert_eq!(Exit::of(&totals(5, 0, 0, 0, 2), 0), Exit::AllPass);
        assert_eq!(Exit::of(&totals(5, 1, 0, 0, 0), 0), Exit::Findings);
        assert_eq!(Exit::of(&totals(5, 0, 1, 1, 0), 0), Exit::Findings);
        assert_eq!(Exit::of(&totals(5, 0, 0, 1, 0), 0), Exit::CouldNotRun);
        assert_eq!(Exit::of(&totals(0, 0, 0, 0, 5), 0), Exit::CouldNotRun);
        assert_eq!(Exit::of(&totals(5, 0, 0, 0, 0), 1), Exit::CouldNotRun);
        assert_eq!(Exit::of(&totals(5, 0, 1, 0, 0), 1), Exit::Findings);
    }
}
