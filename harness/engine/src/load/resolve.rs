//! From the document to cases: what stands outside the steps, and one case for each variant.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::axes::{self, Axis};
use super::cites::check_cite;
use super::consistency::Sockets;
use super::context::{Choice, Complaints, Context};
use super::ledger::check_claim_id;
use super::predictions::{Predictions, count_predicted};
use super::raw::{Pairs, RawCase, Text};
use super::steps::{Steps, count_steps};
use super::sysctl::Kind;
use super::tree::Node;
use super::{context, sysctl};
use crate::case::{Case, IpVersion, Open, PeerOptions, Topology};
use crate::diagnostic::one_of;

const PURPOSE_MAX: usize = 300;
/// Most entries of a list other than the steps.
const LIST_MAX: usize = 64;
/// Most steps, those of all branches counted.
const STEPS_MAX: usize = 300;
/// Most events of all predictions, those of all branches counted.
const PREDICTED_MAX: usize = 500;
const MTU_MIN: u64 = 576;
/// RFC 8200 section 5.
const MTU_MIN_IPV6: u64 = 1280;
pub(crate) const MTU_DEFAULT: u32 = 1500;
/// What an IP and a TCP header take, IPv4 and IPv6.
const HEADERS_IPV4: u32 = 40;
const HEADERS_IPV6: u32 = 60;
const WSCALE_DEFAULT: u8 = 7;
/// RFC 7323 section 2.3.
const WSCALE_MAX: u64 = 14;
const WINDOW_DEFAULT: u16 = 502;

/// All variants, or those whose names are wanted; incomplete when there are complaints. What only all of them together can show to
/// be wrong is not looked for among some.
pub(super) fn resolve(
    id: &str,
    raw: &RawCase,
    tree: &Node,
    complaints: &mut Complaints<'_>,
    wanted: Option<&dyn Fn(&str) -> bool>,
) -> Vec<Case> {
    let complaints = &*complaints;
    let used = RefCell::new(BTreeSet::new());
    let outside = Context { complaints, choices: &[], used: &used };
    if !sizes_fit(raw, tree, complaints) {
        return Vec::new();
    }
    check_purpose(raw, tree, complaints);
    check_claims(&outside, raw, tree);
    let requirements = checked(&outside, &raw.cites, tree.get("cites"), check_cite);
    if raw.cites.is_empty() {
        outside.complain(
            tree.get("cites"),
            "a case without a requirement",
            "what the case holds the kernel to, as in `RFC 9293 3.10.7.4`",
        );
    }
    let Some(axes) = axes::read(raw, tree, complaints) else {
        return Vec::new();
    };
    let mtu = mtu(raw, tree, &outside, &axes);
    let mut cases = Vec::new();
    for choices in axes::variants(&axes) {
        let context = Context { complaints, choices: &choices, used: &used };
        let case = Case {
            id: id.to_string(),
            variant: variant_name(&choices),
            choices: choices.iter().filter(|c| c.named).map(|c| (c.axis.clone(), c.value.clone())).collect(),
            purpose: raw.purpose.0.trim().to_string(),
            claims: Vec::new(),
            requirements: requirements.clone(),
            topology: topology(&choices),
            connections: 1,
            ip: ip(&choices),
            open: if chosen(&choices, "passive") { Open::Passive } else { Open::Active },
            peer: PeerOptions { mss: None, wscale: None, sack: false, timestamps: false, wnd: 0 },
            sysctls: BTreeMap::new(),
            optional_sysctls: BTreeMap::new(),
            machine_sysctls: BTreeMap::new(),
            mtu,
            steps: Vec::new(),
        };
        if wanted.is_none_or(|wanted| wanted(&case.name())) {
            cases.push(variant(case, raw, tree, &context, &axes));
        }
    }
    if wanted.is_some() {
        return cases;
    }
    check_peer_is_there(raw, tree, &outside, &cases);
    // What is wrong already may be why an axis looks unused.
    if complaints.none() {
        check_axes_are_used(tree, &outside, &axes);
    }
    cases
}

