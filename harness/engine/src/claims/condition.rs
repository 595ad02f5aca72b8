//! The condition of a claim that holds in some cases and not in others, in words.
//!
//! Owns finding the axes that decide, and the words for their values. Refuses to guess: what no axis explains is told by
//! the names of the cases.

use std::collections::{BTreeMap, BTreeSet};

use crate::judgement::{Judgement, Outcome};

/// More places than this are not named on one side.
const NAMED_MAX: usize = 6;

/// The language's own axis values in words that read well after "where".
const WORDS: [(&str, &str); 11] = [
    ("ts", "timestamps are in use"),
    ("no-ts", "timestamps are not in use"),
    ("sack", "SACK is in use"),
    ("no-sack", "SACK is not in use"),
    ("ipv4", "the connection runs over IPv4"),
    ("ipv6", "the connection runs over IPv6"),
    ("active", "the side under test opened"),
    ("passive", "the peer opened"),
    ("crafted", "the peer is crafted"),
    ("two-kernels", "both sides are kernels"),
    ("routed", "both sides are kernels, and a router is between them"),
];

/// One decided prediction.
pub(super) struct Decided<'j> {
    pub judgement: &'j Judgement,
    given: Option<&'j str>,
    pub holds: bool,
}

impl<'j> Decided<'j> {
    /// `None` when it is undecided.
    pub fn of(judgement: &'j Judgement, outcome: &'j Outcome) -> Option<Decided<'j>> {
        Some(Decided { judgement, given: outcome.given.as_deref(), holds: outcome.holds? })
    }

    /// The value on each axis of the variant's name.
    fn values(&self) -> Vec<&'j str> {
        self.judgement.variant.split(',').collect()
    }
}

/// Where a claim holds, or where not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Where this is so.
    Where(String),
    /// In this case or variant.
    In(String),
    /// Where this is so, in this case: elsewhere the same words stand on the other side.
    WhereIn(String, String),
}

/// As in "holds where timestamps are not in use; not where timestamps are in use".
pub(super) fn condition(decided: &[Decided<'_>]) -> String {
    let mut files: BTreeMap<&str, Vec<&Decided<'_>>> = BTreeMap::new();
    for one in decided {
        files.entry(&one.judgement.id).or_default().push(one);
    }
    let mut places: Vec<(&str, Place, bool)> = Vec::new();
    for (id, variants) in &files {
        places.extend(places_of(id, variants).into_iter().map(|(place, holds)| (*id, place, holds)));
    }
    let side = |holds: bool| -> BTreeSet<Place> {
        let of_side = places.iter().filter(|(_, _, side)| *side == holds);
        of_side.map(|(_, place, _)| place.clone()).collect()
    };
    let both: BTreeSet<Place> = side(true).intersection(&side(false)).cloned().collect();
    for (id, place, _) in &mut places {
        if let Place::Where(words) = place
            && both.contains(&Place::Where(words.clone()))
        {
            *place = Place::WhereIn(std::mem::take(words), id.to_string());
        }
    }
    let side = |side: bool| {
        let mut named: Vec<&Place> = Vec::new();
        for (_, place, holds) in &places {
            if *holds == side && !named.contains(&place) {
                named.push(place);
            }
        }
        in_words(&named)
    };
    format!("holds {}; not {}", side(true), side(false))
}

/// The places of one case file, each with whether the claim holds there.
fn places_of(id: &str, variants: &[&Decided<'_>]) -> Vec<(Place, bool)> {
    let holds = variants[0].holds;
    if variants.iter().all(|variant| variant.holds == holds) {
        let given: BTreeSet<&str> = variants.iter().filter_map(|variant| variant.given).collect();
        return match given.is_empty() {
            true => vec![(Place::In(id.to_string()), holds)],
            false => given.into_iter().map(|words| (Place::Where(words.to_string()), holds)).collect(),
        };
    }
    let by_name = || variants.iter().map(|v| (Place::In(v.judgement.name()), v.holds)).collect();
    let axes = &variants[0].judgement.axes;
    if variants.iter().any(|variant| variant.values().len() != axes.len()) {
        return by_name();
    }
    let Some(deciding) = deciding_axes(axes.len(), variants) else { return by_name() };
    let mut places = Vec::new();
    for holds in [true, false] {
        for choice in choices(&deciding, variants, holds) {
            places.push((Place::Where(words(&choice, axes, variants)), holds));
        }
    }
    places
}

/// The fewest axes, by index, whose values decide; the first such set in the order of the axes.
fn deciding_axes(count: usize, variants: &[&Decided<'_>]) -> Option<Vec<usize>> {
    let decide = |axes: &[usize]| {
        let mut known: BTreeMap<Vec<&str>, bool> = BTreeMap::new();
        variants.iter().all(|variant| {
            let values = variant.values();
            let key = axes.iter().map(|&axis| values[axis]).collect();
            *known.entry(key).or_insert(variant.holds) == variant.holds
        })
    };
    (1..=count).find_map(|size| subsets(&(0..count).collect::<Vec<_>>(), size).into_iter().find(|axes| decide(axes)))
}

/// Values on some axes, by index.
type Choice<'v> = Vec<(usize, &'v str)>;

/// Choices on as few of these axes as possible that together take in every variant of one side and none of the other.
fn choices<'v>(axes: &[usize], variants: &[&Decided<'v>], holds: bool) -> Vec<Choice<'v>> {
    let (mut left, others): (Vec<&&Decided<'v>>, Vec<&&Decided<'v>>) =
        variants.iter().partition(|variant| variant.holds == holds);
    let mut found = Vec::new();
    for size in 1..=axes.len() {
        for axes in subsets(axes, size) {
            let choice_of = |variant: &Decided<'v>| -> Choice<'v> {
                let values = variant.values();
                axes.iter().map(|&axis| (axis, values[axis])).collect()
            };
            let taken: Vec<Choice<'_>> = others.iter().map(|other| choice_of(other)).collect();
            let mut fresh: Vec<Choice<'v>> = Vec::new();
            left.retain(|variant| {
                let choice = choice_of(variant);
                let stays = taken.contains(&choice);
                if !stays && !fresh.contains(&choice) {
                    fresh.push(choice);
                }
                stays
            });
            found.extend(fresh);
        }
    }
    found
}

