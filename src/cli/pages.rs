//! The pages, wired to the server that lets browsers in.

use super::Failed;
use pillarbox::net::{Pages, Socket};
use pillarbox::web::{Code, LEAST, Site, Visit, answer};
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

/// The environment's word for whoever starts us on a box: nobody is there to read what is printed, so no first account
/// is made. Who knows this code makes it on a page; with an empty one, nobody does.
const CLAIM: &str = "PILLARBOX_CLAIM";

/// All pages.
pub struct Browsers(pub Arc<Site>);

impl Pages for Browsers {
    fn answer(
        &self,
        socket: Box<dyn Socket>,
        from: IpAddr,
        tls: bool,
    ) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send>> {
        Box::pin(answer(Arc::clone(&self.0), socket, Visit { from, tls }))
    }
}

/// Who makes the first account.
pub enum First {
    /// This start, which tells of it.
    Start,
    /// Who knows the code; nobody where there is none. A code that could be guessed is an error.
    Claim(Result<Option<Code>, Failed>),
}

impl First {
    pub fn from_environment() -> First {
        match std::env::var_os(CLAIM) {
            None => First::Start,
            Some(code) => First::Claim(match code.to_string_lossy() {
                nothing if nothing.trim().is_empty() => Ok(None),
                code => Code::new(&code)
                    .map(Some)
                    .ok_or_else(|| Failed::because(format!("{CLAIM}: a code has at least {LEAST} letters or digits"))),
            }),
        }
    }
}
