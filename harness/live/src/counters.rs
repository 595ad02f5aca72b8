//! The counters of a namespace (/proc/net/snmp, /proc/net/netstat).
//!
//! Owns the form of the two files: for each group a line of names and a line of values. Refuses to know what the values should have been.
//! Follows net/ipv4/proc.c.

use std::collections::BTreeMap;

use tcpconform_model::Counter;
use tcpconform_netns::{Namespace, NetnsError};

/// The files, each with the group in it that is TCP's.
const FILES: [(&str, &str); 2] = [("snmp", "Tcp:"), ("netstat", "TcpExt:")];

/// What the namespace has counted, by name; what is 0 is left out.
pub(crate) fn counters(namespace: &Namespace) -> Result<BTreeMap<String, i64>, NetnsError> {
    let texts = namespace.read_proc_net(FILES.map(|(file, _)| file))?;
    let groups = FILES.iter().zip(&texts).flat_map(|((_, group), text)| values(text, group));
    let known = groups.filter(|(name, _)| Counter::ALL.iter().any(|known| known.name() == *name));
    Ok(known.map(|(name, value)| (name.to_string(), value)).collect())
}

/// Names and values of a group; most are 0, and left out before anything else is asked of them.
fn values<'t>(text: &'t str, group: &'t str) -> impl Iterator<Item = (&'t str, i64)> {
    let mut lines = text.lines().filter_map(move |line| line.strip_prefix(group)).map(str::split_ascii_whitespace);
    let both = lines.next().zip(lines.next());
    both.into_iter()
        .flat_map(|(names, values)| names.zip(values))
        .filter(|(_, value)| *value != "0")
        .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::values;

    #[test]
    fn a_group_is_a_line_of_names_and_one_of_values() {
        let text = "Icmp: InMsgs\nIcmp: 7\nTcp: MaxConn InErrs ActiveOpens\nTcp: -1 0 3\nUdp: InErrors\nUdp: 1\n";
        let read: Vec<(&str, i64)> = values(text, "Tcp:").collect();
        assert_eq!(read, [("MaxConn", -1), ("ActiveOpens", 3)]);
        assert_eq!(values(text, "TcpExt:").count(), 0);
    }
}
