//! Every bound of the house, with its reason. A bound that is not here does not exist.
//!
//! What a peer can make grow has two: one for itself, and one for all together. Memory that sessions hold is counted in the
//! two ledgers of `sys`, [`STRANGERS`] and [`PEOPLE`]; who finds no room is told to come again, or waits with a smaller
//! bufferful, and who holds some and neither takes nor says anything is let go.
//!
//! | What grows | For one | For all together |
//! |---|---|---|
//! | connections | [`CONNECTIONS_FROM_ONE`] of an address or a /64, [`CONNECTIONS_FROM_SITE`] of a /48 | [`CONNECTIONS`], less where descriptors are few; [`OWNERS`] at the admin socket |
//! | answers that wait, before log-in | two of [`STRANGER_OUT`], then nothing is read | [`STRANGERS`] |
//! | answers that wait, after it | two of [`OUT`]; [`PEOPLE_SHARE`] for an account | [`PEOPLE`] |
//! | what of them waits in the kernel | 8 KiB before log-in, 256 KiB after it; as much as the kernel lets it be, 4 MB, for [`WIDE`] | connections |
//! | what was read and not heard | [`STRANGER_READ`] and a line ([`STRANGER`]); after log-in 64 KiB and a [`COMMAND`] | the same ledgers |
//! | TLS | a [`HANDSHAKE`]; then a record each way | the same ledgers ([`RESTING_TLS`]) |
//! | a browser's request and its page | 8 KiB each way ([`PAGE`]) | [`STRANGERS`] |
//! | an envelope | [`RECIPIENTS`], [`RECIPIENT_OCTETS`] | the same ledgers |
//! | a message coming in by SMTP | [`SPOOL`] in memory; [`SPOOL_SHARE`] in files, for [`SPOOL_GRACE`] and at [`SPOOL_SPEED`] where room is short | [`SPOOLS`]; [`SPOOL_FILES`], of which [`SPOOL_STRANGERS`] for strangers |
//! | a message whose sender is being checked | [`CHECKING`] | [`STRANGERS`] |
//! | a message on its way into the store | [`ARRIVING`] | [`PEOPLE`] |
//! | an APPEND in progress | [`UPLOAD`] and a frame; the rest is staged on disk, up to [`MESSAGE`] | [`PEOPLE`] |
//! | commands: search programs, sets, FETCH items, patterns | [`SEARCH_KEYS`], [`SET_RANGES`], [`FETCH_ITEMS`], [`ARGUMENTS`], all within a [`COMMAND`] | [`PEOPLE`], by the octets they came in |
//! | mailboxes, keywords, rules | [`MAILBOXES`], [`FLAGS`], [`RULES`] of an account | on disk |
//! | what an idling session was not told yet | one bit: it looks at the store | |
//! | a mail's structure while it is looked at | [`PARTS`], [`OUTLINE_HEADERS`], [`OUTLINE_ADDRESSES`] | sessions that work at a time: one for each core |
//! | passwords being checked | what a hash takes | two at a time, 64 that wait |
//! | names that guess, and their sources | some 100 octets | 4,096 |
//! | DNS answers | 16 KiB | 1 MiB |
//! | what other servers answer | [`REPLY_LINE`] × [`REPLY_LINES`] | the queue's `deliveries` |
//! | lines of the log | [`LOG_LINE`] | [`LOG_WAITING`] |

