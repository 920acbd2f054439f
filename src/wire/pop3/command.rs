//! What a client asks for.

/// A command. What was sent with one that takes nothing is not looked at, as in every other server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are what RFC 1939 §5 to §7 and the named RFCs call them")]
pub enum Command<'l> {
    /// RFC 2449 §5
    Capa,
    User(&'l [u8]),
    /// The rest of the line, spaces included (RFC 1939 §7).
    Pass(&'l [u8]),
    /// RFC 5034 §4; without a mechanism, as old clients ask which ones there are.
    Auth {
        mechanism: Option<&'l str>,
        initial: Option<&'l [u8]>,
    },
    /// RFC 2595 §4
    Stls,
    /// RFC 6856 §2
    Utf8,
    /// RFC 6856 §3
    Lang(Option<&'l str>),
    Stat,
    List(Option<Number>),
    Uidl(Option<Number>),
    Retr(Number),
    /// The message, and how many lines of its body.
    Top(Number, u32),
    Dele(Number),
    Noop,
    Rset,
    Quit,
}

/// A message's number as a client wrote it; what does not fit is the largest number, which no message has.
pub type Number = u32;

/// A line that is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// None of ours.
    Unknown,
    /// Ours, with arguments that it cannot have; the text is for the client.
    Arguments(&'static str),
}

const NO_NUMBER: Syntax = Syntax::Arguments("A message number is missing");

impl Command<'_> {
    /// Reads a line without its end. Keywords in any case.
    pub fn parse(line: &[u8]) -> Result<Command<'_>, Syntax> {
        if memchr::memchr(0, line).is_some() {
            return Err(Syntax::Arguments("A line holds NUL"));
        }
        let (keyword, rest) = match memchr::memchr(b' ', line) {
            Some(space) => (line.get(..space).unwrap_or_default(), line.get(space + 1..).unwrap_or_default()),
            None => (line, &b""[..]),
        };
        let mut words = rest.split(|octet| matches!(octet, b' ' | b'\t')).filter(|word| !word.is_empty());
        let mut keyword_upper = [0; 4];
        if keyword.len() > keyword_upper.len() {
            return Err(Syntax::Unknown);
        }
        keyword_upper.iter_mut().zip(keyword).for_each(|(upper, octet)| *upper = octet.to_ascii_uppercase());
        let command = match &keyword_upper {
            // The password is what stands there, spaces and all.
            b"PASS" if rest.is_empty() => return Err(Syntax::Arguments("The password is missing")),
            b"PASS" => return Ok(Command::Pass(rest)),
            b"CAPA" => Command::Capa,
            b"USER" => Command::User(words.next().ok_or(Syntax::Arguments("The user name is missing"))?),
            b"AUTH" => Command::Auth { mechanism: words.next().map(text).transpose()?, initial: words.next() },
            b"STLS" => Command::Stls,
            b"UTF8" => Command::Utf8,
            b"LANG" => Command::Lang(words.next().map(text).transpose()?),
            b"STAT" => Command::Stat,
            b"LIST" => Command::List(words.next().map(number).transpose()?),
            b"UIDL" => Command::Uidl(words.next().map(number).transpose()?),
            b"RETR" => Command::Retr(number(words.next().ok_or(NO_NUMBER)?)?),
            b"TOP\0" => {
                let message = number(words.next().ok_or(NO_NUMBER)?)?;
                Command::Top(message, number(words.next().ok_or(Syntax::Arguments("A number of lines is missing"))?)?)
            }
            b"DELE" => Command::Dele(number(words.next().ok_or(NO_NUMBER)?)?),
            b"NOOP" => return Ok(Command::Noop),
            b"RSET" => return Ok(Command::Rset),
            b"QUIT" => return Ok(Command::Quit),
            _ => return Err(Syntax::Unknown),
        };
        if words.next().is_some() { Err(Syntax::Arguments("There is an argument too many")) } else { Ok(command) }
    }
}

fn text(word: &[u8]) -> Result<&str, Syntax> {
    str::from_utf8(word).map_err(|_| Syntax::Arguments("An argument is not UTF-8"))
}

fn number(word: &[u8]) -> Result<Number, Syntax> {
    if !word.iter().all(u8::is_ascii_digit) {
        return Err(Syntax::Arguments("That is no number"));
    }
    let digits = word.iter().map(|digit| u32::from(digit - b'0'));
    Ok(digits.fold(0, |number: u32, digit| number.saturating_mul(10).saturating_add(digit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_in_any_case_and_with_spaces_behind() {
        for (line, command) in [
            (&b"STAT"[..], Command::Stat),
            (b"stat ", Command::Stat),
            (b"Retr 12", Command::Retr(12)),
            (b"TOP 1  10 ", Command::Top(1, 10)),
            (b"list", Command::List(None)),
            (b"LIST 3", Command::List(Some(3))),
            (b"AUTH ", Command::Auth { mechanism: None, initial: None }),
            (b"AUTH PLAIN =", Command::Auth { mechanism: Some("PLAIN"), initial: Some(b"=") }),
            (b"PASS  two words ", Command::Pass(b" two words ")),
            (b"USER ann@example.org", Command::User(b"ann@example.org")),
            (b"LANG *", Command::Lang(Some("*"))),
            (b"QUIT now", Command::Quit),
        ] {
            assert_eq!(Command::parse(line), Ok(command), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_number_that_does_not_fit_is_no_message() {
        for line in [&b"RETR 4294967296"[..], b"RETR 18446744073709551616", b"RETR 99999999999999999999999"] {
            assert_eq!(Command::parse(line), Ok(Command::Retr(u32::MAX)));
        }
        assert_eq!(Command::parse(b"RETR 00000000000000000001"), Ok(Command::Retr(1)));
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for line in [&b""[..], b" ", b"GET / HTTP/1.1", b"TOP\0 1 1", b"EHLO x", b"RETRY 1", b"\xff\xff\xff\xff"] {
            assert!(Command::parse(line).is_err(), "{}", line.escape_ascii());
        }
        for line in [
            &b"RETR"[..],
            b"RETR -1",
            b"RETR +1",
            b"RETR 1 2",
            b"TOP 1",
            b"TOP 1 x",
            b"USER",
            b"USER ",
            b"PASS",
            b"DELE ",
        ] {
            assert!(matches!(Command::parse(line), Err(Syntax::Arguments(_))), "{}", line.escape_ascii());
        }
    }
}
