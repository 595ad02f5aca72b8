//! The order of steps: what cannot be done because of what was done before, or because of who is there.

use std::collections::{BTreeMap, BTreeSet};

use tcpconform_model::{Call, IcmpKind, SocketOption, State};

use super::context::Context;
use super::tree::Node;
use crate::case::{Endpoint, Host, IcmpInjection, IpVersion, Open, Operation, OperationCall, StepKind, Topology};
use crate::names::LISTENER;

/// What the steps so far have made of the sockets.
pub(super) struct Sockets {
    topology: Topology,
    open: Open,
    ip: IpVersion,
    crashed: BTreeSet<Host>,
    rebooted: BTreeSet<Host>,
    ends: BTreeMap<Endpoint, End>,
    /// Hosts that listen.
    listening: BTreeSet<Host>,
    /// Processes that have a host's listener.
    servers: BTreeSet<(Host, String)>,
    /// Hosts whose connect() finds the port itself.
    ephemeral: BTreeSet<Host>,
    injected: bool,
    waits: bool,
}

#[derive(Default)]
struct End {
    opening: Opening,
    /// A socket was made by an option that was set on it.
    made: bool,
    /// By name; the empty name is the first descriptor.
    descriptors: BTreeMap<String, Held>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Opening {
    #[default]
    Not,
    Listening,
    Connected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Open,
    /// Made by socket(), neither connected nor listening.
    Unused {
        bound: bool,
    },
    Closed,
    Process,
    Ended,
}

impl Sockets {
    pub(super) fn new(topology: Topology, open: Open, ip: IpVersion) -> Sockets {
        Sockets {
            topology,
            open,
            ip,
            ends: BTreeMap::new(),
            crashed: BTreeSet::new(),
            rebooted: BTreeSet::new(),
            listening: BTreeSet::new(),
            servers: BTreeSet::new(),
            ephemeral: BTreeSet::new(),
            injected: false,
            waits: false,
        }
    }

    /// Whether any step so far waits for something.
    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    /// Complains about a step that cannot be, and notes what it does.
    pub(super) fn check(&mut self, context: &Context<'_, '_>, node: &Node, kind: &StepKind) {
        let endpoint = match kind {
            StepKind::Call { on, .. } | StepKind::Poll { on, .. } => Some(*on),
            StepKind::Expect { from, .. } => Some(*from),
            StepKind::Await { of, .. } => Some(*of),
            StepKind::Inject { to, .. } | StepKind::Icmp { to, .. } => Some(*to),
            StepKind::Counters { of } => Some(Endpoint { connection: 1, host: *of }),
            StepKind::Relay(_) | StepKind::Establish { .. } | StepKind::Wait(_) | StepKind::Ports { .. } => None,
        };
        self.waits |= matches!(kind, StepKind::Expect { .. } | StepKind::Await { .. } | StepKind::Poll { .. });
        if endpoint.is_some_and(|endpoint| endpoint.host == Host::B) && self.topology == Topology::Crafted {
            context.complain(
                node,
                &format!(
                    "contradiction: with the crafted peer there is no endpoint `{}`",
                    endpoint.unwrap_or(Endpoint::B)
                ),
                "`a`, or `topology: two-kernels`, or this step under `when: {two-kernels: [...]}`",
            );
            return;
        }
        match kind {
            StepKind::Establish { connection } => self.establish(context, node, *connection),
            StepKind::Call { on, op, .. } => self.call(context, node, *on, op),
            StepKind::Inject { .. } => self.inject(context, node),
            StepKind::Icmp { to, error } => self.icmp(context, node, *to, error),
            StepKind::Expect { .. } => self.expect(context, node),
            StepKind::Await { of, state, .. } => self.state(context, node, *of, *state),
            StepKind::Poll { on, .. } => {
                if self.opened(context, node, *on) {
                    self.held(context, node, *on, "", false);
                }
            }
            StepKind::Relay(_) => self.relay(context, node),
            StepKind::Ports { of, .. } => drop(self.ephemeral.insert(*of)),
            StepKind::Counters { .. } | StepKind::Wait(_) => {}
        }
    }

    fn end(&mut self, endpoint: Endpoint) -> &mut End {
        self.ends.entry(endpoint).or_default()
    }

