//! One mail on a connection: its envelope, its content, and what the server says to it.

use super::content::Content;
use super::said::{Fate, Said, Trouble};
use super::session::Session;
use crate::store::Notify;
use crate::wire::smtp::reply::Reply;
use std::fmt::Write;
use std::time::Duration;

/// Recipients of one transaction: a server takes as many at least (RFC 5321 §4.5.3.1.8).
const RECIPIENTS: usize = 100;
/// How long we listen to one who broke off while we spoke: its last words may say why.
const LAST_WORDS: Duration = Duration::from_secs(2);
const BREAKS: &str = "553 5.1.3 an address with control characters";
const ASCII_ONLY: &str = "it takes no mail with other letters than ASCII's in addresses and headers";

/// Who a mail is from, and what else is said before it.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'e> {
    /// The reverse path; empty for what must never be answered.
    pub from: &'e str,
    /// ENVID, as xtext.
    pub envid: Option<&'e str>,
    /// RET=FULL.
    pub ret_full: bool,
    /// It has octets beyond ASCII's.
    pub body_8bit: bool,
    /// Its header needs SMTPUTF8; what an address needs is seen of the address.
    pub utf8: bool,
    /// Octets, as they are sent.
    pub size: u64,
    /// What is put above the mail.
    pub prefix: &'e str,
}

/// A recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct To {
    /// The forward path.
    pub address: String,
    /// ORCPT, as it came.
    pub orcpt: Option<String>,
    /// NOTIFY.
    pub notify: Notify,
}

impl Session {
    /// Sends a mail; what became of it for each recipient, in their order.
    pub async fn transact(&mut self, envelope: &Envelope<'_>, to: &[To], content: &Content) -> Vec<Fate> {
        let mut unfit: Vec<Option<Fate>> = to.iter().map(|to| self.unfit(to)).collect();
        let fit: Vec<To> =
            to.iter().zip(&unfit).filter(|(_, unfit)| unfit.is_none()).map(|(to, _)| to.clone()).collect();
        let mut fates = Vec::with_capacity(fit.len());
        for some in fit.chunks(RECIPIENTS) {
            if !self.is_open() {
                let said = Said::of(&self.host, "450 4.4.2", "it closed the connection");
                fates.extend(some.iter().map(|_| Fate::Later(said.clone())));
                continue;
            }
            fates.extend(self.transact_some(envelope, some, content).await);
        }
        let mut fates = fates.into_iter();
        unfit.iter_mut().filter_map(|unfit| unfit.take().or_else(|| fates.next())).collect()
    }

    async fn transact_some(&mut self, envelope: &Envelope<'_>, to: &[To], content: &Content) -> Vec<Fate> {
        let all = |trouble: Trouble| {
            let fate = trouble.fate();
            to.iter().map(|_| fate.clone()).collect::<Vec<_>>()
        };
        if let Err(trouble) = self.fits(envelope) {
            return all(trouble);
        }
        let mut answers = match self.say_envelope(envelope, to).await {
            Ok(answers) => answers,
            Err(trouble) => return all(trouble),
        };
        if answers.iter().all(Option::is_some) {
            // Nobody is left to send it to. A server that is asked for DATA now would have to refuse that as well.
            if self.is_open() {
                let _ = self.ask("RSET\r\n").await;
            }
            return answers.into_iter().flatten().collect();
        }
        let verdict = self.say_content(envelope, content).await;
        for answer in &mut answers {
            answer.get_or_insert_with(|| verdict.clone());
        }
        answers.into_iter().flatten().collect()
    }

    /// What can be known before anything is said.
    fn fits(&self, envelope: &Envelope<'_>) -> Result<(), Trouble> {
        if let Some(most) = self.offers.size.filter(|most| *most < envelope.size) {
            let text = format!("the mail has {} octets, and {} takes at most {most}", envelope.size, self.host);
            return Err(Trouble::Never(Said::ours(format!("552 5.3.4 {text}"))));
        }
        if breaks(envelope.from) {
            return Err(Trouble::Never(Said::ours(BREAKS)));
        }
        let is_beyond = !envelope.from.is_ascii();
        // RFC 6531 §3.5, RFC 6532: its header may be in UTF-8, too.
        if (is_beyond || envelope.utf8) && !self.offers.utf8 {
            let what = if is_beyond { "553 5.6.7" } else { "550 5.6.9" };
            return Err(Trouble::Never(Said::of(&self.host, what, ASCII_ONLY)));
        }
        Ok(())
    }

    /// Why a recipient cannot be said to this server, whatever becomes of the others.
    fn unfit(&self, to: &To) -> Option<Fate> {
        if breaks(&to.address) {
            return Some(Fate::Never(Said::ours(BREAKS)));
        }
        let is_beyond = !to.address.is_ascii() && !self.offers.utf8;
        is_beyond.then(|| Fate::Never(Said::of(&self.host, "553 5.6.7", ASCII_ONLY)))
    }

