//! The client as a machine: each state, with the time and the servers in the test's hand.

use super::dhcp::{Action, Event, Machine};
use super::lease::{Lease, Remembered, Terms};
use super::packet::{Kind, Question, Reply, Saying};
use fastrand::Rng;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 8);

/// A client with its clock.
struct World {
    machine: Machine,
    now: Instant,
    exchange: u32,
}

impl World {
    fn new(remembered: Option<Remembered>) -> World {
        let now = Instant::now();
        World { machine: Machine::new(Rng::with_seed(1), remembered, now), now, exchange: 0 }
    }

    fn hear(&mut self, event: Event<'_>) -> Vec<Action> {
        let actions = self.machine.hear(event, self.now);
        for action in &actions {
            if let Action::Say(question) = action {
                self.exchange = question.exchange;
            }
        }
        actions
    }

    /// Until the next thing is due; how long that took.
    fn wait(&mut self) -> (Duration, Vec<Action>) {
        let before = self.now;
        self.now = self.machine.deadline().expect("something is due");
        (self.now - before, self.hear(Event::Time))
    }

    fn server(&mut self, kind: Kind, address: Ipv4Addr, server: Ipv4Addr) -> Vec<Action> {
        let reply =
            Reply { kind, exchange: self.exchange, address, server: Some(server), terms: Some(terms()), message: None };
        self.hear(Event::Heard(&reply))
    }

    /// A client that has an address.
    fn bound(address: Ipv4Addr) -> World {
        let mut world = World::new(None);
        world.hear(Event::CableIn);
        world.server(Kind::Offer, address, SERVER);
        assert_eq!(world.server(Kind::Ack, address, SERVER), [Action::Ask(address)]);
        let actions = world.hear(Event::Free(address));
        assert_eq!(held(&actions), Some(address));
        world
    }
}

fn terms() -> Terms {
    Terms {
        prefix: 24,
        lasts: Some(Duration::from_secs(800)),
        renew: Duration::from_secs(400),
        rebind: Duration::from_secs(700),
        ..Terms::default()
    }
}

fn said(actions: &[Action]) -> Option<Saying> {
    question(actions).map(|question| question.saying)
}

fn question(actions: &[Action]) -> Option<Question> {
    actions.iter().find_map(|action| match action {
        Action::Say(question) => Some(*question),
        _ => None,
    })
}

fn held(actions: &[Action]) -> Option<Ipv4Addr> {
    actions.iter().find_map(|action| match action {
        Action::Hold(lease) => Some(lease.address),
        _ => None,
    })
}

#[test]
fn an_address_is_discovered_asked_for_probed_and_held() {
    let mut world = World::new(None);
    assert_eq!(said(&world.hear(Event::CableIn)), Some(Saying::Discover { wish: None }));
    let actions = world.server(Kind::Offer, FIRST, SERVER);
    assert_eq!(said(&actions), Some(Saying::Select { address: FIRST, server: SERVER }));
    assert_eq!(question(&actions).map(|question| question.to), Some(Ipv4Addr::BROADCAST));
    // Another server's offer comes too late.
    assert_eq!(world.server(Kind::Offer, SECOND, OTHER), []);
    assert_eq!(world.server(Kind::Ack, FIRST, SERVER), [Action::Ask(FIRST)]);
    assert_eq!(world.machine.held(), None);
    assert_eq!(held(&world.hear(Event::Free(FIRST))), Some(FIRST));
    assert_eq!(world.machine.held().map(|lease| lease.server), Some(SERVER));
}

#[test]
fn what_answers_another_exchange_is_not_heard() {
    let mut world = World::new(None);
    world.hear(Event::CableIn);
    world.exchange ^= 1;
    assert_eq!(world.server(Kind::Offer, FIRST, SERVER), []);
}

#[test]
fn without_an_answer_the_waits_double_up_to_a_minute_and_we_are_alone_after_three() {
    let mut world = World::new(None);
    world.hear(Event::CableIn);
    for (tries, expected) in [2, 4, 8, 16, 32, 64, 64, 64].into_iter().enumerate() {
        assert_eq!(world.machine.is_alone(), tries >= 2);
        let (waited, actions) = world.wait();
        assert!((waited.as_secs_f64() - f64::from(expected)).abs() <= 1.0, "{waited:?}");
        let asked = question(&actions).unwrap();
        assert_eq!(asked.saying, Saying::Discover { wish: None });
        assert_eq!(asked.exchange, world.exchange);
        assert!(asked.seconds > 0);
    }
    // A server that comes back late is heard.
    assert!(said(&world.server(Kind::Offer, FIRST, SERVER)).is_some());
}

#[test]
fn an_offer_that_is_not_confirmed_is_asked_for_four_times_and_given_up() {
    let mut world = World::new(None);
    world.hear(Event::CableIn);
    world.server(Kind::Offer, FIRST, SERVER);
    for _ in 0..3 {
        assert_eq!(said(&world.wait().1), Some(Saying::Select { address: FIRST, server: SERVER }));
    }
    assert_eq!(said(&world.wait().1), Some(Saying::Discover { wish: None }));
    for _ in 0..2 {
        assert!(!world.machine.is_alone());
        world.server(Kind::Offer, FIRST, SERVER);
        while said(&world.wait().1) != Some(Saying::Discover { wish: None }) {}
    }
    // Nobody's word can be relied on.
    assert!(world.machine.is_alone());
}

