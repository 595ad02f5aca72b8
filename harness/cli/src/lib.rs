//! The command line of tcpconform: reads arguments, wires players to the run loop, and turns the outcome into an exit code.
//!
//! Owns what only a process has: privileges, signals, descriptors, the output folder, the terminal. Refuses to know what is
//! right for TCP. A library only so that `tests/` and `benches/` start runs as the binary does.

pub mod arguments;
pub mod catalogue;
mod check;
mod claims;
mod compare;
mod coverage;
mod doctor;
mod earlier;
pub mod exit;
mod explore;
mod faults;
mod halt;
mod html;
pub mod in_flight;
#[cfg(target_os = "linux")]
mod inside;
mod journal;
mod judge;
mod list;
#[cfg(target_os = "linux")]
mod machines;
#[cfg(not(target_os = "linux"))]
#[path = "machines/none.rs"]
mod machines;
mod manual;
mod merge;
pub mod out_folder;
pub mod player;
mod progress_line;
mod recording;
pub mod rehearsal;
mod reporting;
mod run;
mod schema;
mod show;
mod stored;
mod stress;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use exit::{Exit, Refusal};

/// Does what the command line says. To be called while the process has one thread.
pub fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    if tcpconform_machines::guest::is_here() {
        return ended(inside::play());
    }
    let arguments = Arguments::parse();
    let cases = arguments.cases.as_deref();
    let done = match arguments.command {
        Command::Run(run) => run::run(&run, cases),
        Command::Stress(arguments) => stress::stress(&arguments, cases),
        Command::List(list) => list::list(&list, cases),
        Command::Explore(explore) => explore::explore(&explore),
        Command::Faults => faults::faults(),
        Command::Show { what } => show::show(&what, cases),
        Command::Check { paths } => check::check(&paths, cases),
        Command::Judge(judge) => judge::judge(&judge),
        Command::Claims(claims) => claims::claims(&claims),
        Command::Coverage(coverage) => coverage::coverage(&coverage),
        Command::Compare(compare) => compare::compare(&compare),
        Command::Baseline { reports, out } => compare::baseline(&reports, &out),
        Command::Html { reports, out } => html::html(&reports, &out),
        Command::Merge { reports, out } => merge::merge(&reports, &out, cases),
        Command::Schema => schema::schema(),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { command } => manual::man(command.as_deref()),
        Command::Doctor => doctor::doctor(),
    };
    ended(done)
}

fn ended(done: Result<Exit, Refusal>) -> ExitCode {
    let exit = done.unwrap_or_else(|refusal| {
        // Where nobody reads standard error, the exit code still says it.
        let _ = writeln!(anstream::stderr(), "{refusal}");
        refusal.exit
    });
    exit.into()
}

/// A word to the user beside the results.
fn say(text: &str) -> io::Result<()> {
    writeln!(anstream::stderr(), "{text}")
}

/// Writes to standard output; a reader that went away, as in `| head`, is no trouble.
fn show_on_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Refusal> {
    let mut text = Vec::new();
    let written = write(&mut text).and_then(|()| {
        let mut stdout = anstream::stdout().lock();
        stdout.write_all(&text)?;
        stdout.flush()
    });
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Refusal::could_not_run(format!("writing to standard output: {error}"), None))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
