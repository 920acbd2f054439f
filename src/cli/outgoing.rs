//! `pillarbox queue …`, `pillarbox smarthost …` and `pillarbox domain …`

use super::list::{List, json};
use super::outgoing_args::Outgoing;
use super::size::counted;
use super::{Failed, ask, attempt, door, size, terminal, unexpected};
use pillarbox::admin::{
    DeliveryReply, KeyLine, QueueLine, QueueRequest, RecipientState, Reply, Request, Settings, Smarthost,
    SmarthostPrivacy, SmarthostRequest, Trust,
};
use serde_json::json;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// Octets of one string of a TXT record (RFC 1035 §3.3).
const STRING: usize = 255;

/// Does it, and says what was done.
pub fn run(data: &Path, wish: Outgoing, as_json: bool) -> Result<ExitCode, Failed> {
    let text = match wish {
        Outgoing::List => {
            let lines = list(data)?;
            if as_json { json(&lines)? } else { queue(&lines) }
        }
        Outgoing::Queue(message) => match ask(data, Request::Queue(message.request()))? {
            Reply::Queue(lines) if as_json => json(&lines.first())?,
            Reply::Queue(lines) => lines.iter().map(message_shown).collect(),
            Reply::Done => "Done.\n".to_owned(),
            _ => return Err(unexpected()),
        },
        Outgoing::SetSmarthost { mut smarthost, user, password_stdin, unchecked } => {
            if let Some(user) = user {
                let password = terminal::known_password(password_stdin)?;
                smarthost.login = Some((user, password));
            }
            let warning = match (&smarthost.login, smarthost.privacy) {
                (Some(_), SmarthostPrivacy::None) => {
                    "Without TLS the password is said only to a server on this machine.\n"
                }
                _ => "",
            };
            // That there is mail here is known before anybody is asked elsewhere.
            drop(door(data)?);
            let found = if unchecked { String::new() } else { attempt::smarthost(&Settings::read(data)?, &smarthost)? };
            found + &done(data, SmarthostRequest::Set(smarthost))? + warning
        }
        Outgoing::ShowSmarthost => match ask(data, Request::Smarthost(SmarthostRequest::Show))? {
            Reply::Smarthost(smarthost) if as_json => json(&smarthost.as_ref().map(smarthost_json))?,
            Reply::Smarthost(smarthost) => smarthost_shown(smarthost.as_ref()),
            _ => return Err(unexpected()),
        },
        Outgoing::RemoveSmarthost => done(data, SmarthostRequest::Remove)?,
        Outgoing::Domains(request) => match ask(data, Request::Delivery(request))? {
            Reply::Done => "Done.\n".to_owned(),
            Reply::Delivery(DeliveryReply::Domains(domains)) if as_json => {
                let one = |(domain, added): &(String, bool)| json!({ "domain": domain, "added": added });
                json(&domains.iter().map(one).collect::<Vec<_>>())?
            }
            Reply::Delivery(DeliveryReply::Domains(domains)) => domains_shown(&domains),
            _ => return Err(unexpected()),
        },
        Outgoing::Keys { domain } => {
            let keys = keys(data, &domain)?;
            if as_json { json(&keys)? } else { keys.iter().map(|key| txt(&key.name, &key.text)).collect() }
        }
        Outgoing::Dns { domain, port_offset } => {
            let domain = domain.trim_end_matches('.').to_lowercase();
            let keys = keys(data, &domain)?;
            let Reply::Smarthost(smarthost) = ask(data, Request::Smarthost(SmarthostRequest::Show))? else {
                return Err(unexpected());
            };
            let Reply::Status(status) = ask(data, Request::Status)? else { return Err(unexpected()) };
            let offset = port_offset.or(status.served.map(|served| served.port_offset)).unwrap_or(0);
            let text = records(&domain, &Settings::read(data)?.name(), offset, &keys, smarthost.as_ref());
            if as_json { json(&parsed(&text))? } else { text }
        }
    };
    terminal::print(&text);
    Ok(ExitCode::SUCCESS)
}

fn domains_shown(domains: &[(String, bool)]) -> String {
    let mut list = List::new(["domain", "ours"]);
    for (domain, added) in domains {
        list.row([domain.clone(), (if *added { "added" } else { "by its addresses" }).to_owned()]);
    }
    list.text("There are no domains.")
}

