//! What can be said on the command line.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use serde::{Deserialize, Serialize};
use tcpconform_engine::explore::STEPS_MAX;
use tcpconform_engine::fault::{Fault, UnknownFault, fault};

const EXIT_CODES: &str = "Exit codes:
  0  all that was played passed
  1  findings: a fail, or an inconclusive
  2  usage, or a bad case file; nothing was run
  3  could not run, or was interrupted
  4  nothing selected";

const SELECTORS: &str = "A SELECTOR is a case id (time-wait/rst), a variant (time-wait/rst@left-edge,ipv4), a glob \
(time-wait/*), a path to a YAML file or folder, or a claim (claim:T04).";

/// Puts the TCP of this machine's kernel to the test, and judges it against an executable model of RFC 9293.
#[derive(Debug, Parser)]
#[command(name = "tcpconform", version, after_help = EXIT_CODES)]
pub struct Arguments {
    /// The folder of the case files, instead of the catalogue that is compiled in.
    #[arg(long, value_name = "DIR", global = true)]
    pub cases: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Play and judge cases.
    #[command(after_help = SELECTORS)]
    Run(RunArguments),
    /// Play the same cases again and again, and say whose verdict was not the same every time.
    #[command(after_help = SELECTORS)]
    Stress(StressArguments),
    /// List cases.
    #[command(after_help = SELECTORS)]
    List(ListArguments),
    /// Play random walks: sequences of calls, segments, losses and waits that nobody thought of, judged by the model; what disagrees is
    /// shrunk and written as a case.
    Explore(ExploreArguments),
    /// List the faults that `run --target model --fault` can give the model.
    Faults,
    /// Show a case: its purpose, its steps, and the exchange that the model expects; or a stored trace: the same with what
    /// happened, and what the judge says of it.
    Show {
        /// A case id, with or without its variant, or a trace file.
        #[arg(value_name = "CASE|TRACE")]
        what: String,
    },
    /// Check case files: syntax, names, and a dry run on the model. Needs no privileges.
    Check {
        /// Files or folders; default: the whole catalogue.
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Judge stored traces again. Needs no privileges.
    Judge(JudgeArguments),
    /// Show the ledger of claims with the verdicts of a run, and its evidence; of several runs side by side.
    Claims(ClaimsArguments),
    /// Show which rule covers which requirement of RFC 9293, which cases exercised it, and what nobody covers yet.
    Coverage(CoverageArguments),
    /// Say what changed between two runs; exit code 1 if the second is worse.
    Compare(CompareArguments),
    /// Write what later runs are compared with: one small file for each report.
    Baseline {
        /// report.json files, or folders with one.
        #[arg(value_name = "REPORT", required = true)]
        reports: Vec<PathBuf>,
        /// Where the files go.
        #[arg(long, value_name = "DIR", default_value = ".")]
        out: PathBuf,
    },
    /// Write the page of several runs side by side, as index.html is of one.
    Html {
        /// report.json files, or folders with one; traces/ next to them are drawn.
        #[arg(value_name = "REPORT", required = true)]
        reports: Vec<PathBuf>,
        /// The file to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Join the reports of the shards of one run.
    Merge {
        /// report.json files, or folders with one.
        #[arg(value_name = "REPORT", required = true)]
        reports: Vec<PathBuf>,
        /// The file to write.
        #[arg(long, value_name = "FILE", required = true)]
        out: PathBuf,
    },
    /// Print the JSON Schema of a case file, for editors.
    Schema,
    /// Print what completes this command line in a shell.
    Completions {
        /// Which shell.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the manual page of this program or of one of its commands.
    Man {
        /// Which command.
        command: Option<String>,
    },
    /// Say what this machine allows, and the command that fixes what it does not.
    Doctor,
}

/// Arguments of `run`.
#[derive(Args, Clone, Debug)]
pub struct RunArguments {
    /// Cases to run; default: all.
    #[arg(value_name = "SELECTOR")]
    pub selectors: Vec<String>,
    /// Whose TCP is played.
    #[arg(long, value_enum, default_value_t = TargetArgument::Kernel)]
    pub target: TargetArgument,
    /// Run inside this kernel, in a machine of its own: an image, a folder that holds one with its modules, or .deb files
    /// (those of one kernel separated by commas); repeatable
    #[arg(long, value_name = "WHAT", conflicts_with = "target")]
    pub kernel: Vec<String>,
    /// Appended to that kernel's command line
    #[arg(long, value_name = "WORDS", requires = "kernel", allow_hyphen_values = true)]
    pub kernel_cmdline: Option<String>,
    /// The clock of that kernel's machine
    #[arg(long, value_enum, default_value_t = TimeArgument::Virtual)]
    pub time: TimeArgument,
    /// Give the model a mistake: the judge is to find it.
    #[arg(long, value_name = "NAME", value_parser = fault)]
    pub fault: Option<&'static Fault>,
    /// Cases in flight [default: all, as far as file descriptors allow]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub jobs: Option<u32>,
    /// Leave out cases that need more than 5 s of real time.
    #[arg(long)]
    pub quick: bool,
    /// Where the reports, traces/ and captures/ go [default: target/tcpconform/<kernel release>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Only the Kth of N parts.
    #[arg(long, value_name = "K/N")]
    pub shard: Option<Shard>,
    /// Go on with the run that wrote to this folder and was killed or interrupted: play what is not finished, with the settings
    /// of that run
    #[arg(long, value_name = "DIR", conflicts_with = "out")]
    pub resume: Option<PathBuf>,
    /// What standard output gets.
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    pub format: OutputFormat,
    /// Show what happened in each case that did not pass, also where they are many.
    #[arg(long)]
    pub ladder: bool,
}

/// Arguments of `stress`.
#[derive(Args, Debug)]
pub struct StressArguments {
    /// Cases to play; default: all.
    #[arg(value_name = "SELECTOR")]
    pub selectors: Vec<String>,
    /// How often.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub times: u32,
    /// Keep all cores busy meanwhile.
    #[arg(long)]
    pub burn: bool,
    /// Take so much memory that only this is left, as in 512M or 2G.
    #[arg(long, value_name = "LEFT", value_parser = bytes)]
    pub memory: Option<u64>,
    /// Whose TCP is played.
    #[arg(long, value_enum, default_value_t = TargetArgument::Kernel)]
    pub target: TargetArgument,
    /// Cases in flight [default: all, as far as file descriptors and memory allow]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub jobs: Option<u32>,
    /// Leave out cases that need more than 5 s of real time.
    #[arg(long)]
    pub quick: bool,
    /// Where stress.json and the traces of plays that did not pass go [default: target/tcpconform/stress-<kernel release>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Show the spread of every case, not only the widest.
    #[arg(long)]
    pub all: bool,
}

/// A number of bytes, as in `512M`.
fn bytes(text: &str) -> Result<u64, &'static str> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let shift = match unit {
        "M" => Some(20),
        "G" => Some(30),
        _ => None,
    };
    let bytes = number.parse::<u64>().ok().zip(shift).and_then(|(number, shift)| number.checked_mul(1 << shift));
    bytes.filter(|bytes| *bytes > 0).ok_or("expected a size, as in 512M or 2G")
}

/// What decides what a run plays; `--resume` goes on with the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSettings {
    /// The folder of the case files.
    pub cases: Option<PathBuf>,
    selectors: Vec<String>,
    target: TargetArgument,
    kernel: Vec<String>,
    kernel_cmdline: Option<String>,
    time: TimeArgument,
    fault: Option<String>,
    quick: bool,
    shard: Option<Shard>,
}

