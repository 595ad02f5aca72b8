//! Predicted segments and ICMP errors that no variant of their file shows when the model plays it.
//!
//! Owns the check that a prediction can come true at all: what a refuted claim expects must still be a segment that some
//! variant can show. Refuses to say whether the prediction does come true.

use std::collections::BTreeMap;

use tcpconform_engine::case::Case;
use tcpconform_engine::diagnostic::Diagnostic;
use tcpconform_engine::judge::Shown;
use tcpconform_engine::prediction::Event;
use tcpconform_engine::trace::Trace;

use crate::catalogue::at_place;

/// What the files have shown so far.
#[derive(Default)]
pub struct Showing {
    /// Of each file: what its variants show, and what is predicted by its places.
    files: BTreeMap<String, File>,
}

#[derive(Default)]
struct File {
    shown: Vec<Shown>,
    predicted: BTreeMap<String, Vec<Event>>,
}

impl Showing {
    /// Takes in one variant.
    pub fn add(&mut self, case: &Case, trace: &Trace) {
        let file = self.files.entry(case.id.clone()).or_default();
        file.shown.push(Shown::of(trace));
        for predicted in case.claims.iter().flat_map(|prediction| &prediction.predicts) {
            match &predicted.event {
                Event::Segment(_) | Event::Icmp { .. } if !predicted.forbidden => {
                    file.predicted.entry(predicted.place.clone()).or_default().push(predicted.event.clone());
                }
                Event::Segment(_)
                | Event::Icmp { .. }
                | Event::State { .. }
                | Event::Call { .. }
                | Event::Poll { .. } => {}
            }
        }
    }

    /// One for each segment that does not come in any variant.
    pub fn complaints(&self) -> Vec<Diagnostic> {
        let never = |file: &File, events: &[Event]| {
            !events.iter().any(|event| file.shown.iter().any(|shown| shown.shows(event)))
        };
        self.files
            .values()
            .flat_map(|file| file.predicted.iter().map(move |(place, events)| (file, place, events)))
            .filter(|(file, _, events)| never(file, events))
            .map(|(_, place, events)| {
                let what = events.first().map(Event::to_string).unwrap_or_default();
                let message = format!("no variant of this case shows {what}");
                let expected = "a segment that the model shows in some variant; or `not`, a state or a time";
                at_place(place, None, &message, expected)
            })
            .collect()
    }
}
