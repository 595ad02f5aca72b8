//! What the user names of earlier runs: reports and baselines, by a file, a folder with a report in it, or a kernel release; and
//! traces.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use tcpconform_engine::trace::Trace;
use tcpconform_engine::trace_file;
use tcpconform_reports::baseline::{self, Baseline};
use tcpconform_reports::json::Json;
use tcpconform_reports::{JSON, Report, Reporter};

use crate::catalogue;
use crate::exit::Refusal;
use crate::journal::Stored;
use crate::run::default_out;

/// The running kernel's release, as in uname(2).
const RELEASE: &str = "/proc/sys/kernel/osrelease";

/// The report in a file or a folder.
pub fn report(path: &Path) -> Result<Report, Refusal> {
    let (file, bytes) = contents(path)?;
    tcpconform_reports::json::read(&bytes).map_err(|error| Refusal::usage(format!("{}: {error}", file.display())))
}

/// The report of the last run on the running kernel.
pub fn last_run() -> Result<PathBuf, Refusal> {
    let help = "tcpconform run makes one; or name one";
    let refuse = |what: String| Refusal { help: Some(help.to_string()), ..Refusal::usage(what) };
    let release = fs::read_to_string(RELEASE).map_err(|error| refuse(format!("reading {RELEASE}: {error}")))?;
    let path = default_out(release.trim()).join(JSON);
    if path.exists() { Ok(path) } else { Err(refuse(format!("no report of this kernel: {}", path.display()))) }
}

/// The trace in a file.
pub fn trace(path: &Path) -> Result<Trace, Refusal> {
    let wrong = |what: String| Refusal::usage(format!("{}: {what}", path.display()));
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    trace_file::read(BufReader::new(file)).map_err(|error| wrong(error.to_string()))
}

/// The run that a word names: a report, a baseline, or the baseline of this program that is nearest to a kernel release.
pub fn run(word: &Path) -> Result<Baseline, Refusal> {
    let release = word.to_str().filter(|word| baseline::is_release(word));
    if let Some(release) = release.filter(|_| !word.exists()) {
        let Some((name, bytes)) = baseline::nearest(release) else {
            return Err(Refusal::usage(format!("{release}: no such file, and this program has no baselines")));
        };
        if !name.starts_with(release) {
            let _ = crate::say(&format!("no baseline of {release}; the nearest is that of {name}"));
        }
        return Baseline::read(bytes).map_err(|error| Refusal::usage(format!("baseline of {name}: {error}")));
    }
    let (file, bytes) = contents(word)?;
    Baseline::read(&bytes).map_err(|error| Refusal::usage(format!("{}: {error}", file.display())))
}

/// The bytes of a report or a baseline; of a run that was killed, the report of what it had finished.
fn contents(path: &Path) -> Result<(PathBuf, Vec<u8>), Refusal> {
    if !path.join(JSON).exists()
        && let Some(stored) = Stored::read(path)?
    {
        let (_, ledger) = catalogue::load_with_ledger(stored.begun.settings.cases.as_deref())?;
        let mut bytes = Vec::new();
        let written = Json.write(&stored.report(&ledger), &mut bytes);
        written.map_err(|error| Refusal::could_not_run(format!("{}: {error}", path.display()), None))?;
        return Ok((path.to_owned(), bytes));
    }
    let file = if path.is_dir() { path.join(JSON) } else { path.to_owned() };
    let read = fs::metadata(&file).and_then(|metadata| {
        if metadata.len() > baseline::SIZE_MAX {
            return Err(std::io::Error::other(format!("larger than {} MiB", baseline::SIZE_MAX >> 20)));
        }
        fs::read(&file)
    });
    match read {
        Ok(bytes) => Ok((file, bytes)),
        Err(error) => Err(Refusal {
            help: Some("a report.json, a folder with one, a baseline, or a kernel release as in 6.12".into()),
            ..Refusal::usage(format!("{}: {error}", file.display()))
        }),
    }
}
