//! Which modules the cases need, and what a kernel has of them, in the order in which they are to be loaded.
//!
//! Owns the list of what is needed with what its absence costs. Refuses to know where module files lie.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::KernelError;
use super::module::Module;

/// Something that the cases need and that may be a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    /// The module's name, with underscores.
    pub(crate) module: &'static str,
    /// Which cases cannot be played without it.
    pub(crate) costs: &'static str,
}

/// Everything that is needed: links are made of veth, segments captured and injected with packet sockets, states asked for with
/// sock_diag.
pub(crate) const NEEDS: [Need; 5] = [
    Need { module: "veth", costs: "every case" },
    Need { module: "af_packet", costs: "every case" },
    Need { module: "inet_diag", costs: "every case" },
    Need { module: "tcp_diag", costs: "every case" },
    Need { module: "ipv6", costs: "the cases over IPv6" },
];

/// Modules that a kernel does not have, and neither in itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    /// Which cases cannot be played without them.
    pub costs: &'static str,
    /// Their names.
    pub modules: Vec<String>,
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (costs {})", self.modules.join(", "), self.costs)
    }
}

/// What is known about the modules of one kernel.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Path and content of the module files, by module name.
    pub(crate) files: BTreeMap<String, (String, Vec<u8>)>,
    /// What is built in, by module name; `None` where no modules.builtin tells.
    pub(crate) built_in: Option<BTreeSet<String>>,
}

/// The modules in load order, or those whose files have to be looked for too.
pub(crate) enum Order {
    /// All there, as far as can be told.
    Complete(Vec<Module>),
    /// These are needed by others that are needed.
    LookFor(BTreeSet<String>),
}

/// Orders the modules so that each comes behind what it depends on. What is neither there nor built in is absent; where
/// nothing tells what is built in, that is left to be found out inside.
///
/// `looked_for` are the names whose files would have been found if they existed.
pub(crate) fn order(release: &str, found: &Found, looked_for: &BTreeSet<String>) -> Result<Order, KernelError> {
    let mut ordering = Ordering { release, found, looked_for, ordered: Vec::new(), more: BTreeSet::new() };
    let mut absent: Vec<Absent> = Vec::new();
    for need in NEEDS {
        let mut missing = BTreeSet::new();
        ordering.visit(need.module, &mut Vec::new(), &mut missing)?;
        missing.retain(|module| absent.iter().all(|known| !known.modules.contains(module)));
        add(&mut absent, need.costs, missing);
    }
    if !ordering.more.is_empty() {
        return Ok(Order::LookFor(ordering.more));
    }
    if absent.is_empty() {
        return Ok(Order::Complete(ordering.ordered));
    }
    Err(KernelError::Absent { release: release.to_owned(), absent })
}

struct Ordering<'a> {
    release: &'a str,
    found: &'a Found,
    looked_for: &'a BTreeSet<String>,
    ordered: Vec<Module>,
    more: BTreeSet<String>,
}

impl Ordering<'_> {
    fn visit(
        &mut self,
        name: &str,
        above: &mut Vec<String>,
        missing: &mut BTreeSet<String>,
    ) -> Result<(), KernelError> {
        let built_in = self.found.built_in.as_ref();
        if self.ordered.iter().any(|module| module.name == name)
            || above.iter().any(|module| module == name)
            || built_in.is_some_and(|names| names.contains(name))
        {
            return Ok(());
        }
        let Some((path, packed)) = self.found.files.get(name) else {
            if !self.looked_for.contains(name) {
                self.more.insert(name.to_owned());
            } else if built_in.is_some() {
                missing.insert(name.to_owned());
            }
            return Ok(());
        };
        let module = Module::read(path, packed)?;
        if module.built_for != self.release {
            return Err(KernelError::ForeignModule {
                module: path.clone(),
                vermagic: module.built_for,
                release: self.release.to_owned(),
            });
        }
        above.push(name.to_owned());
        for dependency in &module.depends {
            self.visit(dependency, above, missing)?;
        }
        above.pop();
        self.ordered.push(module);
        Ok(())
    }
}