/// A zone file's records, for programs.
fn parsed(text: &str) -> Vec<serde_json::Value> {
    let records = text.lines().filter(|line| !line.starts_with(';')).filter_map(|line| {
        let mut parts = line.splitn(3, ' ');
        let (name, kind, value) = (parts.next()?, parts.next()?, parts.next()?);
        let value = if kind == "TXT" { value.trim_matches('"').replace("\" \"", "") } else { value.to_owned() };
        Some(json!({ "name": name, "type": kind, "value": value }))
    });
    records.collect()
}

fn done(data: &Path, request: SmarthostRequest) -> Result<String, Failed> {
    match ask(data, Request::Smarthost(request))? {
        Reply::Done => Ok("Done.\n".to_owned()),
        _ => Err(unexpected()),
    }
}

fn keys(data: &Path, domain: &str) -> Result<Vec<KeyLine>, Failed> {
    match ask(data, Request::Keys { domain: domain.to_owned() })? {
        Reply::Keys(keys) => Ok(keys),
        _ => Err(unexpected()),
    }
}

fn list(data: &Path) -> Result<Vec<QueueLine>, Failed> {
    let mut door = door(data)?;
    let (mut all, mut from) = (Vec::new(), 0);
    loop {
        let Reply::Queue(mut lines) = door.ask(Request::Queue(QueueRequest::List { from }))? else {
            return Err(unexpected());
        };
        let Some(last) = lines.last() else { return Ok(all) };
        from = last.id + 1;
        all.append(&mut lines);
    }
}

fn queue(lines: &[QueueLine]) -> String {
    let mut list = List::new(["no", "size", "from", "to", "tried", "next"]);
    for line in lines {
        list.row(cells(line));
    }
    list.text("Nothing waits to go out.")
}

fn cells(line: &QueueLine) -> [String; 6] {
    let waiting = line.recipients.iter().filter(|recipient| recipient.state == RecipientState::Waiting);
    let to: Vec<&str> = waiting.map(|recipient| recipient.address.as_str()).collect();
    let others = if to.len() > 1 { format!(" and {} more", to.len() - 1) } else { String::new() };
    let to = format!("{}{others}", to.first().copied().unwrap_or_default());
    let from = if line.from.is_empty() { "<>".to_owned() } else { line.from.clone() };
    let tried = counted(line.attempts.into(), "attempt", "attempts");
    [line.id.to_string(), size::shown(line.size.into()), from, to, tried, until(line.next)]
}

fn message_shown(line: &QueueLine) -> String {
    let [id, octets, from, to, attempts, next] = cells(line);
    let mut text = format!("{id:>6}  {octets:>9}  {from} to {to}: {attempts}, next {next}\n");
    for recipient in &line.recipients {
        let state = match recipient.state {
            RecipientState::Waiting => "waits",
            RecipientState::Delivered => "delivered",
            RecipientState::Failed => "failed",
        };
        let _ = writeln!(text, "        {}: {state}", recipient.address);
        if !recipient.said.is_empty() {
            let _ = writeln!(text, "          {}", recipient.said);
        }
    }
    text
}

/// How long it takes until a moment.
fn until(moment: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs().cast_signed());
    match moment.saturating_sub(now) {
        ..=0 => "now".to_owned(),
        seconds @ 1..=99 => format!("in {seconds} s"),
        seconds @ 100..=7199 => format!("in {} min", seconds / 60),
        seconds => format!("in {} h", seconds / 3600),
    }
}

fn smarthost_json(smarthost: &Smarthost) -> serde_json::Value {
    let Smarthost { host, port, privacy, trust, login } = smarthost;
    let user = login.as_ref().map(|(user, _)| user);
    json!({ "host": host, "port": port, "privacy": privacy, "trust": trust, "user": user })
}

