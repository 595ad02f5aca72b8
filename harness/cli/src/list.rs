//! `tcpconform list`: which cases there are.

use std::path::Path;

use serde::Serialize;
use tcpconform_engine::case::{Case, IpVersion, Topology};
use tcpconform_reports::printable::printable;

use crate::arguments::ListArguments;
use crate::exit::{Exit, Refusal};
use crate::{catalogue, show_on_stdout};

/// A case variant, for programs.
#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    variant: &'a str,
    name: String,
    purpose: &'a str,
    claims: Vec<String>,
    requirements: &'a [String],
    topology: Topology,
    ip: IpVersion,
}

/// Lists the selected case variants, one a line.
pub fn list(arguments: &ListArguments, folder: Option<&Path>) -> Result<Exit, Refusal> {
    let cases = catalogue::select(catalogue::load(folder)?, &arguments.selectors, &catalogue::ledger(folder)?)?;
    show_on_stdout(|out| {
        if arguments.json {
            let listed: Vec<Listed<'_>> = cases.iter().map(listed).collect();
            serde_json::to_writer_pretty(&mut *out, &listed)?;
            return writeln!(out);
        }
        let names: Vec<String> = cases.iter().map(Case::name).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        for (name, case) in names.iter().zip(&cases) {
            writeln!(out, "{:width$}  {}", printable(name), printable(&case.purpose))?;
        }
        Ok(())
    })?;
    Ok(Exit::AllPass)
}

fn listed(case: &Case) -> Listed<'_> {
    Listed {
        id: &case.id,
        variant: &case.variant,
        name: case.name(),
        purpose: &case.purpose,
        claims: case.claim_ids(),
        requirements: &case.requirements,
        topology: case.topology,
        ip: case.ip,
    }
}
