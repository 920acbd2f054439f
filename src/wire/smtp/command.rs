//! What a client asks for.

use super::address::{Address, Wrong, forward_path, reverse_path};
use super::params::{self, Notify};

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are what RFC 5321 §4.1.1 and the named RFCs call them")]
pub enum Command<'l> {
    Helo(&'l str),
    Ehlo(&'l str),
    /// RFC 2033 §4.1
    Lhlo(&'l str),
    Mail(Box<Sender>),
    Rcpt(Box<Recipient>),
    Data,
    /// RFC 3030 §2: octets that follow the line at once, and whether they are the last.
    Bdat {
        size: u64,
        last: bool,
    },
    Rset,
    Vrfy,
    Expn,
    Help,
    Noop,
    Quit,
    /// RFC 3207 §4
    StartTls,
    /// RFC 4954 §4
    Auth {
        mechanism: &'l str,
        initial: Option<&'l [u8]>,
    },
}

/// MAIL with its parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// `None` for what must never be answered.
    pub address: Option<Address>,
    /// SIZE (RFC 1870 §4): octets that are to come.
    pub size: Option<u64>,
    /// BODY=8BITMIME (RFC 6152 §3)
    pub body_8bit: bool,
    /// SMTPUTF8 (RFC 6531 §3.4)
    pub utf8: bool,
    /// RET=FULL (RFC 3461 §4.3)
    pub ret_full: bool,
    /// ENVID (RFC 3461 §4.4), as it came: in xtext.
    pub envid: Option<String>,
}

/// RCPT with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The forward path.
    pub address: Address,
    /// NOTIFY (RFC 3461 §4.1)
    pub notify: Option<Notify>,
    /// ORCPT (RFC 3461 §4.2), as it came: the type, a semicolon, and the address in xtext.
    pub orcpt: Option<String>,
}

/// A line that is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// None of ours.
    Unknown,
    /// Ours, with arguments that it cannot have; the texts are for the client.
    Arguments(&'static str),
    /// MAIL with an address that is none,
    Sender(&'static str),
    /// and RCPT.
    Recipient(&'static str),
    /// An address that needs SMTPUTF8 (RFC 6531 §3.5).
    NeedsUtf8,
    /// A parameter that we do not know, or that has a value it cannot have (RFC 5321 §4.1.1.11).
    Parameter(&'static str),
}

impl Command<'_> {
    /// Reads a line without its end. Keywords in any case. `host`: where a postmaster without a domain is; `utf8`: the
    /// transaction has SMTPUTF8.
    pub fn parse<'l>(line: &'l [u8], host: &str, utf8: bool) -> Result<Command<'l>, Syntax> {
        if memchr::memchr(0, line).is_some() {
            return Err(Syntax::Arguments("A line holds NUL"));
        }
        let (keyword, rest) = match memchr::memchr(b' ', line) {
            Some(space) => (line.get(..space).unwrap_or_default(), line.get(space + 1..).unwrap_or_default()),
            None => (line, &b""[..]),
        };
        let mut upper = [0; 8];
        if keyword.len() > upper.len() {
            return Err(Syntax::Unknown);
        }
        upper.iter_mut().zip(keyword).for_each(|(upper, octet)| *upper = octet.to_ascii_uppercase());
        let upper = upper.get(..keyword.len()).unwrap_or_default();
        let argument = || text(rest);
        match upper {
            b"HELO" => Ok(Command::Helo(argument()?)),
            b"EHLO" => Ok(Command::Ehlo(argument()?)),
            b"LHLO" => Ok(Command::Lhlo(argument()?)),
            b"MAIL" => sender(after(rest, "FROM:", "MAIL FROM:<address> is what there is")?).map(Command::Mail),
            b"RCPT" => {
                recipient(after(rest, "TO:", "RCPT TO:<address> is what there is")?, host, utf8).map(Command::Rcpt)
            }
            b"DATA" => alone(rest, Command::Data),
            b"BDAT" => chunk(argument()?),
            b"RSET" => alone(rest, Command::Rset),
            b"VRFY" => Ok(Command::Vrfy),
            b"EXPN" => Ok(Command::Expn),
            b"HELP" => Ok(Command::Help),
            b"NOOP" => Ok(Command::Noop),
            b"QUIT" => alone(rest, Command::Quit),
            b"STARTTLS" => alone(rest, Command::StartTls),
            b"AUTH" => auth(rest),
            _ => Err(Syntax::Unknown),
        }
    }
}