/// What is needed and not there, where nothing tells whether it is built in.
pub(crate) fn unsure(found: &Found) -> Vec<Absent> {
    let mut absent = Vec::new();
    for need in NEEDS.iter().filter(|need| found.built_in.is_none() && !found.files.contains_key(need.module)) {
        add(&mut absent, need.costs, [need.module.to_owned()]);
    }
    absent
}

/// Adds modules to those of the same costs.
fn add(absent: &mut Vec<Absent>, costs: &'static str, modules: impl IntoIterator<Item = String>) {
    let mut modules = modules.into_iter().peekable();
    match absent.last_mut().filter(|last| last.costs == costs) {
        Some(last) => last.modules.extend(modules),
        None if modules.peek().is_none() => {}
        None => absent.push(Absent { costs, modules: modules.collect() }),
    }
}

/// The names in a modules.builtin.
pub(crate) fn built_in(text: &[u8]) -> BTreeSet<String> {
    String::from_utf8_lossy(text).lines().filter_map(super::module::name).collect()
}

/// The names of all that is needed.
pub(crate) fn names() -> BTreeSet<String> {
    NEEDS.iter().map(|need| need.module.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::module::tests::module;
    use super::*;

    fn found(files: &[(&str, &str)], built_in: Option<&[&str]>) -> Found {
        let file = |&(name, depends): &(&str, &str)| {
            let bytes = module(&[&format!("depends={depends}"), "vermagic=6.1.0 SMP"]);
            (name.to_owned(), (format!("kernel/{name}.ko"), bytes))
        };
        Found {
            files: files.iter().map(file).collect(),
            built_in: built_in.map(|names| names.iter().map(|name| name.to_string()).collect()),
        }
    }

    fn ordered(found: &Found) -> Vec<String> {
        match order("6.1.0", found, &names()).unwrap() {
            Order::Complete(modules) => modules.into_iter().map(|module| module.name).collect(),
            Order::LookFor(more) => panic!("{more:?}"),
        }
    }

    #[test]
    fn a_module_comes_behind_what_it_depends_on() {
        let files = [("veth", ""), ("tcp_diag", "inet_diag"), ("inet_diag", ""), ("ipv6", "")];
        assert_eq!(ordered(&found(&files, Some(&["af_packet"]))), ["veth", "inet_diag", "tcp_diag", "ipv6"]);
    }

    #[test]
    fn dependencies_that_nobody_knew_of_are_looked_for() {
        let found = found(&[("veth", "page_pool"), ("tcp_diag", "inet_diag"), ("inet_diag", "")], None);
        let Order::LookFor(more) = order("6.1.0", &found, &names()).unwrap() else { panic!("page_pool is not there") };
        assert_eq!(more, BTreeSet::from(["page_pool".to_owned()]));
    }

    #[test]
    fn what_is_absent_is_told_with_what_it_costs() {
        let found = found(&[("veth", "")], Some(&["inet_diag", "tcp_diag", "af_packet"]));
        assert_eq!(
            order("6.1.0", &found, &names()).err().unwrap().to_string(),
            "kernel 6.1.0 comes without modules that are needed: ipv6 (costs the cases over IPv6)"
        );
    }

    #[test]
    fn where_nothing_tells_what_is_built_in_it_is_found_out_inside() {
        assert_eq!(ordered(&found(&[("veth", "")], None)), ["veth"]);
    }

    #[test]
    fn a_module_for_another_version_is_refused() {
        assert_eq!(
            order("6.1.1", &found(&[("veth", "")], None), &names()).err().unwrap().to_string(),
            "module kernel/veth.ko is for 6.1.0, the kernel is 6.1.1"
        );
    }

    #[test]
    fn modules_that_need_each_other_come_once() {
        assert_eq!(ordered(&found(&[("veth", "tcp_diag"), ("tcp_diag", "veth")], None)), ["tcp_diag", "veth"]);
    }
}
