//! `tcpconform merge`: the reports of several shards become one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tcpconform_engine::judgement::Judgement;
use tcpconform_reports::{Report, Reporter, json};

use crate::exit::{Exit, Refusal};
use crate::{catalogue, stored};

/// Joins the reports; all must be of one kernel, and no case variant in two of them with different outcomes.
pub fn merge(reports: &[PathBuf], out: &Path, folder: Option<&Path>) -> Result<Exit, Refusal> {
    let mut shards = reports.iter().map(|path| stored::report(path).map(|report| (path, report)));
    let Some((first_path, first)) = shards.next().transpose()? else {
        return Err(Refusal::usage("no reports to merge"));
    };
    let mut merged = Shards::new(&first);
    merged.add(first_path, first)?;
    for shard in shards {
        let (path, report) = shard?;
        merged.add(path, report)?;
    }
    let (_, ledger) = catalogue::load_with_ledger(folder)?;
    let report = merged.report(&ledger);
    let written = fs::create_dir_all(out.parent().unwrap_or(Path::new("."))).and_then(|()| {
        let mut file = BufWriter::new(File::create(out)?);
        json::Json.write(&report, &mut file)?;
        file.flush()
    });
    written.map_err(|error| Refusal::could_not_run(format!("writing {}: {error}", out.display()), None))?;
    Ok(Exit::of(&report.totals, report.not_run))
}

/// What has been joined so far.
struct Shards {
    first: Report,
    started: String,
    wall_seconds: f64,
    not_run: usize,
    cases: BTreeMap<String, (PathBuf, Judgement)>,
}

impl Shards {
    fn new(first: &Report) -> Shards {
        let first = Report { cases: Vec::new(), ..first.clone() };
        let started = first.started.clone();
        Shards { first, started, wall_seconds: 0.0, not_run: 0, cases: BTreeMap::new() }
    }

    fn add(&mut self, path: &Path, report: Report) -> Result<(), Refusal> {
        if report.target != self.first.target {
            return Err(Refusal::usage(format!(
                "{}: of {}, and the first report is of {}: shards of one run are of one kernel",
                path.display(),
                report.target.title(),
                self.first.target.title()
            )));
        }
        self.started = self.started.clone().min(report.started);
        self.wall_seconds += report.wall_seconds;
        self.not_run += report.not_run;
        for case in report.cases {
            let name = case.name();
            if let Some((other, before)) = self.cases.get(&name)
                && *before != case
            {
                return Err(Refusal::usage(format!(
                    "{name} is in {} and, with another outcome, in {}: merge the shards of one run only",
                    other.display(),
                    path.display()
                )));
            }
            self.cases.insert(name, (path.to_owned(), case));
        }
        Ok(())
    }

    fn report(self, ledger: &tcpconform_engine::ledger::Ledger) -> Report {
        let cases = self.cases.into_values().map(|(_, case)| case).collect();
        Report::new(self.first.target, self.started, self.wall_seconds, cases, self.not_run, ledger)
    }
}