fn alone<'l>(rest: &[u8], command: Command<'l>) -> Result<Command<'l>, Syntax> {
    if rest.trim_ascii().is_empty() { Ok(command) } else { Err(Syntax::Arguments("It takes no arguments")) }
}

fn text(octets: &[u8]) -> Result<&str, Syntax> {
    let text = str::from_utf8(octets).map_err(|_| Syntax::Arguments("The line is not UTF-8"))?;
    Ok(text.trim_matches(' '))
}

/// What follows `FROM:` or `TO:`, in any case.
fn after<'l>(rest: &'l [u8], word: &str, missing: &'static str) -> Result<&'l str, Syntax> {
    let rest = text(rest)?;
    let split = rest.split_at_checked(word.len()).filter(|(first, _)| first.eq_ignore_ascii_case(word));
    split.map(|(_, rest)| rest).ok_or(Syntax::Arguments(missing))
}

/// `"MAIL FROM:" Reverse-path [SP Mail-parameters]`
fn sender(rest: &str) -> Result<Box<Sender>, Syntax> {
    // Whether there may be other letters than ASCII's is said after the address.
    let (address, rest) = reverse_path(rest, true).map_err(|wrong| match wrong {
        Wrong::Syntax(text) => Syntax::Sender(text),
        Wrong::NeedsUtf8 => Syntax::NeedsUtf8,
    })?;
    let mut sender = Sender { address, ..Sender::default() };
    for (keyword, value) in params::split(rest)? {
        params::of_sender(&mut sender, keyword, value)?;
    }
    if !sender.utf8 && sender.address.as_ref().is_some_and(|address| !address.as_str().is_ascii()) {
        return Err(Syntax::NeedsUtf8);
    }
    Ok(Box::new(sender))
}

/// `"RCPT TO:" ( "<Postmaster>" / Forward-path ) [SP Rcpt-parameters]`
fn recipient(rest: &str, host: &str, utf8: bool) -> Result<Box<Recipient>, Syntax> {
    let (address, rest) = forward_path(rest, host, utf8).map_err(|wrong| match wrong {
        Wrong::Syntax(text) => Syntax::Recipient(text),
        Wrong::NeedsUtf8 => Syntax::NeedsUtf8,
    })?;
    let mut recipient = Recipient { address, notify: None, orcpt: None };
    for (keyword, value) in params::split(rest)? {
        params::of_recipient(&mut recipient, keyword, value, utf8)?;
    }
    Ok(Box::new(recipient))
}

/// `bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ]`
fn chunk(rest: &str) -> Result<Command<'static>, Syntax> {
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    let size = words.next().and_then(params::number).ok_or(Syntax::Arguments("The size of the chunk is missing"))?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return Err(Syntax::Arguments("LAST is all that may follow")),
    };
    if words.next().is_some() {
        return Err(Syntax::Arguments("LAST is all that may follow"));
    }
    Ok(Command::Bdat { size, last })
}

