//! Mailboxes at the server: listed, selected, made, renamed, removed.

use super::client::{Imap, Selected};
use crate::courier::mirror::error::Error;
use crate::courier::mirror::line::Io;
use crate::wire::imap::answer::{Answer, Code, Listed, Status};

/// Mailboxes of one account at a server.
const FOLDERS: usize = crate::mail::limits::MAILBOXES;

/// A mailbox at the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderListed {
    /// Its name as the protocol spells it.
    pub name: Vec<u8>,
    /// What separates its levels.
    pub separator: Option<u8>,
    /// Its attributes, in lower case with their backslash.
    pub attributes: Vec<String>,
}

impl FolderListed {
    /// Whether it has this attribute.
    pub fn is(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|own| own.eq_ignore_ascii_case(attribute))
    }
}

impl<S: Io> Imap<S> {
    /// The prefix and the separator of one's own mailboxes.
    pub async fn namespace(&mut self) -> Result<(Vec<u8>, Option<u8>), Error> {
        let mut found = (Vec::new(), None);
        if self.abilities.namespace {
            let asked = self
                .ask(b"NAMESPACE", &mut |answer| {
                    if let Answer::Namespace { prefix, separator } = answer {
                        found = (prefix, separator);
                    }
                    Ok(())
                })
                .await;
            match asked {
                Err(error) if !error.is_refusal() => return Err(error),
                _ => {}
            }
        }
        Ok(found)
    }

    /// All mailboxes.
    pub async fn list(&mut self) -> Result<Vec<FolderListed>, Error> {
        let mut folders = Vec::new();
        self.ask(b"LIST \"\" \"*\"", &mut |answer| {
            if let Answer::List(Listed { name, separator, attributes }) = answer {
                if folders.len() >= FOLDERS {
                    return Err(Error::Unable("the provider has too many folders".to_owned()));
                }
                folders.push(FolderListed { name, separator, attributes });
            }
            Ok(())
        })
        .await?;
        Ok(folders)
    }

    /// How a mailbox is doing.
    pub async fn status(&mut self, name: &[u8]) -> Result<Status, Error> {
        let modseq = if self.abilities.cond_store { " HIGHESTMODSEQ" } else { "" };
        let items = format!(" (MESSAGES UIDNEXT UIDVALIDITY{modseq})\r\n");
        let tag = self.begin("STATUS", name).await?;
        self.lines.send(items.as_bytes()).await?;
        let mut found = Status::default();
        self.finish(tag.as_bytes(), &mut |answer| {
            if let Answer::Status(status) = answer {
                found = status;
            }
            Ok(())
        })
        .await?;
        Ok(found)
    }

    /// Selects a mailbox.
    pub async fn select(&mut self, name: &[u8]) -> Result<Selected, Error> {
        // Whatever happens now, what was selected is not any more.
        self.selected = None;
        let tag = self.begin("SELECT", name).await?;
        let rest: &[u8] = if self.abilities.cond_store { b" (CONDSTORE)\r\n" } else { b"\r\n" };
        self.lines.send(rest).await?;
        let mut selected = Selected { name: name.to_vec(), ..Selected::default() };
        let state = self
            .finish(tag.as_bytes(), &mut |answer| {
                match answer {
                    Answer::Exists(count) => selected.messages = count,
                    Answer::State(state) => match state.code {
                        Code::UidValidity(number) => selected.uid_validity = number,
                        Code::UidNext(number) => selected.uid_next = number,
                        Code::HighestModSeq(number) => selected.highest_modseq = number,
                        Code::PermanentFlags { flags, any } => selected.kept = Some((flags, any)),
                        _ => {}
                    },
                    _ => {}
                }
                Ok(())
            })
            .await?;
        selected.read_only = matches!(&state.code, Code::Word(word) if word == "READ-ONLY");
        self.selected = Some(selected.clone());
        Ok(selected)
    }

    /// Selects a mailbox unless it is selected.
    pub async fn need(&mut self, name: &[u8]) -> Result<(), Error> {
        if self.selected.as_ref().is_none_or(|selected| selected.name != name) {
            self.select(name).await?;
        }
        Ok(())
    }

    /// Makes a mailbox, and subscribes to it.
    pub async fn create(&mut self, name: &[u8]) -> Result<(), Error> {
        let tag = self.begin("CREATE", name).await?;
        self.end(&tag).await?;
        let tag = self.begin("SUBSCRIBE", name).await?;
        match self.end(&tag).await {
            Err(error) if !error.is_refusal() => Err(error),
            _ => Ok(()),
        }
    }

    /// Gives a mailbox, and those below it, another name.
    pub async fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), Error> {
        self.selected = None;
        let tag = self.begin("RENAME", from).await?;
        self.lines.send(b" ").await?;
        self.string(to).await?;
        self.end(&tag).await?;
        for (verb, name) in [("UNSUBSCRIBE", from), ("SUBSCRIBE", to)] {
            let tag = self.begin(verb, name).await?;
            match self.end(&tag).await {
                Err(error) if !error.is_refusal() => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes a mailbox.
    pub async fn delete(&mut self, name: &[u8]) -> Result<(), Error> {
        self.selected = None;
        let tag = self.begin("DELETE", name).await?;
        self.end(&tag).await?;
        let tag = self.begin("UNSUBSCRIBE", name).await?;
        match self.end(&tag).await {
            Err(error) if !error.is_refusal() => Err(error),
            _ => Ok(()),
        }
    }

    /// A verb and a mailbox; the tag.
    pub(super) async fn begin(&mut self, verb: &str, name: &[u8]) -> Result<String, Error> {
        let tag = self.next_tag();
        self.lines.send(format!("{tag} {verb} ").as_bytes()).await?;
        self.string(name).await?;
        Ok(tag)
    }

    async fn end(&mut self, tag: &str) -> Result<(), Error> {
        self.lines.send(b"\r\n").await?;
        self.finish(tag.as_bytes(), &mut |_| Ok(())).await.map(|_| ())
    }
}
