//! Where the server is found: its ports, and the names by which others reach it.

use pillarbox::admin::Settings;
use pillarbox::net::outward_addresses;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where the server is found.
pub struct Found {
    /// Our host name, which is also the domain of the first account.
    pub name: String,
    /// The names and addresses by which this server is reached, the best one first; never empty.
    pub names: Vec<String>,
    pub bind: IpAddr,
    pub port_offset: u16,
    pub data: PathBuf,
    /// Whether other servers bring mail.
    pub mx: bool,
    /// Whether mail programs can give their mail to us.
    pub submission: bool,
}

/// The well-known ports of IMAP, POP3, SMTP, submission, and pages.
const IMAP: u16 = 143;
const IMAPS: u16 = 993;
const POP3: u16 = 110;
const POP3S: u16 = 995;
const SMTP: u16 = 25;
const SUBMISSION: u16 = 587;
const SUBMISSIONS: u16 = 465;
const HTTP: u16 = 80;
const HTTPS: u16 = 443;

/// The environment's word by which an appliance says that it answers to its name by mDNS itself.
const MDNS: &str = "PILLARBOX_MDNS";
/// Where and how long we ask whether somebody does (RFC 6762 §5.1).
const GROUP: (Ipv4Addr, u16) = (Ipv4Addr::new(224, 0, 0, 251), 5353);
const PATIENCE: Duration = Duration::from_millis(300);

impl Found {
    /// As the settings and the arguments say.
    pub fn new(settings: &Settings, bind: IpAddr, port_offset: u16, data: PathBuf) -> Found {
        let name = settings.name();
        let given = settings.server.name.clone();
        let told_by_mdns = || std::env::var_os(MDNS).is_some() || answers(&name);
        let names = names(&name, given.as_deref(), bind, told_by_mdns, outward_addresses);
        let (mx, submission) = (settings.smtp.mx, settings.smtp.submission);
        Found { name, names, bind, port_offset, data, mx, submission }
    }

    /// IMAP, IMAP in TLS, POP3, and POP3 in TLS.
    pub fn ports(&self) -> [u16; 4] {
        [IMAP, IMAPS, POP3, POP3S].map(|port| port.saturating_add(self.port_offset))
    }

    /// Of other servers.
    pub fn smtp(&self) -> Option<u16> {
        self.mx.then(|| SMTP.saturating_add(self.port_offset))
    }

    /// Without TLS at first, and in TLS.
    pub fn submission(&self) -> Option<[u16; 2]> {
        self.submission.then(|| [SUBMISSION, SUBMISSIONS].map(|port| port.saturating_add(self.port_offset)))
    }

    pub fn http(&self) -> u16 {
        HTTP.saturating_add(self.port_offset)
    }

    pub fn https(&self) -> u16 {
        HTTPS.saturating_add(self.port_offset)
    }

    /// With the names by which this machine reaches itself: a browser may have come by any.
    pub fn all_names(&self) -> Vec<String> {
        let own = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut names = self.names.clone();
        names.extend(own.into_iter().filter(|_| self.bind.is_unspecified() || own_name(self.bind) == "localhost"));
        names
    }

    /// The name by which others reach it.
    pub fn server(&self) -> &str {
        self.names.first().unwrap_or(&self.name)
    }

    /// The same within a URL.
    pub fn host(&self) -> String {
        in_url(self.server())
    }

    /// As another program on this machine says where we are, in a URL.
    pub fn here(&self) -> String {
        if self.bind.is_unspecified() { "localhost".to_owned() } else { in_url(&own_name(self.bind)) }
    }
}

/// By which names a server that listens on `bind` is reached, the best one first. `given`: what its owner calls it.
fn names(
    name: &str,
    given: Option<&str>,
    bind: IpAddr,
    told_by_mdns: impl FnOnce() -> bool,
    outward: impl FnOnce() -> Vec<IpAddr>,
) -> Vec<String> {
    if bind.is_loopback() {
        // Whatever it is called, only this machine comes as far.
        return vec![own_name(bind)];
    }
    let mut names: Vec<String> = given.map(str::to_owned).into_iter().collect();
    if !bind.is_unspecified() {
        names.push(bind.to_string());
        return names;
    }
    // A name in the DNS; `.local` is nobody's who does not tell it himself (RFC 6762 §3).
    if given.is_none() && (name.rsplit('.').next() != Some("local") || told_by_mdns()) {
        names.push(name.to_owned());
    }
    names.extend(outward().into_iter().map(|address| address.to_string()));
    if names.is_empty() {
        names.push("localhost".to_owned());
    }
    names
}

