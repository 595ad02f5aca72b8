//! The run loop over a player that does what the case's purpose says.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

use super::*;
use crate::case::{IpVersion, Open, PeerOptions, Topology};
use crate::prediction::Prediction;
use crate::trace::{Header, TargetIdentity, TargetKind, Time, VERSION};

fn case(id: &str, purpose: &str) -> Case {
    Case {
        id: id.into(),
        variant: String::new(),
        choices: Vec::new(),
        purpose: purpose.into(),
        claims: vec![Prediction { claim: "T01".into(), place: String::new(), given: None, predicts: Vec::new() }],
        requirements: Vec::new(),
        topology: Topology::Crafted,
        connections: 1,
        ip: IpVersion::Ipv4,
        open: Open::Active,
        peer: PeerOptions { mss: None, wscale: None, sack: false, timestamps: false, wnd: 1 },
        sysctls: BTreeMap::new(),
        optional_sysctls: BTreeMap::new(),
        machine_sysctls: BTreeMap::new(),
        mtu: 1500,
        steps: Vec::new(),
    }
}

#[derive(Default)]
struct Scripted {
    stopped: Mutex<bool>,
    wake: Condvar,
    ignores_stop: AtomicBool,
    playing: AtomicUsize,
    most: AtomicUsize,
    /// Plays of cases that may be late.
    late: AtomicUsize,
    /// The most that were played beside a second play.
    beside_second: AtomicUsize,
}

impl Player for Scripted {
    fn play(&self, case: &Case, progress: &dyn Fn(Progress)) -> Result<Trace, TargetError> {
        let playing = self.playing.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(playing, Ordering::SeqCst);
        let result = match case.purpose.as_str() {
            "skip" => Err(TargetError::Unsupported("no tracepoint".into())),
            "fail" => Err(TargetError::Failed("socket(): EMFILE".into())),
            "panic" => panic!("index out of range"),
            "wait" => {
                progress(Progress::Waiting { seconds_left: 60.0 });
                let mut stopped = self.stopped.lock().unwrap();
                while !*stopped || self.ignores_stop.load(Ordering::SeqCst) {
                    stopped = self.wake.wait(stopped).unwrap();
                }
                Err(TargetError::Interrupted)
            }
            "late" | "late once" => {
                let mut trace = trace(case);
                let plays = self.late.fetch_add(1, Ordering::SeqCst) + 1;
                if plays > 2 {
                    self.beside_second.fetch_max(playing - 1, Ordering::SeqCst);
                }
                trace.header.tool = if plays > 2 { "2".into() } else { "1".into() };
                Ok(trace)
            }
            _ => Ok(trace(case)),
        };
        self.playing.fetch_sub(1, Ordering::SeqCst);
        result
    }

    fn stop(&self) {
        *self.stopped.lock().unwrap() = true;
        self.wake.notify_all();
    }
}

fn trace(case: &Case) -> Trace {
    Trace {
        header: Header {
            trace: VERSION,
            tool: String::new(),
            case: case.id.clone(),
            variant: case.variant.clone(),
            purpose: case.purpose.clone(),
            axes: Vec::new(),
            claims: Vec::new(),
            requirements: Vec::new(),
            target: TargetIdentity { kind: TargetKind::Model, release: String::new(), hz: 250, time: Time::Virtual },
            topology: case.topology,
            endpoints: Vec::new(),
            steps: Vec::new(),
            started_unix_ns: 0,
        },
        records: Vec::new(),
    }
}

fn judge(trace: &Trace) -> Judgement {
    assert_ne!(trace.header.purpose, "unjudgeable");
    let is_late = trace.header.purpose == "late" || trace.header.purpose == "late once" && trace.header.tool == "1";
    let late = |trace: &Trace| format!("{} of {}", trace.header.purpose, trace.header.tool);
    Judgement {
        verdict: if is_late { Verdict::Inconclusive } else { Verdict::Pass },
        reason: is_late.then(|| late(trace)),
        ..unjudged(&case(&trace.header.case, ""), Verdict::Pass, String::new())
    }
}

fn planned(cases: &[(&str, &str)]) -> Vec<Planned> {
    cases.iter().map(|(id, purpose)| Planned { case: case(id, purpose), lasts: None }).collect()
}

/// Runs the cases; `halt` is asked at each event whether to halt.
fn events(
    cases: Vec<Planned>,
    player: &Arc<Scripted>,
    jobs: usize,
    halt: impl Fn(&RunEvent) -> Option<Halt>,
) -> Vec<RunEvent> {
    let (sender, receiver) = watch::channel(Halt::No);
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(64).build().unwrap();
    let mut events = Vec::new();
    let finish = |case: &Case, played| judged(&judge, case, played);
    let tally = runtime.block_on(run(
        cases,
        Arc::clone(player),
        finish,
        Pace { jobs, active: jobs, again: true },
        receiver,
        |event| {
            if let Some(halt) = halt(&event) {
                sender.send(halt).unwrap();
            }
            events.push(event);
        },
    ));
    assert_eq!(events.last(), Some(&RunEvent::Finished(tally)));
    // A player that ignores `stop` must not hold up the test.
    player.ignores_stop.store(false, Ordering::SeqCst);
    player.stop();
    events
}

fn verdicts(events: &[RunEvent]) -> Vec<(String, Verdict, Option<String>)> {
    let mut verdicts: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            RunEvent::CaseFinished(end) => {
                Some((end.judgement.id.clone(), end.judgement.verdict, end.judgement.reason.clone()))
            }
            RunEvent::Started { .. }
            | RunEvent::CaseStarted { .. }
            | RunEvent::CaseProgress { .. }
            | RunEvent::CaseAgain { .. }
            | RunEvent::CaseHalted { .. }
            | RunEvent::Interrupted { .. }
            | RunEvent::Finished(_) => None,
        })
        .collect();
    verdicts.sort_by(|a, b| a.0.cmp(&b.0));
    verdicts
}

