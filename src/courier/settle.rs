//! From what servers said to what is kept and what is told.

use super::report::Event;
use super::schedule::Schedule;
use super::smtp::{Fate, Said};
use crate::store::{Progress, Queued, QueuedRecipient};

/// A message in the queue after some of it was done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) queued: Queued,
    pub(super) tellings: Vec<Telling>,
    /// For whom it is not tried any more.
    pub(super) expired: Vec<Expired>,
}

/// A recipient for whom it is not tried any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expired {
    /// The recipient's place.
    pub(super) which: usize,
    /// What was said the last time.
    pub(super) said: Said,
}

/// Something that the sender is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Telling {
    pub(super) event: Event,
    /// The recipient's place.
    pub(super) which: usize,
    pub(super) said: Said,
    /// It was given up.
    pub(super) expired: bool,
}

impl Settled {
    pub(super) fn new(queued: Queued) -> Settled {
        Settled { queued, tellings: Vec::new(), expired: Vec::new() }
    }

    /// Whether nothing is left to be done.
    pub(super) fn is_done(&self) -> bool {
        !self.queued.recipients.iter().any(is_waiting)
    }

    /// What the next server has taken over.
    pub(super) fn take(&mut self, fates: &[(usize, Fate)]) {
        for (which, fate) in fates {
            if let Fate::Taken { said, tells } = fate {
                let event = if *tells { None } else { Some(Event::Relayed) };
                self.delivered(*which, said, event);
            }
        }
    }

    /// What is in the mailbox, or handed on.
    pub(super) fn delivered(&mut self, which: usize, said: &Said, event: Option<Event>) {
        let Some(recipient) = self.waiting(which) else { return };
        let host = said.host.clone().unwrap_or_default();
        recipient.state = Progress::Delivered { host, said: said.text.clone() };
        if let Some(event) = event.filter(|_| recipient.notify.success) {
            self.tell(event, which, said, false);
        }
    }

    /// The end of an attempt: what became of those who were not delivered to, and when it goes on.
    /// `age`: for how many seconds it has waited.
    pub(super) fn conclude(&mut self, fates: &[(usize, Fate)], schedule: &Schedule, now: i64, age: i64) {
        for (which, fate) in fates {
            match fate {
                Fate::Taken { .. } => {}
                Fate::Later(said) => {
                    if let Some(recipient) = self.waiting(*which) {
                        recipient.state = Progress::Waiting { said: Some(said.to_string()) };
                    }
                }
                Fate::Never(said) => self.fail(*which, said, false),
            }
        }
        let queued = &mut self.queued;
        queued.attempts = queued.attempts.saturating_add(1);
        queued.next = now.saturating_add(schedule.wait(queued.attempts));
        let waiting: Vec<(usize, Said)> = queued.recipients.iter().enumerate().filter_map(waits_for).collect();
        if age >= schedule.give_up_after {
            for (which, said) in waiting {
                self.fail(which, &said, true);
            }
        } else if age >= schedule.warn_after && !queued.delay_told {
            queued.delay_told = true;
            let until = now.saturating_add(schedule.give_up_after - age);
            for (which, said) in waiting {
                if self.queued.recipients.get(which).is_some_and(|recipient| recipient.notify.delay) {
                    self.tell(Event::Delayed { until }, which, &said, false);
                }
            }
        }
    }

    fn fail(&mut self, which: usize, said: &Said, expired: bool) {
        let Some(recipient) = self.waiting(which) else { return };
        recipient.state = Progress::Failed { said: said.to_string() };
        let wants_to_know = recipient.notify.failure;
        if expired {
            self.expired.push(Expired { which, said: said.clone() });
        }
        if wants_to_know {
            self.tell(Event::Failed, which, said, expired);
        }
    }

    fn tell(&mut self, event: Event, which: usize, said: &Said, expired: bool) {
        // RFC 3461 §6.1: what has no sender is never answered.
        if !self.queued.from.is_empty() {
            self.tellings.push(Telling { event, which, said: said.clone(), expired });
        }
    }

    /// A recipient for whom nothing was settled yet.
    fn waiting(&mut self, which: usize) -> Option<&mut QueuedRecipient> {
        self.queued.recipients.get_mut(which).filter(|recipient| is_waiting(recipient))
    }
}

pub(super) fn is_waiting(recipient: &QueuedRecipient) -> bool {
    matches!(recipient.state, Progress::Waiting { .. })
}

