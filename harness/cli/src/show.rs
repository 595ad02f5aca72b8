//! `tcpconform show`: a case for people: why it is there, what it does, and what the model expects to happen.

use std::io::{self, Write};
use std::path::Path;

use tcpconform_engine::case::{Case, IpVersion, Topology};
use tcpconform_engine::run::Player;
use tcpconform_reports::ladder::ladder;
use tcpconform_reports::printable::printable;

use crate::exit::{Exit, Refusal};
use crate::player::ModelPlayer;
use crate::{catalogue, show_on_stdout};

/// Shows the case of this name; of a case with variants, the first one unless one is named.
pub fn show(name: &str, folder: Option<&Path>) -> Result<Exit, Refusal> {
    let cases = catalogue::select(&catalogue::load(folder)?, &[name.to_owned()], &catalogue::ledger(folder)?)?;
    let Some(case) = cases.first() else {
        return Err(Refusal { exit: Exit::NothingSelected, what: format!("no case `{name}`"), help: None });
    };
    let others: Vec<String> = cases[1..].iter().map(Case::name).collect();
    let expected = ModelPlayer::default().play(case, &|_| ());
    show_on_stdout(|out| {
        describe(case, out)?;
        match &expected {
            Ok(trace) => write!(out, "\nThe exchange as the model expects it:\n\n{}", ladder(trace))?,
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

fn describe(case: &Case, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}\n  {}\n", printable(&case.name()), printable(&case.purpose))?;
    let mut line = |label: &str, text: &str| match text {
        "" => Ok(()),
        text => writeln!(out, "  {label:<13} {}", printable(text)),
    };
    line("requirements", &case.requirements.join(", "))?;
    line("claims", &case.claim_ids().join(", "))?;
    let topology = match case.topology {
        Topology::Crafted => "one kernel, crafted peer",
        Topology::TwoKernels => "two kernels, relay between them",
        Topology::Routed => "two kernels, relay and router between them",
    };
    let ip = match case.ip {
        IpVersion::Ipv4 => "IPv4",
        IpVersion::Ipv6 => "IPv6",
    };
    line("topology", &format!("{topology}, {ip}"))?;
    let demanded = case.sysctls.iter().map(|(name, value)| format!("net.ipv4.{name} = {value}"));
    let optional = case.optional_sysctls.iter();
    let optional = optional.map(|(name, value)| format!("net.ipv4.{name} = {value} where the kernel has it"));
    let sysctls: Vec<String> = demanded.chain(optional).collect();
    line("sysctls", &sysctls.join(", "))?;
    writeln!(out, "\nSteps:\n")?;
    let width = case.steps.iter().map(|step| step.text.chars().count()).max().unwrap_or(0).min(76);
    for (index, step) in case.steps.iter().enumerate() {
        writeln!(out, "{:>4}  {:width$}  {}", index + 1, printable(&step.text), printable(&step.place))?;
    }
    Ok(())
}
