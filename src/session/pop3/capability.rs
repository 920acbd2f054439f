//! CAPA (RFC 2449 §5).

use super::session::{Pop3, State};
use crate::session::Privacy;
use crate::wire::Out;
use crate::wire::pop3::reply;

impl Pop3 {
    pub(super) fn tell_capabilities(&self, out: &mut Out) {
        let before = matches!(self.state, State::Authorization);
        reply::ok(out, "What there is:");
        // RFC 1939 §7 and RFC 2449 §6.
        for always in ["TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE"] {
            reply::line(out, always);
        }
        if self.privacy != Privacy::None {
            reply::line(out, "USER");
            reply::line(out, "SASL PLAIN SCRAM-SHA-256");
        }
        if before && self.privacy != Privacy::Tls {
            reply::line(out, "STLS");
        }
        // What is left on the server stays there, until somebody deletes it.
        reply::line(out, "EXPIRE NEVER");
        let delay = self.maildrops.terms().login_delay;
        if delay > 0 {
            reply::line(out, &format!("LOGIN-DELAY {delay}"));
        }
        reply::line(out, "UTF8 USER");
        reply::line(out, "LANG");
        reply::line(out, "IMPLEMENTATION Pillarbox");
        reply::end(out);
    }
}