fn variant(mut case: Case, raw: &RawCase, tree: &Node, context: &Context<'_, '_>, axes: &[Axis]) -> Case {
    case.peer = peer(raw, tree, context, &case);
    case.sysctls = sysctls(&raw.sysctls, tree.get("sysctls"), Of::Namespaces, context);
    case.optional_sysctls = sysctls(&raw.optional_sysctls, tree.get("optional-sysctls"), Of::Namespaces, context);
    case.machine_sysctls = sysctls(&raw.machine_sysctls, tree.get("machine-sysctls"), Of::Machine, context);
    for name in case.optional_sysctls.keys().filter(|name| case.sysctls.contains_key(*name)) {
        let at = tree.get("optional-sysctls").entry(name).map_or(tree, |(key, _)| key);
        context.complain(at, &format!("`{name}` is among the `sysctls` too"), "either demanded or optional");
    }
    if case.topology.has_two_kernels() {
        // A kernel endpoint offers what its sysctls say, as the crafted peer does by its options.
        for (value, name) in [("no-ts", "tcp_timestamps"), ("no-sack", "tcp_sack")] {
            if chosen(context.choices, value) {
                case.sysctls.entry(name.into()).or_insert_with(|| "0".into());
            }
        }
    }
    let mut sockets = Sockets::new(case.topology, case.open, case.ip);
    let mut steps = Steps { context, axes, sockets: &mut sockets, steps: Vec::new() };
    steps.add_all(&raw.steps, tree.get("steps"));
    case.steps = steps.steps;
    case.connections = case.steps.iter().filter_map(|step| step.kind.connection()).max().unwrap_or(1);
    case.claims = Predictions { context, axes, case: &case }.all(&raw.claims, tree.get("claims"));
    let node = tree.entry("steps").map_or(tree, |(key, _)| key);
    // A step that is wrong may be the one that waits.
    if !context.complaints.none() {
        return case;
    }
    if case.steps.is_empty() {
        context.complain(node, "a case without steps", "at least one step");
    } else if !sockets.waits() {
        context.complain(
            node,
            "no step waits for anything, so the case cannot tell whether its situation came up",
            "at least one `expect`, `state` or `poll`",
        );
    }
    case
}

/// Every list has a limit, so that a wrong file is refused soon.
fn sizes_fit(raw: &RawCase, tree: &Node, complaints: &Complaints<'_>) -> bool {
    let lists = [
        ("claims", raw.claims.0.len(), LIST_MAX),
        ("claims", raw.claims.0.iter().map(|(_, claim)| count_predicted(&claim.predicts)).sum(), PREDICTED_MAX),
        ("cites", raw.cites.len(), LIST_MAX),
        ("sysctls", raw.sysctls.0.len(), LIST_MAX),
        ("optional-sysctls", raw.optional_sysctls.0.len(), LIST_MAX),
        ("machine-sysctls", raw.machine_sysctls.0.len(), LIST_MAX),
        ("variants", raw.variants.0.len(), LIST_MAX),
        ("steps", count_steps(&raw.steps), STEPS_MAX),
    ];
    let mut fit = true;
    for (name, count, max) in lists {
        if count > max {
            let at = tree.entry(name).map_or(tree, |(key, _)| key).span.clone();
            complaints.push(at, &format!("{count} are too many"), &format!("at most {max}"));
            fit = false;
        }
    }
    fit
}

fn check_purpose(raw: &RawCase, tree: &Node, complaints: &Complaints<'_>) {
    let text = raw.purpose.0.trim();
    if text.is_empty() || text.len() > PURPOSE_MAX || text.contains('\n') {
        let expected = format!("one sentence of at most {PURPOSE_MAX} bytes that says what must hold");
        complaints.push(tree.get("purpose").span.clone(), "this purpose is not a sentence", &expected);
    }
}

/// Each text checked, none twice.
fn checked(
    context: &Context<'_, '_>,
    texts: &[Text],
    node: &Node,
    check: fn(&str) -> Result<(), crate::notation::NotationError>,
) -> Vec<String> {
    let mut seen = Vec::new();
    for (i, text) in texts.iter().enumerate() {
        let item = node.item(i);
        context.parse(item, &text.0, |text| check(text).map(|()| text.len()));
        if seen.contains(&text.0) {
            context.complain(item, &format!("`{}` given twice", text.0), "each once");
        }
        seen.push(text.0.clone());
    }
    seen
}

/// The form of each claim's id, and a prediction for each.
fn check_claims(context: &Context<'_, '_>, raw: &RawCase, tree: &Node) {
    let node = tree.get("claims");
    for (id, prediction) in &raw.claims.0 {
        let Some((key, value)) = node.entry(id) else { continue };
        context.parse(key, id, check_claim_id);
        if prediction.predicts.is_empty() {
            context.complain(value.get("predicts"), &format!("claim `{id}` predicts nothing"), "at least one event");
        }
    }
}

fn mtu(raw: &RawCase, tree: &Node, context: &Context<'_, '_>, axes: &[Axis]) -> u32 {
    let ipv6 = axes.iter().any(|axis| axis.values.iter().any(|(value, _)| value == "ipv6"));
    let (min, what) = if ipv6 { (MTU_MIN_IPV6, "the MTU with IPv6") } else { (MTU_MIN, "the MTU") };
    raw.mtu
        .as_ref()
        .and_then(|text| context.number(tree.get("mtu"), &text.0, min, u64::from(u16::MAX), what))
        .map_or(MTU_DEFAULT, |n| n as u32)
}

/// What the crafted peer offers unless the file says otherwise.
pub(crate) fn peer_default(mtu: u32, ip: IpVersion) -> PeerOptions {
    let headers = match ip {
        IpVersion::Ipv4 => HEADERS_IPV4,
        IpVersion::Ipv6 => HEADERS_IPV6,
    };
    PeerOptions {
        mss: Some((mtu - headers) as u16),
        wscale: Some(WSCALE_DEFAULT),
        sack: true,
        timestamps: true,
        wnd: WINDOW_DEFAULT,
    }
}

