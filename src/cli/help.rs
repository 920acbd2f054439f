//! What `--help` says.

/// All commands, and what each can do.
pub const COMMANDS: &[(&str, &[&str])] = &[
    ("serve", &[]),
    (
        "account",
        &["add", "list", "show", "passwd", "quota", "pop3", "alias", "vacation", "detail", "remove", "restore"],
    ),
    ("alias", &["add", "list", "remove"]),
    ("rule", &["add", "list", "remove", "move"]),
    ("queue", &["list", "show", "retry", "drop"]),
    ("smarthost", &["set", "show", "remove"]),
    ("domain", &["add", "list", "remove", "dns", "keys"]),
    ("mirror", &["add", "change", "list", "show", "run", "pause", "resume", "remove"]),
    ("session", &["list", "end"]),
    ("trace", &[]),
    ("import", &[]),
    ("export", &[]),
    ("status", &[]),
    ("check", &[]),
    ("compact", &[]),
    ("version", &[]),
    ("help", &[]),
    ("update", &["status", "undo", "keep"]),
    ("undo", &[]),
    ("log", &[]),
    ("reboot", &[]),
    ("poweroff", &[]),
];

/// The names of all commands.
pub fn commands() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|(name, _)| *name)
}

/// What a command can do.
pub fn actions(command: &str) -> &'static [&'static str] {
    COMMANDS.iter().find(|(name, _)| *name == command).map_or(&[], |(_, actions)| actions)
}

/// `alias needs one of add, list, remove`
pub fn needs(command: &str) -> lexopt::Error {
    format!("{command} needs one of {}", actions(command).join(", ")).into()
}

/// The help for a command; the overview for any other word.
pub fn of(command: &str) -> &'static str {
    match command {
        "account" => ACCOUNT,
        "alias" => ALIAS,
        "rule" => RULE,
        "queue" => QUEUE,
        "smarthost" => SMARTHOST,
        "domain" => DOMAIN,
        "import" => IMPORT,
        "export" => EXPORT,
        "check" => CHECK,
        "compact" => COMPACT,
        "status" => STATUS,
        "mirror" => MIRROR,
        "trace" => TRACE,
        "session" => SESSION,
        "update" | "undo" | "log" | "reboot" | "poweroff" => MACHINE,
        _ => ALL,
    }
}

const ALL: &str = "\
Pillarbox, a mail server in one program.

  pillarbox [serve]      serve mail; the first start makes everything it needs
  pillarbox account ...  who has mail here: add, list, show, passwd, quota, pop3, alias, vacation, detail, remove
  pillarbox alias ...    addresses that stand for others: add, list, remove
  pillarbox rule ...     what becomes of an account's mail: add, list, remove, move
  pillarbox queue ...    mail that waits to go out: list, show, retry, drop
  pillarbox smarthost .. the server that takes all mail that goes out: set, show, remove
  pillarbox domain ...   which are ours, and what to publish in the DNS: add, list, remove, dns, keys
  pillarbox import ...   bring mail along: mbox, Maildir, .eml
  pillarbox export ...   take mail out: Maildir or mbox
  pillarbox mirror ...   mailboxes at providers: add, list, show, run, pause, resume, remove
  pillarbox session ..   who is connected: list, end
  pillarbox status       how it is doing
  pillarbox trace ...    what became of a message, who logged in: MESSAGE-ID or ADDRESS
  pillarbox check        verify all stored mail
  pillarbox compact      make the file of a stopped server as small as its mail
  pillarbox version
  pillarbox update ...   the appliance's own: a newer version, or back; also log, reboot, poweroff

Options of serve:
  --bind ADDR            listen on this address         Default: 127.0.0.1, this machine only
  --port-offset N        ports are the standard ones + N    Default: 10000 (IMAP 10143, with TLS 10993; POP3 10110, 10995)

  --read-only            write nothing to the data folder: mail can be read from a disk that can only be read
  --runtime DIR          where the admin socket is then     Default: the environment's PILLARBOX_RUNTIME; else there is none

Option of every command:
  --data DIR             where mail, keys and settings are  Default: ./pillarbox-data

The commands work while the server runs, and without it. `pillarbox help COMMAND` says more about one.
What lists or shows something has --json.
PILLARBOX_LOG=debug (or RUST_LOG) shows more on stderr. Settings are in DIR/pillarbox.toml.
";

const TRACE: &str = "\
What became of a message, and who logged in or failed to.

  pillarbox trace WHAT [--lines N] [--json]

WHAT is an address of mail or of the network, a Message-ID, the id in a Received field or in an answer to DATA, or the
number of a queued message. All lines of the messages concerned are shown, the latest N (200): what the running server
remembers, which is about a megabyte of them. The same lines are in its log; what they say is in the README.
";

const SESSION: &str = "\
Who is connected to a running server by IMAP, POP3, SMTP or LMTP.

  pillarbox session list [--json]        number, protocol, address, user, since when, what it does, octets in and out
  pillarbox session end ID|ADDRESS       ends one, or all of an account

