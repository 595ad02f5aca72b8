//! `tcpconform faults`: the mistakes that the model can be played with.

use tcpconform_engine::fault;

use crate::exit::{Exit, Refusal};
use crate::show_on_stdout;

/// Lists the faults, one a line.
pub fn faults() -> Result<Exit, Refusal> {
    let width = fault::faults().map(|fault| fault.name.len()).max().unwrap_or(0);
    show_on_stdout(|out| {
        fault::faults().try_for_each(|fault| writeln!(out, "{:width$}  {}", fault.name, fault.mistake))
    })?;
    Ok(Exit::AllPass)
}