    fn establish(&mut self, context: &Context<'_, '_>, node: &Node, connection: u8) {
        let [a, b] = [Host::A, Host::B].map(|host| Endpoint { connection, host });
        if self.end(a).opening != Opening::Not || self.end(b).opening != Opening::Not {
            context.complain(
                node,
                "contradiction: the connection is open already, or being opened",
                "one `establish`, before any connect() or listen(), or none",
            );
        }
        let host = match self.open {
            Open::Active => Host::B,
            Open::Passive => Host::A,
        };
        if self.listening.insert(host) {
            self.end(Endpoint { connection, host }).descriptors.insert(LISTENER.into(), Held::Open);
        }
        self.end(a).opening = Opening::Connected;
        self.end(b).opening = Opening::Connected;
    }

    fn inject(&mut self, context: &Context<'_, '_>, node: &Node) {
        if self.topology.has_two_kernels() {
            context.complain(
                node,
                "contradiction: between two kernels there is nobody who injects",
                "`topology: crafted`, or this step under `when: {crafted: [...]}`",
            );
        }
        self.injected = true;
    }

    fn icmp(&mut self, context: &Context<'_, '_>, node: &Node, to: Endpoint, error: &IcmpInjection) {
        self.inject(context, node);
        self.opened(context, node, to);
        if error.kind == IcmpKind::SourceQuench && self.ip == IpVersion::Ipv6 {
            context.complain(
                node,
                "contradiction: ICMPv6 has no Source Quench",
                "another error, or this step under `when: {ipv4: [...]}`",
            );
        }
    }

    fn relay(&self, context: &Context<'_, '_>, node: &Node) {
        if self.topology == Topology::Crafted {
            context.complain(
                node,
                "contradiction: with the crafted peer there is no middle",
                "`topology: two-kernels`, or this step under `when: {two-kernels: [...]}`",
            );
        }
    }

    fn expect(&mut self, context: &Context<'_, '_>, node: &Node) {
        if self.ends.values().all(|end| end.opening == Opening::Not) && !self.injected {
            context.complain(
                node,
                "nothing has been done that a segment could answer",
                "`establish`, a connect() or listen(), or an `inject` before",
            );
            self.injected = true;
        }
    }

    fn state(&mut self, context: &Context<'_, '_>, node: &Node, of: Endpoint, state: State) {
        if state != State::Closed {
            self.opened(context, node, of);
        }
    }

    /// Whether the endpoint's socket is opening or open; complains once when not.
    fn opened(&mut self, context: &Context<'_, '_>, node: &Node, on: Endpoint) -> bool {
        let end = self.ends.entry(on).or_default();
        if end.opening != Opening::Not || end.made || self.listening.contains(&on.host) {
            return true;
        }
        end.opening = Opening::Connected;
        context.complain(
            node,
            &format!("the socket of `{on}` is not open yet"),
            "`establish`, connect() or listen() before",
        );
        false
    }

    /// Whether the descriptor (or, with `process`, the child) of this name can be used; complains when not.
    fn held(&mut self, context: &Context<'_, '_>, node: &Node, on: Endpoint, name: &str, process: bool) -> bool {
        let shown = if name.is_empty() { "the first descriptor".to_string() } else { format!("`{name}`") };
        let first = if name.is_empty() { Some(Held::Open) } else { None };
        let held = self.end(on).descriptors.get(name).copied().or(first);
        let (message, expected) = match (held, process) {
            (Some(Held::Open | Held::Unused { .. }), false) | (Some(Held::Process), true) => return true,
            (None, _) => (
                format!("`{on}` has nothing named {shown}"),
                format!("a name made before, as in `{on}: {name} = dup()`"),
            ),
            (Some(Held::Closed), _) => {
                (format!("{shown} of `{on}` is closed already"), "a descriptor that is open".to_string())
            }
            (Some(Held::Ended), _) => {
                (format!("process {shown} of `{on}` has ended already"), "a process that runs".to_string())
            }
            (Some(Held::Open | Held::Unused { .. }), true) => {
                (format!("{shown} is a descriptor, not a process"), "a child made by handover()".to_string())
            }
            (Some(Held::Process), false) => (
                format!("{shown} is a process, not a descriptor"),
                "exit() or kill(), or a descriptor made by dup()".to_string(),
            ),
        };
        context.complain(node, &message, &expected);
        false
    }