fn peer(raw: &RawCase, tree: &Node, context: &Context<'_, '_>, case: &Case) -> PeerOptions {
    let mut peer = PeerOptions {
        sack: chosen(context.choices, "sack"),
        timestamps: chosen(context.choices, "ts"),
        ..peer_default(case.mtu, case.ip)
    };
    let Some(raw) = &raw.peer else { return peer };
    let node = tree.get("peer");
    let optional = |key: &str, text: &Text, max: u64, what: &str| -> Option<Option<u64>> {
        let node = node.get(key);
        match context.expand(node, &text.0)?.text.as_str() {
            "none" => Some(None),
            _ => context.number(node, &text.0, 0, max, &format!("{what}, or `none`")).map(Some),
        }
    };
    if let Some(value) = raw.mss.as_ref().and_then(|text| optional("mss", text, u64::from(u16::MAX), "the MSS")) {
        peer.mss = value.map(|n| n as u16);
    }
    if let Some(value) = raw.wscale.as_ref().and_then(|text| optional("wscale", text, WSCALE_MAX, "the shift")) {
        peer.wscale = value.map(|n| n as u8);
    }
    if let Some(text) = &raw.win
        && let Some(n) = context.number(node.get("win"), &text.0, 0, u64::from(u16::MAX), "the window in the header")
    {
        peer.wnd = n as u16;
    }
    peer
}

/// Whose sysctls they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Namespaces,
    Machine,
}

fn sysctls(raw: &Pairs<Text>, node: &Node, of: Of, context: &Context<'_, '_>) -> BTreeMap<String, String> {
    let mut sysctls = BTreeMap::new();
    for (name, value) in &raw.0 {
        let Some((key, value_node)) = node.entry(name) else { continue };
        let Some(kind) = sysctl::find(name) else {
            context.complain(key, &format!("unknown sysctl `{name}`"), &sysctl::expected(name));
            continue;
        };
        let refused = match (of, kind) {
            (_, Kind::Global) => Some((
                "the whole kernel's and cannot be set for a case",
                "a sysctl that each network namespace has for itself",
            )),
            (Of::Namespaces, Kind::Machine(..)) => Some(("the whole kernel's", "it among the `machine-sysctls`")),
            (Of::Machine, Kind::Number(..) | Kind::Numbers(_) | Kind::Word) => {
                Some(("each network namespace's own", "it among the `sysctls`"))
            }
            (Of::Namespaces, Kind::Number(..) | Kind::Numbers(_) | Kind::Word) | (Of::Machine, Kind::Machine(..)) => {
                None
            }
        };
        if let Some((whose, expected)) = refused {
            context.complain(key, &format!("`{name}` is {whose}"), expected);
            continue;
        }
        let checked = context.parse(value_node, &value.0, |text| match sysctl::check(kind, text) {
            Ok(()) => Ok(text.to_string()),
            Err(expected) => Err(context::whole(text, format!("`{text}` is not a value of {name}"), &expected)),
        });
        sysctls.extend(checked.map(|value| (name.clone(), value)));
    }
    sysctls
}

fn check_peer_is_there(raw: &RawCase, tree: &Node, context: &Context<'_, '_>, cases: &[Case]) {
    if raw.peer.is_some() && cases.iter().all(|case| case.topology.has_two_kernels()) {
        let node = tree.entry("peer").map_or(tree, |(key, _)| key);
        context.complain(
            node,
            "contradiction: between two kernels there is no crafted peer",
            "`topology: crafted`, or no `peer`",
        );
    }
}

fn check_axes_are_used(tree: &Node, context: &Context<'_, '_>, axes: &[Axis]) {
    let used = context.used.borrow();
    for axis in axes.iter().filter(|axis| axis.custom && !used.contains(&axis.name)) {
        if let Some((key, _)) = tree.get("variants").entry(&axis.name) {
            let expected =
                format!("`${{{}}}` in a step, a sysctl or the peer, or one of its values in a `when`", axis.name);
            context.complain(key, &format!("axis `{}` is never used", axis.name), &expected);
        }
    }
}

fn variant_name(choices: &[Choice]) -> String {
    let names: Vec<&str> = choices.iter().filter(|c| c.named).map(|c| c.value.as_str()).collect();
    names.join(",")
}

fn chosen(choices: &[Choice], value: &str) -> bool {
    choices.iter().any(|choice| choice.value == value)
}

fn topology(choices: &[Choice]) -> Topology {
    if chosen(choices, "two-kernels") {
        Topology::TwoKernels
    } else if chosen(choices, "routed") {
        Topology::Routed
    } else {
        Topology::Crafted
    }
}

fn ip(choices: &[Choice]) -> IpVersion {
    if chosen(choices, "ipv6") { IpVersion::Ipv6 } else { IpVersion::Ipv4 }
}

/// Only for an error's list of values.
pub(super) fn values_of(axes: &[Axis], wrong: &str) -> String {
    let values: Vec<&str> =
        axes.iter().filter(|axis| axis.named).flat_map(|axis| axis.values.iter().map(|(v, _)| v.as_str())).collect();
    one_of(wrong, values)
}
