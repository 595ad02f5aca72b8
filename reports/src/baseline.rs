//! What is kept of a run to compare later ones with: verdicts, claims, fingerprint and behaviour, in one small file.
//!
//! Owns the file format (JSON, compressed with gzip) and the baselines that come with the program. Refuses to compare.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use include_dir::{Dir, include_dir};
use serde::{Deserialize, Serialize};
use tcpconform_engine::behaviour::Deed;
use tcpconform_engine::claims::ClaimState;
use tcpconform_engine::fingerprint::Shown;
use tcpconform_engine::judgement::Verdict;
use thiserror::Error;

use crate::json::mistake;
use crate::report::{Report, SCHEMA, Target};

/// The most bytes that a baseline or a report may unpack to.
pub const SIZE_MAX: u64 = 256 << 20;

static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/baselines");

/// A run, as far as others are compared with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Format version, that of `report.json`.
    pub schema: u32,
    /// Whose TCP was played.
    pub target: Target,
    /// Which of the named alternatives the kernel shows.
    #[serde(default)]
    pub fingerprint: Vec<Shown>,
    /// The claims with their verdicts.
    #[serde(default)]
    pub claims: Vec<BaselineClaim>,
    /// The case variants, sorted by id and variant.
    pub cases: Vec<BaselineCase>,
}

/// A claim in a baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineClaim {
    /// As in `T23`.
    pub id: String,
    /// Whether it holds.
    pub verdict: ClaimState,
    /// Where it holds and where not.
    #[serde(default)]
    pub condition: Option<String>,
    /// How many plays that bear on it are missing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unplayed: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A case variant in a baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaselineCase {
    /// Case id.
    pub id: String,
    /// Variant.
    pub variant: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is not a pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the target did.
    #[serde(default)]
    pub behaviour: Vec<Deed>,
    /// Until when it was observed, seconds.
    #[serde(default)]
    pub target_seconds: Option<f64>,
}

impl BaselineCase {
    /// `id@variant`, or the id alone.
    pub fn name(&self) -> String {
        if self.variant.is_empty() { self.id.clone() } else { format!("{}@{}", self.id, self.variant) }
    }
}

/// Why bytes are not a baseline or a report.
#[derive(Debug, Error)]
pub enum BaselineError {
    /// They could not be unpacked.
    #[error("cannot be unpacked: {0}; is the file cut off?")]
    Packed(io::Error),
    /// Not JSON of this kind.
    #[error("neither a report.json nor a baseline: {}", mistake(.0))]
    Json(serde_json::Error),
    /// Of a newer program.
    #[error("format {0} is newer than {SCHEMA}, the newest that this tcpconform reads: use a newer tcpconform")]
    Newer(u32),
}

impl From<Report> for Baseline {
    fn from(report: Report) -> Baseline {
        let case = |case: tcpconform_engine::judgement::Judgement| BaselineCase {
            id: case.id,
            variant: case.variant,
            verdict: case.verdict,
            reason: case.reason,
            behaviour: case.behaviour,
            target_seconds: Some(case.target_seconds),
        };
        let claim = |claim: tcpconform_engine::claims::ClaimVerdict| BaselineClaim {
            id: claim.id,
            verdict: claim.verdict,
            condition: claim.condition,
            unplayed: claim.unplayed,
        };
        Baseline {
            schema: report.schema,
            target: report.target,
            fingerprint: report.fingerprint,
            claims: report.claims.into_iter().map(claim).collect(),
            cases: report.cases.into_iter().map(case).collect(),
        }
    }
}

impl Baseline {
    /// Reads a baseline, or a `report.json`, packed or not.
    pub fn read(bytes: &[u8]) -> Result<Baseline, BaselineError> {
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }

        let mut unpacked = Vec::new();
        let text = if bytes.starts_with(&[0x1f, 0x8b]) {
            GzDecoder::new(bytes).take(SIZE_MAX).read_to_end(&mut unpacked).map_err(BaselineError::Packed)?;
            &unpacked
        } else {
            bytes
        };
        let version: Version = serde_json::from_slice(text).map_err(BaselineError::Json)?;
        if version.schema > SCHEMA {
            return Err(BaselineError::Newer(version.schema));
        }
        serde_json::from_slice(text).map_err(BaselineError::Json)
    }

    /// Writes the packed form; the same run gives the same bytes.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut packed = GzEncoder::new(out, Compression::best());
        serde_json::to_writer(&mut packed, self)?;
        packed.finish().map(drop)
    }
}

/// The kernels whose baselines come with the program.
pub fn known() -> Vec<&'static str> {
    let mut names: Vec<&str> =
        EMBEDDED.files().filter_map(|file| file.path().file_name()?.to_str()?.strip_suffix(".json.gz")).collect();
    names.sort_by_key(|name| numbers(name));
    names
}

/// The baseline nearest to a kernel release, or the beginning of one, as in `6.12`: one that begins so, else the one with the nearest version.
pub fn nearest(release: &str) -> Option<(&'static str, &'static [u8])> {
    let known = known();
    let exact =
        known.iter().copied().rev().find(|name| {
            name.strip_prefix(release).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
        });
    let wanted = numbers(release);
    let far = |name: &str| {
        let its = numbers(name);
        (wanted[0].abs_diff(its[0]), wanted[1].abs_diff(its[1]), wanted[2].abs_diff(its[2]))
    };
    let name = exact.or_else(|| known.iter().copied().min_by_key(|name| far(name)))?;
    Some((name, EMBEDDED.get_file(format!("{name}.json.gz"))?.contents()))
}

/// Whether a word is a kernel release, or the beginning of one.
pub fn is_release(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.')
}

/// The first three numbers of a release.
fn numbers(release: &str) -> [u32; 3] {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok());
    [(); 3].map(|()| numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcpconform_engine::trace::Time;

    #[test]
    fn each_baseline_reads_back_and_is_of_a_whole_run_without_findings() {
        assert_eq!(known().len(), 5);
        for name in known() {
            let (found, bytes) = nearest(name).unwrap();
            let baseline = Baseline::read(bytes).unwrap();
            assert_eq!((found, &*baseline.target.release, baseline.target.time), (name, name, Time::Virtual));
            assert!(baseline.cases.len() > 2900, "{name}: {} cases", baseline.cases.len());
            for case in &baseline.cases {
                assert!(matches!(case.verdict, Verdict::Pass | Verdict::Skip), "{name}: {}", case.name());
            }
            let mut again = Vec::new();
            baseline.write(&mut again).unwrap();
            assert_eq!(Baseline::read(&again).unwrap(), baseline);
        }
    }

    #[test]
    fn the_nearest_baseline_begins_with_the_release_or_has_the_nearest_version() {
        for (wanted, begins) in [
            ("6.1", "6.1.0-"),
            ("6.12", "6.12.95"),
            ("6.12.4-arch1", "6.12.95"),
            ("6.11.9", "6.12.95"),
            ("6.17", "6.18.15"),
            ("4.19.0", "5.10.0-"),
            ("7.3.0-rc1+", "7.2.13"),
        ] {
            let (name, _) = nearest(wanted).unwrap();
            assert!(name.starts_with(begins), "{wanted}: {name}");
        }
    }
}
