//! What the commands whose arguments are read apart have in common.

use super::near;
use lexopt::{Arg, Error, Parser, ValueExt};
use std::path::PathBuf;

/// What was read beside a command's own options.
pub(super) struct Words {
    pub(super) data: PathBuf,
    pub(super) action: Option<String>,
    pub(super) values: Vec<String>,
    /// `--json`: for programs, not for people.
    pub(super) json: bool,
}

/// All options of all commands, for who mistypes one.
const OPTIONS: &[&str] = &[
    "again",
    "as",
    "at",
    "begins",
    "bind",
    "ca",
    "certificate",
    "collect",
    "confirm",
    "data",
    "days",
    "delete-after",
    "deleted",
    "discard",
    "discard-newer",
    "ends",
    "every",
    "fingerprint",
    "flag",
    "forever",
    "format",
    "forward",
    "from",
    "header",
    "help",
    "host",
    "imap",
    "insecure",
    "into",
    "json",
    "lines",
    "mailbox",
    "mark-seen",
    "mend",
    "messages",
    "move",
    "no-check",
    "off",
    "password",
    "password-hash-stdin",
    "password-stdin",
    "plain",
    "pop3",
    "port",
    "port-offset",
    "quota",
    "read-only",
    "reboot",
    "remove",
    "removed",
    "runtime",
    "starttls",
    "stop",
    "subject",
    "text",
    "text-stdin",
    "tls",
    "to",
    "user",
    "version",
    "yes",
];

/// An option that the command does not have.
pub(super) fn no_option(name: &str) -> Error {
    let meant = near::hint(name, "--", OPTIONS.iter().copied().filter(|known| *known != name));
    format!("there is no option --{name} here{meant}").into()
}

/// A command that there is not; `before` is what stands before the word.
pub(super) fn no_command<'k>(before: &str, word: &str, known: impl IntoIterator<Item = &'k str>) -> Error {
    format!("there is no command {before}{word:?}{}", near::hint(word, before, known)).into()
}

/// The value of an option; what is wrong with it is said with the option's name.
pub(super) fn value<T>(
    parser: &mut Parser,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, Error> {
    let value = parser.value()?.string()?;
    parse(&value).map_err(|why| format!("--{name} {value}: {why}").into())
}

/// A number within bounds.
pub(super) fn number<T: TryFrom<u64>>(least: u64, most: u64) -> impl FnOnce(&str) -> Result<T, String> {
    move |text| {
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        let number = number.and_then(|number: u64| T::try_from(number).ok());
        number.ok_or_else(|| format!("it is a number from {least} to {most}"))
    }
}

/// A port.
pub(super) fn port(text: &str) -> Result<u16, String> {
    number(1, u16::MAX.into())(text)
}

/// Reads what follows a command, and its `action` where that was read already; `None`: help is wanted. `option` takes an
/// option of the action, and is false if that is none of its.
pub(super) fn read(
    mut action: Option<String>,
    mut data: Option<PathBuf>,
    mut parser: Parser,
    mut option: impl FnMut(Option<&str>, &str, &mut Parser) -> Result<bool, Error>,
) -> Result<Option<Words>, Error> {
    let (mut values, mut json) = (Vec::new(), false);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            Arg::Long("data") => data = Some(parser.value()?.into()),
            Arg::Value(value) if action.is_none() && value == "help" => return Ok(None),
            Arg::Value(value) if action.is_none() => action = Some(value.string()?),
            Arg::Value(value) => values.push(value.string()?),
            Arg::Long(name) => {
                let name = name.to_owned();
                if !option(action.as_deref(), &name, &mut parser)? {
                    if name != "json" {
                        return Err(no_option(&name));
                    }
                    json = true;
                }
            }
            arg @ Arg::Short(_) => return Err(arg.unexpected()),
        }
    }
    let data = data.unwrap_or_else(|| PathBuf::from("pillarbox-data"));
    Ok(Some(Words { data, action, values, json }))
}

/// That the command used all that was given.
pub(super) fn all_used(command: &str, left: &[String]) -> Result<(), Error> {
    match left.first() {
        Some(value) => Err(too_much(command, value)),
        None => Ok(()),
    }
}

/// An argument too many.
pub(super) fn too_much(command: &str, value: &str) -> Error {
    let is_unit = ["K", "M", "G", "T"].iter().any(|unit| value.to_uppercase().trim_end_matches(['B', 'I']) == *unit);
    let unit = if is_unit { ": write a size in one word, as in 2GiB" } else { "" };
    format!("{command} takes no argument {value}{unit}").into()
}

/// That `--json` was asked for only where something is shown.
pub(super) fn only_where_shown(json: bool, shows: bool) -> Result<(), Error> {
    if json && !shows { Err(no_option("json")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_with_the_option_s_name_and_the_one_that_was_meant() {
        assert_eq!(no_option("quote").to_string(), "there is no option --quote here: did you mean --quota?");
        assert_eq!(no_option("json").to_string(), "there is no option --json here");
        assert_eq!(
            too_much("account add", "GB").to_string(),
            "account add takes no argument GB: write a size in one word, as in 2GiB"
        );
        assert_eq!(too_much("account add", "x").to_string(), "account add takes no argument x");
        let mut parser = Parser::from_args(["--port", "99999"]);
        assert!(parser.next().is_ok());
        let wrong = value(&mut parser, "port", port).map_err(|error| error.to_string());
        assert_eq!(wrong, Err("--port 99999: it is a number from 1 to 65535".to_owned()));
    }
}
