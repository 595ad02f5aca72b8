//! A tester that is late with what it does: it blames itself, with figures, and never the target.

use std::collections::VecDeque;

use tcpconform_engine::case::{Case, Endpoint, Host, Operation, RelayRule};
use tcpconform_engine::judge::judge;
use tcpconform_engine::judgement::Verdict;
use tcpconform_engine::load;
use tcpconform_engine::model_target::ModelTarget;
use tcpconform_engine::play::{Seen, Target, TargetError, play};
use tcpconform_engine::trace::{EndpointIdentity, Nanos, Source, TargetIdentity};

/// Hands everything to the model, the third injection too late.
struct Slow {
    target: ModelTarget,
    late: Nanos,
    injections: u32,
    seen: VecDeque<Seen>,
}

impl Target for Slow {
    fn identity(&self) -> TargetIdentity {
        self.target.identity()
    }

    fn endpoints(&self) -> Vec<EndpointIdentity> {
        self.target.endpoints()
    }

    fn started_unix_ns(&self) -> u64 {
        self.target.started_unix_ns()
    }

    fn now(&mut self) -> Nanos {
        self.target.now()
    }

    fn call(&mut self, on: Endpoint, op: &Operation, background: bool) -> Result<Option<Seen>, TargetError> {
        self.target.call(on, op, background)
    }

    fn inject(&mut self, to: Endpoint, packet: &[u8]) -> Result<(), TargetError> {
        self.injections += 1;
        let until = self.target.now() + if self.injections == 3 { self.late } else { 0 };
        while let Some(seen) = self.target.observe(until)? {
            self.seen.push_back(seen);
        }
        self.target.inject(to, packet)
    }

    fn sample(&mut self, of: Endpoint, source: Source) -> Result<Seen, TargetError> {
        self.target.sample(of, source)
    }

    fn observe(&mut self, until: Nanos) -> Result<Option<Seen>, TargetError> {
        self.seen.pop_front().map_or_else(|| self.target.observe(until), |seen| Ok(Some(seen)))
    }

    fn ports(&mut self, of: Host, first: u16, last: u16) -> Result<(), TargetError> {
        self.target.ports(of, first, last)
    }

    fn counters(&mut self, of: Host) -> Result<Option<Seen>, TargetError> {
        self.target.counters(of)
    }

    fn relay(&mut self, rule: &RelayRule) -> Result<(), TargetError> {
        self.target.relay(rule)
    }
}

/// The FIN is to come 100 ms before an orphan in FIN-WAIT-2 is given up.
const CASE: &str = r#"purpose: A FIN that is in time for an orphan in FIN-WAIT-2.
cites: [RFC 9293 3.6]
steps:
  - establish
  - a: setsockopt(TCP_LINGER2, 3)
  - a: close()
  - expect: "F. 1:1(0)"
  - inject: ". ack 2"
  - state: FIN-WAIT-2
  - wait: 2900ms
  - inject: "F. 1:1(0) ack 2"
  - state: TIME-WAIT
"#;

fn case() -> Case {
    load::catalogue_embedded(&[("late.yaml", CASE)]).unwrap().remove(0)
}

fn judged(late: Nanos) -> (Verdict, String) {
    let case = case();
    let mut target = Slow { target: ModelTarget::new(&case), late, injections: 0, seen: VecDeque::new() };
    let judgement = judge(&play(&case, &mut target, &|_| ()).unwrap());
    assert!(judgement.findings.is_empty(), "{:?}", judgement.findings);
    (judgement.verdict, judgement.reason.unwrap_or_default())
}

#[test]
fn a_late_injection_that_missed_its_window_says_by_how_much() {
    assert_eq!(judged(0), (Verdict::Pass, String::new()));
    assert_eq!(judged(30_000_000), (Verdict::Pass, String::new()));
    let (verdict, reason) = judged(400_000_000);
    assert_eq!(verdict, Verdict::Inconclusive);
    insta::assert_snapshot!(reason);
}