#[test]
fn a_lease_is_renewed_with_its_server_at_half_time() {
    let mut world = World::bound(FIRST);
    let (waited, actions) = world.wait();
    assert_eq!(waited, Duration::from_secs(400));
    let asked = question(&actions).unwrap();
    assert_eq!((asked.saying, asked.to), (Saying::Extend { address: FIRST }, SERVER));
    let asked_at = world.now;
    world.now += Duration::from_secs(1);
    let actions = world.server(Kind::Ack, FIRST, SERVER);
    assert_eq!(held(&actions), Some(FIRST));
    assert!(!actions.contains(&Action::Drop));
    // It counts from when it was asked for.
    assert_eq!(world.machine.held().and_then(Lease::end), Some(asked_at + Duration::from_secs(800)));
}

#[test]
fn without_its_server_a_lease_is_renewed_with_all_and_ends_in_time() {
    let mut world = World::bound(FIRST);
    let start = world.now;
    let mut asked = Vec::new();
    let dropped = loop {
        let (_, actions) = world.wait();
        if actions.contains(&Action::Drop) {
            break actions;
        }
        let question = question(&actions).unwrap();
        asked.push(((world.now - start).as_secs(), question.to));
    };
    assert_eq!(
        asked,
        [
            (400, SERVER),
            (550, SERVER),
            (625, SERVER),
            (685, SERVER),
            (700, Ipv4Addr::BROADCAST),
            (760, Ipv4Addr::BROADCAST),
        ]
    );
    assert_eq!((world.now - start).as_secs(), 800);
    assert_eq!(said(&dropped), Some(Saying::Discover { wish: Some(FIRST) }));
    assert_eq!(world.machine.held(), None);
}

#[test]
fn another_server_may_confirm_when_all_are_asked() {
    let mut world = World::bound(FIRST);
    while question(&world.wait().1).unwrap().to != Ipv4Addr::BROADCAST {}
    assert_eq!(held(&world.server(Kind::Ack, FIRST, OTHER)), Some(FIRST));
    assert_eq!(world.machine.held().map(|lease| lease.server), Some(OTHER));
}

#[test]
fn a_nak_to_a_renewal_takes_the_address_away_and_all_begins_again() {
    let mut world = World::bound(FIRST);
    world.wait();
    let actions = world.server(Kind::Nak, Ipv4Addr::UNSPECIFIED, SERVER);
    assert_eq!(actions.first(), Some(&Action::Drop));
    assert_eq!(said(&actions), Some(Saying::Discover { wish: None }));
    world.server(Kind::Offer, SECOND, SERVER);
    world.server(Kind::Ack, SECOND, SERVER);
    assert_eq!(held(&world.hear(Event::Free(SECOND))), Some(SECOND));
}

#[test]
fn a_server_that_refuses_what_it_offers_is_not_asked_all_the_time() {
    let mut world = World::new(None);
    world.hear(Event::CableIn);
    let mut waits = Vec::new();
    for refusals in 0..6 {
        assert_eq!(world.machine.is_alone(), refusals >= 3);
        world.server(Kind::Offer, FIRST, SERVER);
        let actions = world.server(Kind::Nak, Ipv4Addr::UNSPECIFIED, SERVER);
        waits.push(if said(&actions).is_some() { 0 } else { world.wait().0.as_secs() });
    }
    assert_eq!(waits[0], 0);
    assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]) && waits[5] >= 60, "{waits:?}");
}

#[test]
fn an_address_that_somebody_has_is_declined_and_not_wished_for_again() {
    let mut world = World::new(None);
    world.hear(Event::CableIn);
    world.server(Kind::Offer, FIRST, SERVER);
    world.server(Kind::Ack, FIRST, SERVER);
    assert_eq!(said(&world.hear(Event::Taken(FIRST))), Some(Saying::Decline { address: FIRST, server: SERVER }));
    let (waited, actions) = world.wait();
    assert!(waited >= Duration::from_secs(10));
    assert_eq!(said(&actions), Some(Saying::Discover { wish: None }));
}

#[test]
fn a_remembered_address_is_verified_and_probed_after_a_restart() {
    let mut world = World::new(Some(Remembered { address: FIRST, released: false }));
    assert_eq!(said(&world.hear(Event::CableIn)), Some(Saying::Verify { address: FIRST }));
    assert_eq!(world.server(Kind::Ack, FIRST, SERVER), [Action::Ask(FIRST)]);
    assert_eq!(held(&world.hear(Event::Free(FIRST))), Some(FIRST));
}

#[test]
fn an_address_that_was_given_back_is_only_wished_for() {
    let mut world = World::new(Some(Remembered { address: FIRST, released: true }));
    assert_eq!(said(&world.hear(Event::CableIn)), Some(Saying::Discover { wish: Some(FIRST) }));
}

