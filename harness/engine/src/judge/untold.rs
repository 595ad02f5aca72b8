//! State changes that nothing told of: where the tracepoint is not readable, states are only asked for now and then.
//!
//! Owns between which moments such a change came, by what was done to the endpoint and by what was seen of it. Never takes the time of
//! a timer from the model: that lies between the two samples around it. Refuses to know why a change came.

use tcpconform_model::{Nanos, Span, State};

use crate::case::Endpoint;
use crate::trace::{Record, Sample, Source, Trace};

/// When a change came, as far as is known while the trace is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// Between what was before it and what was seen next.
    pub at: Span,
    /// Index of the record of what it came of; `None` where a timer did it.
    pub cause: Option<usize>,
    /// Index of the record of what was seen next.
    pub shown: usize,
}

/// A change of an endpoint's state, as the tracepoint would tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// The state left.
    pub from: State,
    /// The state entered.
    pub to: State,
    /// When.
    pub moment: Moment,
}

impl Change {
    fn is_like(&self, other: &Change) -> bool {
        (self.from, self.to) == (other.from, other.to)
    }

    /// The same change at a time that either allows.
    fn or(self, other: Change) -> Change {
        let (one, two) = (self.moment, other.moment);
        let at = Span::new(one.at.lo.min(two.at.lo), one.at.hi.max(two.at.hi));
        let cause = one.cause.zip(two.cause).map(|(one, two)| one.min(two));
        Change { moment: Moment { at, cause, shown: one.shown.max(two.shown) }, ..self }
    }
}

/// Whether both are the same changes in the same order, at whatever times.
pub(super) fn are_alike(one: &[Change], two: &[Change]) -> bool {
    one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one.is_like(two))
}

/// The same changes at times that either allows; `None` where they are not the same.
pub(super) fn common(one: &[Change], two: &[Change]) -> Option<Vec<Change>> {
    are_alike(one, two).then(|| one.iter().zip(two).map(|(one, two)| one.or(*two)).collect())
}

/// A change with its places among the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// The state left.
    pub from: State,
    /// The state entered.
    pub to: State,
    /// When.
    pub at: Span,
    /// Before the record of this index at the earliest.
    pub first: usize,
    /// Before the record of this index at the latest.
    pub last: usize,
    /// Index of the record that shows it best: what it came of, or what was seen next.
    pub record: usize,
}

/// The places of changes of one endpoint, in order.
pub(super) fn placed(trace: &Trace, of: Endpoint, changes: &[Change]) -> Vec<Placed> {
    let samples = samples(trace, of);
    let mut placed: Vec<Placed> = changes.iter().map(|change| place(&trace.records, &samples, change)).collect();
    for i in 1..placed.len() {
        placed[i].first = placed[i].first.max(placed[i - 1].first);
        placed[i].last = placed[i].last.max(placed[i].first);
    }
    for i in (1..placed.len()).rev() {
        placed[i - 1].last = placed[i - 1].last.min(placed[i].last).max(placed[i - 1].first);
    }
    placed
}

fn place(records: &[Record], samples: &[Asked<'_>], change: &Change) -> Placed {
    let Change { from, to, moment: Moment { at, cause, shown } } = *change;
    if let Some(cause) = cause {
        let first = cause + 1;
        let last = records.partition_point(|record| record.at < at.hi).min(shown).max(first);
        return Placed { from, to, at, first, last, record: cause };
    }
    let after = samples.iter().position(|asked| asked.sample.until >= at.hi && asked.sample.state != from);
    let until_then = &samples[..after.unwrap_or(samples.len())];
    let before = until_then.iter().rfind(|asked| asked.sample.state != to);
    let after = after.map(|after| &samples[after]);
    let end = records.len() - 1;
    let lo = before.map_or(0, |before| before.at);
    let hi = after.map_or(records[end].at, |after| after.sample.until);
    let record = after.map_or(end, |after| after.record);
    Placed {
        from,
        to,
        at: Span::new(lo, hi),
        first: before.map_or(0, |before| before.record + 1),
        last: record,
        record,
    }
}

/// The changes that the samples show by themselves, without what came between two of them unseen.
pub(super) fn sampled(trace: &Trace, of: Endpoint) -> Vec<Placed> {
    let mut before: Option<&Asked<'_>> = None;
    let mut changes = Vec::new();
    let samples = samples(trace, of);
    for asked in &samples {
        let from = before.map_or(State::Closed, |before| before.sample.state);
        if from != asked.sample.state {
            let (lo, first) = before.map_or((0, 0), |before| (before.at, before.record + 1));
            let at = Span::new(lo, asked.sample.until);
            let to = asked.sample.state;
            changes.push(Placed { from, to, at, first, last: asked.record, record: asked.record });
        }
        before = Some(asked);
    }
    changes
}

/// A sample with its place.
struct Asked<'t> {
    record: usize,
    at: Nanos,
    sample: &'t Sample,
}

fn samples(trace: &Trace, of: Endpoint) -> Vec<Asked<'_>> {
    let records = trace.records.iter().enumerate();
    let asked = records.filter_map(|(record, entry)| {
        let sample = entry.what.sample().filter(|sample| sample.on == of && sample.source == Source::SockDiag)?;
        Some(Asked { record, at: entry.at, sample })
    });
    asked.collect()
}

#[cfg(test)]
mod tests;