/// A choice in words: those that the case gives in `given`, and those of the axes of which it does not speak.
fn words(choice: &Choice<'_>, axes: &[String], variants: &[&Decided<'_>]) -> String {
    let mut texts: Vec<String> = Vec::new();
    let phrases = phrases(variants);
    let always = phrases.iter().filter(|phrase| phrase.windows(2).all(|pair| pair[0] == pair[1]));
    texts.extend(always.filter_map(|phrase| phrase.first()).map(|text| text.to_string()));
    for (axis, value) in choice {
        let spoken = phrases.iter().find_map(|phrase| spoken(phrase, *axis, value, variants));
        let own = || match WORDS.iter().find(|(known, _)| known == value) {
            Some((_, words)) => words.to_string(),
            None => format!("{} is {value}", axes[*axis]),
        };
        texts.push(spoken.map_or_else(own, str::to_string));
    }
    texts.join(" and ")
}

/// The phrases that `given` consists of, each as it reads in each variant; none where variants have different numbers of them.
fn phrases<'v>(variants: &[&Decided<'v>]) -> Vec<Vec<&'v str>> {
    let split = |given: &'v str| given.split(" and ").flat_map(|part| part.split(", ")).collect::<Vec<_>>();
    let all: Vec<Vec<&str>> = variants.iter().map(|variant| variant.given.map(split).unwrap_or_default()).collect();
    if let [first, rest @ ..] = variants
        && let Some(given) = first.given
        && rest.iter().all(|variant| variant.given == first.given)
    {
        return vec![vec![given; variants.len()]];
    }
    let count = all.first().map_or(0, Vec::len);
    if all.iter().any(|phrases| phrases.len() != count) {
        return Vec::new();
    }
    (0..count).map(|i| all.iter().map(|phrases| phrases[i]).collect()).collect()
}

/// The phrase for a value of an axis, where the phrase speaks of that axis: it reads the same in all variants with this
/// value, and in no other.
fn spoken<'v>(phrase: &[&'v str], axis: usize, value: &str, variants: &[&Decided<'_>]) -> Option<&'v str> {
    let with_value = |variant: &Decided<'_>| variant.values()[axis] == value;
    let text = *phrase.iter().zip(variants).find(|(_, variant)| with_value(variant))?.0;
    phrase.iter().zip(variants).all(|(other, variant)| (*other == text) == with_value(variant)).then_some(text)
}

/// All sets of this size, in order.
fn subsets(of: &[usize], size: usize) -> Vec<Vec<usize>> {
    if size == 0 {
        return vec![Vec::new()];
    }
    let with = |(i, first): (usize, &usize)| {
        let rest = subsets(&of[i + 1..], size - 1);
        rest.into_iter().map(|rest| [&[*first][..], &rest].concat()).collect::<Vec<_>>()
    };
    of.iter().enumerate().flat_map(with).collect()
}

/// As in "where X, where Y, or in close/active".
fn in_words(places: &[&Place]) -> String {
    let mut texts: Vec<String> = places
        .iter()
        .take(NAMED_MAX)
        .map(|place| match place {
            Place::Where(words) => format!("where {words}"),
            Place::In(name) => format!("in {name}"),
            Place::WhereIn(words, id) => format!("where {words} (in {id})"),
        })
        .collect();
    if places.len() > NAMED_MAX {
        texts.push(format!("in {} more", places.len() - NAMED_MAX));
    }
    match texts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, [one])) => format!("{one}, or {last}"),
        Some((last, rest)) => format!("{}, or {last}", rest.join(", ")),
        None => String::new(),
    }
}
