//! A case as a case file: the reverse of `load`, for one variant.
//!
//! Owns how a case that no file made is written, so that it loads back to the same one. Refuses to write what is about other variants or about the
//! ledger: axes of the file's own and claims.

use std::fmt::Write;
use std::time::Duration;

use crate::case::{Case, Damage, Endpoint, IpVersion, Open, PeerOptions, RelayAction, RelayRule, StepKind, Topology};
use crate::diagnostic::Diagnostics;
use crate::load::{MTU_DEFAULT, WITHIN_DEFAULT, load_text, peer_default};
use crate::notation::print_poll;

/// The case as its file says it, with places and texts; refused where the language has no such case.
pub fn reloaded(case: &Case) -> Result<Case, Diagnostics> {
    let file = format!("{}.yaml", case.id);
    let mut cases = load_text(&case.id, &file, yaml(case).as_bytes())?;
    Ok(cases.remove(0))
}

/// The file of the case.
pub fn yaml(case: &Case) -> String {
    let mut text = String::new();
    write(case, &mut text).expect("a String takes everything");
    text
}

fn write(case: &Case, out: &mut String) -> std::fmt::Result {
    writeln!(out, "purpose: {}", quoted(&case.purpose))?;
    let cites: Vec<String> = case.requirements.iter().map(|cite| scalar(cite)).collect();
    writeln!(out, "cites: [{}]", cites.join(", "))?;
    match case.topology {
        Topology::Crafted => {}
        Topology::TwoKernels => writeln!(out, "topology: two-kernels")?,
        Topology::Routed => writeln!(out, "topology: routed")?,
    }
    match case.open {
        Open::Active => {}
        Open::Passive => writeln!(out, "open: passive")?,
    }
    let choice = |yes: bool, name: &'static str, no: &'static str| if yes { name } else { no };
    writeln!(out, "variants:")?;
    writeln!(out, "  timestamps: [{}]", choice(case.peer.timestamps, "ts", "no-ts"))?;
    writeln!(out, "  sack: [{}]", choice(case.peer.sack, "sack", "no-sack"))?;
    writeln!(out, "  ip: [{}]", choice(case.ip == IpVersion::Ipv4, "ipv4", "ipv6"))?;
    // Between two kernels these two are what the axes stand for.
    let by_axis = |name: &str, value: &str| {
        let off = value == "0" && case.topology.has_two_kernels();
        off && (name == "tcp_timestamps" && !case.peer.timestamps || name == "tcp_sack" && !case.peer.sack)
    };
    let all = [
        ("sysctls", &case.sysctls),
        ("optional-sysctls", &case.optional_sysctls),
        ("machine-sysctls", &case.machine_sysctls),
    ];
    for (key, sysctls) in all {
        let mut lines = sysctls.iter().filter(|(name, value)| !by_axis(name, value)).peekable();
        if lines.peek().is_some() {
            writeln!(out, "{key}:")?;
            lines.try_for_each(|(name, value)| writeln!(out, "  {name}: {}", scalar(value)))?;
        }
    }
    write_peer(case, out)?;
    if case.mtu != MTU_DEFAULT {
        writeln!(out, "mtu: {}", case.mtu)?;
    }
    writeln!(out, "steps:")?;
    case.steps.iter().try_for_each(|step| writeln!(out, "  - {}", step_text(&step.kind)))
}

/// What the peer offers beside what it always does.
fn write_peer(case: &Case, out: &mut String) -> std::fmt::Result {
    let PeerOptions { mss, wscale, wnd, .. } = peer_default(case.mtu, case.ip);
    let none_or = |value: Option<u16>| value.map_or("none".to_string(), |value| value.to_string());
    let mut offers = Vec::new();
    if case.peer.mss != mss {
        offers.push(format!("mss: {}", none_or(case.peer.mss)));
    }
    if case.peer.wscale != wscale {
        offers.push(format!("wscale: {}", none_or(case.peer.wscale.map(u16::from))));
    }
    if case.peer.wnd != wnd {
        offers.push(format!("win: {}", case.peer.wnd));
    }
    if offers.is_empty() { Ok(()) } else { writeln!(out, "peer: {{{}}}", offers.join(", ")) }
}