/// What an address that is not all of them is called.
fn own_name(bind: IpAddr) -> String {
    let usual = bind.is_loopback() && ["127.0.0.1", "::1"].contains(&bind.to_string().as_str());
    if usual { "localhost".to_owned() } else { bind.to_string() }
}

/// An IPv6 address has brackets within a URL (RFC 3986 §3.2.2).
fn in_url(name: &str) -> String {
    if name.contains(':') { format!("[{name}]") } else { name.to_owned() }
}

/// Whether anybody answers to this name by mDNS.
fn answers(name: &str) -> bool {
    let ask = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        let question = question(name)?;
        socket.send_to(&question, GROUP).ok()?;
        let end = Instant::now() + PATIENCE;
        let mut answer = [0; 1500];
        loop {
            let left = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            socket.set_read_timeout(Some(left)).ok()?;
            let (length, _) = socket.recv_from(&mut answer).ok()?;
            if is_answer(answer.get(..length).unwrap_or_default(), &question) {
                return Some(());
            }
        }
    };
    ask().is_some()
}

/// A query for the address of a name, which is answered to who asks alone (RFC 6762 §6.7, RFC 1035 §4.1).
fn question(name: &str) -> Option<Vec<u8>> {
    let mut question = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length))?);
        question.extend_from_slice(label.as_bytes());
    }
    // The root; type A, class IN.
    question.extend_from_slice(&[0, 0, 1, 0, 1]);
    Some(question)
}

/// A response without an error, with an answer in it, for the name that was asked for.
fn is_answer(octets: &[u8], question: &[u8]) -> bool {
    let Some([_, _, flags, code, _, _, many, some, ..]) = octets.first_chunk::<12>() else { return false };
    let name = question.get(12..question.len() - 4).unwrap_or_default();
    flags & 0x80 != 0
        && code % 16 == 0
        && (*many, *some) != (0, 0)
        && octets.windows(name.len()).any(|found| found.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bind: &str, name: &str, given: Option<&str>, mdns: bool) -> String {
        let outward = || vec!["192.0.2.9".parse().unwrap(), "2001:db8::9".parse().unwrap()];
        names(name, given, bind.parse().unwrap(), || mdns, outward).join(" ")
    }

    #[test]
    fn a_server_is_called_by_what_it_is_reached_by() {
        let own = Some("mail.example.org");
        for (bind, name, given, mdns, expected) in [
            ("127.0.0.1", "box.local", None, true, "localhost"),
            ("::1", "mail.example.org", own, true, "localhost"),
            ("127.0.0.5", "mail.example.org", own, false, "127.0.0.5"),
            ("192.0.2.7", "box.local", None, true, "192.0.2.7"),
            ("192.0.2.7", "mail.example.org", own, false, "mail.example.org 192.0.2.7"),
            ("0.0.0.0", "box.local", None, false, "192.0.2.9 2001:db8::9"),
            ("0.0.0.0", "box.local", None, true, "box.local 192.0.2.9 2001:db8::9"),
            ("::", "host.example.net", None, false, "host.example.net 192.0.2.9 2001:db8::9"),
            ("::", "mail.example.org", own, false, "mail.example.org 192.0.2.9 2001:db8::9"),
        ] {
            assert_eq!(of(bind, name, given, mdns), expected, "{bind} {name}");
        }
        let alone = names("box.local", None, "0.0.0.0".parse().unwrap(), || false, Vec::new);
        assert_eq!(alone, ["localhost"]);
        assert_eq!(in_url("2001:db8::9"), "[2001:db8::9]");
    }

    #[test]
    fn only_an_answer_to_this_name_is_one() {
        let question = question("box.local").unwrap();
        assert_eq!(question.len(), 12 + 1 + 3 + 1 + 5 + 1 + 4);
        let mut answer = question.clone();
        (answer[2], answer[7]) = (0x84, 1);
        assert!(is_answer(&answer, &question));
        let other = question_of("bix.local");
        for bad in [
            question.clone(),
            vec![],
            vec![0; 11],
            {
                (answer[3]) = 3;
                answer.clone()
            },
            other,
        ] {
            assert!(!is_answer(&bad, &question));
        }
        assert!(super::question("a..local").is_none() && super::question(&"x".repeat(64)).is_none());
    }

    fn question_of(name: &str) -> Vec<u8> {
        let mut answer = question(name).unwrap();
        (answer[2], answer[7]) = (0x84, 1);
        answer
    }
}
