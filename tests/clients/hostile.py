"""Bad input: each is answered by BAD or ends with BYE, in bounded memory, without a defect, and nobody else notices.

While all of it goes on, a client works as ever, and how long it waits for each answer is measured.
"""

import random
import ssl

from house import PASSWORD, USER, Server, expect, fact
from imap import Closed
from siege import SECONDS, Wire, besiege, crowd_in, no_handshakes, quietly, sasl_answers

SEED = 7
LOGIN = f'LOGIN {USER} "{PASSWORD}"'.encode()


class Raw(Wire):
    """A raw connection, logged in and with a mailbox selected or not."""

    def __init__(self, server, login=True, select=True):
        super().__init__(server.port)
        self.login = login
        self.until(b"\r\n")
        if login:
            self.say(b"l " + LOGIN + b"\r\n")
            self.until(b"l OK")
            if select:
                self.say(b"s SELECT INBOX\r\n")
                self.until(b"s OK")
                self.until(b"\r\n")
        self.heard = b""

    def lives(self):
        """Whether the connection goes on: False when it has ended with BYE, which it must say."""
        try:
            # The empty lines are for a literal that was announced; before log-in so many would be the end.
            self.say(b"\r\n" * (10 if self.login else 1) + b"zz9 NOOP\r\n")
            self.until(b"zz9 ")
            self.until(b"\r\n")
            return True
        except (Closed, ConnectionError) as end:
            quietly(self.rest)
            expect(b"* BYE" in self.heard, "closed without BYE", self.heard[-300:], end)
            return False


