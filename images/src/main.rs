//! Makes disk images: `images/build BOARD`, `images/key FILE`. What it says and takes is in `images/README.md`.
//!
//! Read first: `image` (what is made of what, in order), `board` (what a board says of itself).

mod bmap;
mod board;
mod bom;
mod boot;
mod disk;
mod ext4;
mod fat;
mod image;
mod imager;
mod initramfs;
mod key;
mod licence;
mod modules;
mod package;
mod place;
mod slot;
mod xz;

use anyhow::{Context, Result, bail};
use image::Wish;
use lexopt::prelude::{Long, Short, Value, ValueExt};
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
images/build BOARD [--binary FILE] [--out DIR] [--trust FILE.pub] [--sign SECRET] [--update-only]
                   [--version VERSION] [--built SECONDS] [--url ADDRESS]
images/key FILE";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("images: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut words = lexopt::Parser::from_env();
    match words.next()? {
        Some(Value(verb)) if verb == "build" => {
            let wish = wish(&mut words)?;
            image::make(&wish)
        }
        Some(Value(verb)) if verb == "key" => match words.next()? {
            Some(Value(file)) => key::make(&PathBuf::from(file)),
            _ => bail!("images/key FILE: the secret key goes into FILE, the public one into FILE.pub"),
        },
        _ => bail!("{USAGE}"),
    }
}

fn wish(words: &mut lexopt::Parser) -> Result<Wish> {
    let mut wish = Wish::default();
    while let Some(word) = words.next()? {
        match word {
            Value(board) if wish.board.is_empty() => wish.board = board.string()?,
            Long("binary") => wish.binary = Some(words.value()?.into()),
            Long("out") => wish.out = Some(words.value()?.into()),
            Long("trust") => wish.trust.push(words.value()?.into()),
            Long("sign") => wish.sign = Some(words.value()?.into()),
            Long("update-only") => wish.update_only = true,
            Long("version") => wish.version = Some(words.value()?.string()?),
            Long("built") => wish.built = Some(words.value()?.parse().context("--built takes seconds since 1970")?),
            Long("url") => wish.url = Some(words.value()?.string()?),
            Long("help") | Short('h') => bail!("{USAGE}"),
            other => return Err(other.unexpected().into()),
        }
    }
    if wish.board.is_empty() {
        bail!("which board? {USAGE}");
    }
    Ok(wish)
}
