//! Who guesses, and who is in their way: what waits for what at the gate.

use super::*;

const ELSEWHERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)));

#[test]
fn a_wrong_password_is_answered_late_and_a_known_device_does_not_wait_for_anybody_s_failures() {
    let world = World::with_accounts("late");
    let gate = world.gate(&cheap());
    let enter = |password: &[u8], from| smol::block_on(gate.verify(b"only@b.example", password, from));
    assert!(enter(PASSWORD, ELSEWHERE).is_ok());
    // Its neighbour guesses on, from the same address.
    for least in [500, 1_000] {
        let began = Instant::now();
        assert!(matches!(enter(b"guess", ELSEWHERE), Err(Denied::Wrong)));
        assert!(began.elapsed() >= Duration::from_millis(least));
    }
    let known = gate.verify(b"only", PASSWORD, ELSEWHERE);
    assert!(matches!(smol::block_on(smol::future::poll_once(known)), Some(Ok(_))), "at once");
    // That it came in is no new start for who guesses, by whichever spelling.
    assert_eq!((gate.failures_of("only"), gate.failures_of("only@b.example")), (2, 2));
    // The same password from where it never came from waits as a guess does: it may be one.
    let new = gate.verify(b"only", PASSWORD, Some(IpAddr::from([198, 51, 100, 1])));
    gate.throttle_of("only@b.example", 3);
    assert!(smol::block_on(smol::future::poll_once(new)).is_none());
}

#[test]
fn guesses_at_one_user_that_are_begun_at_once_are_looked_at_one_by_one() {
    let world = World::with_accounts("at-once");
    for user in ["only@b.example", "nobody@b.example"] {
        let gate = world.gate(&cheap());
        let from = |last| Some(IpAddr::from([198, 51, 100, last]));
        let mut guesses: Vec<_> =
            (1..=20).map(|last| Box::pin(gate.verify(user.as_bytes(), b"guess", from(last)))).collect();
        let looked_at = |guesses: &mut Vec<_>| {
            for guess in guesses.iter_mut() {
                assert!(smol::block_on(smol::future::poll_once(guess)).is_none());
            }
            gate.failures_of(user)
        };
        // Whatever was begun, one is under way. Failed or given up, it counts, and the others wait for what it brought.
        assert!(looked_at(&mut guesses) <= 1, "{user}");
        drop(guesses.remove(0));
        assert_eq!(looked_at(&mut guesses), 1, "{user}");
        assert_eq!(looked_at(&mut guesses), 1, "{user}: none before its time");
        drop(guesses);
        assert_eq!(gate.failures_of(user), 1, "{user}: what nobody looked at is no failure");
    }
}

