//! STORE (RFC 9051 §6.4.6), and telling its result.

use super::finish::{Last, coded};
use super::message::Places;
use super::refusal::No;
use super::session::Session;
use super::work::{After, Work};
use crate::mail::{FlagSet, SequenceSet, SystemFlag, effort};
use crate::session::Need;
use crate::store::{FlagChange, Row, Write};
use crate::wire::Out;
use crate::wire::imap::StoreMode;
use crate::wire::imap::reply::{self, Code};

/// Rows that are looked at before the output is asked whether it is full.
const ROWS: usize = 512;

/// The flags of messages, on their way to the client that changed them.
#[derive(Debug)]
pub(super) struct Echo {
    pub(super) tag: Box<str>,
    pub(super) uid: bool,
    silent: bool,
    mode: StoreMode,
    names: Vec<String>,
    places: Places,
    /// How far: the range, and the place in it.
    range: usize,
    at: usize,
    /// Some messages were gone.
    missing: bool,
}

impl Session {
    #[expect(clippy::too_many_arguments, reason = "the command's own")]
    pub(super) fn store(
        &mut self,
        tag: &str,
        uid: bool,
        set: &SequenceSet,
        mode: StoreMode,
        silent: bool,
        flags: Vec<String>,
        out: &mut Out,
    ) -> Result<Need, No> {
        let selected = self.writable()?;
        let places = selected.places(uid, set)?;
        let uids = selected.uids(&places);
        let mailbox = selected.mailbox;
        if uids.0.is_empty() {
            return Ok(self.finish(tag, uid, "STORE done", out));
        }
        if mode != StoreMode::Remove && !FlagSet::has_room(&selected.watch.now().keywords, &flags) {
            return Err(No::TooManyKeywords);
        }
        let change = match mode {
            StoreMode::Replace => FlagChange::Replace(flags.clone()),
            StoreMode::Add => FlagChange::Add(flags.clone()),
            StoreMode::Remove => FlagChange::Remove(flags.clone()),
        };
        let at = places.first().map_or(0, |place| place.0);
        let echo = Echo { tag: tag.into(), uid, silent, mode, names: flags, places, range: 0, at, missing: false };
        self.work = Work::Waiting(Box::new(After::Stored(Box::new(echo))));
        Ok(Need::Write(Write::Store { mailbox, uids, change }))
    }

    pub(super) fn go_on_echoing(&mut self, mut echo: Box<Echo>, out: &mut Out) -> Need {
        let dialect = self.dialect;
        let rev2 = self.is_rev2();
        let Some(selected) = self.selected_mut() else { return Need::Flush };
        let now = selected.watch.now();
        // New keywords come first, or the client would not know what the flags mean.
        if selected.view.keywords() != &now.keywords {
            selected.view.learn(&now.keywords);
            super::finish::tell_flags(out, &now.keywords, selected.is_read_only());
        }
        let named = named(&echo.names, &now.keywords);
        while let Some(&(_, to)) = echo.places.get(echo.range) {
            let rows: Vec<Row> =
                selected.view.rows().from(echo.at).take(ROWS.min(to.saturating_sub(echo.at))).collect();
            let Some((first, last)) = rows.first().zip(rows.last()).map(|(first, last)| (first.uid, last.uid)) else {
                echo.range += 1;
                echo.at = echo.places.get(echo.range).map_or(0, |place| place.0);
                continue;
            };
            let mut present = now.rows.from(now.rows.lower_bound(first.number())).peekable();
            for row in rows {
                effort::spend(effort::ROW);
                if out.is_full() {
                    selected.view.share(&now, first, last);
                    self.work = Work::Echo(echo);
                    return Need::Flush;
                }
                while present.next_if(|other| other.uid < row.uid).is_some() {}
                let place = echo.at;
                echo.at += 1;
                let Some(new) = present.next_if(|other| other.uid == row.uid && !now.gone) else {
                    echo.missing = true;
                    continue;
                };
                let expected = match echo.mode {
                    StoreMode::Replace => named,
                    StoreMode::Add => row.flags | named,
                    StoreMode::Remove => row.flags & !named,
                };
                // Silent, but not about what somebody else changed at the same time (RFC 9051 §6.4.6).
                if !echo.silent || new.flags != expected {
                    let recent = !rev2 && selected.view.is_recent(new.uid);
                    let number = u32::try_from(place + 1).unwrap_or(u32::MAX);
                    let mut fetch = reply::Fetch::begin(out, number, dialect);
                    if echo.uid {
                        fetch.uid(new.uid);
                    }
                    fetch.flags(new.flags, &now.keywords, recent);
                    fetch.end();
                }
                if new != row {
                    selected.view.told(new);
                }
            }
            selected.view.share(&now, first, last);
            // A silent one fills no output.
            if effort::is_spent() {
                self.work = Work::Echo(echo);
                return Need::Flush;
            }
        }
        let last = match (echo.missing && !echo.uid, echo.silent) {
            (false, _) => Last::Ok("STORE done"),
            // RFC 2180 §4.2.1: who wants no answer is told that what is there was changed,
            (true, true) => coded(&echo.tag, Code::ExpungeIssued, "STORE done: some of the messages are gone"),
            // and who waits for one (§4.2.2) that some will not come.
            (true, false) => Last::No(No::ExpungeIssued),
        };
        self.finish_with(&echo.tag, echo.uid, last, out)
    }
}

/// The set of these flags in a mailbox with these keywords.
fn named(names: &[String], keywords: &[String]) -> FlagSet {
    names.iter().fold(FlagSet::NONE, |flags, name| {
        let flag = SystemFlag::from_name(name).map(SystemFlag::set);
        let keyword = || keywords.iter().position(|known| known.eq_ignore_ascii_case(name)).map(FlagSet::keyword);
        flags | flag.or_else(keyword).unwrap_or_default()
    })
}
