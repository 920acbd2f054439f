//! Queued mail for somebody here: a domain became ours while it waited, or an alias turned round.

use super::events::{self, Copy};
use super::report::Event;
use super::runner::{Courier, Load, written};
use super::settle::Settled;
use super::smtp::{Fate, Said};
use super::tell;
use crate::delivery::{self, Mail, Plan, Recipient, Route, plan};
use crate::mail::Stamp;
use crate::store::{Delivery, Fault, Grace, LocalCopy, Parcel, Store, StoreError, Write};

/// Octets of packed frames that are held in memory.
const HELD: usize = 4 << 20;

/// What is to be written of a mail that came home, and who does not get it.
struct Brought {
    write: Option<Write>,
    fates: Vec<(usize, Fate)>,
    copies: Vec<Copy>,
}

impl Courier {
    /// Places a mail here; tells what became of those who did not get it.
    pub(super) async fn bring_home(&self, load: &Load<'_>, which: &[usize]) -> Vec<(usize, Fate)> {
        let brought = async {
            let parcel = self.pack(load).await?;
            let Brought { write, fates, copies } = self.placed(load, which, parcel)?;
            if let Some(write) = write {
                let outcome = self.store.write(write).await?;
                events::came_home(load, &copies, &outcome, &self.store);
            }
            for (which, fate) in &fates {
                if let Some(recipient) = load.queued.recipients.get(*which) {
                    events::tried(load, &recipient.address, None, fate);
                }
            }
            Ok::<_, StoreError>(fates)
        };
        brought.await.unwrap_or_else(|error| {
            log::warn!("queued mail {} is not delivered here yet: {error}", load.id.0);
            let fate = Fate::Later(Said::ours("451 4.3.0 it cannot be stored just now"));
            which.iter().map(|which| (*which, fate.clone())).collect()
        })
    }

    async fn pack(&self, load: &Load<'_>) -> Result<Parcel, StoreError> {
        let (mut packer, mut pass, mut octets) = (self.store.packer(), load.content.pass(), Vec::new());
        loop {
            octets.clear();
            let ended = pass.read(&mut octets)?;
            packer.push(&octets)?;
            if ended {
                return packer.finish();
            }
            if packer.held() > HELD {
                let write: Write = Store::stage(&self.store, &mut packer);
                self.store.write(write).await?;
            }
        }
    }

    /// The mail in its mailboxes and what is known of it in the queue, as one write; and who did not get it.
    fn placed(&self, load: &Load<'_>, which: &[usize], parcel: Parcel) -> Result<Brought, StoreError> {
        let now = (self.clock)();
        let beginning = load.content.beginning()?;
        let snapshot = self.store.snapshot()?;
        // As it is now: other ways may have come to something meanwhile.
        let queued = snapshot.queued(load.id)?.ok_or(Fault::Corrupt("a queued mail is gone"))?;
        let recipients = which.iter().filter_map(|which| queued.recipients.get(*which));
        let recipients: Vec<Recipient<'_>> = recipients
            .map(|recipient| Recipient {
                address: &recipient.address,
                notify: recipient.notify,
                orcpt: recipient.orcpt.as_deref(),
            })
            .collect();
        let mail = Mail {
            from: &queued.from,
            recipients: &recipients,
            header: &beginning,
            size: u64::from(queued.size),
            quarantine: false,
            tells_success: true,
            // Only what was vouched for, or sent by somebody here, ever waited.
            vouched: true,
            sender: None,
            utf8: queued.utf8,
            body_8bit: queued.body_8bit,
            ret_full: queued.ret_full,
            envid: queued.envid.as_deref(),
            received: Stamp::utc(now),
            now,
        };
        let mut plan = plan(&self.store, &snapshot, &self.routing, &mail, parcel)?;
        for copy in plan.delivery.messages.iter_mut().flat_map(|posting| &mut posting.copies) {
            // That there is room was asked just now; what is refused after all would be lost.
            copy.grace = Grace::Unlimited;
        }
        let copies = whose(&plan, &recipients);
        let revision = queued.revision;
        let mut settled = Settled::new(queued);
        let mut fates = Vec::new();
        let mut placed = false;
        for (which, fate) in which.iter().zip(&plan.fates) {
            match fate {
                delivery::Fate::Taken { .. } => {
                    placed = true;
                    settled.delivered(*which, &Said::ours("250 2.1.5 delivered"), Some(Event::Delivered));
                }
                delivery::Fate::Not(route) => fates.push((*which, refused(*route))),
            }
        }
        if !placed {
            return Ok(Brought { write: None, fates, copies: Vec::new() });
        }
        let Delivery { messages, .. } = &mut plan.delivery;
        if let Some(told) = tell::told(&self.store, &self.routing, &settled, now)? {
            messages.extend(told.messages);
        }
        let write = written(load.id, revision, settled, Some(plan.delivery));
        Ok(Brought { write: Some(write), fates, copies })
    }
}

/// For which recipient each copy of the mail is; one that several lead to is the first one's.
fn whose(plan: &Plan, recipients: &[Recipient<'_>]) -> Vec<Copy> {
    let copies = plan.delivery.messages.first().map_or(&[][..], |itself| &itself.copies);
    let is_for = |at: usize| {
        let leads =
            |fate: &delivery::Fate| matches!(fate, delivery::Fate::Taken { copies, .. } if copies.contains(&at));
        plan.fates.iter().position(leads).and_then(|which| recipients.get(which))
    };
    let copy = |(at, copy): (usize, &LocalCopy)| Copy {
        to: is_for(at).map_or_else(String::new, |recipient| recipient.address.to_owned()),
        account: copy.account,
    };
    copies.iter().enumerate().map(copy).collect()
}

fn refused(route: Route) -> Fate {
    match route {
        Route::OverQuota => Fate::Later(Said::ours("452 4.2.2 the mailbox is full")),
        Route::Loop => Fate::Never(Said::ours("554 5.4.6 the address leads back to itself")),
        Route::Here | Route::Unknown | Route::Outside => {
            Fate::Never(Said::ours("550 5.1.1 there is nobody of this address here"))
        }
    }
}
