//! The ledger of claims: what documents say of TCP, each sentence to be put to the test by cases.
//!
//! Owns the claims with their groups. Refuses to know what is true: that is what cases are played for.

use std::collections::BTreeSet;

use crate::case::Case;

/// All claims, in the file's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The groups.
    pub groups: Vec<Group>,
}

/// Claims about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// As in `time-wait`.
    pub name: String,
    /// The claims.
    pub claims: Vec<Claim>,
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// As in `T04`.
    pub id: String,
    /// The statement, one sentence.
    pub says: String,
    /// The documents and sections that say it.
    pub from: Vec<String>,
    /// Where documents disagree, or what the wording hides.
    pub watch: Option<String>,
    /// Why no case puts it to the test.
    pub untested: Option<String>,
    /// Where it stands, `file:line:column`.
    pub place: String,
    /// The names of all case variants that bear on it, where they are known.
    pub plays: Vec<String>,
}

impl Ledger {
    /// All claims, in order.
    pub fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.groups.iter().flat_map(|group| &group.claims)
    }

    /// The claim of this id.
    pub fn find(&self, id: &str) -> Option<&Claim> {
        self.claims().find(|claim| claim.id == id)
    }

    /// Notes which of all cases bear on which claim: a run of a part of them is no verdict on what they say together.
    pub fn with_plays(mut self, cases: &[Case]) -> Ledger {
        for claim in self.groups.iter_mut().flat_map(|group| &mut group.claims) {
            let bears = |case: &&Case| case.claims.iter().any(|prediction| prediction.claim == claim.id);
            claim.plays = cases.iter().filter(bears).map(Case::name).collect();
        }
        self
    }

    /// What ids there are where this one was meant: those of its letter, or of all letters.
    pub fn expected(&self, wrong: &str) -> String {
        let ids = || self.claims().map(|claim| claim.id.as_str());
        let letters: BTreeSet<char> = ids().filter_map(|id| id.chars().next()).collect();
        let meant = wrong.chars().next().map(|letter| letter.to_ascii_uppercase());
        let is_meant = |letter: &char| meant.is_none_or(|meant| !letters.contains(&meant) || meant == *letter);
        let ranges = letters.iter().filter(|letter| is_meant(letter)).filter_map(|letter| {
            let mut of_letter = ids().filter(|id| id.starts_with(*letter));
            let first = of_letter.next()?;
            Some(of_letter.last().map_or_else(|| first.to_string(), |last| format!("{first} to {last}")))
        });
        format!("a claim of the ledger: {}", ranges.collect::<Vec<_>>().join(", "))
    }
}
