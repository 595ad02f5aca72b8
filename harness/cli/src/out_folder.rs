//! The folder that a run writes to: the reports, `traces/` and `captures/`.
//!
//! Owns finding out before the run that it can be written, writing it, and finding a trace in it again.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, ErrorKind, Write};
use std::path::{Component, Path, PathBuf};

use nix::sys::statvfs::statvfs;
use tcpconform_engine::judgement::Judgement;
use tcpconform_engine::trace::Trace;
use tcpconform_engine::trace_file;
use tcpconform_reports::html::{self, Html};
use tcpconform_reports::printable::printable;
use tcpconform_reports::{FILES, JSON, Report, Reporter, capture};

use crate::exit::Refusal;

/// What the report and a margin take, bytes.
const FREE_MIN: u64 = 64 << 20;
/// What one trace and its capture take at most in the catalogue's cases, bytes.
const TRACE_SIZE: u64 = 256 << 10;
/// Enough that a full disk or a quota refuses it.
const PROBE_SIZE: usize = 64 << 10;

/// The files that keep the consoles of a run's machines.
pub const CONSOLES: [&str; 2] = ["console.txt", "console-2.txt"];

/// A folder that could be written when the run began.
pub struct OutFolder {
    path: PathBuf,
}

impl OutFolder {
    /// Creates the folder, and finds out whether the output of this many cases fits.
    ///
    /// The report of an earlier run in it is taken away: should this run be killed, nothing lies there that is not its own.
    pub fn prepare(path: &Path, cases: usize) -> Result<OutFolder, Refusal> {
        let shown = path.display();
        let refuse = |operation: &str, error: io::Error| {
            Refusal::could_not_run(
                format!("cannot write to {shown}: {operation}: {error}"),
                Some("name a folder that can be written: tcpconform run --out DIR"),
            )
        };
        fs::create_dir_all(path.join("traces")).map_err(|error| refuse("creating traces/", error))?;
        let probe = path.join(".probe");
        let probed = File::create(&probe).and_then(|mut file| {
            file.write_all(&[0; PROBE_SIZE])?;
            file.sync_all()
        });
        // Gone already when it could not be created.
        let _ = fs::remove_file(&probe);
        probed.map_err(|error| refuse("writing a file", error))?;
        let space = statvfs(path).map_err(|errno| refuse("asking for free space", errno.into()))?;
        let free = space.blocks_available().saturating_mul(space.fragment_size());
        let needed = FREE_MIN + TRACE_SIZE * cases as u64;
        if free < needed {
            return Err(Refusal::could_not_run(
                format!(
                    "too little space in {shown}: {} MiB free, {} MiB needed",
                    free >> 20,
                    needed.div_ceil(1 << 20)
                ),
                Some("free some, or name a folder elsewhere: tcpconform run --out DIR"),
            ));
        }
        for name in FILES.map(|(name, _)| name).into_iter().chain([html::INDEX]).chain(CONSOLES) {
            match fs::remove_file(path.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(refuse("removing the old report", error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(OutFolder::existing(path))
    }

    /// A folder of which nothing is known.
    pub fn existing(path: &Path) -> OutFolder {
        OutFolder { path: path.to_owned() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file that keeps the console of one of the run's machines.
    pub fn console(&self, machine: usize) -> PathBuf {
        self.path.join(CONSOLES[machine])
    }

    /// Writes `traces/<case>.jsonl`, and says where that is.
    pub fn write_trace(&self, trace: &Trace) -> io::Result<PathBuf> {
        let path = self.path.join("traces").join(file_name(&trace.header.case, &trace.header.variant, "jsonl")?);
        create(&path, |file| trace_file::write(trace, file))?;
        Ok(path)
    }

    /// Reads the trace of a play back; an error is one sentence.
    pub fn read_trace(&self, judgement: &Judgement) -> Result<Trace, String> {
        let name = file_name(&judgement.id, &judgement.variant, "jsonl").map_err(|error| error.to_string())?;
        let path = Path::new("traces").join(name);
        let told = |why: String| format!("{}: {why}", path.display());
        let file = File::open(self.path.join(&path)).map_err(|error| told(error.to_string()))?;
        trace_file::read(BufReader::new(file)).map_err(|error| told(error.to_string()))
    }

    /// Takes the trace and the capture of a play away, and the folders that are empty without them.
    pub fn remove(&self, case: &str, variant: &str) -> io::Result<()> {
        for (kind, extension) in [("traces", "jsonl"), ("captures", "pcapng")] {
            let Ok(name) = file_name(case, variant, extension) else { continue };
            let kind = self.path.join(kind);
            match fs::remove_file(kind.join(&name)) {
                Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    return Err(error);
                }
                Ok(()) | Err(_) => {}
            }
            let above = name.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
            // One that is not empty stays.
            above.map_while(|above| fs::remove_dir(kind.join(above)).ok()).for_each(drop);
        }
        Ok(())
    }

    /// Writes `captures/<case>.pcapng`.
    pub fn write_capture(&self, trace: &Trace, judgement: &Judgement) -> io::Result<()> {
        let path = self.path.join("captures").join(file_name(&judgement.id, &judgement.variant, "pcapng")?);
        create(&path, |file| capture::write(trace, judgement, file))
    }

    /// Writes the reports, each in one piece: whoever reads one never sees half of it. Says where `report.json` is.
    pub fn write_reports(&self, report: &Report) -> io::Result<PathBuf> {
        let traces = |judgement: &Judgement| self.read_trace(judgement);
        let html = Html { traces: &traces };
        let page: (&str, &dyn Reporter) = (html::INDEX, &html);
        for (name, reporter) in FILES.into_iter().chain([page]) {
            let partial = self.path.join(format!("{name}.partial"));
            let mut file = BufWriter::new(File::create(&partial)?);
            reporter.write(report, &mut file)?;
            file.into_inner()?.sync_all()?;
            fs::rename(&partial, self.path.join(name))?;
        }
        Ok(self.path.join(JSON))
    }
}

/// Writes a file in one piece, and the folders above it where they are missing; an error names it.
fn create(path: &Path, write: impl Fn(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    let open = || match File::create(partial) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            File::create(partial)
        }
        opened => opened,
    };
    let write = || {
        let mut file = BufWriter::new(open()?);
        write(&mut file)?;
        file.into_inner()?.flush()?;
        fs::rename(partial, path)
    };
    write().map_err(|error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// The name of a file about this case variant, below the folder for its kind: a trace from elsewhere may call its case anything.
fn file_name(case: &str, variant: &str, extension: &str) -> io::Result<PathBuf> {
    let name = match variant {
        "" => format!("{case}.{extension}"),
        variant => format!("{case}@{variant}.{extension}"),
    };
    let path = PathBuf::from(&name);
    if path.components().all(|component| matches!(component, Component::Normal(_))) {
        return Ok(path);
    }
    let what = format!("`{}` is no name of a case", printable(&name));
    Err(io::Error::new(ErrorKind::InvalidInput, what))
}

/// The refusal when results could not be written.
pub fn unwritten(error: io::Error) -> Refusal {
    let help = Some("free some space, or name a folder elsewhere: --out DIR");
    Refusal::could_not_run(format!("writing the results: {error}"), help)
}
