//! The journal of a run, `run.journal`: what was to be played, and one line for each case as it is finished.
//!
//! Owns what a run leaves behind that was killed, and the refusal to go on with another one than was begun. Refuses to know how a
//! run is done. The last line may be cut off: its case was not finished.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tcpconform_engine::case::Case;
use tcpconform_engine::judgement::Judgement;
use tcpconform_engine::ledger::Ledger;
use tcpconform_engine::run::Planned;
use tcpconform_reports::Report;
use tcpconform_reports::report::Target;

use crate::arguments::RunSettings;
use crate::exit::Refusal;

/// The file's name in the folder of a run; it goes when the report is whole.
pub const JOURNAL: &str = "run.journal";
/// The form of the lines.
const VERSION: u32 = 1;
const ELSEWHERE: &str = "start a run of its own in another folder: tcpconform run --out DIR";

/// The first line: what was begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    journal: u32,
    /// When, as a report says it.
    pub started: String,
    /// Whose TCP is played; in a machine, HZ is not known before it is up, and 0.
    pub target: Target,
    /// What was asked for.
    pub settings: RunSettings,
    /// Every case by name, with the digest of what it does.
    cases: BTreeMap<String, String>,
}

impl Begun {
    /// A run of these cases.
    pub fn new(started: String, target: Target, settings: RunSettings, cases: &[Planned]) -> Begun {
        let cases = cases.iter().map(|planned| (planned.case.name(), digest(&planned.case))).collect();
        Begun { journal: VERSION, started, target, settings, cases }
    }

    /// Why a run that would begin like this one cannot go on with what `self` began; `None` where it can.
    fn differs(&self, now: &Begun) -> Option<String> {
        let target = |of: &Target| format!("{} in {} time", of.title(), of.time.name());
        if target(&self.target) != target(&now.target) {
            return Some(format!("it is of {}, and this is {}", target(&self.target), target(&now.target)));
        }
        let changed = self.cases.iter().find(|(name, digest)| now.cases.get(*name) != Some(digest));
        let news = now.cases.keys().find(|name| !self.cases.contains_key(*name));
        match (changed, news) {
            (Some((name, _)), _) if now.cases.contains_key(name) => Some(format!("case {name} has changed since")),
            (Some((name, _)), _) => Some(format!("case {name} is gone")),
            (None, Some(name)) => Some(format!("case {name} is new")),
            (None, None) => None,
        }
    }
}

/// A line about a finished case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// How long the run had taken until then.
    pub wall_seconds: f64,
    /// Whose TCP it was; none where there is no trace.
    pub target: Option<Target>,
    /// What came of it.
    pub judgement: Judgement,
}

/// What a journal says.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its first line.
    pub begun: Begun,
    /// The finished cases, in the order in which they were.
    pub done: Vec<Done>,
    /// Length of the whole lines, bytes.
    whole: u64,
}

impl Stored {
    /// Reads the journal in a folder; `None` where there is none.
    pub fn read(folder: &Path) -> Result<Option<Stored>, Refusal> {
        let path = folder.join(JOURNAL);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(error) => return Err(Refusal::could_not_run(format!("{}: {error}", path.display()), None)),
        };
        parse(&bytes).map(Some).map_err(|what| {
            let what = format!("{}: {what}", path.display());
            Refusal::could_not_run(what, Some("start anew: tcpconform run --out DIR"))
        })
    }

    /// Cases that were not finished.
    pub fn not_run(&self) -> usize {
        self.begun.cases.len().saturating_sub(self.done.len())
    }

    /// The report of what is finished.
    pub fn report(self, ledger: &Ledger) -> Report {
        let not_run = self.not_run();
        let wall_seconds = self.done.last().map_or(0.0, |done| done.wall_seconds);
        let target = self.done.iter().rev().find_map(|done| done.target.clone()).unwrap_or(self.begun.target);
        let cases = self.done.into_iter().map(|done| done.judgement).collect();
        Report::new(target, self.begun.started, wall_seconds, cases, not_run, ledger)
    }
}