#[test]
fn a_remembered_address_that_nobody_confirms_is_wished_for() {
    let mut world = World::new(Some(Remembered { address: FIRST, released: false }));
    world.hear(Event::CableIn);
    assert_eq!(said(&world.wait().1), Some(Saying::Verify { address: FIRST }));
    assert_eq!(said(&world.wait().1), Some(Saying::Discover { wish: Some(FIRST) }));
}

#[test]
fn a_cable_that_comes_back_verifies_the_lease_while_the_address_stays() {
    let mut world = World::bound(FIRST);
    assert_eq!(world.hear(Event::CableOut), []);
    world.now += Duration::from_secs(30);
    assert_eq!(world.hear(Event::CableIn).len(), 1);
    assert!(world.machine.held().is_some());
    let actions = world.server(Kind::Ack, FIRST, SERVER);
    // It is ours already: nobody is asked.
    assert_eq!(held(&actions), Some(FIRST));
}

#[test]
fn in_another_network_the_old_address_goes_and_a_new_one_comes() {
    let mut world = World::bound(FIRST);
    world.hear(Event::CableOut);
    world.hear(Event::CableIn);
    let actions = world.server(Kind::Nak, Ipv4Addr::UNSPECIFIED, OTHER);
    assert_eq!(actions.first(), Some(&Action::Drop));
    world.server(Kind::Offer, SECOND, OTHER);
    world.server(Kind::Ack, SECOND, OTHER);
    assert_eq!(held(&world.hear(Event::Free(SECOND))), Some(SECOND));
}

#[test]
fn where_no_server_answers_after_the_cable_came_back_the_lease_holds_to_its_end() {
    let mut world = World::bound(FIRST);
    let start = world.now;
    world.hear(Event::CableOut);
    world.hear(Event::CableIn);
    while !world.wait().1.contains(&Action::Drop) {
        assert!(!world.machine.is_alone());
    }
    assert_eq!((world.now - start).as_secs(), 800);
    world.wait();
    assert!(world.machine.is_alone());
}

#[test]
fn a_lease_ends_without_a_cable_too() {
    let mut world = World::bound(FIRST);
    world.hear(Event::CableOut);
    let (waited, actions) = world.wait();
    assert_eq!((waited.as_secs(), actions), (800, vec![Action::Drop]));
    assert_eq!(world.machine.deadline(), None);
}

#[test]
fn a_lease_for_good_is_never_asked_about() {
    let mut world = World::new(None);
    world.hear(Event::CableIn);
    let mut reply = Reply {
        kind: Kind::Offer,
        exchange: world.exchange,
        address: FIRST,
        server: Some(SERVER),
        terms: Some(Terms { lasts: None, ..terms() }),
        message: None,
    };
    world.hear(Event::Heard(&reply));
    reply.kind = Kind::Ack;
    world.hear(Event::Heard(&reply));
    world.hear(Event::Free(FIRST));
    assert_eq!(world.machine.deadline(), None);
}

#[test]
fn at_the_end_the_address_is_given_back() {
    let mut world = World::bound(FIRST);
    let actions = world.hear(Event::Stop);
    assert_eq!(said(&actions), Some(Saying::Release { address: FIRST, server: SERVER }));
    assert_eq!(question(&actions).map(|question| question.to), Some(SERVER));
    assert_eq!(actions.last(), Some(&Action::Drop));
    assert_eq!(world.hear(Event::CableIn), []);
}

#[test]
fn whatever_happens_in_whatever_order_there_is_always_something_due_while_a_cable_is_in() {
    let mut random = Rng::with_seed(9);
    let mut world = World::new(None);
    let mut is_in = false;
    for _ in 0..50_000 {
        world.now += Duration::from_millis(random.u64(..30_000));
        let address = if random.bool() { FIRST } else { SECOND };
        match random.u8(..9) {
            0 => {
                world.hear(Event::CableIn);
                is_in = true;
            }
            1 if random.u8(..8) == 0 => {
                world.hear(Event::CableOut);
                is_in = false;
            }
            2 => drop(world.server(Kind::Offer, address, SERVER)),
            3 | 4 => drop(world.server(Kind::Ack, address, SERVER)),
            5 => drop(world.server(Kind::Nak, address, SERVER)),
            6 => drop(world.hear(Event::Taken(address))),
            7 => drop(world.hear(Event::Free(address))),
            _ => drop(world.hear(Event::Time)),
        }
        world.hear(Event::Time);
        let is_asking = world.machine.deadline().is_none();
        if is_in && is_asking {
            // Only the answer of ARP is waited for: it always comes.
            let both = [FIRST, SECOND].map(|address| world.hear(Event::Free(address)));
            assert_eq!(both.iter().filter(|actions| held(actions).is_some()).count(), 1);
        }
        if let Some(deadline) = world.machine.deadline() {
            assert!(deadline > world.now, "nothing is due twice");
        }
    }
}
