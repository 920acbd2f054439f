//! The house holds: arrows between rooms point down, and what belongs to one room is named there alone.

use std::fs;
use std::path::{Path, PathBuf};

/// A room, and the rooms that it may name beside itself.
const ROOMS: &[(&str, &[&str])] = &[
    // How much of the log may wait is a bound as all others.
    ("sys", &["mail::limits"]),
    ("mail", &[]),
    // What happened, as lines of the log: who serves, sends or decides says it there.
    ("events", &[]),
    ("wire", &["mail"]),
    ("store", &["mail", "sys"]),
    ("dns", &["mail::limits"]),
    ("verdict", &["dns", "mail"]),
    ("delivery", &["store", "mail"]),
    ("session", &["events", "delivery", "verdict", "wire", "store", "mail", "sys"]),
    // SASL's arithmetic is wire's; what it is computed from is admin's.
    // An import through the admin socket is keep's to do; keep knows nothing of admin.
    ("admin", &["events", "delivery", "verdict", "keep", "wire::sasl", "store", "mail", "sys"]),
    ("keep", &["store", "mail"]),
    ("courier", &["events", "admin", "delivery", "verdict", "dns", "wire", "store", "mail", "sys"]),
    ("net", &["events", "session", "admin", "delivery", "verdict", "dns", "wire", "store", "mail", "sys"]),
    ("web", &["events", "admin", "keep", "store", "mail"]),
    ("host", &["dns", "sys"]),
    (
        "cli",
        &[
            "sys", "events", "delivery", "verdict", "dns", "net", "web", "courier", "host", "session", "admin", "keep",
            "wire", "store", "mail",
        ],
    ),
    (
        "main",
        &[
            "sys", "events", "delivery", "verdict", "dns", "cli", "net", "web", "courier", "host", "session", "admin",
            "keep", "wire", "store", "mail",
        ],
    ),
    (
        "lib",
        &[
            "sys", "events", "delivery", "verdict", "dns", "cli", "net", "web", "courier", "host", "session", "admin",
            "keep", "wire", "store", "mail",
        ],
    ),
];

/// Names, and the places that alone may say them.
const OWNED: &[(&str, &[&str])] = &[
    // What panics where its output cannot be written, or waits for whoever reads no more.
    ("println!", &[]),
    ("print!", &[]),
    ("eprintln!", &[]),
    ("eprint!", &[]),
    ("dbg!", &[]),
    ("simple_logger::", &["sys/log"]),
    ("io::stderr", &["sys/log", "cli/"]),
    ("io::stdout", &["cli/terminal"]),
    ("redb::", &["store/"]),
    ("postcard::", &["store/"]),
    ("smol::net", &["net/", "dns/", "admin/socket", "courier/", "web/"]),
    ("std::net::Tcp", &["net/", "admin/socket", "courier/", "web/", "host/"]),
    ("UnixStream", &["net/", "admin/socket", "admin/door", "cli/", "host/door"]),
    ("UnixListener", &["net/", "admin/socket", "host/door"]),
    ("rustls", &["net/", "courier/", "web/", "sys/log"]),
    ("SystemTime", &["events/", "net/", "dns/", "store/", "admin/", "keep/", "cli/", "courier/", "web/", "host/"]),
    // A bound for how long something is good; it decides nothing that a client sees.
    ("Instant::now", &["sys/", "net/", "dns/", "store/", "admin/", "cli/", "courier/", "web/", "host/"]),
    // Whoever reads or decides does not wait: a snapshot must not live across it.
    (
        ".await",
        &[
            "sys/",
            "net/",
            "dns/",
            "verdict/",
            "store/store.rs",
            "store/tests.rs",
            "admin/",
            "keep/",
            "courier/",
            "web/",
            "host/",
            "cli/",
        ],
    ),
];

/// What is applied, now or again after a crash, must come to the very same: these files ask nobody. The moment is in the
/// record, what is random in the writes.
const APPLIED: &[&str] = &[
    "store/apply/",
    "store/replay.rs",
    "store/journal.rs",
    "store/layout.rs",
    "store/way_back.rs",
    "store/write.rs",
    "store/queue.rs",
    "store/filing.rs",
    "store/provider.rs",
    "store/record.rs",
    "store/rows.rs",
    "store/schema.rs",
    "store/codec.rs",
];

/// How one asks: clocks, what is random (the order of a hash map is), the machine.
const ASKS: &[&str] = &[
    "SystemTime",
    "Instant",
    "UNIX_EPOCH",
    "clock_gettime",
    "now_utc",
    "now_local",
    ".now()",
    "system_time",
    "SystemRandom",
    "SecureRandom",
    "ring::rand",
    "getrandom",
    "unique_id(",
    "RandomState",
    "DefaultHasher",
    "env::",
    "process::",
    "thread::",
    "statvfs",
    "sysinfo",
    "uname",
];

/// And these where it is applied.
const ASKS_WHERE_APPLIED: &[&str] = &["HashMap", "HashSet", "std::fs", "File", "rustix::"];

/// Lines in a file: at 400 one asks which second idea moved in, at this one it moves out.
const LINES: usize = 600;