fn parse(bytes: &[u8]) -> Result<Stored, String> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let mut lines = bytes[..whole].split_inclusive(|byte| *byte == b'\n').zip(1..);
    let Some((first, _)) = lines.next() else {
        return Err("the run was killed before it began".to_owned());
    };
    let wrong = |line: usize, error: serde_json::Error| format!("line {line}: {error}");
    let begun: Begun = serde_json::from_slice(first).map_err(|error| wrong(1, error))?;
    if begun.journal != VERSION {
        return Err(format!("line 1: this tcpconform goes on with journals of form {VERSION}, not {}", begun.journal));
    }
    let done = lines.map(|(line, number)| serde_json::from_slice(line).map_err(|error| wrong(number, error)));
    Ok(Stored { begun, done: done.collect::<Result<_, _>>()?, whole: whole as u64 })
}

/// A journal that is being kept.
pub struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Begins one in a folder, in place of that of an earlier run.
    pub fn begin(folder: &Path, begun: &Begun) -> Result<Journal, Refusal> {
        let mut journal = Journal::locked(folder)?;
        let written = journal.file.set_len(0).and_then(|()| journal.line(begun));
        written.map_err(|error| unwritten(&journal.path, error))?;
        Ok(journal)
    }

    /// Goes on with the one in a folder, if what is to be run is the same; says what it holds.
    pub fn resume(folder: &Path, now: &Begun) -> Result<(Journal, Stored), Refusal> {
        let mut journal = Journal::locked(folder)?;
        let stored = Stored::read(folder)?.ok_or_else(|| nothing(folder))?;
        if let Some(why) = stored.begun.differs(now) {
            let what = format!("cannot go on with the run in {}: {why}", folder.display());
            return Err(Refusal::could_not_run(what, Some(ELSEWHERE)));
        }
        let cut = journal.file.set_len(stored.whole).and_then(|()| journal.file.seek(SeekFrom::End(0)));
        cut.map_err(|error| unwritten(&journal.path, error))?;
        Ok((journal, stored))
    }

    fn locked(folder: &Path) -> Result<Journal, Refusal> {
        let path = folder.join(JOURNAL);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|error| unwritten(&path, error))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let what = format!("another run is writing to {}", folder.display());
                Err(Refusal::could_not_run(what, Some("wait for it, or name another folder: tcpconform run --out DIR")))
            }
            // A file system without locks keeps a journal all the same.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Journal { file, path }),
        }
    }

    /// Notes a finished case. Its line is there whole, or cut off if the machine goes down, once this returns.
    pub fn note(&mut self, done: &Done) -> io::Result<()> {
        self.line(done)
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.file.write_all(&text)
    }

    /// Takes it away: the report says all of it.
    pub fn end(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// The refusal where there is no run to go on with.
pub fn nothing(folder: &Path) -> Refusal {
    Refusal {
        help: Some(
            "--resume takes the folder that a run wrote to: target/tcpconform/<kernel release>, or its --out".into(),
        ),
        ..Refusal::usage(format!("{}: no run was begun there", folder.display()))
    }
}

fn unwritten(path: &Path, error: io::Error) -> Refusal {
    Refusal::could_not_run(format!("{}: {error}", path.display()), None)
}

/// FNV-1a of all that a case says.
fn digest(case: &Case) -> String {
    let text = format!("{case:?}");
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;
    use tcpconform_engine::load;
    use tcpconform_engine::run::Player;
    use tcpconform_engine::trace::{TargetKind, Time};

    use super::*;
    use crate::arguments::{Arguments, Command};
    use crate::player::ModelPlayer;

    const CLOSE: &str = "purpose: A close.\ncites: [RFC 9293 3.6]\nsteps:\n  - establish\n  - a: close()\n  \
     - expect: F. 1:1(0)\n";

    fn planned(files: &[(&str, &str)]) -> Vec<Planned> {
        let cases = load::catalogue_embedded(files).unwrap();
        cases.into_iter().map(|case| Planned { case, lasts: Some(Duration::ZERO) }).collect()
    }

    fn settings() -> RunSettings {
        let arguments = Arguments::parse_from(["tcpconform", "run", "--target", "model", "--shard", "1/2", "x"]);
        let Command::Run(run) = arguments.command else { panic!("it says run") };
        RunSettings::of(&run, Some(Path::new("y")))
    }

    fn begun(release: &str, files: &[(&str, &str)]) -> Begun {
        let target = Target { kind: TargetKind::Model, release: release.into(), time: Time::Virtual, hz: 250 };
        Begun::new("then".into(), target, settings(), &planned(files))
    }

    fn done(case: &Case) -> Done {
        let trace = ModelPlayer::default().play(case, &|_| ()).unwrap();
        let target = Some(Target::of(&trace.header.target));
        Done { wall_seconds: 1.5, target, judgement: tcpconform_engine::judge::judge(&trace) }
    }

    #[test]
    fn what_was_noted_is_read_back_also_behind_a_cut_off_line() {
        let folder = tempfile::tempdir().unwrap();
        let files = [("one.yaml", CLOSE), ("two.yaml", CLOSE)];
        let (begun, cases) = (begun("1", &files), planned(&files));
        let [one, two] = [&cases[0], &cases[1]].map(|planned| done(&planned.case));
        let mut journal = Journal::begin(folder.path(), &begun).unwrap();
        journal.note(&one).unwrap();
        let second = Journal::resume(folder.path(), &begun).err().map(|refusal| refusal.to_string());
        assert!(second.unwrap().contains("another run is writing to"), "it is still being kept");
        drop(journal);
        let path = folder.path().join(JOURNAL);
        let mut text = fs::read(&path).unwrap();
        text.extend(b"{\"wall_sec");
        fs::write(&path, &text).unwrap();
        let (mut journal, stored) = Journal::resume(folder.path(), &begun).unwrap();
        assert_eq!((&stored.begun, &stored.done[..], stored.not_run()), (&begun, &[one.clone()][..], 3));
        journal.note(&two).unwrap();
        let stored = Stored::read(folder.path()).unwrap().unwrap();
        assert_eq!((&stored.done[..], stored.not_run()), (&[one, two][..], 2));
        let ledger = load::ledger("claims.yaml", b"waves: []\n").unwrap();
        let report = stored.report(&ledger);
        assert_eq!((report.totals.all(), report.not_run, report.wall_seconds), (2, 2, 1.5));
        journal.end().unwrap();
        assert_eq!(Stored::read(folder.path()).unwrap(), None);
    }

    #[test]
    fn what_is_no_journal_is_refused_by_line() {
        let wrong = |text: &[u8]| parse(text).unwrap_err();
        let begun = serde_json::to_string(&begun("1", &[("one.yaml", CLOSE)])).unwrap();
        assert_eq!(wrong(b""), "the run was killed before it began");
        assert_eq!(wrong(begun.as_bytes()), "the run was killed before it began");
        assert_eq!(wrong(b"\x7fELF\n"), "line 1: expected value at line 1 column 1");
        let newer = begun.replace("\"journal\":1", "\"journal\":2") + "\n";
        assert_eq!(wrong(newer.as_bytes()), "line 1: this tcpconform goes on with journals of form 1, not 2");
        assert!(wrong(format!("{begun}\n{{}}\n").as_bytes()).starts_with("line 2: missing field `wall_seconds`"));
    }

    #[test]
    fn another_run_than_was_begun_is_told_by_what_differs() {
        let files = [("one.yaml", CLOSE), ("two.yaml", CLOSE)];
        let changed = CLOSE.replace("a: close()", "a: shutdown(WR)");
        let before = begun("1", &files);
        let differs = |now: &Begun| before.differs(now).unwrap_or_default();
        assert_eq!(differs(&begun("1", &files)), "");
        assert_eq!(
            differs(&begun("2", &files)),
            "it is of model 1 in virtual time, and this is model 2 in virtual time"
        );
        assert_eq!(differs(&begun("1", &files[..1])), "case two@ipv4 is gone");
        assert_eq!(differs(&begun("1", &[files[0], files[1], ("three.yaml", CLOSE)])), "case three@ipv4 is new");
        assert_eq!(differs(&begun("1", &[files[0], ("two.yaml", &changed)])), "case two@ipv4 has changed since");
    }
}
