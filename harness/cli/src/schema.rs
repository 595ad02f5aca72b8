//! `tcpconform schema`.

use tcpconform_engine::load;

use crate::exit::{Exit, Refusal};
use crate::show_on_stdout;

/// Prints the JSON Schema of a case file.
pub fn schema() -> Result<Exit, Refusal> {
    show_on_stdout(|out| {
        serde_json::to_writer_pretty(&mut *out, &load::schema())?;
        writeln!(out)
    })?;
    Ok(Exit::AllPass)
}