A program whose session was ended may log in again. All sessions of an account end by themselves when its password is
changed, or when it is removed. In --json, since is in seconds since 1970, and from and user are null where there are none.
";

const ACCOUNT: &str = "\
Who has mail here.

  pillarbox account add ADDRESS [--quota SIZE] [--messages N] [--password-stdin | --password-hash-stdin]
  pillarbox account list [--removed] [--json]
  pillarbox account show ADDRESS [--json]
  pillarbox account passwd ADDRESS [--password-stdin]
  pillarbox account quota ADDRESS SIZE|none [--messages N|none]
  pillarbox account pop3 ADDRESS [--deleted trash|hide|delete] [--mark-seen yes|no]
  pillarbox account alias ADDRESS [ALIAS [--remove]]     its aliases; one more, or one less
  pillarbox account vacation ADDRESS (--text TEXT | --text-stdin) [--subject TEXT] [--days N] [--begins DAY] [--ends DAY]
  pillarbox account vacation ADDRESS [--off]
  pillarbox account detail ADDRESS inbox|existing|make
  pillarbox account remove ADDRESS [--yes] [--forever]
  pillarbox account restore ADDRESS|NUMBER [--as ADDRESS]

remove asks first, and wants --yes where nobody can be asked. The account is nobody's at once: no log-in, no mail for it.
Its mail, its rules, its mirrors and the aliases that led to it are kept for 30 days, in which the server ran, and come back
with restore; with --forever they are gone at once. The address is free for another account meanwhile.
A password is asked for at a terminal, or read from the first line of stdin with --password-stdin.
Where neither is, or with an empty answer, a random one is made and printed.
With --password-hash-stdin the line is a hash from elsewhere, as in /etc/shadow ($5$, $6$, $y$) or argon2: at the first
log-in, which must be with the password itself (not SCRAM), one of our own takes its place.
A password has 8 characters at least, and is none of those that are tried first.
SIZE is something like 500 MiB or 2 GiB; MB and GB, or M and G, are taken for the same.
What a POP3 client deletes goes to the Trash, where it stays for 30 days (pop3.trash-days in the settings).
With --deleted hide it stays where it is, and only POP3 shows it no more; with delete it is gone.
A vacation answer goes once in N days (7 where none are given) to each who writes to an address of the account, never
to lists or programs; DAY is like 2026-12-24, and the last one is among them.
Mail for local+detail@domain comes to local@domain: into INBOX, into an existing mailbox named like the detail, or into
one that is made for it.
";

const ALIAS: &str = "\
Addresses that stand for others.

  pillarbox alias add ADDRESS TARGET...    TARGET is an account, another alias, or an address elsewhere
  pillarbox alias list [ADDRESS]           all, or those that lead to an account
  pillarbox alias remove ADDRESS [TARGET...]

ADDRESS is local@domain, or @domain for all addresses of a domain that nobody has.
Mail for postmaster of every domain here is taken always: by its account or alias, else by the first account.
What goes elsewhere leaves with the postmaster of the alias's domain as its sender, so that it passes SPF there.
";

const RULE: &str = "\
What becomes of mail that comes in for an account.

  pillarbox rule add ADDRESS [CONDITION...] ACTION... [--stop] [--at NUMBER]
  pillarbox rule list ADDRESS
  pillarbox rule remove ADDRESS NUMBER
  pillarbox rule move ADDRESS NUMBER NUMBER

Conditions, of which all must hold, whatever the case; without any, the rule is for all mail:
  --from TEXT            in From or Sender        --to TEXT        in To or Cc
  --subject TEXT         in the subject           --header NAME:TEXT   in any field; without TEXT, it is there

Actions:
  --move MAILBOX         instead of INBOX; made where it is missing
  --flag FLAG            \\Flagged, \\Seen, or a keyword
  --forward ADDRESS      there, too               --discard        into no mailbox

Rules are tried in their order; --stop: those after it are not. What cannot be filed or forwarded goes to INBOX.
";

const QUEUE: &str = "\
Mail that waits to go out.

  pillarbox queue [list]
  pillarbox queue show N
  pillarbox queue retry N|all      tries it now
  pillarbox queue drop N           takes it out; nobody is told

What cannot be delivered now is tried for 5 days; after 4 hours its sender is told so. Settings are in [queue].
";

const SMARTHOST: &str = "\
The server that takes all mail that goes out, as a provider has one for its customers.

  pillarbox smarthost set HOST [--port N] [--starttls | --tls | --plain] [--user NAME [--password-stdin]]
                               [--ca FILE | --fingerprint SHA256 | --insecure] [--no-check]
  pillarbox smarthost show
  pillarbox smarthost remove       mail goes to the hosts of each domain instead

  --starttls          TLS is begun before anything is said                Default; port 587
  --tls               TLS from the first octet                            Default with port 465
  --plain             no TLS: for a server on this machine                port 25
  --ca FILE           its certificate is by an authority in this PEM file     Default: by a public one
  --fingerprint X     its certificate is this one, whatever it says
  --insecure          any certificate: the password can be read by whoever is in between

The password is asked for at a terminal, or read from the first line of stdin. The server is tried, and set only if it
lets us in; with --no-check it is set as it is. What waits is tried at once.
";