def commands():
    """Lines that are no commands, by what is wrong with them. Each must be answered BAD, and the session go on."""
    dice = random.Random(SEED)
    big = [
        "4294967295",
        "4294967296",
        "4294967297",
        "18446744073709551615",
        "18446744073709551616",
        "9" * 40,
        "-1",
        "0",
        "00",
        "1.5",
        "0x10",
    ]
    templates = [
        "FETCH {} FLAGS",
        "UID FETCH 1:{} FLAGS",
        "FETCH 1 BODY[{}]",
        "FETCH 1 BODY[]<{}.10>",
        "FETCH 1 BODY[]<0.{}>",
        "FETCH 1 BINARY[{}]",
        "SEARCH LARGER {}",
        "SEARCH UID {}",
        "SEARCH {}",
        "STORE {} +FLAGS (\\Seen)",
        "COPY {} Archive",
        "UID MOVE {} Archive",
        "UID EXPUNGE {}",
        "SEARCH RETURN (PARTIAL {}) ALL",
    ]
    numbers = [template.format(number).encode() for template in templates for number in big]
    nested = (
        [b"SEARCH " + b"(" * depth + b"ALL" + b")" * depth for depth in (33, 100, 10_000, 30_000)]
        + [b"SEARCH " + b"NOT " * depth + b"ALL" for depth in (33, 1_000, 15_000)]
        + [b"SEARCH " + b"OR " * depth + b"ALL " * depth + b"ALL" for depth in (33, 1_000, 5_000)]
        + [
            b"FETCH 1 " + b"(" * 5_000 + b"FLAGS" + b")" * 5_000,
            b"LIST " + b"(" * 5_000,
            b"ID " + b"(" * 5_000,
            b"STORE 1 FLAGS " + b"(" * 5_000 + b")" * 5_000,
            b"FETCH 1 BODY[" + b"1." * 20_000 + b"1]",
            b"SEARCH " + b"1," * 30_000 + b"x",
        ]
    )
    unbalanced = [
        b"FETCH 1 (FLAGS",
        b"FETCH 1 FLAGS)",
        b"FETCH 1 (FLAGS))",
        b"FETCH 1 ((FLAGS)",
        b"FETCH 1 BODY[",
        b"FETCH 1 BODY]",
        b"FETCH 1 BODY[HEADER.FIELDS (",
        b"FETCH 1 BODY[HEADER.FIELDS ()]",
        b"FETCH 1 BODY[]<",
        b"FETCH 1 BODY[]<0",
        b"FETCH 1 ()",
        b"SEARCH (",
        b"SEARCH )",
        b"SEARCH ()",
        b"SEARCH (ALL",
        b"SEARCH ALL)",
        b"SEARCH OR ALL",
        b"SEARCH NOT",
        b"SEARCH",
        b"STORE 1 FLAGS (\\Seen",
        b"STORE 1 FLAGS \\Seen)",
        b"STORE 1 (FLAGS \\Seen)",
        b"STATUS INBOX (MESSAGES",
        b"STATUS INBOX MESSAGES)",
        b"STATUS INBOX ()",
        b'LIST "" "%',
        b'LIST "" %"',
        b'LIST ("" %)',
        b"LIST (",
        b"ID (",
        b'ID ("a")',
        b"ENABLE",
        b'LOGIN "a',
        b"APPEND INBOX (",
        b"APPEND INBOX (\\Seen {10}",
        b'APPEND INBOX "',
        b"GETQUOTA (",
        b"SETQUOTA x (",
        b'SELECT "INBOX',
        b'SELECT INBOX"',
        b"SELECT INBOX (",
    ]
    octets = [
        b"SELECT \xff\xfe",
        b'SELECT "\xff\xfe"',
        b"\xff\xfe\xfd",
        b"SELECT IN\x00BOX",
        b'SELECT "IN\x00BOX"',
        b"NO\x00OP",
        b"\x00",
        b"\x00" * 5_000,
        b"SELECT \xc3\x28",
        b'SEARCH SUBJECT "\xc3\x28"',
        b"SEARCH CHARSET UTF-8 SUBJECT {3+}\r\n\xff\x00\xfe",
        b"CREATE {4+}\r\na\x00b\x00",
        b"SELECT {3+}\r\n\x00\x00\x00",
        b"LOGIN a\rb c",
        b"FETCH 1 BODY[HEADER.FIELDS (\xff)]",
        b"STORE 1 FLAGS (\xff)",
        b"CREATE \x80",
        b"CREATE &",
        b"CREATE &AAA-",
        b"CREATE &2AA-",
        b'CREATE "&Jjo!"',
        b"CREATE \x7f",
        b'ID ("\x00" NIL)',
        b"\x80\x81\x82 NOOP",
        b"(NOOP)",
        b"* OK hello",
        b"+ go on",
        b"{5}",
        b"NOOP NOOP",
        b"NOOP ",
        b" NOOP",
    ]
    garbled = []
    honest = [
        b"FETCH 1:* (FLAGS ENVELOPE BODY.PEEK[HEADER.FIELDS (SUBJECT FROM)]<0.100>)",
        b'SEARCH RETURN (MIN MAX) OR (SUBJECT "a" NOT SEEN) SINCE 1-Feb-2003',
        b"STORE 1:3,5 +FLAGS.SILENT (\\Seen $Work)",
        b'LIST (SUBSCRIBED) "" ("*" "%") RETURN (STATUS (MESSAGES UIDNEXT))',
        b'STATUS "INBOX" (MESSAGES UNSEEN SIZE)',
        b"UID COPY 1:* Archive",
        b'ID ("name" "x" "version" NIL)',
        b"AUTHENTICATE PLAIN AHgAeQ==",
    ]
    for _ in range(2_000):
        line = bytearray(dice.choice(honest))
        for _ in range(dice.randint(1, 6)):
            at = dice.randrange(len(line) + 1)
            kind = dice.randrange(4)
            if kind == 0:
                line[at:at] = bytes([dice.randrange(256)])
            elif kind == 1:
                del line[at : at + dice.randint(1, 8)]
            elif kind == 2:
                line[at:at] = dice.choice(
                    [b"(", b")", b'"', b"{", b"}", b"[", b"]", b"<", b">", b"\\", b"*", b"%", b" ", b"\x00", b"{9+}"]
                )
            else:
                line[at:at] = line[dice.randrange(len(line) + 1) :][: dice.randint(1, 20)]
            if not line:
                line = bytearray(b"x")
        garbled.append(bytes(line).replace(b"\r", b"").replace(b"\n", b"").replace(b"{9+}", b"{9+}\r\n"))
    return {"numbers": numbers, "nesting": nested, "parentheses": unbalanced, "octets": octets, "garbled": garbled}