impl RunSettings {
    /// Those of a command line, with the folder of the case files.
    pub fn of(arguments: &RunArguments, cases: Option<&Path>) -> RunSettings {
        RunSettings {
            cases: cases.map(Path::to_owned),
            selectors: arguments.selectors.clone(),
            target: arguments.target,
            kernel: arguments.kernel.clone(),
            kernel_cmdline: arguments.kernel_cmdline.clone(),
            time: arguments.time,
            fault: arguments.fault.map(|fault| fault.name.to_owned()),
            quick: arguments.quick,
            shard: arguments.shard,
        }
    }

    /// Whether nothing was asked for.
    pub fn are_default(&self) -> bool {
        let all = RunSettings {
            cases: None,
            selectors: Vec::new(),
            target: TargetArgument::Kernel,
            kernel: Vec::new(),
            kernel_cmdline: None,
            time: TimeArgument::Virtual,
            fault: None,
            quick: false,
            shard: None,
        };
        *self == all
    }

    /// The command line that asks for them, and for what `arguments` says beside.
    pub fn put_into(&self, arguments: &RunArguments) -> Result<RunArguments, UnknownFault> {
        Ok(RunArguments {
            selectors: self.selectors.clone(),
            target: self.target,
            kernel: self.kernel.clone(),
            kernel_cmdline: self.kernel_cmdline.clone(),
            time: self.time,
            fault: self.fault.as_deref().map(fault).transpose()?,
            quick: self.quick,
            shard: self.shard,
            ..arguments.clone()
        })
    }
}

/// As in `--quick --shard 1/2 time-wait/*`.
impl fmt::Display for RunSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        let mut option = |name: &str, value: String| words.extend([format!("--{name}"), value]);
        if let Some(folder) = &self.cases {
            option("cases", folder.display().to_string());
        }
        if self.target == TargetArgument::Model {
            option("target", "model".to_owned());
        }
        self.kernel.iter().for_each(|kernel| option("kernel", kernel.clone()));
        if let Some(command_line) = &self.kernel_cmdline {
            option("kernel-cmdline", command_line.clone());
        }
        if self.time == TimeArgument::Real {
            option("time", "real".to_owned());
        }
        if let Some(fault) = &self.fault {
            option("fault", fault.clone());
        }
        if let Some(Shard { part, parts }) = self.shard {
            option("shard", format!("{part}/{parts}"));
        }
        if self.quick {
            words.push("--quick".to_owned());
        }
        words.extend(self.selectors.iter().cloned());
        f.write_str(if words.is_empty() { "everything".to_owned() } else { words.join(" ") }.as_str())
    }
}

