//! Variants: the axes of a case and their product.

use super::context::{Choice, Complaints};
use super::raw::{RawAxis, RawCase};
use super::tree::Node;
use crate::diagnostic::one_of;

/// More variants of one case are refused.
const VARIANTS_MAX: usize = 256;

/// The axes that the language knows by itself, with their values; of one that the file leaves out, the first value
/// holds and the variant's name does not say it. `ip` is always an axis, the last, with both values.
const BUILT_IN: [(&str, &[&str]); 5] = [
    ("timestamps", &["ts", "no-ts"]),
    ("topology", &["crafted", "two-kernels", "routed"]),
    ("open", &["active", "passive"]),
    ("sack", &["sack", "no-sack"]),
    ("ip", &["ipv4", "ipv6"]),
];

/// An axis with its values and their texts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) name: String,
    pub(super) values: Vec<(String, String)>,
    /// Whether the variant's name has it.
    pub(super) named: bool,
    pub(super) custom: bool,
}

/// The axes in the order of the variant's name; `None` when something is wrong with them.
pub(super) fn read(raw: &RawCase, tree: &Node, complaints: &Complaints<'_>) -> Option<Vec<Axis>> {
    let node = tree.get("variants");
    let mut axes = Vec::new();
    let mut good = true;
    for (name, values) in &raw.variants.0 {
        match axis(name, values, node, complaints) {
            Some(axis) => axes.push(axis),
            None => good = false,
        }
    }
    for (name, known) in BUILT_IN {
        let fixed = match name {
            "topology" => raw.topology.as_ref(),
            "open" => raw.open.as_ref(),
            _ => None,
        };
        let declared = node.entry(name).is_some() && !std::ptr::eq(node, tree);
        match fixed {
            Some(_) if declared => {
                let message = format!("contradiction: `{name}` stands both here and under `variants`");
                complaints.push(tree.entry(name).map_or(0..0, |(key, _)| key.span.clone()), &message, "one of the two");
                good = false;
            }
            Some(value) if !known.contains(&value.0.as_str()) => {
                let message = format!("unknown {name} `{}`", value.0);
                complaints.push(tree.get(name).span.clone(), &message, &one_of(&value.0, known.iter().copied()));
                good = false;
            }
            Some(value) => axes.push(fixed_axis(name, &value.0)),
            None if declared => {}
            None if name == "ip" => axes.push(Axis {
                name: name.into(),
                values: known.iter().map(|value| (value.to_string(), value.to_string())).collect(),
                named: true,
                custom: false,
            }),
            None => axes.push(fixed_axis(name, known[0])),
        }
    }
    // `ip` is last wherever the file names it.
    axes.sort_by_key(|axis| axis.name == "ip");
    let product = axes.iter().map(|axis| axis.values.len()).try_fold(1usize, usize::checked_mul);
    if good && product.is_none_or(|count| count > VARIANTS_MAX) {
        let expected = format!("at most {VARIANTS_MAX} variants");
        complaints.push(node.span.clone(), "too many variants", &expected);
        good = false;
    }
    (good && values_are_unique(&axes, node, complaints)).then_some(axes)
}

/// Every combination, the last axis turning fastest.
pub(super) fn variants(axes: &[Axis]) -> Vec<Vec<Choice>> {
    axes.iter().fold(vec![Vec::new()], |variants, axis| {
        let choice = |(value, text): &(String, String)| Choice {
            axis: axis.name.clone(),
            value: value.clone(),
            text: text.clone(),
            named: axis.named,
        };
        variants
            .iter()
            .flat_map(|variant: &Vec<Choice>| {
                axis.values.iter().map(|value| variant.iter().cloned().chain([choice(value)]).collect())
            })
            .collect()
    })
}

fn fixed_axis(name: &str, value: &str) -> Axis {
    Axis { name: name.into(), values: vec![(value.into(), value.into())], named: false, custom: false }
}

fn axis(name: &str, values: &RawAxis, node: &Node, complaints: &Complaints<'_>) -> Option<Axis> {
    let (key, value_node) = node.entry(name)?;
    let known = BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, values)| values);
    // As a sysctl is named, where an axis is one.
    if !is_name(&name.replace('_', "-")) {
        complaints.push(
            key.span.clone(),
            &format!("`{name}` is not a name for an axis"),
            "lower-case letters, digits, `-` and `_`",
        );
        return None;
    }
    let pairs: Vec<(String, String)> = match values {
        RawAxis::Names(names) => names.iter().map(|text| (text.0.clone(), text.0.clone())).collect(),
        RawAxis::Texts(_) if known.is_some() => {
            let message = format!("`{name}` is an axis of the language, its values have no texts");
            complaints.push(value_node.span.clone(), &message, "a list of its values, as in `ip: [ipv4]`");
            return None;
        }
        RawAxis::Texts(pairs) => pairs.0.iter().map(|(value, text)| (value.clone(), text.0.clone())).collect(),
    };
    if pairs.is_empty() {
        complaints.push(value_node.span.clone(), &format!("axis `{name}` has no values"), "at least one value");
        return None;
    }
    if pairs.len() > VARIANTS_MAX {
        let message = format!("axis `{name}` has {} values", pairs.len());
        complaints.push(key.span.clone(), &message, &format!("at most {VARIANTS_MAX}"));
        return None;
    }
    let mut good = true;
    for (i, (value, _)) in pairs.iter().enumerate() {
        let at = value_node.entry(value).map_or_else(|| value_node.item(i), |(key, _)| key).span.clone();
        if pairs[..i].iter().any(|(earlier, _)| earlier == value) {
            complaints.push(at, &format!("value `{value}` given twice"), "each value once");
            good = false;
        } else if let Some(known) = known.filter(|known| !known.contains(&value.as_str())) {
            complaints.push(
                at,
                &format!("unknown value `{value}` of axis `{name}`"),
                &one_of(value, known.iter().copied()),
            );
            good = false;
        } else if !is_name(value) {
            complaints.push(
                at,
                &format!("`{value}` is not a name for a value"),
                "lower-case letters, digits, `.` and `-`",
            );
            good = false;
        }
    }
    good.then(|| Axis { name: name.into(), values: pairs, named: true, custom: known.is_none() })
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'.'))
}

/// `when` names a value without its axis, so a value belongs to one axis.
fn values_are_unique(axes: &[Axis], node: &Node, complaints: &Complaints<'_>) -> bool {
    let mut good = true;
    for (i, axis) in axes.iter().enumerate() {
        for (value, _) in &axis.values {
            let other = axes[..i].iter().find(|other| other.values.iter().any(|(known, _)| known == value));
            if let Some(other) = other {
                let (own, named) = if node.entry(&axis.name).is_some() { (axis, other) } else { (other, axis) };
                let at = node.entry(&own.name).map_or(node, |(key, _)| key);
                let message = format!("value `{value}` belongs to axis `{}` already", named.name);
                complaints.push(at.span.clone(), &message, "values that no two axes share");
                good = false;
            }
        }
    }
    good
}