    fn call(&mut self, context: &Context<'_, '_>, node: &Node, on: Endpoint, op: &Operation) {
        if self.crashed.contains(&on.host) && op.call != OperationCall::Reboot {
            context.complain(node, &format!("contradiction: the host of `{on}` has crashed"), "reboot() before");
            return;
        }
        if op.call.is_of_host() {
            self.host_goes(on.host, op.call);
            return;
        }
        self.check_ip_version(context, node, op.call);
        let name = op.descriptor.clone().unwrap_or_default();
        if let OperationCall::Serve { .. } = op.call {
            if self.listening.contains(&on.host) && op.descriptor.is_none() {
                self.servers.extend(op.makes.clone().map(|made| (on.host, made)));
                for end in self.ends.values_mut() {
                    end.descriptors.remove(LISTENER);
                }
            } else {
                context.complain(node, "serve() hands over the listener, and there is none", "listen() before");
            }
            return;
        }
        if self.servers.contains(&(on.host, name.clone())) {
            if !matches!(op.call, OperationCall::Socket(Call::Accept | Call::Close)) {
                let expected = format!("{name}.accept() or {name}.close()");
                context.complain(node, &format!("`{name}` of `{on}` is a server process"), &expected);
            }
            self.ends.entry(on).or_default().opening = Opening::Listening;
            return;
        }
        let unused = matches!(self.end(on).descriptors.get(&name), Some(Held::Unused { .. }));
        let again = name == LISTENER && matches!(op.call, OperationCall::Socket(Call::Listen { .. }));
        if !unused && !again && op.call != OperationCall::Open && !self.fits_opening(context, node, on, op.call) {
            return;
        }
        let process = matches!(op.call, OperationCall::Exit | OperationCall::Kill);
        // accept() without a name is the listener's.
        let of_listener = name.is_empty() && op.call == OperationCall::Socket(Call::Accept);
        let made = op.call != OperationCall::Open && !of_listener;
        if made && !self.held(context, node, on, &name, process) {
            return;
        }
        let ephemeral = self.ephemeral.contains(&on.host);
        let end = self.ends.entry(on).or_default();
        if let Some(Held::Unused { bound }) = end.descriptors.get_mut(&name) {
            let has_port = *bound || ephemeral;
            match op.call {
                OperationCall::Bind => *bound = true,
                OperationCall::Socket(Call::Connect | Call::Listen { .. }) if !has_port => context.complain(
                    node,
                    &format!("`{name}` of `{on}` has no port yet"),
                    &format!("`{name}.bind()` before, or for connect() a `ports` step"),
                ),
                OperationCall::Socket(Call::Connect) => {
                    end.descriptors.insert(name.clone(), Held::Open);
                    end.opening = Opening::Connected;
                }
                OperationCall::Socket(Call::Listen { .. }) => {
                    end.descriptors.insert(name.clone(), Held::Open);
                    end.opening = Opening::Listening;
                    self.listening.insert(on.host);
                }
                OperationCall::Socket(Call::Close | Call::SetOption(SocketOption::ReuseAddr(_))) => {}
                OperationCall::Socket(_)
                | OperationCall::Open
                | OperationCall::Handover
                | OperationCall::Serve { .. }
                | OperationCall::Exit
                | OperationCall::Kill
                | OperationCall::Crash
                | OperationCall::Reboot
                | OperationCall::TcpInfo => context.complain(
                    node,
                    &format!("`{name}` of `{on}` is neither connected nor listening"),
                    "bind(), connect(), listen(), close() or setsockopt(SO_REUSEADDR, ...)",
                ),
            }
        } else if op.call == OperationCall::Bind {
            context.complain(node, "only a socket made by socket() is bound by hand", "`again = socket()` before");
        }
        match op.call {
            OperationCall::Socket(Call::Close) => drop(end.descriptors.insert(name, Held::Closed)),
            OperationCall::Handover => drop(end.descriptors.insert(name, Held::Closed)),
            OperationCall::Exit | OperationCall::Kill => drop(end.descriptors.insert(name, Held::Ended)),
            OperationCall::Socket(_)
            | OperationCall::TcpInfo
            | OperationCall::Open
            | OperationCall::Bind
            | OperationCall::Serve { .. }
            | OperationCall::Crash
            | OperationCall::Reboot => {}
        }
        if let Some(made) = &op.makes {
            let held = match op.call {
                OperationCall::Handover | OperationCall::Serve { .. } => Held::Process,
                OperationCall::Open => Held::Unused { bound: false },
                OperationCall::Socket(_)
                | OperationCall::Bind
                | OperationCall::Exit
                | OperationCall::Kill
                | OperationCall::Crash
                | OperationCall::Reboot
                | OperationCall::TcpInfo => Held::Open,
            };
            if end.descriptors.insert(made.clone(), held).is_some() {
                context.complain(node, &format!("`{on}` has something named `{made}` already"), "a new name");
            }
        }
    }

