//! What a guest tells its host, one JSON object a line.
//!
//! Owns the words. Refuses to know how they travel. Cases are named by their place in the plan.

use serde::{Deserialize, Serialize};
use tcpconform_engine::judgement::Verdict;
use tcpconform_engine::trace::{EndpointIdentity, Record};

/// One thing told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// The guest is up and will play.
    Ready {
        /// The kernel's release, as in uname(2).
        release: String,
        /// Its tick.
        hz: u32,
    },
    /// The guest is up and cannot play: one sentence.
    Lacks {
        /// Why.
        what: String,
    },
    /// A case is being played.
    Started {
        /// Which.
        case: usize,
    },
    /// It does nothing but wait.
    Waiting {
        /// Which.
        case: usize,
        /// How long at most.
        seconds_left: f64,
    },
    /// It goes on.
    Active {
        /// Which.
        case: usize,
    },
    /// It was played; what the host cannot know of its trace.
    Played {
        /// Which.
        case: usize,
        /// The endpoints under test.
        endpoints: Vec<EndpointIdentity>,
        /// Wall-clock time of its start by the guest's clock, nanoseconds since 1970.
        started_unix_ns: u64,
        /// The records.
        records: Vec<Record>,
    },
    /// It was not played.
    Unplayed {
        /// Which.
        case: usize,
        /// `skip` or `error`.
        verdict: Verdict,
        /// One sentence.
        reason: String,
    },
    /// All cases have come to their end.
    Finished {},
}

/// As a line.
pub(crate) fn line(message: &Message) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("messages have no maps with odd keys");
    line.push(b'\n');
    line
}