# Of these there are proper ones among the wrong ones: what matters is that they are answered.
MIXED = {"numbers", "garbled", "octets"}


def lines(server):
    for kind, wrong in commands().items():
        bad = ended = 0
        raw = Raw(server)
        for number, line in enumerate(wrong):
            tag = b"q%d" % number
            raw.heard = b""
            try:
                raw.say(tag + b" " + line + b"\r\n")
                if not raw.lives():
                    ended += 1
                    raw = Raw(server)
                    continue
            except ConnectionError:
                ended += 1
                raw = Raw(server)
                continue
            answers = raw.heard.split(b"\r\n")
            is_bad = any(answer.startswith((tag + b" BAD", tag + b" NO")) for answer in answers) or answers[
                0
            ].startswith(b"* BAD")
            expect(
                is_bad or kind in MIXED and any(answer.startswith(tag + b" OK") for answer in answers),
                line[:200],
                answers[:9],
            )
            bad += is_bad
        raw.socket.close()
        fact(f"{kind}: {len(wrong)} lines, {bad} answered BAD or NO, {ended} ended with BYE")


def floods(server):
    """What is long or never ends."""
    megabytes = 10 << 20
    for name, octets in {
        "a line of 10 MB": b"a " + b"x" * megabytes,
        "10 MB without a tag": b"x" * megabytes,
        "10 MB of spaces": b" " * megabytes,
        "10 MB of NULs": b"\x00" * megabytes,
        "10 MB of a quoted string": b'a LOGIN "' + b"y" * megabytes + b'" b',
        "10 MB of a set": b"a FETCH " + b"1," * (megabytes // 2) + b"1 FLAGS",
        "10 MB of parentheses": b"a SEARCH " + b"(" * megabytes,
        "10 MB of empty lines": b"\r\n" * (megabytes // 2) + b"a FOO",
    }.items():
        for login in (False, True):
            with Raw(server, login) as raw:
                bad = False
                with raw.pouring(octets + b"\r\nzz9 NOOP\r\n"):
                    try:
                        while b"zz9 " not in raw.heard:
                            raw.more()
                            bad = bad or b" BAD" in raw.heard
                            raw.heard = raw.heard[-300:]
                    except (Closed, ConnectionError):
                        expect(b"* BYE" in raw.heard, name, "closed without BYE", raw.heard)
                    expect(bad or b"* BYE" in raw.heard, name, raw.heard)
    fact("lines of 10 MB: answered, before and after log-in")

    sizes = [b"4294967295", b"4294967296", b"18446744073709551615", b"18446744073709551616", b"9" * 30, b"2000000000"]
    for size in sizes:
        for plus in (b"", b"+"):
            for command in (
                b"LOGIN ",
                b"APPEND INBOX ",
                b"SELECT ",
                b"SEARCH SUBJECT ",
                b"APPEND INBOX (\\Seen) ~",
                b"CREATE ",
            ):
                for login in (False, True):
                    with Raw(server, login) as raw:
                        raw.say(b"a " + command + b"{" + size + plus + b"}\r\n")
                        try:
                            while not any(word in raw.heard for word in (b"a BAD", b"a NO", b"* BAD", b"* BYE")):
                                expect(b"+ " not in raw.heard, "asked for so much", size, command)
                                raw.more()
                        except (Closed, ConnectionError):
                            expect(b"* BYE" in raw.heard, "closed without BYE", size, command, raw.heard)
                        if not plus and b"* BYE" not in raw.heard:
                            expect(raw.lives(), size, command)
    fact(f"literals of 2^32, 2^64 and more: {len(sizes) * 2 * 6 * 2} variants refused")

    for literal in (
        b"a LOGIN {5",
        b"a LOGIN {}",
        b"a LOGIN {+}",
        b"a LOGIN {-1}",
        b"a LOGIN {5++}",
        b"a LOGIN {5}x",
        b"a LOGIN {x}",
        b"a LOGIN {0x5+}",
        b"a LOGIN { 5}",
    ):
        with Raw(server, login=False) as raw:
            raw.say(literal + b"\r\n")
            while b"BAD" not in raw.heard:
                raw.more()
            expect(raw.lives())


def noise(server):
    """Random octets, cut anywhere."""
    dice = random.Random(SEED + 1)
    bye = 0
    for number in range(300):
        with Raw(server, login=number % 2 == 0) as raw:
            octets = dice.randbytes(dice.randint(1, 4_000))
            try:
                for at in range(0, len(octets), 700):
                    raw.say(octets[at : at + 700])
                if number % 3:
                    bye += not raw.lives()
            except ConnectionError:
                bye += 1
            # Every third one just goes.
    fact(f"300 connections of random octets: {bye} ended with BYE, the others went on or went")

    no_handshakes(server.tls_port, b"a LOGIN b c\r\n", SEED + 2)


def half(server):
    """Literals and lines that never come, from many at once, up to the limit of connections and beyond."""
    starts = [
        b"a",
        b"a LOGIN",
        b"a LOGIN {5}\r\n",
        b"a LOGIN {5}\r\nx",
        b"a LOGIN {5+}\r\nab",
        b'a LOGIN "x',
        b"a APPEND INBOX {1000}\r\n",
        b"a AUTHENTICATE PLAIN\r\n",
        b"a AUTHENTICATE PLAIN\r\nAAAA",
        b"a STARTTLS\r\n",
        b"a STARTTLS\r\n\x16\x03\x01",
        b"",
        b"x" * 60_000,
        b"a SEARCH {100000+}\r\n" + b"y" * 20_000,
    ]
    inside = [
        b"b APPEND INBOX {1000000}\r\n",
        b"b APPEND INBOX {50000+}\r\n" + b"z" * 40_000,
        b"b SEARCH SUBJECT {100000}\r\n" + b"w" * 50_000,
        b"b IDLE\r\n",
        b"b IDLE\r\nDON",
        b"b FETCH 1:* BODY[]\r\nc FETC",
    ]

    def beginning(number):
        if number % 20:
            return starts[number % len(starts)]
        return b"l " + LOGIN + b"\r\ns SELECT INBOX\r\n" + inside[number // 20 % len(inside)]

    crowd_in(server, server.port, beginning, server.connect)


def injection(server):
    """What comes in plain text behind STARTTLS is not obeyed in TLS; nor is what a browser might be lured to send."""
    context = server.trust()
    for after in (b"b LOGOUT\r\n", b"b NOOP\r\n", b"b " + LOGIN + b"\r\n", b"b SEL"):
        raw = Raw(server, login=False)
        raw.say(b"a STARTTLS\r\n" + after)
        raw.until(b"a OK")
        raw.until(b"\r\n")
        expect(b"\r\nb " not in raw.heard and not raw.heard.startswith(b"b "), raw.heard)
        try:
            with context.wrap_socket(raw.socket, server_hostname="localhost") as secure:
                secure.sendall(b"c NOOP\r\nd SELECT INBOX\r\n")
                heard = b""
                while b"\r\nd " not in heard:
                    heard += secure.recv(1_000)
                expect(
                    b"b " not in heard and heard.startswith(b"c OK") and b"\r\nd BAD" in heard or b"\r\nd NO" in heard,
                    heard,
                )
        except ssl.SSLError:
            pass  # the plain text was taken for TLS, and that was the end
    for other in (
        b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nUser-Agent: x\r\nConnection: close\r\nA: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
        b"Content-Length: 60\r\nOrigin: null\r\nA: b\r\n\r\na " + LOGIN + b"\r\nb SELECT INBOX\r\n",
        b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\nNOOP\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n" * 6,
    ):
        with Raw(server, login=False) as raw:
            quietly(raw.say, other)
            quietly(raw.rest)
            expect(b"* BYE" in raw.heard, raw.heard)
            expect(b"b OK" not in raw.heard, raw.heard)
    fact("STARTTLS with commands behind it, HTTP, SMTP, SSH: nothing of it is obeyed")


def sasl(server):
    """Answers in SASL that are none."""
    answers = sasl_answers(SEED + 2)
    for mechanism in (b"PLAIN", b"SCRAM-SHA-256", b"LOGIN", b"NONE", b"X" * 1_000):
        for answer in answers:
            for initial in (False, True):
                with Raw(server, login=False) as raw:
                    if initial:
                        raw.say(b"a AUTHENTICATE " + mechanism + b" " + answer + b"\r\n")
                    else:
                        raw.say(b"a AUTHENTICATE " + mechanism + b"\r\n")
                        while b"\r\n" not in raw.heard:
                            raw.more()
                        if not raw.heard.startswith(b"+"):
                            continue
                        raw.say(answer + b"\r\n")
                    while b"a NO" not in raw.heard and b"a BAD" not in raw.heard:
                        if raw.heard.count(b"+ ") > (0 if initial else 1):
                            raw.say(b"*\r\n")  # it goes on to ask: we give up
                            raw.heard = raw.heard.replace(b"+ ", b"")
                        raw.more()
                    expect(raw.lives(), mechanism, answer[:50])


def mail(server):
    """APPEND of what is no mail, and then everything asked about it."""
    dice = random.Random(SEED + 3)
    bombs = [
        b"\x00" * 100,
        b"\r\n",
        b":",
        b"x",
        b"\r\n\r\n\r\n",
        b"Subject: " + b"a" * 300_000 + b"\r\n\r\nx",
        (b"X: " + b"y" * 50 + b"\r\n") * 20_000 + b"\r\n",
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a\r\n\r\n" * 50_000,
        b"To: " + b"a@b, " * 50_000 + b"c@d\r\n\r\n",
        b"To: " + b"(" * 50_000 + b"\r\n\r\n",
        b"To: " + b"g:" * 20_000 + b";" * 20_000 + b"\r\n\r\n",
        b"Subject: " + b"=?utf-8?q?=E2=82?= " * 10_000 + b"\r\n\r\n",
        b"Content-Type: text/plain;" + b" a*0*=x;" * 20_000 + b"\r\n\r\nx",
        b"Content-Type: text/html; charset=utf-7\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"!" * 100_000,
        b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (depth, depth) for depth in range(3_000)
        )
        + b"\r\nx",
        b"Content-Type: message/rfc822\r\n\r\n" * 5_000 + b"Subject: deep\r\n\r\nx",
        *(dice.randbytes(5_000) for _ in range(20)),
    ]
    with server.connect(timeout=SECONDS) as client:
        client.ok("CREATE Bombs")
        for bomb in bombs:
            client.append("Bombs", bomb)
        client.ok("SELECT Bombs")
        for number, bomb in enumerate(bombs, 1):
            [line] = client.ok(f"FETCH {number} BODY.PEEK[]").of("FETCH")
            got = line.literals[0] if line.literals else None
            expect(got == bomb.replace(b"\0", b"\x80") or len(bomb) < 200, number)
            for what in (
                "ENVELOPE",
                "BODYSTRUCTURE",
                "BODY",
                "BODY.PEEK[1.1.1.1.1]",
                "BODY.PEEK[HEADER.FIELDS (TO SUBJECT)]",
                "BINARY.PEEK[1]",
                "BINARY.SIZE[1]",
                "BODY.PEEK[1.MIME]",
                "BODY.PEEK[TEXT]<4294967295.1>",
            ):
                answer = client.command(f"FETCH {number} ({what})")
                expect(answer.status in ("OK", "NO"), number, what, answer)
        for key in (
            "TEXT xyz",
            "BODY xyz",
            "SUBJECT xyz",
            "TO xyz",
            "HEADER Content-Type mixed",
            "SENTSINCE 1-Jan-2000",
        ):
            client.ok(f"SEARCH {key}")
    fact(f"{len(bombs)} messages that are none, appended, fetched in all ways, searched")


def main():
    with Server() as server:
        besiege(server, (lines, floods, noise, injection, sasl, mail, half))


main()
