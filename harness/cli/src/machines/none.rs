//! Where there is no Linux: machines are made of our own program, which plays on Linux only.

use tcpconform_engine::ledger::Ledger;
use tcpconform_engine::run::Planned;

use crate::arguments::{RunArguments, RunSettings};
use crate::exit::{Exit, Refusal};

/// A kernel of which there is none.
pub enum Kernel {}

/// Finds none.
pub fn find(kernels: &[String]) -> Result<Vec<Kernel>, Refusal> {
    if kernels.is_empty() {
        return Ok(Vec::new());
    }
    let what = format!("this is {}, and the guests that play are booted from Linux only", std::env::consts::OS);
    Err(Refusal::could_not_run(what, Some("run on Linux, or play the model: tcpconform run --target model")))
}

/// Never called: there is no kernel to play on.
pub fn play(
    _: Vec<Planned>,
    kernels: Vec<Kernel>,
    _: &RunArguments,
    _: &RunSettings,
    _: &Ledger,
) -> Result<Exit, Refusal> {
    kernels.into_iter().for_each(|kernel| match kernel {});
    Ok(Exit::NothingSelected)
}
