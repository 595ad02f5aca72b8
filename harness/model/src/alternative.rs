//! What released kernels do differently and no sysctl tells: named alternatives, each a rule.
//!
//! Owns which rules answer the same question. Refuses to know versions: stable kernels take changes from newer ones, so that a
//! late 6.12 does what an early 6.18 does not. A judge finds out which one a kernel shows.

use crate::rule::{RuleRef, rules};

/// A question that released kernels answer differently, and each kernel always in the same way.
#[derive(Debug)]
pub struct Alternative {
    /// As in `right-edge`.
    pub id: &'static str,
    /// The question, in one sentence.
    pub question: &'static str,
    /// The answers that a released kernel has shown; the rules say what each does and cite it.
    pub choices: &'static [RuleRef],
}

/// All of them.
pub static ALTERNATIVES: [Alternative; 15] = [
    Alternative {
        id: "right-edge",
        question: "What becomes of a segment that ends beyond the window while unread data is queued?",
        choices: &[&rules::CHECK_SEQ_RIGHT_EDGE_TAKEN, &rules::CHECK_SEQ_RIGHT_EDGE_STRICT],
    },
    Alternative {
        id: "paws-old-ack",
        question: "Is a pure ACK with an old timestamp and an old sequence number answered?",
        choices: &[&rules::CHECK_PAWS_OLD_ACK, &rules::CHECK_PAWS_OLD_ACK_ANSWERED],
    },
    Alternative {
        id: "paws-syn",
        question: "What answers a SYN with an old timestamp?",
        choices: &[&rules::CHECK_PAWS_SYN, &rules::CHECK_PAWS_SYN_REPEATED],
    },
    Alternative {
        id: "ack-unsent",
        question: "Is an ACK of something not yet sent answered in ESTABLISHED?",
        choices: &[&rules::CHECK_ACK_UNSENT_ANSWERED, &rules::CHECK_ACK_UNSENT_SILENT],
    },
    Alternative {
        id: "old-ack-ts-recent",
        question: "Does data with an old ACK update TS.Recent?",
        choices: &[&rules::CHECK_ACK_OLD_UPDATES, &rules::CHECK_ACK_OLD_KEEPS],
    },
    Alternative {
        id: "old-ack-closing",
        question: "Is a segment with an old ACK taken once one side has closed?",
        choices: &[&rules::CHECK_ACK_OLD_TAKEN, &rules::CHECK_ACK_OLD_CHALLENGE],
    },
    Alternative {
        id: "crossed-syn-ack",
        question: "Does a SYN,ACK open the connection after crossing SYNs?",
        choices: &[&rules::SYN_RECEIVED_CROSSED, &rules::SYN_RECEIVED_CROSSED_CHALLENGE],
    },
    Alternative {
        id: "syn-received-rst",
        question: "What does a RST in the window, but not at RCV.NXT, do in SYN-RECEIVED?",
        choices: &[&rules::SYN_RECEIVED_RST_CHALLENGE, &rules::SYN_RECEIVED_RST_DROPS],
    },
    Alternative {
        id: "syn-received-tsecr",
        question: "Must a segment in SYN-RECEIVED echo the timestamp of a SYN,ACK?",
        choices: &[&rules::SYN_RECEIVED_TSECR, &rules::SYN_RECEIVED_ANY_TSECR],
    },
    Alternative {
        id: "closed-window-fin",
        question: "Is a FIN alone taken while the window is closed?",
        choices: &[&rules::FIN_CLOSED_WINDOW, &rules::FIN_CLOSED_WINDOW_DROPPED],
    },
    Alternative {
        id: "reopen-iss",
        question: "Where does a connection begin that replaces one in TIME-WAIT?",
        choices: &[&rules::TIME_WAIT_REOPEN_BEYOND, &rules::TIME_WAIT_REOPEN_CLOCK],
    },
    Alternative {
        id: "unasked-timestamps",
        question: "Are timestamps that were not agreed on in the ACKs of TIME-WAIT?",
        choices: &[&rules::TIME_WAIT_TIMESTAMPS, &rules::TIME_WAIT_TIMESTAMPS_FORGOTTEN],
    },
    Alternative {
        id: "fin-wait-2-reuse",
        question: "May connect take over a four-tuple in FIN-WAIT-2?",
        choices: &[&rules::FIN_WAIT_2_REFUSED, &rules::FIN_WAIT_2_REUSED],
    },
    Alternative {
        id: "wait-counted",
        question: "When do the counters TW and TWKilled count a wait?",
        choices: &[&rules::COUNT_WAIT_AT_ONCE, &rules::COUNT_WAIT_WHEN_OVER],
    },
    Alternative {
        id: "shrunk-window-user-timeout",
        question: "From when does the user timeout count while the window is shrunk?",
        choices: &[&rules::SHRUNK_WINDOW_USER, &rules::SHRUNK_WINDOW_USER_TICKS],
    },
];

/// The alternative that a rule answers, and which of its choices it is: indices into [`ALTERNATIVES`] and its choices.
pub fn choice_of(rule: RuleRef) -> Option<(usize, usize)> {
    ALTERNATIVES.iter().enumerate().find_map(|(i, alternative)| {
        alternative.choices.iter().position(|choice| core::ptr::eq(*choice, rule)).map(|choice| (i, choice))
    })
}

#[cfg(test)]
mod tests {
    use super::{ALTERNATIVES, choice_of};

    #[test]
    fn each_rule_answers_one_question() {
        for (i, alternative) in ALTERNATIVES.iter().enumerate() {
            assert!(alternative.choices.len() > 1, "{}", alternative.id);
            for (choice, rule) in alternative.choices.iter().enumerate() {
                assert_eq!(choice_of(rule), Some((i, choice)), "{}", rule.id);
            }
        }
    }
}
