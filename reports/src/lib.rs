//! Report formats: `index.html`, `report.json`, `junit.xml`, `report.ktap`, `kcidb.json`, captures, the terminal, and the table
//! of claims.
//!
//! Owns the data of a finished run and how it is shown. Refuses to judge: a reporter cannot change a verdict.

pub mod baseline;
pub mod capture;
pub mod claims;
pub mod comparison;
pub mod coverage;
pub mod events;
pub mod exchange;
pub mod failure;
pub mod github;
pub mod html;
pub mod json;
mod junit;
mod kcidb;
mod ktap;
pub mod ladder;
pub mod page;
pub mod palette;
pub use tcpconform_engine::printable;
pub mod remarks;
pub mod report;
pub mod terminal;
mod timestamp;

use std::io;

pub use palette::Palette;
pub use report::Report;
pub use timestamp::rfc3339;

/// A report format.
pub trait Reporter {
    /// Writes the report of a finished run.
    fn write(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()>;
}

/// The name of the report for programs, which scripts read.
pub const JSON: &str = "report.json";

/// The files that every run writes, each with its format.
pub const FILES: [(&str, &dyn Reporter); 4] =
    [(JSON, &json::Json), ("junit.xml", &junit::Junit), ("report.ktap", &ktap::Ktap), ("kcidb.json", &kcidb::Kcidb)];

#[cfg(test)]
mod tests;