fn waits_for((which, recipient): (usize, &QueuedRecipient)) -> Option<(usize, Said)> {
    let Progress::Waiting { said } = &recipient.state else { return None };
    Some((which, said.as_ref().map_or_else(|| Said::ours("450 4.4.7 it was never tried"), |said| Said::read(said))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::BlobId;
    use crate::store::Notify;

    const SCHEDULE: Schedule = Schedule { first: 60, longest: 600, warn_after: 1_000, give_up_after: 5_000 };

    fn queued(from: &str, recipients: usize, notify: Notify) -> Queued {
        let recipient = |which| QueuedRecipient {
            address: format!("r{which}@example.net"),
            orcpt: None,
            notify,
            state: Progress::Waiting { said: None },
        };
        Queued {
            blob: BlobId(1),
            size: 1,
            line_ends: 0,
            from: from.to_owned(),
            envid: None,
            ret_full: false,
            body_8bit: false,
            utf8: false,
            account: None,
            made: 0,
            next: 0,
            attempts: 0,
            delay_told: false,
            revision: 0,
            recipients: (0..recipients).map(recipient).collect(),
        }
    }

    fn said(text: &str) -> Said {
        Said::read(text)
    }

    fn later() -> Fate {
        Fate::Later(said("mx: 450 4.2.0 later"))
    }

    fn events(settled: &Settled) -> Vec<(Event, usize)> {
        settled.tellings.iter().map(|telling| (telling.event, telling.which)).collect()
    }

    #[test]
    fn each_recipient_has_a_fate_of_its_own() {
        let mut settled = Settled::new(queued("a@example.org", 3, Notify::default()));
        let taken = Fate::Taken { said: said("mx: 250 ok"), tells: false };
        settled.take(&[(0, taken)]);
        settled.conclude(&[(1, Fate::Never(said("mx: 550 5.1.1 no"))), (2, later())], &SCHEDULE, 10, 10);
        assert_eq!(events(&settled), [(Event::Failed, 1)]);
        assert!(!settled.is_done());
        assert_eq!((settled.queued.attempts, settled.queued.next), (1, 70));
        let states: Vec<&Progress> = settled.queued.recipients.iter().map(|recipient| &recipient.state).collect();
        assert!(matches!(states[0], Progress::Delivered { host, .. } if host == "mx"), "{states:?}");
        assert_eq!(states[1], &Progress::Failed { said: "mx: 550 5.1.1 no".to_owned() });
        assert_eq!(states[2], &Progress::Waiting { said: Some("mx: 450 4.2.0 later".to_owned()) });
    }

    #[test]
    fn what_was_settled_is_not_settled_again() {
        let mut settled = Settled::new(queued("a@example.org", 1, Notify::default()));
        settled.conclude(&[(0, Fate::Never(said("mx: 550 no")))], &SCHEDULE, 10, 10);
        settled.take(&[(0, Fate::Taken { said: said("mx: 250 ok"), tells: false })]);
        settled.conclude(&[(0, Fate::Never(said("mx: 550 no")))], &SCHEDULE, 10, 10);
        assert_eq!(events(&settled), [(Event::Failed, 0)]);
        assert!(settled.is_done());
    }

    #[test]
    fn a_delay_is_told_once_and_then_the_end() {
        let mut queued = queued("a@example.org", 2, Notify::default());
        queued.recipients[1].notify = Notify { success: false, failure: false, delay: false };
        let (mut told, mut now) = (Vec::new(), 0);
        let mut settled = Settled::new(queued);
        while !settled.is_done() {
            settled.conclude(&[(0, later()), (1, later())], &SCHEDULE, now, now);
            told.extend(std::mem::take(&mut settled.tellings).into_iter().map(|telling| (now, telling)));
            now = settled.queued.next;
        }
        let [(delayed, first), (ended, second)] = told.as_slice() else { panic!("{told:?}") };
        assert!((1_000..1_600).contains(delayed) && (5_000..5_600).contains(ended), "{delayed} {ended}");
        assert_eq!((first.event, first.which), (Event::Delayed { until: 5_000 }, 0));
        assert_eq!((second.event, second.which, second.expired), (Event::Failed, 0, true));
    }

    #[test]
    fn success_is_told_where_it_is_asked_for_and_the_next_server_does_not_tell() {
        let notify = Notify { success: true, failure: false, delay: false };
        for (tells, expected) in [(true, vec![]), (false, vec![(Event::Relayed, 0)])] {
            let mut settled = Settled::new(queued("a@example.org", 1, notify));
            settled.take(&[(0, Fate::Taken { said: said("mx: 250 ok"), tells })]);
            assert_eq!(events(&settled), expected);
        }
        let mut settled = Settled::new(queued("a@example.org", 1, notify));
        settled.delivered(0, &said("250 2.1.5 here"), Some(Event::Delivered));
        assert_eq!(events(&settled), [(Event::Delivered, 0)]);
    }

    #[test]
    fn what_has_no_sender_is_never_answered() {
        let notify = Notify { success: true, failure: true, delay: true };
        let mut settled = Settled::new(queued("", 2, notify));
        settled.take(&[(0, Fate::Taken { said: said("mx: 250 ok"), tells: false })]);
        settled.conclude(&[(1, Fate::Never(said("mx: 550 no")))], &SCHEDULE, 0, 0);
        assert_eq!(events(&settled), []);
        assert!(settled.is_done());
    }
}
