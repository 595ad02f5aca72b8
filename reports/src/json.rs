//! `report.json`: one run, for programs.
//!
//! Owns writing and reading it. The schema is [`crate::Report`].

use std::io;

use serde::Deserialize;
use thiserror::Error;

use crate::Reporter;
use crate::report::{Report, SCHEMA};

/// Writes `report.json`.
#[derive(Clone, Copy, Debug)]
pub struct Json;

impl Reporter for Json {
    fn write(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, report)?;
        out.write_all(b"\n")
    }
}

/// Why a text is not a report that this program can read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It is no `report.json`, with the place and what is wrong.
    #[error("not a report.json: {}", mistake(.0))]
    Malformed(#[from] serde_json::Error),
    /// It was written by a newer program.
    #[error(
        "report.json schema {0} is newer than {SCHEMA}, the newest that this tcpconform reads: use a newer tcpconform"
    )]
    Newer(u32),
    /// There never was such a version.
    #[error("there is no report.json schema {0}")]
    Unknown(u32),
}

/// What is wrong with a text that is no JSON, or not the expected one.
pub(crate) fn mistake(error: &serde_json::Error) -> String {
    if error.is_eof() {
        format!("it ends too early, at line {} column {}: the file was cut off", error.line(), error.column())
    } else {
        error.to_string()
    }
}

/// Reads a `report.json`.
pub fn read(text: &[u8]) -> Result<Report, ReadError> {
    #[derive(Deserialize)]
    struct Version {
        schema: u32,
    }

    let Version { schema } = serde_json::from_slice(text)?;
    match schema {
        SCHEMA => Ok(serde_json::from_slice(text)?),
        newer if newer > SCHEMA => Err(ReadError::Newer(newer)),
        other => Err(ReadError::Unknown(other)),
    }
}
