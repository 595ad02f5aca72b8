//! Which of a kernel's cases are played in which machine.
//!
//! Owns the split. Refuses to know cores and load: what else is in flight in a machine shows in the ports and in the last digits of
//! the times of a case, and two runs of one kernel are to give the same report wherever they are.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use tcpconform_engine::case::{Case, Topology};
use tcpconform_engine::run::Planned;

use crate::out_folder::CONSOLES;

/// Machines for one kernel at most.
const MACHINES: usize = CONSOLES.len();
/// Fewer cases take less time than a second machine takes to boot.
const WORTH_ANOTHER: usize = 100;

/// What one machine plays.
pub struct Part {
    pub cases: Vec<Planned>,
    /// Cases in flight at most, if the user said so.
    pub jobs: Option<u32>,
}

/// Deals whole case files to machines, so that each has as much to do and reads no file but its own: the largest first, each to
/// the machine that has least (Graham's rule).
pub fn split(cases: Vec<Planned>, jobs: Option<u32>) -> Vec<Part> {
    if cases.len() < WORTH_ANOTHER || jobs == Some(1) {
        return vec![Part { cases, jobs }];
    }
    let mut files: BTreeMap<&str, u32> = BTreeMap::new();
    for Planned { case, .. } in &cases {
        *files.entry(&case.id).or_default() += work(case);
    }
    let mut files: Vec<(String, u32)> = files.into_iter().map(|(id, work)| (id.to_owned(), work)).collect();
    files.sort_by_key(|(_, work)| Reverse(*work));
    let mut machine_of = BTreeMap::new();
    let mut work_of = [0; MACHINES];
    for (id, work) in files {
        let least = (0..MACHINES).min_by_key(|machine| work_of[*machine]).unwrap_or_default();
        work_of[least] += work;
        machine_of.insert(id, least);
    }
    let mut parts: Vec<Part> = (0..MACHINES as u32)
        .map(|machine| Part { cases: Vec::new(), jobs: jobs.map(|jobs| (jobs + machine) / MACHINES as u32) })
        .collect();
    for planned in cases {
        parts[machine_of[&planned.case.id]].cases.push(planned);
    }
    parts
}

/// What playing a case costs, in links: most of it is their coming and going, whatever crosses them and however long it waits.
fn work(case: &Case) -> u32 {
    match case.topology {
        Topology::Crafted => 1,
        Topology::TwoKernels => 2,
        Topology::Routed => 4,
    }
}

#[cfg(test)]
mod tests {
    use tcpconform_engine::load;

    use super::*;

    const STEPS: &str = "steps:\n  - establish\n  - a: close()\n  - expect: F. 1:1(0)\n";

    /// Cases of so many files, each over IPv4 and IPv6, of every third between two kernels too.
    fn planned(files: usize) -> Vec<Planned> {
        let head = "purpose: A close.\ncites: [RFC 9293 3.6]\n";
        let text = |n: usize| match n % 3 {
            0 => format!("{head}variants:\n  topology: [crafted, two-kernels]\n{STEPS}"),
            _ => format!("{head}{STEPS}"),
        };
        let files: Vec<(String, String)> = (0..files).map(|n| (format!("x/{n:04}.yaml"), text(n))).collect();
        let files: Vec<(String, &str)> = files.iter().map(|(path, text)| (path.clone(), text.as_str())).collect();
        let cases = load::catalogue_embedded(&files).unwrap();
        cases.into_iter().map(|case| Planned { case, lasts: None }).collect()
    }

    #[test]
    fn every_case_is_played_once_and_each_machine_has_as_much_to_do() {
        let cases = planned(70);
        let parts = split(cases.clone(), Some(7));
        let of = |part: &Part| part.cases.iter().map(|planned| work(&planned.case)).sum::<u32>();
        let work: Vec<u32> = parts.iter().map(of).collect();
        assert!(work[0].abs_diff(work[1]) <= 2, "{work:?}");
        let mut dealt: Vec<String> = parts.iter().flat_map(|part| &part.cases).map(|p| p.case.name()).collect();
        let mut all: Vec<String> = cases.iter().map(|planned| planned.case.name()).collect();
        dealt.sort();
        all.sort();
        assert_eq!(dealt, all);
        assert!(parts[0].cases.iter().all(|case| parts[1].cases.iter().all(|other| case.case.id != other.case.id)));
        assert_eq!(parts.iter().map(|part| part.jobs).collect::<Vec<_>>(), [Some(3), Some(4)]);
    }

    #[test]
    fn a_few_cases_or_one_at_a_time_need_one_machine() {
        assert_eq!(split(planned(10), None).len(), 1);
        assert_eq!(split(planned(70), Some(1)).len(), 1);
        assert_eq!(split(planned(70), None).len(), 2);
    }
}