    /// MAIL and RCPT; for each recipient what became of it already, or `None` where it waits for the content.
    async fn say_envelope(&mut self, envelope: &Envelope<'_>, to: &[To]) -> Result<Vec<Option<Fate>>, Trouble> {
        let mail = self.mail(envelope, to);
        let recipients: Vec<String> = to.iter().map(|to| self.rcpt(to)).collect();
        let command = self.patience.command;
        if self.offers.pipelining {
            // In one go (RFC 2920 §3.1). A hundred recipients fit into what a connection holds.
            self.say(&(mail + &recipients.concat())).await?;
        } else {
            self.say(&mail).await?;
        }
        let sender = self.hear(command).await?;
        if !sender.is_positive() {
            if self.offers.pipelining && self.is_open() {
                // What it says of them, or that it hangs up, is no news any more.
                for _ in to {
                    if self.hear(command).await.is_err() {
                        break;
                    }
                }
            }
            return Err(self.refused(&sender));
        }
        let mut answers = Vec::with_capacity(to.len());
        for recipient in &recipients {
            if !self.offers.pipelining {
                self.say(recipient).await?;
            }
            let reply = self.hear(command).await?;
            if reply.code == 421 {
                return Err(self.refused(&reply));
            }
            answers.push((!reply.is_positive()).then(|| self.refused(&reply).fate()));
        }
        Ok(answers)
    }

    /// DATA, and the mail.
    async fn say_content(&mut self, envelope: &Envelope<'_>, content: &Content) -> Fate {
        match self.try_content(envelope, content).await {
            Ok(reply) if reply.is_positive() => {
                Fate::Taken { said: Said::by(&self.host, &reply), tells: self.offers.dsn }
            }
            Ok(reply) => self.refused(&reply).fate(),
            Err(trouble) => trouble.fate(),
        }
    }

    async fn try_content(&mut self, envelope: &Envelope<'_>, content: &Content) -> Result<Reply, Trouble> {
        self.say("DATA\r\n").await?;
        let go_on = self.hear(self.patience.data).await?;
        if go_on.is_positive() {
            // Nothing was sent that it could have taken: this answers something else.
            return Err(self.lost(&"it answers what was not asked"));
        }
        if !go_on.is_intermediate() {
            // The envelope is still open at some servers, and would be in the way of the next one.
            if self.is_open() {
                let _ = self.ask("RSET\r\n").await;
            }
            return Ok(go_on);
        }
        let mut pass = content.pass();
        let mut octets = envelope.prefix.as_bytes().to_vec();
        let mut ended = false;
        while !ended {
            ended = match pass.read_dotted(&mut octets) {
                Ok(ended) => ended,
                Err(fault) => {
                    log::error!("a queued mail cannot be read: {fault}");
                    // Without its dot, what was sent so far is no mail.
                    self.give_up();
                    return Err(Trouble::Later(Said::ours("451 4.3.0 the mail cannot be read just now")));
                }
            };
            if let Err(trouble) = self.send(&octets).await {
                // Who refuses a mail in its middle may have said why.
                return self.hear(LAST_WORDS).await.ok().filter(|reply| !reply.is_positive()).ok_or(trouble);
            }
            octets.clear();
        }
        self.hear(self.patience.verdict).await
    }

    fn refused(&self, reply: &Reply) -> Trouble {
        let said = Said::by(&self.host, reply);
        if reply.is_permanent() { Trouble::Never(said) } else { Trouble::Later(said) }
    }

    /// `"MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF`
    fn mail(&self, envelope: &Envelope<'_>, to: &[To]) -> String {
        let offers = &self.offers;
        let mut line = format!("MAIL FROM:<{}>", envelope.from);
        if offers.size.is_some() {
            let _ = write!(line, " SIZE={}", envelope.size);
        }
        if envelope.body_8bit && offers.eight_bit {
            // Where it is not offered, the octets go out as they are all the same: those who do not take them are gone.
            line.push_str(" BODY=8BITMIME");
        }
        if envelope.utf8 || !envelope.from.is_ascii() || to.iter().any(|to| !to.address.is_ascii()) {
            line.push_str(" SMTPUTF8");
        }
        if offers.dsn {
            line.push_str(if envelope.ret_full { " RET=FULL" } else { " RET=HDRS" });
            if let Some(envid) = envelope.envid {
                let _ = write!(line, " ENVID={envid}");
            }
        }
        line + "\r\n"
    }

    /// `"RCPT TO:" Forward-path [SP Rcpt-parameters] CRLF`
    fn rcpt(&self, to: &To) -> String {
        let mut line = format!("RCPT TO:<{}>", to.address);
        if self.offers.dsn {
            let Notify { success, failure, delay } = to.notify;
            let asked = [(success, "SUCCESS"), (failure, "FAILURE"), (delay, "DELAY")];
            let asked: Vec<&str> = asked.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect();
            if to.notify != Notify::default() {
                let _ = match asked.as_slice() {
                    [] => write!(line, " NOTIFY=NEVER"),
                    some => write!(line, " NOTIFY={}", some.join(",")),
                };
            }
            if let Some(orcpt) = &to.orcpt {
                let _ = write!(line, " ORCPT={orcpt}");
            }
        }
        line + "\r\n"
    }
}

/// What could end its line would say more than an address.
fn breaks(text: &str) -> bool {
    text.chars().any(char::is_control)
}