/// A step as an item of the list.
fn step_text(kind: &StepKind) -> String {
    match kind {
        StepKind::Establish { connection: 1 } => "establish".to_string(),
        StepKind::Establish { connection } => format!("establish-on: a{connection}"),
        StepKind::Call { on, op, background } => {
            format!("{on}: {}", scalar(&format!("{op}{}", if *background { " &" } else { "" })))
        }
        StepKind::Inject { to, injection } => {
            let mut fields = Fields::main("segment", &injection.segment);
            fields.endpoint("to", *to);
            if !injection.damage.is_empty() {
                let damage: Vec<String> = injection.damage.iter().map(|damage| damage_text(*damage)).collect();
                fields.add("damage", format!("[{}]", damage.join(", ")));
            }
            fields.step("inject")
        }
        StepKind::Icmp { to, error } => {
            let mut fields = Fields::main("error", &error.kind);
            fields.endpoint("to", *to);
            if let Some(seq) = &error.seq {
                fields.add("seq", scalar(&seq.to_string()));
            }
            fields.step("icmp")
        }
        StepKind::Expect { from, pattern, within } => {
            let mut fields = Fields::main("segment", pattern);
            fields.endpoint("from", *from);
            fields.within(*within);
            fields.step("expect")
        }
        StepKind::Await { of, state, within } => {
            let mut fields = Fields::main("is", state);
            fields.endpoint("of", *of);
            fields.within(*within);
            fields.step("state")
        }
        StepKind::Poll { on, events, within } => {
            let mut fields = Fields::main("events", &print_poll(*events));
            fields.endpoint("on", *on);
            fields.within(*within);
            fields.step("poll")
        }
        StepKind::Wait(duration) => format!("wait: {}", duration_text(*duration)),
        StepKind::Counters { of } => format!("counters: {of}"),
        StepKind::Ports { of, first, last } => {
            let connections = if first == last { first.to_string() } else { format!("{first}-{last}") };
            let mut fields = Fields::main("connections", &connections);
            fields.endpoint("of", Endpoint { connection: 1, host: *of });
            fields.step("ports")
        }
        StepKind::Relay(rule) => relay_text(rule),
    }
}

fn relay_text(rule: &RelayRule) -> String {
    let mut fields = Fields::main("frames", &rule.pattern);
    fields.endpoint("from", rule.from);
    match rule.times {
        Some(1) => {}
        Some(n) => fields.add("times", n.to_string()),
        None => fields.add("times", "forever".to_string()),
    }
    match &rule.action {
        RelayAction::Drop => fields.step("drop"),
        RelayAction::Swap => fields.step("swap"),
        RelayAction::Delay(by) => {
            fields.add("by", duration_text(*by));
            fields.step("delay")
        }
        RelayAction::Duplicate(copies) => {
            if *copies != 2 {
                fields.add("copies", copies.to_string());
            }
            fields.step("duplicate")
        }
        RelayAction::Rewrite(to) => {
            fields.add("to", scalar(&to.to_string()));
            fields.step("rewrite")
        }
        RelayAction::Answer(with) => {
            fields.add("with", scalar(&with.to_string()));
            fields.step("answer")
        }
    }
}

/// A step's mapping; one with its main text alone is that text.
struct Fields {
    main: String,
    all: Vec<String>,
}

impl Fields {
    fn main(key: &str, value: &impl ToString) -> Fields {
        let main = scalar(&value.to_string());
        Fields { all: vec![format!("{key}: {main}")], main }
    }

    fn add(&mut self, key: &str, value: String) {
        self.all.push(format!("{key}: {value}"));
    }

    fn endpoint(&mut self, key: &str, endpoint: Endpoint) {
        if endpoint != Endpoint::A {
            self.add(key, endpoint.to_string());
        }
    }

    fn within(&mut self, within: Duration) {
        if within != WITHIN_DEFAULT {
            self.add("within", duration_text(within));
        }
    }

    fn step(self, name: &str) -> String {
        match self.all.len() {
            1 => format!("{name}: {}", self.main),
            _ => format!("{name}: {{{}}}", self.all.join(", ")),
        }
    }
}

fn damage_text(damage: Damage) -> String {
    match damage {
        Damage::Checksum => "checksum".to_string(),
        Damage::DataOffset(words) => format!("data-offset: {words}"),
        Damage::Truncate(bytes) => format!("truncate: {bytes}"),
        Damage::Reserved(bits) => format!("reserved: {bits}"),
    }
}

/// Whole milliseconds where it has no more, seconds otherwise.
fn duration_text(duration: Duration) -> String {
    if duration.subsec_nanos().is_multiple_of(1_000_000) {
        format!("{}ms", duration.as_millis())
    } else {
        format!("{}.{:09}s", duration.as_secs(), duration.subsec_nanos())
    }
}

/// A text that YAML takes for nothing else, also within `{}` and `[]`.
fn scalar(text: &str) -> String {
    let is_number = text.bytes().all(|c| c.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || b" _-.()=/+".contains(&c))
        && !text.ends_with(' ');
    if !text.is_empty() && text.len() < 10 && is_number || is_word { text.to_string() } else { quoted(text) }
}

/// In double quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
