//! The DHCP client as a machine: what happens and when goes in, what is to be done comes out (RFC 2131 §4.4).
//!
//! The states are those of the RFC's figure 5, and two more: `Asking`, while ARP finds out whether an address that was
//! lent to us is free, and `Resting`, after a refusal. A lease stays on the link while its word is good: when a cable was
//! out, and while no server answers, until it ends.

use super::lease::{Lease, Remembered, Terms};
use super::packet::{Kind, Question, Reply, Saying};
use fastrand::Rng;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// What happens to the machine.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event<'e> {
    CableIn,
    CableOut,
    Heard(&'e Reply),
    /// Nobody answers for this address.
    Free(Ipv4Addr),
    /// Somebody answers for this address.
    Taken(Ipv4Addr),
    /// The deadline has come.
    Time,
    /// The machine is to be switched off.
    Stop,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Say(Question),
    /// Finds out whether anybody has this address.
    Ask(Ipv4Addr),
    /// This lease is the link's now.
    Hold(Lease),
    /// The link has no lease any more.
    Drop,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// No cable.
    Unplugged,
    /// INIT and SELECTING: so many DISCOVERs were sent.
    Selecting {
        tries: u32,
        again: Instant,
    },
    /// REQUESTING: so many REQUESTs were sent.
    Requesting {
        address: Ipv4Addr,
        server: Ipv4Addr,
        tries: u32,
        again: Instant,
    },
    /// INIT-REBOOT and REBOOTING.
    Verifying {
        address: Ipv4Addr,
        tries: u32,
        again: Instant,
    },
    Asking {
        lease: Lease,
    },
    Bound,
    Renewing {
        again: Instant,
    },
    Rebinding {
        again: Instant,
    },
    Resting {
        until: Instant,
    },
    Stopped,
}

/// REQUESTs for an offer, before it is given up.
const REQUESTS: u32 = 4;
/// REQUESTs for what was ours, before all servers are asked.
const VERIFICATIONS: u32 = 2;
/// DISCOVERs without an answer, before an address is taken without a server: after six seconds. As many refusals.
const PATIENCE: u32 = 3;
/// RFC 2131 §3.1 step 5: the wait after a conflict.
const CONFLICT: Duration = Duration::from_secs(10);
/// RFC 2131 §4.4.5: the least time between two requests to go on.
const EXTENSIONS: Duration = Duration::from_mins(1);

/// The client of one link.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    random: Rng,
    state: State,
    /// The lease whose address the link has.
    held: Option<Lease>,
    /// What was ours before.
    remembered: Option<Remembered>,
    exchange: u32,
    /// When this exchange began.
    began: Instant,
    /// When the last REQUEST of it was sent.
    asked: Instant,
    /// Refusals, conflicts and offers that were not kept, since the last lease.
    refusals: u32,
}

impl Machine {
    pub(super) fn new(random: Rng, remembered: Option<Remembered>, now: Instant) -> Machine {
        let state = State::Unplugged;
        Machine { random, state, held: None, remembered, exchange: 0, began: now, asked: now, refusals: 0 }
    }

    /// The lease whose address the link has.
    pub(super) fn held(&self) -> Option<&Lease> {
        self.held.as_ref()
    }

    /// Nobody answers, or nobody keeps his word: it is time for an address without a server.
    pub(super) fn is_alone(&self) -> bool {
        let is_off = matches!(self.state, State::Unplugged | State::Stopped);
        let is_unanswered = matches!(self.state, State::Selecting { tries, .. } if tries >= PATIENCE);
        self.held.is_none() && !is_off && (is_unanswered || self.refusals >= PATIENCE)
    }