const DOMAIN: &str = "\
Which domains are ours; and what to publish in the DNS, so that a domain's mail comes here, and what goes out is believed.

  pillarbox domain add DOMAIN      its mail is taken, also where nobody has an address in it yet: postmaster has
  pillarbox domain list
  pillarbox domain remove DOMAIN   not any more, unless an account or an alias is in it
  pillarbox domain dns DOMAIN [--port-offset N]    all records, as in a zone file; ports are those that are served
  pillarbox domain keys DOMAIN     the keys alone that its mail is signed with

The keys are made when they are needed first.
";

const IMPORT: &str = "\
Bring mail along.

  pillarbox import ADDRESS [--mailbox NAME] [--again] PATH...

PATH is an mbox file, a Maildir, a message (.eml, .emlx), or a folder of any of them: a tree of Maildirs, a Thunderbird
profile, Apple Mail's folders, an export. Folders keep their names, below NAME where one is given.
NAME is made if it does not exist.  Default: INBOX.
Of an export every mailbox keeps its name, and every message all that POP3 knows of it.
Flags, keywords and dates are kept. What is not taken over is counted by kinds at the end, with the first places of each.
The same import again goes on where the last one ended: what a mailbox has already is not stored once more.

  --again    store it once more
";

const EXPORT: &str = "\
Take mail out: all mailboxes of an account, with flags, keywords and dates.

  pillarbox export ADDRESS DIR [--format maildir|mbox]

  --format maildir       a file for each message, flags in its name: for mail programs and other servers   Default
  --format mbox          a file for each mailbox: fewer files, and room for any number of keywords

Nothing is written into a message: in an mbox its flags stand in the From line before it.
DIR is new or empty. Until the export is whole, it lies in DIR/export.incomplete.
`pillarbox import` of DIR gives back every message, octet for octet, in its mailbox, with what POP3 knows of it.
While the server runs, mail goes on: what is moved meanwhile may be met twice or not at all.
";

const CHECK: &str = "\
Verify all stored mail: every count, every reference, every content.

  pillarbox check [--mend]

  --mend    put right what can be derived from something else
Exits with 1 if anything is not as it must be.
";

const COMPACT: &str = "\
Make the file that the mail is kept in as small as what is in it.

  pillarbox compact

Room that mail left is used for mail that comes, but the file keeps its size. The server must not run meanwhile. The
power may go at any time.
";

const STATUS: &str = "\
How Pillarbox is doing.

  pillarbox status [--json]
";

const MIRROR: &str = "\
Mailboxes at providers: kept the same on both sides, or collected from.

  pillarbox mirror add ADDRESS --imap HOST --user USER [--collect [--into MAILBOX] [--delete-after DAYS]]
  pillarbox mirror add ADDRESS --pop3 HOST --user USER [--into MAILBOX] [--delete-after DAYS]
  pillarbox mirror change ADDRESS|NUMBER [--host HOST] [--port N] [--tls | --starttls | --plain] [--user USER]
                          [--password | --password-stdin] [--certificate WHICH] [--every SECONDS]
  pillarbox mirror list
  pillarbox mirror show ADDRESS|NUMBER
  pillarbox mirror run ADDRESS|NUMBER [--confirm]      look now, and say how it went
  pillarbox mirror pause|resume ADDRESS|NUMBER
  pillarbox mirror remove ADDRESS|NUMBER               mail stays on both sides

Options of add:
  --port N               Default: 993 for IMAP, 995 for POP3; 143 and 110 with --starttls or --plain
  --starttls, --plain    TLS from STARTTLS on, or none     Default: TLS from the first octet
  --certificate WHICH    any, a SHA-256, or a PEM file of authorities     Default: one by a public authority
  --every SECONDS        look so often, even where nothing tells of a change     Default: 300
  --password-stdin       read the password there from the first line of stdin; else it is asked for
  --no-check             add it without trying whether it lets us in

With --imap alone all folders, flags, moves and deletions go both ways. Where more than half of a folder is missing at
once, nothing is deleted on the other side before the next day, or before `run --confirm`.
What is collected comes into MAILBOX (Default: INBOX), each message once, and stays there for ever, or DAYS.
";

const MACHINE: &str = "\
The appliance's own commands, where Pillarbox runs the whole machine.

  pillarbox update FILE|URL [--reboot]     install a newer version; it is tried with the next reboot
  pillarbox update status                  what runs, and what the other slot holds
  pillarbox update undo [--discard-newer]  back to what ran before; `pillarbox undo` is the same
  pillarbox update keep                    the data stays in the newer version's form
  pillarbox log [--lines N]                the last lines of the log        Default: 100
  pillarbox reboot
  pillarbox poweroff

An update is signed: FILE.minisig, or URL.minisig, lies beside it, by one of the keys that the image or [update] keys of
pillarbox.toml trust. One that does not come up is left by itself, and the version before runs again.
Where a newer version changed the form of the data, it keeps for 30 days (for one, where room becomes short) how it was
before; an earlier version goes back to that, without the mail that came in since: only with --discard-newer.
";