#[test]
fn who_has_our_hash_does_not_wait_for_whose_hash_is_another_system_s() {
    let world = World::with_accounts("foreign");
    // By `openssl passwd -6`: it takes much longer than what is looked at meanwhile.
    let slow =
        "$6$rounds=1000000$salt$D5bGJ3pnVsuGwCargnBATDG3jAkPT9amXeg1xbuYtC0oEbSYEaZ4dnVULFrfHprLr.tVNwlB88hq94Cz5D1KQ.";
    assert!(matches!(add_hashed(&world, "new@b.example", slow, false), Reply::Password { .. }));
    let gate = Arc::new(world.gate(&cheap()));
    let (ours, foreign) = gate.free_turns();
    let guessing = {
        let gate = Arc::clone(&gate);
        smol::spawn(async move { gate.verify(b"new", b"guess", None).await })
    };
    let began = Instant::now();
    while gate.free_turns().1 == foreign {
        assert!(began.elapsed() < Duration::from_mins(1));
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(gate.free_turns(), (ours, foreign - 1));
    drop(guessing);
}

#[test]
fn neighbours_who_guess_at_others_take_nothing_from_a_known_device() {
    let world = World::with_accounts("neighbours");
    let gate = world.gate(&cheap());
    assert!(smol::block_on(gate.verify(b"only", PASSWORD, ELSEWHERE)).is_ok());
    for user in [&b"a@b.example"[..], b"nobody"].iter().cycle().take(300) {
        assert!(smol::block_on(smol::future::poll_once(gate.verify(user, b"guess", ELSEWHERE))).is_none());
    }
    let known = gate.verify(b"only", PASSWORD, ELSEWHERE);
    assert!(matches!(smol::block_on(smol::future::poll_once(known)), Some(Ok(_))));
}

#[test]
fn work_that_nobody_waits_for_any_more_keeps_its_turn_until_it_is_done() {
    let world = World::with_accounts("left");
    let gate = Arc::new(world.gate(&dear()));
    let (all, _) = gate.free_turns();
    let left = {
        let gate = Arc::clone(&gate);
        smol::spawn(async move { gate.verify(b"nobody", b"guess", None).await })
    };
    while gate.free_turns().0 == all {
        std::thread::sleep(Duration::from_millis(1));
    }
    // It has begun by then.
    std::thread::sleep(Duration::from_millis(20));
    smol::block_on(left.cancel());
    assert_eq!((gate.free_turns().0, gate.failures_of("nobody")), (all - 1, 1));
    let began = Instant::now();
    while gate.free_turns().0 < all {
        assert!(began.elapsed() < Duration::from_mins(1));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn scram_is_slowed_as_passwords_are_and_knows_devices_as_they_are_known() {
    let world = World::with_accounts("scram-late");
    let gate = world.gate(&cheap());
    let found = || gate.scram_keys(b"only").unwrap().0;
    let prove = |found, from| smol::block_on(gate.prove(b"only", found, from));
    assert!(prove(found(), ELSEWHERE).is_ok());
    let began = Instant::now();
    assert!(matches!(prove(None, ELSEWHERE), Err(Denied::Wrong)));
    assert!(began.elapsed() >= Duration::from_millis(500));
    let known = gate.prove(b"only", found(), ELSEWHERE);
    assert!(matches!(smol::block_on(smol::future::poll_once(known)), Some(Ok(_))));
    gate.throttle_of("only@b.example", 3);
    let new = gate.prove(b"only", found(), Some(IpAddr::from([198, 51, 100, 1])));
    assert!(smol::block_on(smol::future::poll_once(new)).is_none(), "a right proof tells nothing before its time");
}

#[test]
fn many_first_log_ins_at_once_share_what_one_of_them_found_out() {
    let world = World::with_accounts("crowd");
    let gate = Arc::new(world.gate(&cheap()));
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let gate = Arc::clone(&gate);
            smol::spawn(async move { gate.verify(b"only", PASSWORD, None).await })
        })
        .collect();
    for task in tasks {
        assert!(smol::block_on(task).is_ok());
    }
}

#[test]
fn when_too_many_wait_the_next_is_told_to_come_later() {
    let world = World::with_accounts("busy");
    let gate = world.gate(&dear());
    let users: Vec<String> = (0..80).map(|number| format!("nobody-{number}")).collect();
    let mut attempts: Vec<_> =
        users.iter().map(|user| Box::pin(gate.verify(user.as_bytes(), PASSWORD, None))).collect();
    // Each is begun and none goes on: two have their turn, 64 wait.
    let first: Vec<_> = attempts.iter_mut().map(|attempt| smol::block_on(smol::future::poll_once(attempt))).collect();
    let busy = first.iter().filter(|answer| matches!(answer, Some(Err(Denied::Busy)))).count();
    assert!((14..=15).contains(&busy), "{busy}");
    drop(attempts);
    assert!(enters(&gate, "only", PASSWORD).is_some(), "who left makes room");
}

#[test]
fn a_salt_that_is_not_the_name_s_goes_with_the_next_password_or_with_another_name() {
    let world = World::with_accounts("old-salt");
    let strength = cheap().password.strength();
    let gate = world.gate(&cheap());
    let keys = |user: &str| gate.scram_keys(user.as_bytes()).unwrap();
    let (only, other) = (keys("only").1.salt, keys("other").1.salt);
    // As accounts were made when salts came by chance.
    let snapshot = world.store.snapshot().unwrap();
    let account = snapshot.account_of("only@b.example").unwrap().unwrap();
    let from = Box::new(snapshot.account(account).unwrap().unwrap().credentials);
    let to = Box::new(password::credentials("open sesame", strength, [9; 16]).unwrap());
    drop(snapshot);
    world.store.write_blocking(Write::RenewCredentials { account, from, to }).unwrap();
    assert_eq!(keys("only").1.salt, [9; 16]);
    assert!(enters(&gate, "only", PASSWORD).is_some());
    assert_eq!(keys("only").1.salt, only);

    let remove = Request::RemoveAccount { address: "only@b.example".to_owned() };
    assert_eq!(perform(&world.store, strength, remove), Reply::Done);
    let (which, address) = ("only@b.example".to_owned(), Some("other@b.example".to_owned()));
    assert_eq!(perform(&world.store, strength, Request::RestoreAccount { which, address }), Reply::Done);
    let (found, shown) = keys("other");
    assert!(found.is_none() && shown.salt == other, "none of its own until the password is seen");
    assert!(enters(&gate, "other", PASSWORD).is_some());
    let (found, shown) = keys("other");
    assert!(found.is_some() && shown.salt == other);
}
