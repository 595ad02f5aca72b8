//! What the middle does to the frames of a walk between two kernels.

use std::time::Duration;

use super::dice::Dice;
use crate::case::{Endpoint, RelayAction, RelayRule};
use crate::notation::parse_pattern;

const PATTERNS: [(u32, &str); 6] = [(4, "*"), (3, "."), (2, "P."), (3, "F."), (1, "R."), (1, "* (1000)")];

/// A rule for frames to come.
pub(super) fn rule(dice: &mut Dice) -> RelayRule {
    let action = match dice.below(9) {
        0..=3 => RelayAction::Drop,
        4..=5 => RelayAction::Delay(Duration::from_millis(u64::from(dice.pick(&[1u32, 10, 50, 210, 450])))),
        6..=7 => RelayAction::Duplicate(dice.between(2, 3)),
        _ => RelayAction::Swap,
    };
    RelayRule {
        from: dice.pick(&[Endpoint::A, Endpoint::B]),
        pattern: parse_pattern(dice.weighted(&PATTERNS)).expect("a pattern"),
        action,
        times: Some(dice.pick(&[1, 1, 1, 2, 3])),
    }
}
