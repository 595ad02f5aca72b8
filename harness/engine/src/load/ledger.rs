//! The file of the ledger: from YAML to claims, or to complaints with places.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::whole;
use super::raw::{RawClaim, RawLedger};
use super::tree::Node;
use super::{Complaints, Form, read_text, shape, tree};
use crate::diagnostic::{Diagnostics, Source};
use crate::ledger::{Claim, Group, Ledger};
use crate::notation::NotationError;

/// The ledger's file in the catalogue's folder.
pub const LEDGER: &str = "claims.yaml";

const SAYS_MAX: usize = 300;
const FORM: Form = Form {
    is: "a ledger",
    keys: "groups of claims, as in `waves: [{id: W01, says: ..., from: [...]}]`",
    one: "one ledger in one file",
};

/// The ledger of a file's bytes; `file` is what places are shown with.
pub fn ledger(file: &str, bytes: &[u8]) -> Result<Ledger, Diagnostics> {
    let source: Arc<Source> = read_text(file, bytes)?;
    let tree = tree::parse(&source, &FORM)?;
    let raw: RawLedger = shape::read(&source, &tree, &FORM)?;
    let complaints = Complaints::new(&source);
    let mut places = BTreeMap::new();
    let mut groups = Vec::new();
    for (name, claims) in &raw.0 {
        let list = tree.get(name);
        let claims = claims.iter().enumerate();
        let claims = claims.map(|(i, raw)| claim(raw, list.item(i), &mut places, &complaints)).collect();
        groups.push(Group { name: name.clone(), claims });
    }
    complaints.into_result(Ledger { groups })
}

fn claim(raw: &RawClaim, node: &Node, places: &mut BTreeMap<String, String>, complaints: &Complaints<'_>) -> Claim {
    let complain = |key: &str, message: &str, expected: &str| {
        complaints.push(node.get(key).span.clone(), message, expected);
    };
    let place = complaints.place(node);
    if let Err(error) = check_claim_id(&raw.id.0) {
        complain("id", &error.message, &error.expected);
    }
    if let Some(first) = places.insert(raw.id.0.clone(), place.clone()) {
        complain("id", &format!("id `{}` is taken by the claim at {first}", raw.id.0), "an id of its own");
    }
    let says = raw.says.0.trim();
    if says.is_empty() || says.len() > SAYS_MAX || says.contains('\n') || !says.ends_with('.') {
        let expected = format!("one sentence of at most {SAYS_MAX} bytes, with a full stop");
        complain("says", "this is not a sentence", &expected);
    }
    if raw.from.is_empty() {
        complain("from", "a claim that nobody makes", "at least one document and section");
    }
    for (key, text) in [("watch", &raw.watch), ("untested", &raw.untested)] {
        if text.as_ref().is_some_and(|text| text.0.trim().is_empty()) {
            complain(key, &format!("`{key}` without words"), "a reason in words, or not the key either");
        }
    }
    let text = |text: &Option<super::raw::Text>| text.as_ref().map(|text| text.0.trim().to_string());
    Claim {
        id: raw.id.0.clone(),
        says: says.to_string(),
        from: raw.from.iter().map(|text| text.0.clone()).collect(),
        watch: text(&raw.watch),
        untested: text(&raw.untested),
        place,
        plays: Vec::new(),
    }
}

/// Checks the form of a claim's id, as in `T04`.
pub(super) fn check_claim_id(text: &str) -> Result<(), NotationError> {
    match text.as_bytes() {
        [b'A'..=b'Z', b'0'..=b'9', b'0'..=b'9'] => Ok(()),
        _ => Err(whole(text, format!("`{text}` is not a claim"), "a letter and two digits, as in `T04`")),
    }
}
