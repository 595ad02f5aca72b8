//! The sysctls below `net.ipv4` that a case may set, with the values that the kernel takes.
//!
//! From Documentation/networking/ip-sysctl.rst and the `extra1`/`extra2` limits of net/ipv4/sysctl_net_ipv4.c; some are in older
//! or newer kernels only.

use crate::diagnostic::nearest;

/// What a sysctl holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One number in a range.
    Number(i64, i64),
    /// So many numbers, each from 0 to 2^31 - 1.
    Numbers(usize),
    /// A word.
    Word,
    /// One number in a range, the same in every namespace: for cases that have a machine of their own.
    Machine(i64, i64),
    /// The same in every namespace: a case cannot set it.
    Global,
}

use Kind::{Global, Machine, Number, Numbers, Word};

const U8: Kind = Number(0, u8::MAX as i64);
const INT: Kind = Number(i32::MIN as i64, i32::MAX as i64);
const COUNT: Kind = Number(0, i32::MAX as i64);
const UINT: Kind = Number(0, u32::MAX as i64);
const SWITCH: Kind = Number(0, 1);
/// Seconds that the kernel keeps in jiffies: at HZ 1000 more would overflow.
const SECONDS: Kind = Number(0, i32::MAX as i64 / 1000);

const TABLE: [(&str, Kind); 95] = [
    ("ip_local_port_range", Numbers(2)),
    ("tcp_abort_on_overflow", U8),
    ("tcp_adv_win_scale", Number(-31, 31)),
    ("tcp_allowed_congestion_control", Global),
    ("tcp_app_win", Number(0, 31)),
    ("tcp_autocorking", SWITCH),
    ("tcp_available_congestion_control", Global),
    ("tcp_available_ulp", Global),
    ("tcp_backlog_ack_defer", SWITCH),
    ("tcp_base_mss", COUNT),
    ("tcp_challenge_ack_limit", COUNT),
    ("tcp_child_ehash_entries", UINT),
    ("tcp_comp_sack_delay_ns", UINT),
    ("tcp_comp_sack_nr", U8),
    ("tcp_comp_sack_rtt_percent", Number(1, 1000)),
    ("tcp_comp_sack_slack_ns", UINT),
    ("tcp_congestion_control", Word),
    ("tcp_delack_max_us", Number(0, 200_000)),
    ("tcp_dsack", U8),
    ("tcp_early_demux", U8),
    ("tcp_early_retrans", Number(0, 4)),
    ("tcp_ecn", Number(0, 5)),
    ("tcp_ecn_fallback", SWITCH),
    ("tcp_ecn_option", Number(0, 3)),
    ("tcp_ecn_option_beacon", Number(0, 3)),
    ("tcp_ehash_entries", Global),
    ("tcp_fack", U8),
    ("tcp_fastopen", COUNT),
    ("tcp_fastopen_blackhole_timeout_sec", COUNT),
    ("tcp_fastopen_key", Word),
    ("tcp_fin_timeout", SECONDS),
    ("tcp_frto", U8),
    ("tcp_fwmark_accept", U8),
    ("tcp_invalid_ratelimit", COUNT),
    ("tcp_keepalive_intvl", SECONDS),
    ("tcp_keepalive_probes", U8),
    ("tcp_keepalive_time", SECONDS),
    ("tcp_l3mdev_accept", SWITCH),
    ("tcp_limit_output_bytes", COUNT),
    ("tcp_low_latency", Global),
    ("tcp_max_orphans", Machine(0, i32::MAX as i64)),
    ("tcp_max_reordering", COUNT),
    ("tcp_max_syn_backlog", COUNT),
    ("tcp_max_tw_buckets", COUNT),
    ("tcp_mem", Global),
    ("tcp_migrate_req", SWITCH),
    ("tcp_min_rtt_wlen", Number(0, 86_400)),
    ("tcp_min_snd_mss", Number(48, 65_535)),
    ("tcp_min_tso_segs", Number(1, 255)),
    ("tcp_moderate_rcvbuf", U8),
    ("tcp_mtu_probe_floor", Number(48, 65_535)),
    ("tcp_mtu_probing", U8),
    ("tcp_no_metrics_save", U8),
    ("tcp_no_ssthresh_metrics_save", SWITCH),
    ("tcp_notsent_lowat", UINT),
    ("tcp_orphan_retries", U8),
    ("tcp_pacing_ca_ratio", Number(0, 1000)),
    ("tcp_pacing_ss_ratio", Number(0, 1000)),
    ("tcp_pingpong_thresh", Number(1, 255)),
    ("tcp_plb_cong_thresh", Number(0, 256)),
    ("tcp_plb_enabled", SWITCH),
    ("tcp_plb_idle_rehash_rounds", Number(0, 31)),
    ("tcp_plb_rehash_rounds", Number(0, 31)),
    ("tcp_plb_suspend_rto_sec", U8),
    ("tcp_probe_interval", UINT),
    ("tcp_probe_threshold", INT),
    ("tcp_rcvbuf_low_rtt", COUNT),
    ("tcp_recovery", U8),
    ("tcp_reflect_tos", SWITCH),
    ("tcp_reordering", COUNT),
    ("tcp_retrans_collapse", U8),
    ("tcp_retries1", U8),
    ("tcp_retries2", U8),
    ("tcp_rfc1337", U8),
    ("tcp_rmem", Numbers(3)),
    ("tcp_rto_max_ms", Number(1_000, 120_000)),
    ("tcp_rto_min_us", Number(1, i32::MAX as i64)),
    ("tcp_sack", U8),
    ("tcp_shrink_window", SWITCH),
    ("tcp_slow_start_after_idle", U8),
    ("tcp_stdurg", U8),
    ("tcp_syn_linear_timeouts", Number(0, 127)),
    ("tcp_syn_retries", Number(1, 127)),
    ("tcp_synack_retries", U8),
    ("tcp_syncookies", Number(0, 2)),
    ("tcp_thin_linear_timeouts", U8),
    ("tcp_timestamps", Number(0, 2)),
    ("tcp_tso_rtt_log", U8),
    ("tcp_tso_win_divisor", U8),
    ("tcp_tw_recycle", SWITCH),
    ("tcp_tw_reuse", Number(0, 2)),
    ("tcp_tw_reuse_delay", Number(1, 60_000)),
    ("tcp_window_scaling", U8),
    ("tcp_wmem", Numbers(3)),
    ("tcp_workaround_signed_windows", U8),
];

