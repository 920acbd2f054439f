//! Several clients at random on one mailbox, each of which keeps a picture of it from what it is told, as mail programs
//! do. In the end every picture must be the mailbox, and nothing on the way may have contradicted it.

#![expect(clippy::indexing_slicing, reason = "a place that is not there is a test that fails")]

use super::player::{Cut, Player, Way};
use pillarbox::mail::SystemFlag;
use std::collections::BTreeSet;

/// Flags as a client knows them; without `\Recent`, which is every session's own.
type Flags = BTreeSet<String>;

/// What a client believes: by message number the UID and the flags, as far as it was told.
#[derive(Default)]
struct Picture {
    messages: Vec<(Option<u32>, Option<Flags>)>,
    idling: bool,
}

struct Crowd {
    player: Player,
    random: u64,
    pictures: Vec<Picture>,
}

/// Plays `deeds` random deeds of three clients.
pub fn mingle(seed: u64, deeds: usize) -> Result<(), String> {
    let out = [1, 60, 500, pillarbox::mail::limits::OUT][usize::try_from(seed % 4).unwrap_or(0)];
    let mut crowd = Crowd {
        player: Player::new(Way { cut: Cut::Whole, out, turn: pillarbox::mail::limits::TURN }),
        random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        pictures: (0..3).map(|_| Picture::default()).collect(),
    };
    for client in 1..=3 {
        crowd.player.world(client, &["login"])?;
        if client == 3 {
            crowd.command(client, "ENABLE IMAP4rev2", false)?;
        }
        crowd.command(client, "SELECT INBOX", true)?;
    }
    for _ in 0..deeds {
        let client = crowd.number(3) + 1;
        crowd.deed(client)?;
    }
    for client in 1..=3 {
        crowd.wake(client)?;
        crowd.command(client, "NOOP", true)?;
        crowd.compare(client)?;
    }
    Ok(())
}

