//! What a guest is to play: the case files, which of their variants, and how long each lasts.
//!
//! Owns the form in which host and guest hand it over: a file of the initramfs. Refuses to know how cases are played.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tcpconform_engine::case::{Case, IpVersion};
use tcpconform_engine::load;
use tcpconform_engine::run::Planned;
use tcpconform_engine::trace::Time;

/// A plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Paths of the modules to load, in order.
    pub(crate) modules: Vec<String>,
    /// Case id and text of every case file.
    files: Vec<(String, String)>,
    /// Name of every case, and how long it lasts if that is known.
    cases: Vec<(String, Option<Duration>)>,
    /// Whether any of them is played over IPv6.
    ipv6: bool,
    /// Cases in flight at most.
    jobs: Option<u32>,
    /// By which clock the guest lives.
    time: Time,
}

impl Plan {
    /// The plan of these cases; `source` gives the text of a case's file.
    pub fn of(
        cases: &[Planned],
        jobs: Option<u32>,
        time: Time,
        source: impl Fn(&Case) -> Option<String>,
    ) -> Result<Plan, String> {
        let mut plan = Plan { jobs, time, ..Plan::default() };
        for Planned { case, lasts } in cases {
            plan.cases.push((case.name(), *lasts));
            plan.ipv6 |= case.ip == IpVersion::Ipv6;
            if plan.files.iter().all(|(id, _)| *id != case.id) {
                let text = source(case).ok_or_else(|| format!("the file of case {} is gone", case.id))?;
                plan.files.push((case.id.clone(), text));
            }
        }
        Ok(plan)
    }

    /// Cases in flight at most, if the user said so.
    pub fn jobs(&self) -> Option<u32> {
        self.jobs
    }

    /// By which clock the guest lives.
    pub fn time(&self) -> Time {
        self.time
    }

    /// Whether any case is played over IPv6.
    pub(crate) fn speaks_ipv6(&self) -> bool {
        self.ipv6
    }

    /// The cases, in the plan's order.
    pub(crate) fn cases(&self) -> Result<Vec<Planned>, String> {
        let files: Vec<(String, &str)> =
            self.files.iter().map(|(id, text)| (format!("{id}.yaml"), text.as_str())).collect();
        let wanted: HashSet<&str> = self.cases.iter().map(|(name, _)| name.as_str()).collect();
        let loaded = load::some_embedded(&files, &|name| wanted.contains(name)).map_err(|wrong| wrong.render(false))?;
        let mut loaded: HashMap<String, Case> = loaded.into_iter().map(|case| (case.name(), case)).collect();
        let planned = |(name, lasts): &(String, Option<Duration>)| {
            let case = loaded.remove(name).ok_or_else(|| format!("case {name} is not in its file"))?;
            Ok(Planned { case, lasts: *lasts })
        };
        self.cases.iter().map(planned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "purpose: A close.\ncites: [RFC 9293 3.6]\nsteps:\n  - establish\n  - a: close()\n  - expect: F. 1:1(0)\n";

    #[test]
    fn the_guest_plays_what_the_host_planned() {
        let cases = load::catalogue_embedded(&[("x/close.yaml", TEXT)]).unwrap();
        let planned: Vec<Planned> =
            cases.into_iter().rev().map(|case| Planned { case, lasts: Some(Duration::from_millis(7)) }).collect();
        let plan = Plan::of(&planned, Some(3), Time::Virtual, |_| Some(TEXT.to_owned())).unwrap();
        let sent = serde_json::to_string(&plan).unwrap();
        let read: Plan = serde_json::from_str(&sent).unwrap();
        let got = read.cases().unwrap();
        assert_eq!(got.len(), planned.len());
        for (got, planned) in got.iter().zip(&planned) {
            assert_eq!((&got.case, got.lasts), (&planned.case, planned.lasts));
        }
        assert_eq!((read.jobs(), read.time()), (Some(3), Time::Virtual));
    }
}