/// The sysctl of this name.
pub(super) fn find(name: &str) -> Option<Kind> {
    TABLE.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

/// What is said of a name that is not in the table.
pub(super) fn expected(wrong: &str) -> String {
    match nearest(wrong, TABLE.iter().map(|(name, _)| *name)) {
        Some(near) => format!("a TCP sysctl below net.ipv4; did you mean `{near}`?"),
        None => "a TCP sysctl below net.ipv4, as in `tcp_fin_timeout`".to_string(),
    }
}

/// Checks a value; the error is what was expected.
pub(super) fn check(kind: Kind, value: &str) -> Result<(), String> {
    match kind {
        Kind::Number(min, max) | Kind::Machine(min, max) => match value.parse::<i64>() {
            Ok(n) if (min..=max).contains(&n) => Ok(()),
            Ok(_) | Err(_) => Err(format!("a number from {min} to {max}")),
        },
        Kind::Numbers(count) => {
            let numbers: Vec<Option<i32>> =
                value.split_whitespace().map(|word| word.parse().ok().filter(|n| *n >= 0)).collect();
            if numbers.len() == count && numbers.iter().all(Option::is_some) {
                Ok(())
            } else {
                Err(format!("{count} numbers separated by spaces"))
            }
        }
        Kind::Word if !value.is_empty() && value.bytes().all(|c| c.is_ascii_graphic()) => Ok(()),
        Kind::Word => Err("one word".into()),
        Kind::Global => {
            Err("a sysctl that each network namespace has for itself; this one is the whole kernel's".into())
        }
    }
}