#[test]
fn what_breaks_one_case_is_its_verdict_and_the_others_go_on() {
    let cases = planned(&[("a", "skip"), ("b", "fail"), ("c", "panic"), ("d", "pass"), ("e", "unjudgeable")]);
    let events = events(cases, &Arc::default(), 2, |_| None);
    let verdicts = verdicts(&events);
    assert_eq!(verdicts[0], ("a".into(), Verdict::Skip, Some("no tracepoint".into())));
    assert_eq!(verdicts[1], ("b".into(), Verdict::Error, Some("socket(): EMFILE".into())));
    assert_eq!(verdicts[2], ("c".into(), Verdict::Error, Some("the player panicked: index out of range".into())));
    assert_eq!(verdicts[3], ("d".into(), Verdict::Pass, None));
    assert_eq!(verdicts[4].1, Verdict::Error);
    assert!(verdicts[4].2.as_ref().unwrap().starts_with("the judge panicked: "), "{:?}", verdicts[4]);
    assert_eq!(events.last(), Some(&RunEvent::Finished(Tally { finished: 5, not_run: 0 })));
}

#[test]
fn an_inconclusive_case_is_played_once_more_alone_and_says_so() {
    let player = Arc::<Scripted>::default();
    let cases = planned(&[("a", "late"), ("b", "late once"), ("c", "pass"), ("d", "pass")]);
    let events = events(cases, &player, 4, |_| None);
    let retried = |id: &str| {
        events.iter().find_map(|event| match event {
            RunEvent::CaseFinished(end) if end.judgement.id == id => Some(end.judgement.retried.clone()),
            RunEvent::CaseFinished(_)
            | RunEvent::Started { .. }
            | RunEvent::CaseStarted { .. }
            | RunEvent::CaseProgress { .. }
            | RunEvent::CaseAgain { .. }
            | RunEvent::CaseHalted { .. }
            | RunEvent::Interrupted { .. }
            | RunEvent::Finished(_) => None,
        })
    };
    let verdicts = verdicts(&events);
    assert_eq!(verdicts[0], ("a".into(), Verdict::Inconclusive, Some("late of 2".into())));
    assert_eq!(verdicts[1], ("b".into(), Verdict::Pass, None));
    assert_eq!(retried("a"), Some(Some("late of 1".into())));
    assert_eq!(retried("b"), Some(Some("late once of 1".into())));
    assert_eq!(retried("c"), Some(None));
    assert_eq!(player.late.load(Ordering::SeqCst), 4);
    assert_eq!(player.beside_second.load(Ordering::SeqCst), 0);
    assert_eq!(events.last(), Some(&RunEvent::Finished(Tally { finished: 4, not_run: 0 })));
}

#[test]
fn a_case_that_was_to_be_played_again_keeps_its_verdict_when_the_run_is_halted() {
    let cases = planned(&[("a", "late"), ("b", "wait")]);
    let events =
        events(cases, &Arc::default(), 2, |event| matches!(event, RunEvent::CaseAgain { .. }).then_some(Halt::Soon));
    assert_eq!(verdicts(&events), [("a".into(), Verdict::Inconclusive, Some("late of 1".into()))]);
    assert_eq!(events.last(), Some(&RunEvent::Finished(Tally { finished: 1, not_run: 1 })));
}

#[test]
fn no_more_than_jobs_are_in_flight() {
    let player = Arc::<Scripted>::default();
    let names: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let cases = names.iter().map(|name| Planned { case: case(name, "pass"), lasts: None }).collect();
    events(cases, &player, 3, |_| None);
    assert!(player.most.load(Ordering::SeqCst) <= 3);
}

#[test]
fn the_longest_start_first() {
    let lasting = |id, seconds| Planned { case: case(id, "pass"), lasts: Some(Duration::from_secs(seconds)) };
    let cases = vec![lasting("short", 1), lasting("long", 60), lasting("middle", 5)];
    let order: Vec<String> = longest_first(cases.clone(), 2).into_iter().map(|planned| planned.case.id).collect();
    assert_eq!(order, ["long", "middle", "short"]);
    assert_eq!(longest_first(cases, 1)[0].case.id, "short");
}

#[test]
fn a_halted_run_stops_the_cases_in_flight_and_keeps_what_is_finished() {
    let cases = planned(&[("a", "pass"), ("b", "wait"), ("c", "wait"), ("d", "wait")]);
    let waiting = AtomicUsize::new(0);
    let events = events(cases, &Arc::default(), 3, |event| {
        let is_wait = matches!(event, RunEvent::CaseProgress { .. });
        (is_wait && waiting.fetch_add(1, Ordering::SeqCst) == 1).then_some(Halt::Soon)
    });
    assert_eq!(verdicts(&events).len(), 1);
    assert!(events.iter().any(|event| matches!(event, RunEvent::Interrupted { .. })));
    assert_eq!(events.last(), Some(&RunEvent::Finished(Tally { finished: 1, not_run: 3 })));
}

#[test]
fn a_case_that_does_not_stop_is_left_behind() {
    let player = Arc::<Scripted>::default();
    player.ignores_stop.store(true, Ordering::SeqCst);
    let events = events(planned(&[("a", "wait")]), &player, 1, |event| {
        matches!(event, RunEvent::CaseProgress { .. }).then_some(Halt::Now)
    });
    assert_eq!(events.last(), Some(&RunEvent::Finished(Tally { finished: 0, not_run: 1 })));
}
