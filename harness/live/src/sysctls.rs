//! The sysctls that a trace records, and those that every namespace gets so that the host's own tuning does not matter.
//!
//! Owns the two lists. Refuses to know what the values mean for TCP: the model does.
//! Follows Documentation/networking/ip-sysctl.rst and tcp_sk_init() in net/ipv4/tcp_ipv4.c.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tcpconform_engine::case::Case;
use tcpconform_netns::{Namespace, NetnsError};

/// Names below `net.ipv4` whose values the header of a trace holds; those that a kernel lacks are left out.
pub const RECORDED: [&str; 38] = [
    "ip_local_port_range",
    "tcp_abort_on_overflow",
    "tcp_backlog_ack_defer",
    "tcp_challenge_ack_limit",
    "tcp_comp_sack_delay_ns",
    "tcp_congestion_control",
    "tcp_dsack",
    "tcp_early_retrans",
    "tcp_ecn",
    "tcp_fin_timeout",
    "tcp_frto",
    "tcp_invalid_ratelimit",
    "tcp_keepalive_intvl",
    "tcp_keepalive_probes",
    "tcp_keepalive_time",
    "tcp_max_orphans",
    "tcp_max_tw_buckets",
    "tcp_no_metrics_save",
    "tcp_orphan_retries",
    "tcp_pingpong_thresh",
    "tcp_recovery",
    "tcp_retries1",
    "tcp_retries2",
    "tcp_rfc1337",
    "tcp_rmem",
    "tcp_rto_max_ms",
    "tcp_rto_min_us",
    "tcp_sack",
    "tcp_syn_linear_timeouts",
    "tcp_syn_retries",
    "tcp_synack_retries",
    "tcp_syncookies",
    "tcp_thin_linear_timeouts",
    "tcp_timestamps",
    "tcp_tw_reuse",
    "tcp_tw_reuse_delay",
    "tcp_window_scaling",
    "tcp_wmem",
];

/// What a fresh namespace takes over from the host's (tcp_sk_init() copies these three), set to the kernel's own defaults; and
/// the metrics cache, which would carry one connection's RTT to the next.
///
/// Reno is in every kernel and does not pace; the default congestion control may.
const PINNED: [(&str, &str); 4] = [
    ("tcp_congestion_control", "reno"),
    ("tcp_no_metrics_save", "1"),
    ("tcp_rmem", "4096 131072 6291456"),
    ("tcp_wmem", "4096 16384 4194304"),
];

/// Gives the calling thread's namespace the pinned values. Where it is the first of a machine that nobody else uses, the namespaces to
/// come take three of them over, and they need not be written into each.
pub fn pin_at_home() {
    for (name, value) in PINNED {
        // What is not taken over is written into each namespace all the same.
        let _ = fs::write(Path::new("/proc/sys/net/ipv4").join(name), value);
    }
}

/// What a fresh namespace of this machine has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sysctls {
    /// To be written into each namespace, full names: the pinned ones that differ.
    pins: BTreeMap<String, String>,
    /// Recorded values with the pins in place, names below `net.ipv4`.
    values: BTreeMap<String, String>,
}

impl Sysctls {
    /// Looks at a fresh namespace. Later ones start with the same values, so that a case need not read forty files.
    pub(crate) fn of_fresh_namespace(namespace: &Namespace) -> Result<Sysctls, NetnsError> {
        let pinned: BTreeMap<String, String> =
            PINNED.iter().map(|(name, value)| (full(name), value.to_string())).collect();
        let own = namespace.read_sysctls(pinned.keys().map(String::as_str))?;
        let pins: BTreeMap<String, String> =
            pinned.into_iter().filter(|(name, value)| own.get(name) != Some(value)).collect();
        namespace.write_sysctls(&pins)?;
        let names = RECORDED.map(full);
        let values = namespace.read_sysctls(names.iter().map(String::as_str))?;
        Ok(Sysctls { pins, values: values.into_iter().map(|(name, value)| (short(&name), value)).collect() })
    }

    /// Writes the pins and the case's own sysctls, the optional ones where the kernel has them; returns what a trace's header
    /// records.
    pub(crate) fn set_up(&self, namespace: &Namespace, case: &Case) -> Result<BTreeMap<String, String>, NetnsError> {
        let mut to_write = self.pins.clone();
        to_write.extend(case.sysctls.iter().map(|(name, value)| (full(name), value.clone())));
        let mut optional: BTreeMap<String, String> =
            case.optional_sysctls.iter().map(|(name, value)| (full(name), value.clone())).collect();
        let there = namespace.read_sysctls(optional.keys().map(String::as_str))?;
        optional.retain(|name, _| there.contains_key(name));
        to_write.extend(optional);
        let written = namespace.write_sysctls(&to_write)?;
        let mut values = self.values.clone();
        values.extend(written.into_iter().map(|(name, value)| (short(&name), value)));
        Ok(values)
    }
}

fn full(name: impl AsRef<str>) -> String {
    format!("net.ipv4.{}", name.as_ref())
}

fn short(name: &str) -> String {
    name.strip_prefix("net.ipv4.").unwrap_or(name).to_string()
}
