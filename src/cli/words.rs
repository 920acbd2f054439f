//! What the commands whose arguments are read apart have in common.

use lexopt::{Arg, Error, Parser, ValueExt};
use std::path::PathBuf;

/// What was read beside a command's own options.
pub(super) struct Words {
    pub(super) data: PathBuf,
    pub(super) action: Option<String>,
    pub(super) values: Vec<String>,
}

/// Reads what follows a command, and its `action` where that was read already; `None`: help is wanted. `option` takes an
/// option of the action, and is false if that is none of its.
pub(super) fn read(
    mut action: Option<String>,
    mut data: Option<PathBuf>,
    mut parser: Parser,
    mut option: impl FnMut(Option<&str>, &str, &mut Parser) -> Result<bool, Error>,
) -> Result<Option<Words>, Error> {
    let mut values = Vec::new();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            Arg::Long("data") => data = Some(parser.value()?.into()),
            Arg::Value(value) if action.is_none() => action = Some(value.string()?),
            Arg::Value(value) => values.push(value.string()?),
            Arg::Long(name) => {
                let name = name.to_owned();
                if !option(action.as_deref(), &name, &mut parser)? {
                    return Err(format!("invalid option '--{name}'").into());
                }
            }
            arg @ Arg::Short(_) => return Err(arg.unexpected()),
        }
    }
    let data = data.unwrap_or_else(|| PathBuf::from("pillarbox-data"));
    Ok(Some(Words { data, action, values }))
}

/// That the command used all that was given.
pub(super) fn all_used(command: &str, left: &[String]) -> Result<(), Error> {
    match left.first() {
        Some(value) => Err(format!("{command} takes no argument {value}").into()),
        None => Ok(()),
    }
}