    /// When `Event::Time` is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Unplugged | State::Asking { .. } | State::Stopped => None,
            State::Bound => self.held.as_ref().and_then(Lease::renewal),
            State::Selecting { again, .. }
            | State::Requesting { again, .. }
            | State::Verifying { again, .. }
            | State::Renewing { again }
            | State::Rebinding { again } => Some(*again),
            State::Resting { until } => Some(*until),
        };
        let end = self.held.as_ref().and_then(Lease::end);
        own.into_iter().chain(end).min()
    }

    /// What is to be done, in this order.
    pub(super) fn hear(&mut self, event: Event<'_>, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            _ if self.state == State::Stopped => {}
            Event::CableIn => self.plug(now, &mut actions),
            // The address stays: who pulls a cable mostly puts it back.
            Event::CableOut => self.state = State::Unplugged,
            Event::Heard(reply) => self.listen(reply, now, &mut actions),
            Event::Free(address) => self.take(address, &mut actions),
            Event::Taken(address) => self.decline(address, now, &mut actions),
            Event::Time => self.go_on(now, &mut actions),
            Event::Stop => self.stop(&mut actions),
        }
        actions
    }

    fn plug(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.refusals = 0;
        let remembered = self.remembered.as_ref().filter(|remembered| !remembered.released);
        let before = self.held.as_ref().map(|lease| lease.address).or(remembered.map(|before| before.address));
        self.begin(now);
        match before {
            Some(address) => self.verify(address, 0, now, actions),
            None => self.discover(0, now, actions),
        }
    }

    /// A new exchange.
    fn begin(&mut self, now: Instant) {
        self.exchange = self.random.u32(..);
        self.began = now;
    }

    fn discover(&mut self, tries: u32, now: Instant, actions: &mut Vec<Action>) {
        let wish =
            self.held.as_ref().map(|lease| lease.address).or(self.remembered.as_ref().map(|before| before.address));
        self.say(Saying::Discover { wish }, Ipv4Addr::BROADCAST, now, actions);
        self.state = State::Selecting { tries: tries + 1, again: now + self.delay(tries) };
    }

    fn request(&mut self, address: Ipv4Addr, server: Ipv4Addr, tries: u32, now: Instant, actions: &mut Vec<Action>) {
        self.say(Saying::Select { address, server }, Ipv4Addr::BROADCAST, now, actions);
        self.asked = now;
        self.state = State::Requesting { address, server, tries: tries + 1, again: now + self.delay(tries) };
    }

    fn verify(&mut self, address: Ipv4Addr, tries: u32, now: Instant, actions: &mut Vec<Action>) {
        self.say(Saying::Verify { address }, Ipv4Addr::BROADCAST, now, actions);
        self.asked = now;
        self.state = State::Verifying { address, tries: tries + 1, again: now + self.delay(tries) };
    }

    /// Asks to go on with the lease: its server from T1 on, all from T2 on, until it ends.
    fn extend(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let Some(lease) = self.held.clone() else { return };
        let (Some(rebinding), Some(end)) = (lease.rebinding(), lease.end()) else { return };
        if !matches!(self.state, State::Renewing { .. } | State::Rebinding { .. }) {
            self.begin(now);
        }
        self.asked = now;
        // RFC 2131 §4.4.5: half of what is left, and a minute at least.
        let pause = |until: Instant| (until.saturating_duration_since(now) / 2).max(EXTENSIONS);
        let (to, state) = if now < rebinding {
            (lease.server, State::Renewing { again: (now + pause(rebinding)).min(rebinding) })
        } else {
            (Ipv4Addr::BROADCAST, State::Rebinding { again: now + pause(end) })
        };
        self.state = state;
        self.say(Saying::Extend { address: lease.address }, to, now, actions);
    }

    /// Whether this answers what was asked last.
    pub(super) fn is_asking_for(&self, reply: &Reply) -> bool {
        reply.exchange == self.exchange
    }

    fn listen(&mut self, reply: &Reply, now: Instant, actions: &mut Vec<Action>) {
        if !self.is_asking_for(reply) {
            return;
        }
        match (&self.state, reply.kind, &reply.terms) {
            (State::Selecting { .. }, Kind::Offer, Some(_)) => {
                if let Some(server) = reply.server {
                    self.request(reply.address, server, 0, now, actions);
                }
            }
            (State::Requesting { address, server, .. }, Kind::Ack, Some(terms)) => {
                let theirs = reply.server.is_none_or(|other| other == *server);
                if *address == reply.address && theirs {
                    self.accept(*address, *server, terms.clone(), now, actions);
                }
            }
            (State::Verifying { address, .. }, Kind::Ack, Some(terms)) if *address == reply.address => {
                if let Some(server) = reply.server {
                    self.accept(*address, server, terms.clone(), now, actions);
                }
            }
            (State::Renewing { .. } | State::Rebinding { .. }, Kind::Ack, Some(terms)) => {
                let Some(lease) = self.held.as_ref().filter(|lease| lease.address == reply.address) else { return };
                let server = reply.server.unwrap_or(lease.server);
                self.accept(lease.address, server, terms.clone(), now, actions);
            }
            (State::Requesting { server, .. }, Kind::Nak, _) if reply.server.is_none_or(|other| other == *server) => {
                self.refuse(now, actions);
            }
            (State::Verifying { .. } | State::Renewing { .. } | State::Rebinding { .. }, Kind::Nak, _) => {
                self.refuse(now, actions);
            }
            _ => {}
        }
    }

    /// An address that the link has is ours; of another one it is not known yet (RFC 2131 §3.1 step 5).
    fn accept(&mut self, address: Ipv4Addr, server: Ipv4Addr, terms: Terms, now: Instant, actions: &mut Vec<Action>) {
        let lease = Lease { address, server, since: self.asked, terms };
        if lease.end().is_some_and(|end| end <= now) {
            return;
        }
        if self.held.as_ref().is_some_and(|held| held.address == address) {
            self.hold(lease, actions);
        } else {
            self.state = State::Asking { lease };
            actions.push(Action::Ask(address));
        }
    }

    fn take(&mut self, address: Ipv4Addr, actions: &mut Vec<Action>) {
        if let State::Asking { lease } = &self.state
            && lease.address == address
        {
            self.hold(lease.clone(), actions);
        }
    }

    fn hold(&mut self, lease: Lease, actions: &mut Vec<Action>) {
        self.remembered = Some(Remembered { address: lease.address, released: false });
        self.held = Some(lease.clone());
        self.state = State::Bound;
        self.refusals = 0;
        actions.push(Action::Hold(lease));
    }

    fn decline(&mut self, address: Ipv4Addr, now: Instant, actions: &mut Vec<Action>) {
        let State::Asking { lease } = &self.state else { return };
        if lease.address == address {
            let saying = Saying::Decline { address, server: lease.server };
            self.say(saying, Ipv4Addr::BROADCAST, now, actions);
            self.remembered = None;
            self.refusals += 1;
            self.state = State::Resting { until: now + CONFLICT.max(self.delay(self.refusals)) };
        }
    }

    /// A NAK: what we thought is ours is not. The first time we begin again at once; after that servers that refuse what
    /// they offer are given time.
    fn refuse(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.remembered = None;
        self.let_go(actions);
        self.refusals += 1;
        if self.refusals == 1 {
            self.begin(now);
            self.discover(0, now, actions);
        } else {
            self.state = State::Resting { until: now + self.delay(self.refusals) };
        }
    }

    fn let_go(&mut self, actions: &mut Vec<Action>) {
        if self.held.take().is_some() {
            actions.push(Action::Drop);
        }
    }

    fn go_on(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if self.held.as_ref().and_then(Lease::end).is_some_and(|end| end <= now) {
            self.let_go(actions);
            if matches!(self.state, State::Bound | State::Renewing { .. } | State::Rebinding { .. }) {
                self.begin(now);
                self.discover(0, now, actions);
                return;
            }
        }
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        match self.state {
            State::Bound | State::Renewing { .. } | State::Rebinding { .. } => self.extend(now, actions),
            State::Selecting { tries, .. } => self.discover(tries, now, actions),
            State::Requesting { address, server, tries, .. } if tries < REQUESTS => {
                self.request(address, server, tries, now, actions);
            }
            State::Verifying { address, tries, .. } if tries < VERIFICATIONS => {
                self.verify(address, tries, now, actions);
            }
            State::Requesting { .. } | State::Verifying { .. } | State::Resting { .. } => {
                if matches!(self.state, State::Requesting { .. }) {
                    self.refusals += 1;
                }
                self.begin(now);
                self.discover(0, now, actions);
            }
            State::Unplugged | State::Asking { .. } | State::Stopped => {}
        }
    }

    fn stop(&mut self, actions: &mut Vec<Action>) {
        let plugged = self.state != State::Unplugged;
        self.state = State::Stopped;
        let Some(lease) = self.held.take() else { return };
        if plugged {
            let saying = Saying::Release { address: lease.address, server: lease.server };
            let exchange = self.random.u32(..);
            actions.push(Action::Say(Question { saying, to: lease.server, exchange, seconds: 0 }));
        }
        actions.push(Action::Drop);
    }

    fn say(&self, saying: Saying, to: Ipv4Addr, now: Instant, actions: &mut Vec<Action>) {
        let seconds = u16::try_from(now.saturating_duration_since(self.began).as_secs()).unwrap_or(u16::MAX);
        actions.push(Action::Say(Question { saying, to, exchange: self.exchange, seconds }));
    }

    /// The wait after so many tries: doubled each time up to 64 seconds, a second more or less (RFC 2131 §4.1).
    ///
    /// The RFC begins with 4 seconds, for networks of its time, and lets a client wait for up to 10 before it says
    /// anything; here the first wait is 2, since a switch that has just seen a cable often swallows the first question.
    fn delay(&mut self, tries: u32) -> Duration {
        let milliseconds = 2000 << tries.min(5);
        Duration::from_millis(self.random.u64(milliseconds - 1000..=milliseconds + 1000))
    }
}