/// Largest message accepted, in octets. Told to clients as APPENDLIMIT (RFC 7889) and SIZE (RFC 1870).
/// Providers stop at 25–50 MB; twice that leaves room for what encoding adds.
pub const MESSAGE: u32 = 128 << 20;
/// A command line without its literals. RFC 7162 §4 asks for 8192; long UID sets of phones need more.
pub const COMMAND_LINE: usize = 64 << 10;
/// A command with all literals but a message's: a SEARCH string, a mailbox name, a password.
pub const COMMAND: usize = 128 << 10;
/// A command, or a line, of one who is not logged in: a SASL response (RFC 4954 §4: 12288) and its command. Thousands
/// may be here at once.
pub const STRANGER: usize = 16 << 10;
/// Octets that are read at once for one who is not logged in and is in the midst of no message.
pub const STRANGER_READ: usize = 4 << 10;
/// Octets of answers to one who is not logged in that are gathered before they are sent; nothing more is read while they
/// wait. The longest answer, to EHLO or CAPABILITY, has less than 1 KiB.
pub const STRANGER_OUT: usize = 4 << 10;
/// Octets that a TLS handshake may take of the client: its hello has some 500 octets, or 2,000 where it comes with a
/// post-quantum key.
pub const HANDSHAKE: u64 = 32 << 10;
/// Octets of memory for all who are not logged in, each with what it costs at rest: [`RESTING`], and [`RESTING_TLS`].
pub const STRANGERS: usize = 12 << 20;
/// Octets of memory for all who logged in or brought a whole message: 24 in the midst of large answers, 300 with smaller
/// bufferfuls, or 1,200 in TLS who wait for news.
pub const PEOPLE: usize = 16 << 20;
/// Octets of it for one account, with all its sessions; beyond, they go on with the smallest bufferfuls, and only below
/// [`PEOPLE_LARGE`].
pub const PEOPLE_SHARE: usize = PEOPLE / 4;
/// Up to here it is given out in large pieces; the rest is for those who need little.
pub const PEOPLE_LARGE: usize = PEOPLE / 4 * 3;
/// Octets that a connection at rest costs, about,
pub const RESTING: usize = 3 << 10;
/// and more of them in TLS: keys, and part of a record;
pub const RESTING_TLS: usize = 12 << 10;
/// and less again once the handshake is long over (measured: 7.6 KB more than without TLS).
pub const SETTLED_TLS: usize = 8 << 10;
/// Octets that a browser's connection costs while it is answered: what it asks, and a page.
pub const PAGE: usize = 32 << 10;
/// Connections in all; with fewer file descriptors, fewer.
pub const CONNECTIONS: usize = 4_000;
/// Of one IPv4 address, or of the /64 of an IPv6 one. A household's phones and PCs share one, and some clients open five
/// each.
pub const CONNECTIONS_FROM_ONE: usize = 100;
/// Of the /48 of an IPv6 address: what one customer of a provider has at most.
pub const CONNECTIONS_FROM_SITE: usize = 400;
/// File descriptors that are kept for the store, certificates, the admin socket, mail that goes out, and names.
pub const DESCRIPTORS: usize = 256;
/// Connections to the admin socket.
pub const OWNERS: usize = 64;
/// Octets of a tag, which every answer repeats: clients use fewer than 20.
pub const TAG: usize = 64;
/// Octets of a refused literal that are read and thrown away, so that a client that did not wait for our answer still
/// hears it; beyond, the connection ends (RFC 7888 §4). Twice what we accept: an oversized mail is told so.
pub const DRAIN: u64 = 256 << 20;
/// Literals in one command. Each costs the client a round trip; LOGIN needs two, a search a few.
pub const COMMAND_LITERALS: usize = 64;
/// Nesting of parentheses and NOT/OR in one command: the parser's recursion is bounded by it.
pub const COMMAND_DEPTH: usize = 32;
/// Keys in one SEARCH, nested ones counted.
pub const SEARCH_KEYS: usize = 1_000;
/// Ranges in one sequence set: what fits into a command line.
pub const SET_RANGES: usize = 20_000;
/// Items in one FETCH.
pub const FETCH_ITEMS: usize = 64;
/// Field names in one HEADER.FIELDS: clients ask for about 20.
pub const FIELD_NAMES: usize = 256;
/// Flags named in one command: what a mailbox can know (5 and 120), and some that it refuses.
pub const FLAGS: usize = 160;
/// Patterns, options or resources named in one command.
pub const ARGUMENTS: usize = 64;
/// Field-value pairs of one ID (RFC 2971 §3.3).
pub const ID_PAIRS: usize = 30;
/// Octets of a value of one ID (RFC 2971 §3.3).
pub const ID_STRING: usize = 1024;
/// Octets that are kept of an ID of one who is not logged in: tag, quotes, spaces. What stands in quotes is not kept.
pub const ID_FORM: usize = 1 << 10;
/// Octets of a string that is written quoted; a longer one goes as a literal, which the client need not scan.
pub const QUOTED: usize = 4 << 10;
/// Octets of a mailbox name in UTF-8 (the field's usual bound, and well under a redb key's).
pub const MAILBOX_NAME: usize = 1_000;
/// Levels of a mailbox name.
pub const MAILBOX_DEPTH: usize = 32;
/// Mailboxes of one account: LIST of all of them stays below a megabyte.
pub const MAILBOXES: usize = 10_000;
/// Octets of a keyword.
pub const KEYWORD: usize = 64;
/// Parts of a message that are outlined; what follows is part of the body around it.
pub const PARTS: usize = 1_000;
/// Nesting of parts that is outlined.
pub const PART_DEPTH: usize = 32;
/// Octets of a header that is parsed; fields after it are served, but not understood.
pub const HEADER: usize = 256 << 10;
/// Octets of header that are parsed for one outline, all parts together: a thousand parts of a kilobyte each.
pub const OUTLINE_HEADERS: usize = 1 << 20;
/// Octets of a boundary. RFC 2046 §5.1.1 allows 70; this is a whole line (RFC 5322 §2.1.1).
pub const BOUNDARY: usize = 998;
/// Octets of a line that are looked at to tell a boundary or a field name: a boundary and some padding.
pub const LINE_START: usize = 2 << 10;
/// Octets of one header value that is kept in an envelope or an outline.
pub const HEADER_VALUE: usize = 16 << 10;
/// Octets of one list of addresses that are read: announcements name thousands.
pub const ADDRESS_LIST: usize = 128 << 10;
/// Addresses of one header field that are kept in an envelope.
pub const ADDRESSES: usize = 4_000;
/// Addresses that are kept in all envelopes of an outline together, the enclosed messages' included.
pub const OUTLINE_ADDRESSES: usize = 4_000;
/// Parameters of one structured field that are kept.
pub const PARAMS: usize = 128;
/// Octets of an encoded word: RFC 2047 §2 allows 75; some writers never break a line.
pub const ENCODED_WORD: usize = 2_000;
/// Octets that a decoder holds back until it knows what they mean.
pub const DECODER: usize = 4 << 10;
/// Octets of a password, at every way in: more than anybody types, and what each round of SHA-crypt hashes.
pub const PASSWORD: usize = 512;
/// Characters of a password that is chosen (NIST SP 800-63B §3.1.1.2, for one that is not all there is).
pub const PASSWORD_LEAST: usize = 8;
/// Octets of an initial SASL response or of one SASL answer, decoded (RFC 4954 §4 allows 12288 as base64).
pub const SASL: usize = 9_000;
/// Addresses that one alias leads to, by itself and through others.
pub const ALIAS_TARGETS: usize = 1_000;
/// Aliases that lead to one another.
pub const ALIAS_DEPTH: usize = 10;
/// Rules of an account.
pub const RULES: usize = 100;
/// Conditions of one rule, or its actions.
pub const RULE_PARTS: usize = 20;
/// Octets of a text in a rule, of an address or a name in it.
pub const RULE_TEXT: usize = 1_000;
/// Octets of header that rules look at: with all conditions of all rules that is 100 MB to compare.
pub const RULE_HEADER: usize = 64 << 10;
/// Addresses outside that one mail is forwarded to for one account.
pub const FORWARDS: usize = 20;
/// Received fields in a mail that is still sent on (RFC 5321 §6.3: at least 100 until it is refused; what goes in a
/// circle through a home box need not go that often).
pub const HOPS: usize = 50;
/// Octets of a vacation answer's text.
pub const VACATION_TEXT: usize = 32 << 10;
/// Senders of whom an account remembers that they were answered; who writes beyond is not answered.
pub const ANSWERED: usize = 5_000;
/// Sessions of people whose sockets the kernel may fill as it does: who reads as fast as we send waits for us less often.
/// One that reads nothing has some megabytes there.
pub const WIDE: usize = 8;
/// Octets of output gathered before it is sent and the work pauses.
pub const OUT: usize = 256 << 10;
/// Octets of a line that another server answers. RFC 5321 §4.5.3.1.5 allows 512; some tell a whole web address.
pub const REPLY_LINE: usize = 4 << 10;
/// Lines of one of its replies: the longest known answers to EHLO have about 20.
pub const REPLY_LINES: usize = 200;
/// Octets of an address in an envelope: a local part, an `@` and a domain (RFC 5321 §4.5.3.1.1, §4.5.3.1.2).
pub const ADDRESS: usize = 64 + 1 + 255;
/// Recipients of one message, at most; the owner may want fewer. RFC 5321 §4.5.3.1.8 asks for 100.
pub const RECIPIENTS: usize = 10_000;
/// Recipients of one message that are taken in any case (RFC 5321 §4.5.3.1.8).
pub const RECIPIENTS_LEAST: usize = 100;
/// Octets of the addresses of all its recipients, and of what the sender calls them (ORCPT): a hundred of the longest
/// (RFC 5321 §4.5.3.1.8), or thousands. Who has more sends to the others apart.
pub const RECIPIENT_OCTETS: usize = 128 << 10;
/// Received fields of a message, beyond which it goes in circles (RFC 5321 §6.3 asks for 100 at least).
pub const RECEIVED: usize = 100;
/// Packed octets of a message that a session holds before it puts them into the store.
pub const UPLOAD: usize = 256 << 10;
/// Octets of memory while a message is on its way into the store, about: its header, what is made of it, packed octets.
pub const ARRIVING: usize = 768 << 10;
/// Octets of memory while a message's sender is being checked: the message itself waits in its spool.
pub const CHECKING: usize = 16 << 10;
/// Octets of a message coming in that are held in memory; the rest waits in a file.
pub const SPOOL: usize = 256 << 10;
/// Octets of all messages coming in together that are held in memory: what is beyond waits in files sooner.
pub const SPOOLS: usize = 4 << 20;
/// Octets of all messages coming in together that wait in files. Whoever comes then is asked to come again.
pub const SPOOL_FILES: u64 = 1 << 30;
/// Octets of them from all who did not log in: a quarter is kept for those who did.
pub const SPOOL_STRANGERS: u64 = SPOOL_FILES / 4 * 3;
/// Octets of them from one address or one account: two of the largest messages.
pub const SPOOL_SHARE: u64 = 2 * MESSAGE as u64;
/// From how many octets on in all spools room is short: then who sends a message has [`SPOOL_GRACE`] seconds, and one more
/// for each [`SPOOL_SPEED`] octets that came. A telephone line brings more.
pub const SPOOL_SHORT: u64 = SPOOL_FILES / 2;
/// Seconds that are given to everybody.
pub const SPOOL_GRACE: i64 = 60;
/// Octets in a second, at least.
pub const SPOOL_SPEED: u64 = 4 << 10;
/// Octets of a line of the log: what PID 1 takes as one, and a reader can take in.
pub const LOG_LINE: usize = 4_000;
/// Octets of lines of the log that wait for an output that takes none: some seconds of a busy server.
pub const LOG_WAITING: usize = 256 << 10;
/// Work of one turn, in octets looked at (see `mail::effort`): one or two milliseconds, after which others are answered.
pub const TURN: u64 = 2 << 20;