/// Arguments of `explore`.
#[derive(Args, Debug)]
pub struct ExploreArguments {
    /// What the walks are derived from: the same seed gives the same walks.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// How many walks.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub walks: u64,
    /// Only the walk of this number, counted from 1.
    #[arg(long, value_name = "K", conflicts_with = "walks")]
    pub walk: Option<u64>,
    /// Steps of a walk at most, its opening not counted
    #[arg(long, value_name = "N", default_value_t = STEPS_MAX, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub steps_max: u32,
    /// Whose TCP is played.
    #[arg(long, value_enum, default_value_t = TargetArgument::Kernel)]
    pub target: TargetArgument,
    /// Give the model a mistake: the judge is to find it.
    #[arg(long, value_name = "NAME", value_parser = fault)]
    pub fault: Option<&'static Fault>,
    /// Walks in flight [default: all, as far as file descriptors allow]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub jobs: Option<u32>,
    /// Where walks that disagree are written, each as a case with its trace beside it
    #[arg(long, value_name = "DIR", default_value = "target/tcpconform/explore")]
    pub out: PathBuf,
}

/// What standard output gets of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// A report for people, at the end
    #[default]
    Text,
    /// Each event of the run when it happens, one JSON object a line
    Json,
}

/// Arguments of `list`.
#[derive(Args, Debug)]
pub struct ListArguments {
    /// Cases to list; default: all.
    #[arg(value_name = "SELECTOR")]
    pub selectors: Vec<String>,
    /// For programs.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `judge`.
#[derive(Args, Debug)]
pub struct JudgeArguments {
    /// Trace files, or folders with them.
    #[arg(value_name = "TRACE", required = true)]
    pub traces: Vec<PathBuf>,
    /// Write the reports, traces/ and captures/ there, as `run` does.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Show what happened in each case that did not pass, also where they are many.
    #[arg(long)]
    pub ladder: bool,
}

/// Arguments of `claims`.
#[derive(Args, Debug)]
pub struct ClaimsArguments {
    /// report.json files, or folders with one; default: that of the last run on this kernel.
    #[arg(value_name = "REPORT")]
    pub reports: Vec<PathBuf>,
    /// For programs, with all evidence.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `coverage`.
#[derive(Args, Debug)]
pub struct CoverageArguments {
    /// report.json files, or folders with one; default: that of the last run on this kernel.
    #[arg(value_name = "REPORT")]
    pub reports: Vec<PathBuf>,
    /// For programs.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `compare`.
#[derive(Args, Debug)]
pub struct CompareArguments {
    /// What to compare with: a report.json, a folder with one, a baseline, or a kernel release (6.12) whose baseline comes with
    /// this program.
    #[arg(value_name = "BASE")]
    pub base: PathBuf,
    /// The run to look at, named in the same ways.
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// How to say it.
    #[arg(long, value_enum, default_value_t = CompareFormat::Text)]
    pub format: CompareFormat,
}

/// How a comparison is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompareFormat {
    /// For people at a terminal
    Text,
    /// For a pull request
    Markdown,
    /// For a browser
    Html,
    /// For programs
    Json,
}

/// Whose TCP is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum TargetArgument {
    /// The running kernel
    Kernel,
    /// The reference model, played as a stack: in no time and without privileges
    Model,
}

/// The clock of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum TimeArgument {
    /// It jumps over waiting, and runs alike every time
    Virtual,
    /// The world's
    Real,
}

/// One of several equal parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which, counted from 1.
    pub part: usize,
    /// Of how many.
    pub parts: usize,
}

impl Shard {
    /// The part of these items.
    pub fn of<T>(self, items: Vec<T>) -> Vec<T> {
        items.into_iter().skip(self.part - 1).step_by(self.parts).collect()
    }
}

impl FromStr for Shard {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Shard, &'static str> {
        text.split_once('/')
            .and_then(|(part, parts)| Some(Shard { part: part.parse().ok()?, parts: parts.parse().ok()? }))
            .filter(|shard| 0 < shard.part && shard.part <= shard.parts)
            .ok_or("expected K/N with 1 <= K <= N, as in 2/4")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn sizes_have_a_unit() {
        assert_eq!(["1M", "2G"].map(bytes), [Ok(1 << 20), Ok(2 << 30)]);
        for text in ["", "M", "0M", "5", "5K", "-1M", "99999999999999999999M", "18446744073709551615G"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shards_are_disjoint_and_leave_nothing_out() {
        let shard = |text: &str| text.parse::<Shard>();
        for text in ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", "1/2/3", ""] {
            assert!(shard(text).is_err(), "{text}");
        }
        let mut all: Vec<u32> = (1..=3).flat_map(|k| shard(&format!("{k}/3")).unwrap().of((0..10).collect())).collect();
        all.sort();
        assert_eq!(all, (0..10).collect::<Vec<u32>>());
    }
}
