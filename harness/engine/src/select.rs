//! Selectors: which cases a user means.
//!
//! Owns the words on the command line (`id`, `id@variant`, globs, paths, `claim:T04`). Refuses to know the command line.

use std::path::Path;

use globset::GlobBuilder;
use thiserror::Error;

use crate::case::Case;
use crate::diagnostic::{Diagnostics, nearness};
use crate::load::{load_path, merge};

const CLAIM: &str = "claim:";
pub(crate) const NEAR_MAX: usize = 3;

/// Why nothing can be run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SelectError {
    /// It names nothing: a wrong word, exit code 2.
    #[error("no case is named `{selector}`{}", near_text(.near))]
    Unknown {
        /// As given.
        selector: String,
        /// What was probably meant.
        near: Vec<String>,
    },
    /// It is a glob that cannot be read: exit code 2.
    #[error("`{selector}` is not a glob: {why}")]
    Glob {
        /// As given.
        selector: String,
        /// What the glob parser says.
        why: String,
    },
    /// It is a path to cases that are wrong, or whose ids are taken: exit code 2.
    #[error("{0}")]
    Cases(Diagnostics),
    /// It is right and fits no case: exit code 4.
    #[error("nothing selected: no case fits `{selector}`")]
    Nothing {
        /// As given; `*` when there are no cases at all.
        selector: String,
    },
}

/// The claim that a selector names.
pub fn claim(selector: &str) -> Option<&str> {
    selector.strip_prefix(CLAIM)
}

pub(crate) fn near_text(near: &[impl std::fmt::Display]) -> String {
    let list: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
    if list.is_empty() { String::new() } else { format!("; did you mean {}?", list.join(" or ")) }
}

/// The cases that the selectors name, sorted by id, none twice; all of the catalogue without selectors.
///
/// Each selector must fit something. `*` in a glob also fits `/`, so that `*@ipv6` is every IPv6 variant.
pub fn select(catalogue: Vec<Case>, selectors: &[String]) -> Result<Vec<Case>, SelectError> {
    if selectors.is_empty() {
        return match catalogue[..] {
            [] => Err(SelectError::Nothing { selector: "*".into() }),
            [..] => Ok(catalogue),
        };
    }
    let parts: Vec<Vec<Case>> =
        selectors.iter().map(|selector| select_one(&catalogue, selector)).collect::<Result<_, _>>()?;
    merge(parts).map_err(SelectError::Cases)
}

fn select_one(catalogue: &[Case], selector: &str) -> Result<Vec<Case>, SelectError> {
    let filter =
        |fits: &dyn Fn(&Case) -> bool| -> Vec<Case> { catalogue.iter().filter(|c| fits(c)).cloned().collect() };
    let found = |cases: Vec<Case>| match cases[..] {
        [] => Err(SelectError::Nothing { selector: selector.into() }),
        [..] => Ok(cases),
    };
    if let Some(claim) = claim(selector) {
        return found(filter(&|case| case.claims.iter().any(|prediction| prediction.claim == claim)));
    }
    let folder = format!("{}/", selector.trim_end_matches('/'));
    let named = filter(&|case| case.id == selector || case.name() == selector || case.id.starts_with(&folder));
    if !named.is_empty() {
        return Ok(named);
    }
    let path = Path::new(selector);
    if selector.ends_with(".yaml") || path.exists() {
        return found(load_path(path).map_err(SelectError::Cases)?);
    }
    if selector.contains(['*', '?', '[', '{']) {
        let glob = GlobBuilder::new(selector).build();
        let glob = glob.map_err(|e| SelectError::Glob { selector: selector.into(), why: e.kind().to_string() })?;
        let glob = glob.compile_matcher();
        return found(filter(&|case| glob.is_match(&case.id) || glob.is_match(case.name())));
    }
    Err(SelectError::Unknown { selector: selector.into(), near: near(catalogue, selector) })
}

/// The names nearest to the wrong one, as a whole or in the last part.
fn near(catalogue: &[Case], wrong: &str) -> Vec<String> {
    let last = |name: &str| name.rsplit('/').next().unwrap_or(name).to_string();
    let edits = |name: &str| {
        let parts = nearness(&last(wrong), &last(name)).filter(|_| !wrong.contains('/'));
        nearness(wrong, name).into_iter().chain(parts).min()
    };
    let wants_variant = wrong.contains('@');
    let names = catalogue.iter().map(|case| if wants_variant { case.name() } else { case.id.clone() });
    let mut near: Vec<(usize, String)> = names.filter_map(|name| Some((edits(&name)?, name))).collect();
    near.sort();
    near.dedup();
    let best = near.first().map(|(edits, _)| *edits);
    near.into_iter().filter(|(edits, _)| Some(*edits) == best).map(|(_, name)| name).take(NEAR_MAX).collect()
}