fn smarthost_shown(smarthost: Option<&Smarthost>) -> String {
    let Some(Smarthost { host, port, privacy, trust, login }) = smarthost else {
        return "There is no smarthost: mail goes to the hosts of each domain.\n".to_owned();
    };
    let privacy = match privacy {
        SmarthostPrivacy::Tls => "TLS",
        SmarthostPrivacy::StartTls => "STARTTLS",
        SmarthostPrivacy::None => "plain text",
    };
    let trust = match trust {
        Trust::Public => "a public authority's".to_owned(),
        Trust::Anyone => "any".to_owned(),
        Trust::Authority(file) => format!("one by {}", file.display()),
        Trust::Fingerprint(octets) => {
            octets.iter().fold("the one of SHA-256 ".to_owned(), |text, octet| format!("{text}{octet:02X}"))
        }
    };
    let user = login.as_ref().map_or("none", |(user, _)| user);
    format!("host         {host}, port {port}\nprivacy      {privacy}\ncertificate  {trust}\nuser         {user}\n")
}

/// What is to be published for a domain, as in a zone file.
fn records(domain: &str, name: &str, offset: u16, keys: &[KeyLine], smarthost: Option<&Smarthost>) -> String {
    let mut text = format!("; mail for {domain} comes here\n{domain}. MX 10 {name}.\n");
    if offset != 0 {
        let _ =
            writeln!(text, "; (other servers know port 25 only: forward it to port {} here)", 25 + u32::from(offset));
    }
    text.push_str("; who may send it\n");
    if let Some(smarthost) = smarthost {
        // Which addresses a provider sends from, only the provider knows.
        let _ = writeln!(text, "; (what {} says of SPF belongs in here, often include:ITS-DOMAIN)", smarthost.host);
        text.push_str(&txt(domain, "v=spf1 mx ~all"));
    } else {
        text.push_str(&txt(domain, "v=spf1 mx -all"));
    }
    text.push_str("; how it is known to be genuine\n");
    for key in keys {
        text.push_str(&txt(&key.name, &key.text));
    }
    text.push_str("; what becomes of what is not: none, and once all is well, quarantine or reject\n");
    text.push_str(&txt(&format!("_dmarc.{domain}"), &format!("v=DMARC1; p=none; rua=mailto:postmaster@{domain}")));
    text.push_str("; how mail programs find us (RFC 6186, RFC 8314)\n");
    for (service, port) in [("imaps", 993), ("submissions", 465), ("submission", 587), ("pop3s", 995)] {
        let port = port + u32::from(offset);
        let _ = writeln!(text, "_{service}._tcp.{domain}. SRV 0 1 {port} {name}.");
    }
    text
}

/// A TXT record; a text is published in as many strings as it needs.
fn txt(name: &str, text: &str) -> String {
    let strings: Vec<String> =
        text.as_bytes().chunks(STRING).map(|string| format!("\"{}\"", String::from_utf8_lossy(string))).collect();
    format!("{name}. TXT {}\n", strings.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_published_in_several_strings() {
        assert_eq!(txt("a.b", "v=x"), "a.b. TXT \"v=x\"\n");
        let long = txt("a.b", &"y".repeat(300));
        assert_eq!(long, format!("a.b. TXT \"{}\" \"{}\"\n", "y".repeat(255), "y".repeat(45)));
    }

    #[test]
    fn all_that_a_domain_needs_is_there() {
        let key = KeyLine {
            selector: "s".to_owned(),
            algorithm: "rsa-sha256".to_owned(),
            name: "s._domainkey.example.org".to_owned(),
            text: "v=DKIM1; k=rsa; p=AA==".to_owned(),
        };
        let text = records("example.org", "mail.example.org", 0, std::slice::from_ref(&key), None);
        for line in [
            "example.org. MX 10 mail.example.org.",
            "example.org. TXT \"v=spf1 mx -all\"",
            "s._domainkey.example.org. TXT \"v=DKIM1; k=rsa; p=AA==\"",
            "_dmarc.example.org. TXT \"v=DMARC1; p=none; rua=mailto:postmaster@example.org\"",
            "_submissions._tcp.example.org. SRV 0 1 465 mail.example.org.",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        let aside = records("example.org", "mail.example.org", 10_000, &[key], None);
        assert!(aside.contains("_imaps._tcp.example.org. SRV 0 1 10993 mail.example.org.\n"), "{aside}");
        assert!(aside.contains("MX 10 mail.example.org.\n") && aside.contains("port 10025"), "{aside}");
        let found = parsed(&txt("a.b", &"y".repeat(300)));
        assert_eq!(found, [json!({ "name": "a.b.", "type": "TXT", "value": "y".repeat(300) })]);
    }
}
