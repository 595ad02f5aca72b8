//! Which of a kernel's cases are played in which machine.
//!
//! Owns the split. Refuses to know cores and load: what else is in flight in a machine shows in the ports and in the last digits of
//! the times of a case, and two runs of one kernel are to give the same report wherever they are.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use tcpconform_engine::case::{Case, IpVersion, Topology};
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

/// Deals the cases to machines, so that each has about as much to do: those over IPv4 to one and those over IPv6 to the other, since a
/// machine without IPv6 has less work with a namespace; where that would be too uneven, whole case files.
pub fn split(cases: Vec<Planned>, jobs: Option<u32>) -> Vec<Part> {
    if cases.len() < WORTH_ANOTHER || jobs == Some(1) {
        return vec![Part { cases, jobs }];
    }
    let mut work_over: [u32; MACHINES] = [0; MACHINES];
    for Planned { case, .. } in &cases {
        work_over[over(case.ip)] += work(case);
    }
    let machine_of = by_file(&cases);
    let even = work_over.iter().all(|work| *work > work_over.iter().sum::<u32>() / 3);
    let machine = |case: &Case| if even { over(case.ip) } else { machine_of[&case.id] };
    let mut parts: Vec<Part> = (0..MACHINES as u32)
        .map(|machine| Part { cases: Vec::new(), jobs: jobs.map(|jobs| (jobs + machine) / MACHINES as u32) })
        .collect();
    for planned in cases {
        parts[machine(&planned.case)].cases.push(planned);
    }
    parts
}

/// The machine for cases over this version, where there is one for each.
const fn over(ip: IpVersion) -> usize {
    match ip {
        IpVersion::Ipv4 => 0,
        IpVersion::Ipv6 => 1,
    }
}

/// The machine for each case file: the largest first, each to the one that has least (Graham's rule).
fn by_file(cases: &[Planned]) -> BTreeMap<String, usize> {
    let mut files: BTreeMap<&str, u32> = BTreeMap::new();
    for Planned { case, .. } in cases {
        *files.entry(&case.id).or_default() += work(case);
    }
    let mut files: Vec<(&str, u32)> = files.into_iter().collect();
    files.sort_by_key(|(_, work)| Reverse(*work));
    let mut work_of = [0; MACHINES];
    let dealt = files.into_iter().map(|(id, work)| {
        let least = (0..MACHINES).min_by_key(|machine| work_of[*machine]).unwrap_or_default();
        work_of[least] += work;
        (id.to_owned(), least)
    });
    dealt.collect()
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

    fn work_of(parts: &[Part]) -> Vec<u32> {
        parts.iter().map(|part| part.cases.iter().map(|planned| work(&planned.case)).sum()).collect()
    }

    fn names<'a>(cases: impl IntoIterator<Item = &'a Planned>) -> Vec<String> {
        let mut names: Vec<String> = cases.into_iter().map(|planned| planned.case.name()).collect();
        names.sort();
        names
    }

    #[test]
    fn every_case_is_played_once_and_each_machine_speaks_one_version() {
        let cases = planned(70);
        let parts = split(cases.clone(), Some(7));
        let work = work_of(&parts);
        assert!(work[0].abs_diff(work[1]) <= 2, "{work:?}");
        assert_eq!(names(parts.iter().flat_map(|part| &part.cases)), names(&cases));
        assert!(parts[0].cases.iter().all(|planned| planned.case.ip == IpVersion::Ipv4));
        assert!(parts[1].cases.iter().all(|planned| planned.case.ip == IpVersion::Ipv6));
        assert_eq!(parts.iter().map(|part| part.jobs).collect::<Vec<_>>(), [Some(3), Some(4)]);
    }

    #[test]
    fn cases_over_one_version_are_dealt_by_files() {
        let mut cases = planned(140);
        cases.retain(|planned| planned.case.ip == IpVersion::Ipv4);
        let parts = split(cases.clone(), None);
        let work = work_of(&parts);
        assert!(work[0].abs_diff(work[1]) <= 2, "{work:?}");
        assert_eq!(names(parts.iter().flat_map(|part| &part.cases)), names(&cases));
        assert!(parts[0].cases.iter().all(|case| parts[1].cases.iter().all(|other| case.case.id != other.case.id)));
    }

    #[test]
    fn a_few_cases_or_one_at_a_time_need_one_machine() {
        assert_eq!(split(planned(10), None).len(), 1);
        assert_eq!(split(planned(70), Some(1)).len(), 1);
        assert_eq!(split(planned(70), None).len(), 2);
    }
}
