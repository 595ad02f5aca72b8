//! The colours of the terminal. Everything is readable without them.

use anstyle::{AnsiColor, Style};
use tcpconform_engine::claims::ClaimState;
use tcpconform_engine::judgement::Verdict;

/// Which styles are used for what.
#[derive(Clone, Copy, Debug, Default)]
pub struct Palette {
    pass: Style,
    inconclusive: Style,
    fail: Style,
    error: Style,
    /// What stands back: labels, skipped cases.
    pub faint: Style,
    /// What stands out: names, headings.
    pub strong: Style,
}

impl Palette {
    /// No escape sequences at all.
    pub const fn plain() -> Palette {
        let plain = Style::new();
        Palette { pass: plain, inconclusive: plain, fail: plain, error: plain, faint: plain, strong: plain }
    }

    /// Colours, for a stream that takes them out where nobody sees them.
    pub const fn coloured() -> Palette {
        let bold = Style::new().bold();
        Palette {
            pass: AnsiColor::Green.on_default(),
            inconclusive: AnsiColor::Yellow.on_default().bold(),
            fail: AnsiColor::Red.on_default().bold(),
            error: AnsiColor::Magenta.on_default().bold(),
            faint: Style::new().dimmed(),
            strong: bold,
        }
    }

    /// The style of a verdict.
    pub const fn of(&self, verdict: Verdict) -> Style {
        match verdict {
            Verdict::Skip => self.faint,
            Verdict::Pass => self.pass,
            Verdict::Inconclusive => self.inconclusive,
            Verdict::Fail => self.fail,
            Verdict::Error => self.error,
        }
    }

    /// The style of a claim's verdict. A refuted claim is a finding about a document, not a failure.
    pub const fn of_claim(&self, state: ClaimState) -> Style {
        match state {
            ClaimState::Confirmed => self.pass,
            ClaimState::Refuted => self.strong,
            ClaimState::Conditional => self.inconclusive,
            ClaimState::Untested => self.faint,
        }
    }
}
