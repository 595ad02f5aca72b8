//! `tcpconform` as the first process of a machine: plays the plan on the machine's kernel, and tells the host.
//!
//! Owns the guest's run. Refuses to judge and to write files: what was seen goes to the host, who does both.

use std::io;
use std::sync::Arc;
use std::thread;

use tcpconform_engine::case::{Case, IpVersion};
use tcpconform_engine::load;
use tcpconform_engine::play::{self, Progress, TargetError};
use tcpconform_engine::run::{Halt, Pace, Planned, Player, RunEvent, run as run_cases};
use tcpconform_engine::trace::Trace;
use tcpconform_live::pin_at_home;
use tcpconform_machines::Message;
use tcpconform_machines::guest::{Guest, OwnSysctls, Urgency, unjudged, urgency};
use tokio::sync::watch;

use crate::exit::{Exit, Refusal};
use crate::in_flight;
use crate::player::KernelPlayer;
use crate::run::runtime;

/// Plays, and switches the machine off.
pub fn play() -> Result<Exit, Refusal> {
    let broken = |error: io::Error| Refusal::could_not_run(error.to_string(), None);
    let mut guest = Guest::start().map_err(broken)?;
    match prepare(&mut guest) {
        Ok((cases, player)) => {
            let identity = player.0.identity();
            let ready = Message::Ready { release: identity.release.clone(), hz: identity.hz };
            guest.tell(&ready).map_err(broken)?;
            run(&mut guest, cases, player)?;
        }
        Err(what) => guest.tell(&Message::Lacks { what }).map_err(broken)?,
    }
    guest.power_off().map_err(broken)?;
    Ok(Exit::AllPass)
}

fn prepare(guest: &mut Guest) -> Result<(Vec<Planned>, Arc<Urgent>), String> {
    let cases = guest.prepare()?;
    pin_at_home();
    // The player starts a thread that takes down what a case does, and a process that is a part of some cases.
    let hurry = |of| urgency(of).map_err(|error| format!("sched_setscheduler: {error}"));
    hurry(Urgency::Watching)?;
    let player = KernelPlayer::start(guest.time()).map_err(|refusal| refusal.to_string())?;
    hurry(Urgency::Ordinary)?;
    let player = Arc::new(Urgent(player));
    touch_everything(&player)?;
    guest.settle()?;
    Ok((cases, player))
}

/// What is done for the first time takes its time: our pages are read in, the kernel makes its caches and its secrets. It also
/// shows whether this kernel has what playing needs.
fn touch_everything(player: &Arc<Urgent>) -> Result<(), String> {
    for case in load::catalogue_embedded(&[("warm-up.yaml", WARM_UP)]).map_err(|wrong| wrong.render(false))? {
        let (over, player) = (case.ip, Arc::clone(player));
        // On a thread of its own, as a case is played.
        let played = thread::spawn(move || player.play(&case, &|_| ()).map(drop)).join();
        let lack = match played {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the player panicked".to_owned(),
        };
        match over {
            IpVersion::Ipv4 => return Err(lack),
            // Costs the cases over IPv6, which will say so.
            IpVersion::Ipv6 => {}
        }
    }
    Ok(())
}

const WARM_UP: &str = "purpose: Nobody judges it.
cites: [RFC 9293 3.6]
variants:
  topology: [crafted, two-kernels]
steps:
  - ports: 1
  - establish
  - a: close()
  - expect: F. 1:1(0) ack 1
";

/// Plays each case on a thread that runs before the others.
struct Urgent(KernelPlayer);

impl Player for Urgent {
    fn play(&self, case: &Case, progress: &dyn Fn(Progress)) -> Result<Trace, TargetError> {
        urgency(Urgency::Playing).map_err(|error| TargetError::Failed(format!("sched_setscheduler: {error}")))?;
        if case.machine_sysctls.is_empty() {
            return self.0.play(case, progress);
        }
        let _until_played = OwnSysctls::set(&case.machine_sysctls)?;
        let mut trace = play::play(case, &mut self.0.target(case)?, progress)?;
        for endpoint in &mut trace.header.endpoints {
            endpoint.sysctls.extend(case.machine_sysctls.clone());
        }
        Ok(trace)
    }

    fn stop(&self) {
        self.0.stop();
    }
}

fn run(guest: &mut Guest, cases: Vec<Planned>, player: Arc<Urgent>) -> Result<(), Refusal> {
    let asked = guest.jobs().map_or(usize::MAX, |jobs| jobs as usize);
    let jobs = asked.min(in_flight::most()).min(cases.len()).max(1);
    let runtime = runtime(jobs)?;
    // Nobody halts a machine from inside.
    let (_never, halt) = watch::channel(Halt::No);
    // On one processor a second case that sets up would only be in the first one's way.
    let pace = Pace { jobs, active: 1, again: false };
    let (alone, others): (Vec<_>, Vec<_>) = cases.into_iter().partition(|it| !it.case.machine_sysctls.is_empty());
    let mut untold = None;
    let mut told = |event, last: bool| {
        if (last || !matches!(event, RunEvent::Finished(_)))
            && let Err(error) = guest.pass_on(event)
        {
            untold.get_or_insert(error);
        }
    };
    // Before the others, whose orphans would count.
    let one = Pace { jobs: 1, ..pace };
    runtime.block_on(run_cases(alone, Arc::clone(&player), unjudged, one, halt.clone(), |event| told(event, false)));
    runtime.block_on(run_cases(others, player, unjudged, pace, halt, |event| told(event, true)));
    untold.map_or(Ok(()), |error| Err(Refusal::could_not_run(format!("telling the host: {error}"), None)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_plays_are_cases() {
        let cases = load::catalogue_embedded(&[("warm-up.yaml", WARM_UP)]).unwrap();
        assert_eq!(cases.len(), 4);
    }
}