impl Crowd {
    fn number(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 33).unwrap_or(0) % below
    }

    fn deed(&mut self, client: usize) -> Result<(), String> {
        if self.pictures[client - 1].idling && self.number(3) > 0 {
            return Ok(());
        }
        self.wake(client)?;
        let messages = self.pictures[client - 1].messages.len();
        let (one, other) = (self.number(messages.max(1)) + 1, self.number(messages.max(1)) + 1);
        let set = format!("{}:{}", one.min(other), one.max(other));
        let uids = format!("{}:{}", self.number(30) + 1, self.number(30) + 1);
        let flag = ["\\Seen", "\\Deleted", "\\Flagged", "one", "two"][self.number(5)];
        let sign = ["", "+", "-"][self.number(3)];
        let silent = ["", ".SILENT"][self.number(2)];
        match self.number(14) {
            0 => self.command(client, "NOOP", true),
            1 => self.command(client, "APPEND INBOX (\\Seen) {5+}\r\nhello", true),
            2 => self.command(client, "EXPUNGE", true),
            3 => self.command(client, &format!("UID EXPUNGE {uids}"), true),
            4 => {
                self.pictures[client - 1].idling = true;
                self.player.say(client, b"t IDLE\r\n")?;
                self.rung()
            }
            5 => self.command(client, &format!("UID FETCH {uids} FLAGS"), true),
            6 => self.command(client, &format!("UID STORE {uids} {sign}FLAGS ({flag})"), true),
            7 => self.command(client, "UID SEARCH DELETED", true),
            _ if messages == 0 => self.command(client, "APPEND INBOX {5+}\r\nhello", true),
            8 => self.command(client, &format!("FETCH {set} (UID FLAGS)"), false),
            9 => self.command(client, &format!("COPY {set} INBOX"), true),
            10 => self.command(client, &format!("MOVE {one} Trash"), true),
            11 => self.command(client, "SEARCH SUBJECT x", false),
            _ => {
                if !silent.is_empty() {
                    self.imagine(client, one.min(other), one.max(other), sign, flag);
                }
                self.command(client, &format!("STORE {set} {sign}FLAGS{silent} ({flag})"), false)
            }
        }
    }

    /// A client that is not told the result of its own STORE works it out.
    fn imagine(&mut self, client: usize, from: usize, to: usize, sign: &str, flag: &str) {
        for (_, flags) in &mut self.pictures[client - 1].messages[from - 1..to] {
            match (sign, flags) {
                ("", flags) => *flags = Some(Flags::from([flag.to_owned()])),
                ("+", Some(flags)) => _ = flags.insert(flag.to_owned()),
                (_, Some(flags)) => _ = flags.remove(flag),
                (_, None) => {}
            }
        }
    }

    fn wake(&mut self, client: usize) -> Result<(), String> {
        if std::mem::take(&mut self.pictures[client - 1].idling) {
            self.player.say(client, b"DONE\r\n")?;
            self.hear(client, true)?;
        }
        Ok(())
    }

    fn command(&mut self, client: usize, command: &str, expunge: bool) -> Result<(), String> {
        let said = self.player.say(client, format!("t {command}\r\n").as_bytes());
        said.map_err(|error| format!("client {client}, {command}: {error}"))?;
        self.hear(client, expunge).map_err(|error| format!("client {client}, {command}: {error}"))?;
        self.rung()
    }

    /// Those in IDLE hear what was done.
    fn rung(&mut self) -> Result<(), String> {
        self.player.ring(None)?;
        for client in 1..=3 {
            if self.pictures[client - 1].idling {
                self.hear(client, true)?;
            }
        }
        Ok(())
    }

    /// Takes everything that a client was told into its picture.
    fn hear(&mut self, client: usize, expunge: bool) -> Result<(), String> {
        let heard = self.player.clients.get_mut(&client).map(|client| std::mem::take(&mut client.heard));
        let heard = String::from_utf8(heard.unwrap_or_default()).map_err(|error| error.to_string())?;
        let messages = &mut self.pictures[client - 1].messages;
        for line in heard.lines() {
            let mut words = line.split(' ').skip(1);
            let (Some(Ok(number)), Some(what)) = (words.next().map(str::parse::<usize>), words.next()) else {
                if line.contains(" BAD ") {
                    return Err(format!("answered {line}"));
                }
                continue;
            };
            match what {
                "EXISTS" if number < messages.len() => return Err(format!("{line} after {}", messages.len())),
                "EXISTS" => messages.resize(number, (None, None)),
                "EXPUNGE" if !expunge => return Err(format!("{line} while numbers are in use")),
                "EXPUNGE" if (1..=messages.len()).contains(&number) => _ = messages.remove(number - 1),
                "FETCH" if (1..=messages.len()).contains(&number) => {
                    let (uid, flags) = &mut messages[number - 1];
                    let told = between(line, "UID ", &[' ', ')']).and_then(|uid| uid.parse().ok());
                    if told.is_some() && uid.is_some() && told != *uid {
                        return Err(format!("{line}, but its UID is {uid:?}"));
                    }
                    *uid = told.or(*uid);
                    if let Some(told) = between(line, "FLAGS (", &[')']) {
                        let told = told.split(' ').filter(|flag| !flag.is_empty() && *flag != "\\Recent");
                        *flags = Some(told.map(str::to_owned).collect());
                    }
                }
                "RECENT" => {}
                _ => return Err(format!("{line} with {} messages", messages.len())),
            }
        }
        Ok(())
    }

    fn compare(&self, client: usize) -> Result<(), String> {
        let truth = self.player.messages("INBOX")?;
        let picture = &self.pictures[client - 1].messages;
        if truth.len() != picture.len() {
            return Err(format!("client {client} believes in {} messages of {}", picture.len(), truth.len()));
        }
        for ((uid, flags), (told_uid, told)) in truth.iter().zip(picture) {
            if told_uid.is_some_and(|told| told != *uid) || told.as_ref().is_some_and(|told| told != flags) {
                return Err(format!("client {client} believes {told_uid:?} {told:?} of {uid} {flags:?}"));
            }
        }
        Ok(())
    }
}

impl Player {
    /// What there is: UIDs and flags.
    fn messages(&self, mailbox: &str) -> Result<Vec<(u32, Flags)>, String> {
        let snapshot = self.store.snapshot().map_err(|fault| fault.to_string())?;
        let account = self.gate.account;
        let id = snapshot.mailbox_named(account, mailbox).map_err(|fault| fault.to_string())?;
        let id = id.ok_or("there is no such mailbox")?;
        let record = snapshot.mailbox(id).map_err(|fault| fault.to_string())?.ok_or("there is no such mailbox")?;
        let messages = snapshot.messages(id, 1, u32::MAX).map_err(|fault| fault.to_string())?;
        let mut found = Vec::new();
        for message in messages {
            let (uid, message) = message.map_err(|fault| fault.to_string())?;
            let system = SystemFlag::ALL.into_iter().filter(|flag| message.flags.is(*flag));
            let mut flags: Flags = system.map(|flag| flag.name().to_owned()).collect();
            flags.extend(message.flags.keywords().filter_map(|index| record.keywords.get(index)).cloned());
            found.push((uid.number(), flags));
        }
        Ok(found)
    }
}

/// What stands after `begin` up to one of `ends`.
fn between<'l>(line: &'l str, begin: &str, ends: &[char]) -> Option<&'l str> {
    let (_, after) = line.split_once(begin)?;
    after.split(ends).next()
}
