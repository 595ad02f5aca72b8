//! `tcpconform show`: a case for people: why it is there, what it does, and what the model expects to happen; or a stored trace:
//! the same, what did happen, and what the judge says of it.

use std::io::{self, Write};
use std::path::Path;

use tcpconform_engine::case::Case;
use tcpconform_engine::judge::{explanations, judge};
use tcpconform_engine::run::Player;
use tcpconform_reports::ladder::ladder;
use tcpconform_reports::page::{About, page, steps};
use tcpconform_reports::palette::Palette;
use tcpconform_reports::printable::printable;

use crate::exit::{Exit, Refusal};
use crate::player::ModelPlayer;
use crate::{catalogue, show_on_stdout, stored};

/// Shows the trace in this file, or the case of this name; of a case with variants, the first one unless one is named.
pub fn show(what: &str, folder: Option<&Path>) -> Result<Exit, Refusal> {
    let path = Path::new(what);
    let is_case = path.extension().is_some_and(|extension| extension == "yaml");
    if path.is_file() && !is_case { show_trace(path) } else { show_case(what, folder) }
}

fn show_trace(path: &Path) -> Result<Exit, Refusal> {
    let trace = stored::trace(path)?;
    let judgement = judge(&trace);
    show_on_stdout(|out| page(&trace, &judgement, &Palette::coloured(), out))?;
    Ok(Exit::AllPass)
}

fn show_case(name: &str, folder: Option<&Path>) -> Result<Exit, Refusal> {
    let cases = named(name, folder)?;
    let Some(case) = cases.first() else {
        return Err(Refusal { exit: Exit::NothingSelected, what: format!("no case `{name}`"), help: None });
    };
    let others: Vec<String> = cases[1..].iter().map(Case::name).collect();
    let expected = ModelPlayer::default().play(case, &|_| ());
    show_on_stdout(|out| {
        describe(case, out)?;
        match &expected {
            Ok(trace) => {
                write!(out, "\nThe exchange as the model expects it:\n\n{}", ladder(trace, &[], &explanations(trace)))?
            }
            Err(why) => writeln!(out, "\nThe model cannot play it: {}", printable(&why.to_string()))?,
        }
        if !others.is_empty() {
            writeln!(out, "\nOther variants:")?;
            others.iter().try_for_each(|name| writeln!(out, "  {}", printable(name)))?;
        }
        Ok(())
    })?;
    Ok(Exit::AllPass)
}

/// The variants of this name. For one of the catalogue's cases its file alone is read.
fn named(name: &str, folder: Option<&Path>) -> Result<Vec<Case>, Refusal> {
    let id = name.split_once('@').map_or(name, |(id, _)| id);
    let mut cases = if folder.is_none() { catalogue::load_id(id)? } else { Vec::new() };
    if cases.is_empty() {
        cases = catalogue::load(folder)?;
    }
    catalogue::select(cases, &[name.to_owned()], &catalogue::ledger(folder)?)
}

fn describe(case: &Case, out: &mut dyn Write) -> io::Result<()> {
    let demanded = case.sysctls.iter().map(|(name, value)| format!("net.ipv4.{name} = {value}"));
    let optional = case.optional_sysctls.iter();
    let optional = optional.map(|(name, value)| format!("net.ipv4.{name} = {value} where the kernel has it"));
    let machine = case.machine_sysctls.iter();
    let machine = machine.map(|(name, value)| format!("net.ipv4.{name} = {value} of the machine"));
    let sysctls: Vec<String> = demanded.chain(optional).chain(machine).collect();
    let about = About {
        name: &case.name(),
        purpose: &case.purpose,
        requirements: &case.requirements,
        claims: &case.claim_ids(),
        topology: case.topology,
        ip: case.ip,
    };
    about.write(&[("sysctls", sysctls.join(", "))], out)?;
    steps(case.steps.iter().map(|step| (step.text.as_str(), step.place.as_str())), out)
}