    /// Nothing of the host's sockets is left.
    fn host_goes(&mut self, host: Host, call: OperationCall) {
        self.ends.retain(|endpoint, _| endpoint.host != host);
        self.listening.remove(&host);
        self.servers.retain(|(of, _)| *of != host);
        self.ephemeral.remove(&host);
        if call == OperationCall::Crash {
            self.crashed.insert(host);
        } else {
            self.crashed.remove(&host);
            self.rebooted.insert(host);
        }
    }

    /// An option of one IP version is none of the other's.
    fn check_ip_version(&self, context: &Context<'_, '_>, node: &Node, call: OperationCall) {
        let OperationCall::Socket(Call::SetOption(option) | Call::GetOption(option)) = call else { return };
        let wanted = match (option, self.ip) {
            (SocketOption::TimeToLive(_), IpVersion::Ipv6) => {
                "IPV6_UNICAST_HOPS, or this step under `when: {ipv4: [...]}`"
            }
            (SocketOption::UnicastHops(_), IpVersion::Ipv4) => "IP_TTL, or this step under `when: {ipv6: [...]}`",
            (_, IpVersion::Ipv4 | IpVersion::Ipv6) => return,
        };
        context.complain(node, "contradiction: an option of the other IP version", wanted);
    }

    /// Whether the call makes sense where the opening stands; notes what it opens.
    fn fits_opening(&mut self, context: &Context<'_, '_>, node: &Node, on: Endpoint, call: OperationCall) -> bool {
        let connects = self.open == Open::Active && on.host == Host::A
            || self.topology.has_two_kernels() && self.open == Open::Passive && on.host == Host::B;
        let both_connect = self.topology.has_two_kernels();
        let host_listens = self.listening.contains(&on.host);
        let end = self.ends.entry(on).or_default();
        match call {
            OperationCall::Socket(Call::Connect) => {
                if end.opening == Opening::Listening {
                    context.complain(
                        node,
                        &format!("contradiction: the socket of `{on}` listens"),
                        "connect() on a socket that does not listen",
                    );
                    return false;
                }
                if !connects && !both_connect {
                    context.complain(
                        node,
                        "contradiction: with `open: passive` it is the peer that connects",
                        "`open: active`, or listen() and accept()",
                    );
                }
                end.opening = Opening::Connected;
                true
            }
            OperationCall::Socket(Call::Listen { .. }) => {
                if end.opening == Opening::Connected {
                    context.complain(
                        node,
                        &format!("contradiction: the socket of `{on}` is connected already, or being connected"),
                        "listen() on a fresh socket",
                    );
                    return false;
                }
                if connects && !self.rebooted.contains(&on.host) {
                    let expected = if on.host == Host::A {
                        "`open: passive`, or connect()"
                    } else {
                        "`open: active`, or connect()"
                    };
                    context.complain(node, &format!("contradiction: `{on}` is the one that connects"), expected);
                }
                end.opening = Opening::Listening;
                if self.listening.insert(on.host) {
                    end.descriptors.insert(LISTENER.into(), Held::Open);
                }
                true
            }
            OperationCall::Socket(Call::Accept) => {
                if !host_listens {
                    context.complain(
                        node,
                        &format!("contradiction: the socket of `{on}` does not listen"),
                        "listen() before accept()",
                    );
                    end.opening = Opening::Listening;
                    return false;
                }
                // Another connection takes what the host's one listener has.
                end.opening = Opening::Listening;
                true
            }
            OperationCall::Socket(Call::SetOption(_)) => {
                end.made = true;
                true
            }
            OperationCall::Socket(Call::GetOption(_)) => true,
            OperationCall::Socket(
                Call::Send { .. }
                | Call::Receive { .. }
                | Call::Shutdown(_)
                | Call::Close
                | Call::Dup
                | Call::Exit
                | Call::Poll
                | Call::Queue(_),
            )
            | OperationCall::Open
            | OperationCall::Bind
            | OperationCall::Handover
            | OperationCall::Serve { .. }
            | OperationCall::Exit
            | OperationCall::Kill
            | OperationCall::Crash
            | OperationCall::Reboot
            | OperationCall::TcpInfo => self.opened(context, node, on),
        }
    }
}
