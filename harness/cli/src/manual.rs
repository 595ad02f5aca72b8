//! `tcpconform completions` and `tcpconform man`: what shells and man(1) read, made from the definition of the command line.

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use crate::arguments::Arguments;
use crate::exit::{Exit, Refusal};
use crate::show_on_stdout;

const NAME: &str = "tcpconform";

/// Prints the completions for a shell.
pub fn completions(shell: Shell) -> Result<Exit, Refusal> {
    let mut script = Vec::new();
    generate(shell, &mut Arguments::command(), NAME, &mut script);
    show_on_stdout(|out| out.write_all(&script))?;
    Ok(Exit::AllPass)
}

/// Prints the page of the program, or of this command.
pub fn man(command: Option<&str>) -> Result<Exit, Refusal> {
    let mut program = Arguments::command().disable_help_subcommand(true);
    program.build();
    let page = match command {
        None => program,
        Some(name) => named(&program, name)?.clone(),
    };
    let mut text = Vec::new();
    let source = concat!("tcpconform ", env!("CARGO_PKG_VERSION"));
    Man::new(page).source(source).render(&mut text).map_err(|error| Refusal::could_not_run(error.to_string(), None))?;
    show_on_stdout(|out| out.write_all(&text))?;
    Ok(Exit::AllPass)
}

/// The command, which goes by the name of its page: `tcpconform-run`.
fn named<'c>(program: &'c Command, name: &str) -> Result<&'c Command, Refusal> {
    program.find_subcommand(name).ok_or_else(|| {
        let names: Vec<&str> = program.get_subcommands().map(Command::get_name).collect();
        Refusal::usage(format!("no command `{name}`; there are {}", names.join(", ")))
    })
}