fn auth(rest: &[u8]) -> Result<Command<'_>, Syntax> {
    let mut words = rest.split(|octet| *octet == b' ').filter(|word| !word.is_empty());
    let mechanism = words.next().ok_or(Syntax::Arguments("The mechanism is missing"))?;
    let initial = words.next();
    if words.next().is_some() {
        return Err(Syntax::Arguments("There is an argument too many"));
    }
    Ok(Command::Auth { mechanism: text(mechanism)?, initial })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command<'_>, Syntax> {
        Command::parse(line.as_bytes(), "mx.example.org", false)
    }

    fn mail(line: &str) -> Sender {
        match parse(line) {
            Ok(Command::Mail(sender)) => *sender,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn commands_are_read_in_any_case() {
        for (line, command) in [
            ("ehlo mail.example.org", Command::Ehlo("mail.example.org")),
            ("HELO  [192.0.2.1] ", Command::Helo("[192.0.2.1]")),
            ("LHLO x", Command::Lhlo("x")),
            ("Data", Command::Data),
            ("DATA ", Command::Data),
            ("BDAT 0", Command::Bdat { size: 0, last: false }),
            ("bdat 86 last", Command::Bdat { size: 86, last: true }),
            ("NOOP whatever is said", Command::Noop),
            ("StartTLS", Command::StartTls),
            ("AUTH plain =", Command::Auth { mechanism: "plain", initial: Some(b"=") }),
            ("AUTH LOGIN", Command::Auth { mechanism: "LOGIN", initial: None }),
        ] {
            assert_eq!(parse(line), Ok(command), "{line}");
        }
    }

    #[test]
    fn parameters_of_mail_are_read() {
        let sender = mail("MAIL FROM:<a@b> SIZE=1000 BODY=8bitmime SMTPUTF8 RET=FULL ENVID=QQ+2B314 AUTH=<>");
        let address = Some(Address::parse("a@b", false).unwrap());
        let envid = Some("QQ+2B314".to_owned());
        let expected = Sender { address, size: Some(1000), body_8bit: true, utf8: true, ret_full: true, envid };
        assert_eq!(sender, expected);
        assert_eq!(mail("mail from:<>"), Sender::default());
        assert_eq!(mail("MAIL FROM: <a@b>  ret=hdrs body=7BIT").address.unwrap().as_str(), "a@b");
        assert_eq!(mail("MAIL FROM:<ä@b> SMTPUTF8").address.unwrap().as_str(), "ä@b");
        assert_eq!(parse("MAIL FROM:<ä@b>"), Err(Syntax::NeedsUtf8));
    }

    #[test]
    fn parameters_of_rcpt_are_read() {
        let Ok(Command::Rcpt(recipient)) = parse("RCPT TO:<a@b> NOTIFY=success,DELAY ORCPT=rfc822;a+2Bx@b") else {
            panic!()
        };
        let notify = Some(Notify { success: true, failure: false, delay: true });
        let address = Address::parse("a@b", false).unwrap();
        assert_eq!(*recipient, Recipient { address, notify, orcpt: Some("rfc822;a+2Bx@b".to_owned()) });
        let Ok(Command::Rcpt(recipient)) = parse("RCPT TO:<a@b> NOTIFY=NEVER") else { panic!() };
        assert_eq!(recipient.notify, Some(Notify { success: false, failure: false, delay: false }));
        let utf8 = "RCPT TO:<ä@b> ORCPT=utf-8;ä@b".as_bytes();
        assert!(Command::parse(utf8, "mx", true).is_ok());
        assert_eq!(Command::parse(utf8, "mx", false), Err(Syntax::NeedsUtf8));
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for line in ["", " ", "GET / HTTP/1.1", "MAILX", "EHLO\tx", "STARTTLSX"] {
            assert_eq!(parse(line), Err(Syntax::Unknown), "{line}");
        }
        for line in
            ["DATA now", "MAIL", "MAIL TO:<a@b>", "RCPT FROM:<a@b>", "BDAT", "BDAT x", "BDAT -1", "BDAT 1 FIRST"]
        {
            assert!(matches!(parse(line), Err(Syntax::Arguments(_))), "{line}");
        }
        for line in [
            "MAIL FROM:<a@b> SIZE=x",
            "MAIL FROM:<a@b> SIZE",
            "MAIL FROM:<a@b> SIZE=999999999999999999999",
            "MAIL FROM:<a@b> BODY=BINARYMIME",
            "MAIL FROM:<a@b> X=1",
            "MAIL FROM:<a@b>SIZE=1",
            "MAIL FROM:<a@b> SIZE=1 SIZE=2",
            "MAIL FROM:<a@b> ENVID=a+2",
            "MAIL FROM:<a@b> RET=SOME",
            "RCPT TO:<a@b> NOTIFY=NEVER,SUCCESS",
            "RCPT TO:<a@b> NOTIFY=",
            "RCPT TO:<a@b> ORCPT=a@b",
            "RCPT TO:<a@b> ORCPT=rfc822;a=b",
        ] {
            assert!(matches!(parse(line), Err(Syntax::Parameter(_))), "{line}: {:?}", parse(line));
        }
        assert!(matches!(parse("MAIL FROM:<a>"), Err(Syntax::Sender(_))));
        assert!(matches!(parse("RCPT TO:<>"), Err(Syntax::Recipient(_))));
        assert!(matches!(Command::parse(b"MAIL FROM:<\xff@b>", "mx", true), Err(Syntax::Arguments(_))));
    }
}
