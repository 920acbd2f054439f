//! MAIL and RCPT (RFC 5321 §3.3): from whom, and for whom.

use super::answers;
use super::content::Content;
use super::session::Smtp;
use super::terms::Kind;
use crate::delivery::{Route, may_send_as, route};
use crate::mail::{UniqueId, limits};
use crate::session::{Need, Privacy};
use crate::store::{Store, StoreError};
use crate::sys::ledger::STRANGERS;
use crate::wire::Out;
use crate::wire::smtp::{Answer, Recipient, Sender};

/// A message that is on its way to us.
#[derive(Debug)]
pub(super) struct Transaction {
    /// By which the log names it from now on, and `Received`.
    pub(super) id: UniqueId,
    /// As soon as its header is here.
    pub(super) message_id: Option<String>,
    pub(super) sender: Sender,
    pub(super) recipients: Vec<Recipient>,
    /// Octets of these.
    octets: usize,
    /// What BDAT brought so far.
    pub(super) content: Option<Box<Content>>,
    /// When MAIL came, in seconds since 1970.
    pub(super) began: i64,
}

impl Transaction {
    /// Octets of memory that its envelope takes, about.
    pub(super) fn held(&self) -> usize {
        self.octets + self.recipients.capacity() * size_of::<Recipient>()
    }
}

impl Smtp {
    pub(super) fn mail(&mut self, sender: Sender, store: &Store, out: &mut Out) -> Need {
        match self.may_send(&sender, store) {
            Ok(()) => {
                self.transaction = Some(Box::new(Transaction {
                    id: store.unique_id(),
                    message_id: None,
                    sender,
                    recipients: Vec::new(),
                    octets: 0,
                    content: None,
                    began: self.now,
                }));
                self.grant(&answers::SENDER, out)
            }
            Err(answer) => {
                self.log_sender_refused(&sender, &answer);
                self.refuse(&answer, out)
            }
        }
    }

    fn may_send(&self, sender: &Sender, store: &Store) -> Result<(), Answer> {
        if self.client.is_none() {
            return Err(answers::HELLO_FIRST);
        }
        if self.transaction.is_some() {
            return Err(answers::IN_TRANSACTION);
        }
        if self.kind == Kind::Submission {
            let Some((account, _)) = &self.login else {
                let in_the_clear = self.privacy == Privacy::None;
                return Err(if in_the_clear { answers::TLS_FIRST } else { answers::LOG_IN_FIRST });
            };
            if let Some(address) = &sender.address {
                let snapshot = store.snapshot().map_err(|fault| answers::broken(&fault))?;
                let may = may_send_as(&snapshot, *account, address.as_str()).map_err(|error| answers::store(&error))?;
                if !may {
                    return Err(answers::NOT_YOURS);
                }
            }
        }
        if sender.size.is_some_and(|size| size > self.terms.rules.message) {
            return Err(answers::TOO_LARGE);
        }
        if store.is_read_only() {
            return Err(answers::READ_ONLY);
        }
        Ok(())
    }

    pub(super) fn rcpt(&mut self, recipient: Recipient, store: &Store, out: &mut Out) -> Need {
        match self.may_receive(&recipient, store) {
            Ok(()) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.octets += octets(&recipient);
                    transaction.recipients.push(recipient);
                }
                self.grant(&answers::RECIPIENT, out)
            }
            Err(answer) => {
                self.log_recipient_refused(&recipient, &answer);
                self.refuse(&answer, out)
            }
        }
    }

    fn may_receive(&self, recipient: &Recipient, store: &Store) -> Result<(), Answer> {
        let transaction = self.transaction.as_ref().ok_or(answers::MAIL_FIRST)?;
        if transaction.content.is_some() {
            return Err(answers::CHUNKS_BEGUN);
        }
        // Where little is left for strangers, a hundred have to do (RFC 5321 §4.5.3.1.8).
        let is_short = self.login.is_none() && STRANGERS.held() > limits::STRANGERS / 8;
        let most = if is_short { limits::RECIPIENTS_LEAST } else { self.terms.rules.recipients };
        if transaction.recipients.len() >= most.min(self.terms.rules.recipients)
            || transaction.octets + octets(recipient) > limits::RECIPIENT_OCTETS
        {
            return Err(answers::TOO_MANY);
        }
        let found = || -> Result<Route, StoreError> {
            let snapshot = store.snapshot()?;
            route(&snapshot, &self.terms.rules.routing, recipient.address.as_str(), transaction.sender.size)
        };
        match found().map_err(|error| answers::store(&error))? {
            Route::Here => Ok(()),
            // The one way out, and only for who logged in.
            Route::Outside if self.login.is_some() => Ok(()),
            Route::Outside => Err(answers::NO_RELAY),
            Route::Unknown => Err(answers::NOBODY),
            Route::OverQuota => Err(answers::OVER_QUOTA),
            Route::Loop => Err(answers::LOOP),
        }
    }
}

/// Octets of what a recipient brings.
fn octets(recipient: &Recipient) -> usize {
    recipient.address.as_str().len() + recipient.orcpt.as_ref().map_or(0, String::len)
}