struct Source {
    /// Its path below `src`.
    path: String,
    text: String,
}

impl Source {
    fn room(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Its lines with their numbers, comments and the tests at its end left out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(at, line)| (at + 1, line));
        lines
            .take_while(|(_, line)| *line != "#[cfg(test)]" || !self.text.contains("#[cfg(test)]\nmod tests {"))
            .map(|(at, line)| (at, line.split("//").next().unwrap_or_default()))
    }

    fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name == "tests.rs" || name.ends_with("_tests.rs") || self.path.contains("/tests/")
    }
}

#[test]
fn arrows_between_rooms_point_down() {
    let mut wrong = Vec::new();
    for source in sources() {
        let room = source.room();
        let Some((_, below)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!("src/{}: {room} is no room of the house", source.path));
            continue;
        };
        for (line, code) in source.code() {
            for (other, _) in ROOMS.iter().filter(|(other, _)| *other != room) {
                let allowed =
                    |path: &str| below.iter().any(|below| path == *below || path.starts_with(&format!("{below}::")));
                for path in named(code, other) {
                    if !allowed(&path) {
                        wrong.push(format!("src/{}:{line}: {room} names {path}", source.path));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_belongs_to_one_room_is_named_there_alone() {
    let mut wrong = Vec::new();
    for source in sources().into_iter().filter(|source| !source.is_test()) {
        for (name, places) in OWNED {
            if places.iter().any(|place| source.path.starts_with(place)) {
                continue;
            }
            for (line, code) in source.code().filter(|(_, code)| says(code, name)) {
                wrong.push(format!("src/{}:{line}: {name} in {:?}", source.path, code.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_applied_asks_no_clock_no_chance_and_no_machine() {
    let mut wrong = Vec::new();
    let mut found = vec![false; APPLIED.len()];
    for source in sources().into_iter().filter(|source| !source.is_test()) {
        let Some(place) = APPLIED.iter().position(|place| source.path.starts_with(place)) else { continue };
        found.get_mut(place).into_iter().for_each(|found| *found = true);
        let strict = ["store/apply/", "store/replay.rs"].iter().any(|place| source.path.starts_with(place));
        let asks = ASKS.iter().chain(ASKS_WHERE_APPLIED.iter().filter(|_| strict));
        for ask in asks {
            for (line, code) in source.code().filter(|(_, code)| says(code, ask)) {
                wrong.push(format!("src/{}:{line}: {ask} in {:?}", source.path, code.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(found.iter().all(|found| *found), "a file of the list is not there any more: {found:?}");
}

#[test]
fn no_file_is_longer_than_one_can_keep_in_mind() {
    let long: Vec<String> = sources()
        .iter()
        .filter(|source| source.text.lines().count() > LINES)
        .map(|source| format!("src/{}: {} lines", source.path, source.text.lines().count()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn the_eyes_of_this_test_see() {
    assert_eq!(named("use crate::store::{Store, Write};", "store"), ["store"]);
    assert_eq!(named("use crate::wire::sasl::Scram;", "wire"), ["wire::sasl"]);
    assert_eq!(named("use crate::{mail, wire::sasl};", "wire"), ["wire::sasl"]);
    assert_eq!(named("pillarbox::net::serve()", "net"), ["net"]);
    assert_eq!(named("let store = self.store::<T>();", "store"), Vec::<String>::new());
    assert_eq!(named("use crate::storeroom;", "store"), Vec::<String>::new());
    assert!(says("use redb::Database;", "redb::") && !says("use feedredb::x;", "redb::"));
    assert!(says("x.await?", ".await"));
}

/// The ways in which a line names a room: `store`, and `wire::sasl` where a part is named at once.
fn named(code: &str, room: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let roots = ["crate::", "pillarbox::"];
    for root in roots {
        for (at, _) in code.match_indices(root) {
            let rest = code.get(at + root.len()..).unwrap_or_default();
            // `crate::{mail, wire::sasl}` names several.
            let group = rest.strip_prefix('{').map(|group| group.split('}').next().unwrap_or_default());
            for one in group.map_or(vec![rest], |group| group.split(',').map(str::trim).collect()) {
                let mut parts = one
                    .split("::")
                    .map(|part| part.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default());
                if parts.next() != Some(room) {
                    continue;
                }
                match parts.next() {
                    Some(part @ ("sasl" | "limits")) => paths.push(format!("{room}::{part}")),
                    _ => paths.push(room.to_owned()),
                }
            }
        }
    }
    paths
}

/// Whether a line says a name, and not just a longer word.
fn says(code: &str, name: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| {
        let before = code.get(..at).and_then(|before| before.chars().next_back());
        let first_is_word = name.starts_with(word);
        !first_is_word || !before.is_some_and(word)
    })
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("src can be listed") {
            let path: PathBuf = entry.expect("src can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source is text");
                let path = path.strip_prefix(&root).expect("it lies below").to_string_lossy().into_owned();
                sources.push(Source { path, text });
            }
        }
    }
    assert!(sources.len() > 50, "the sources were not found");
    sources
}
