"""Bad input over POP3: each is answered by -ERR or the end, in bounded memory, without a defect, and nobody notices."""

import random

from house import PASSWORD, USER, Server, expect, fact
from imap import Closed, Refused
from siege import Wire, besiege, crowd_in, no_handshakes, quietly, sasl_answers

SEED = 1725
LOGIN = f"USER {USER}\r\nPASS {PASSWORD}\r\n".encode()
# Asked behind a line: its answer, which no other command has, says that the line was answered (RFC 6856 §3.2).
ASK, TOLD = b"\r\nLANG *\r\n", b"+OK en "
LONG = 10 << 20
PIPELINED = 20_000
BIG = [b"0", b"-1", b"4294967295", b"4294967296", b"4294967297", b"18446744073709551615", b"18446744073709551616"]
BIG += [b"9" * 400, b"1.5", b"0x1", b"+1", b"1e0", b"1,2", b"1:2", b"*", b"\xd9\xa3", b"NaN"]


class Raw(Wire):
    """A raw connection, logged in or not."""

    def __init__(self, server, login=True):
        super().__init__(server.pop3_port)
        if login:
            self.say(LOGIN)
        while self.heard.count(b"\r\n") < (3 if login else 1):
            self.more()
        expect(b"-ERR" not in self.heard, self.heard)
        self.heard = b""

    def answers(self, line):
        """The lines that answer a line; None where it was the end of the connection."""
        self.heard = b""
        try:
            self.say(line + ASK)
            self.until(TOLD)
            at = self.heard.index(TOLD)
            while b"\r\n" not in self.heard[at:]:
                self.more()
            return self.heard[:at].split(b"\r\n")[:-1]
        except (Closed, ConnectionError):
            quietly(self.rest)
            expect(b"-ERR" in self.heard or b"+OK" in self.heard, "closed without a word", line[:80])
            return None


def refused(server, kind, lines, login, one=True):
    """Each of these lines is answered -ERR, by one line unless they are several; or that is the end."""
    raw, ended = Raw(server, login), 0
    for line in lines:
        answers = raw.answers(line)
        if answers is None:
            expect(not login, "the end after log-in", line[:80])
            raw.socket.close()
            raw, ended = Raw(server, login), ended + 1
            continue
        expect(all(answer.startswith(b"-ERR") for answer in answers), line[:80], answers[:5])
        expect(len(answers) == 1 or not one, line[:80], answers[:5])
    raw.socket.close()
    fact(f"{kind}, {'after' if login else 'before'} log-in: {len(lines)} refused, {ended} of them with the end")


def lines(server):
    """What is no command, or one that must not be."""
    commands = [b"RETR", b"DELE", b"LIST", b"UIDL"]
    numbers = [command + b" " + number for command in commands for number in BIG]
    numbers += [b"TOP " + number + b" 1" for number in BIG]
    numbers += [b"TOP 1 " + number for number in BIG if not number.isdigit()]
    numbers += [b"RETR", b"DELE", b"TOP", b"TOP 1", b"RETR 1 1", b"LIST 1 1", b"TOP 1 1 1", b"DELE 1 2"]
    octets = [b"", b" ", b"\t", b"\x00", b"\x00" * 1_000, b"STAT\x00", b"ST\x00AT", b"RETR 1\x00", b"\xff\xfe"]
    octets += [b"STA\xd4"]
    octets += [b"LIST \xff", b"UIDL \xc3\x28", b"LANG \xff\xfe", b"AUTH \xff", b" STAT", b"STAT\t1\x00"]
    octets += [
        b"+OK",
        b"-ERR x",
        b".",
        b"..",
        b"XYZZY",
        b"RETR1",
        b"TOP\x001 1",
        b"R\xc3\x89TR 1",
        b"PASS " + b"\x00" * 9,
    ]
    for login in (True, False):
        refused(server, "numbers", numbers, login)
        refused(server, "octets", octets, login)
    refused(server, "commands of another state", [b"STLS", b"USER x", b"PASS x", b"AUTH PLAIN", b"AUTH", b"UTF8"], True)
    refused(server, "commands of another state", [b"STAT", b"LIST", b"RETR 1", b"TOP 1 1", b"DELE 1", b"RSET"], False)

    dice, told = random.Random(SEED), {b"+": 0, b"-": 0}
    honest = [b"RETR 12", b"TOP 1 20", b"LIST 3", b"UIDL 5", b"STAT", b"CAPA", b"NOOP", b"RSET", b"LANG de", b"DELE 2"]
    raw = Raw(server)
    for _ in range(2_000):
        line = bytearray(dice.choice(honest))
        for _ in range(dice.randint(1, 3)):
            at = dice.randrange(len(line) + 1)
            other = dice.choice([b"\x00", b"\r", b" ", b"\xff", b"9", b"-", b"A", b""])
            line[at : at + dice.choice([0, 0, 0, 1])] = other
        answers = raw.answers(bytes(line))
        expect(answers and answers[0][:1] in told, bytes(line), answers)
        told[answers[0][:1]] += 1
    raw.socket.close()
    fact(f"garbled: {told[b'+']} answered +OK, {told[b'-']} -ERR")


def tolerated(server):
    """What old clients send and is understood: lone LF, lower case, spaces at the end."""
    with Raw(server, login=False) as raw:
        raw.say(b"auth \ncapa\nAUTH \r\nuser " + USER.encode() + b"\npass " + PASSWORD.encode() + b"\n")
        raw.say(b"stat\nStat \r\nlist 1\nReTr 1 \ntop  1  0\nuidl \nnoop\nquit\n")
        raw.rest()
        status = [line[:1] for line in raw.heard.split(b"\r\n") if line.startswith((b"+OK", b"-ERR"))]
        expect(status == [b"+"] * 13, raw.heard[:3_000])


def at_once(server):
    """A whole session in one write, in plain text and in TLS; and one whose password is wrong."""
    login = ["CAPA", f"USER {USER}", "PASS {}"]
    rest = "STAT/LIST/UIDL/RETR 1/RETR 99999/TOP 2 0/DELE 1/RETR 1/RSET/NOOP/QUIT".split("/")
    for tls in (False, True):
        for password, wanted in ((PASSWORD, "+++++++-++-+++"), ("another word", "++-----------+")):
            with server.pop3(tls, user=None) as client:
                commands = "\n".join([*login, *rest]).format(password).split("\n")
                client.send(*commands, "STAT")
                status = ""
                for command in commands:
                    try:
                        client.answer()
                        status += "+"
                        if command[:4] in ("CAPA", "LIST", "UIDL", "RETR", "TOP "):
                            client.lines()
                    except Refused:
                        status += "-"
                expect(status == wanted, status)
                try:
                    expect(False, "answered after QUIT", client.line())
                except (Closed, ConnectionError):
                    pass
    expect("another word" not in server.log() and PASSWORD not in server.log(), "a password is in the log")
    fact("a session in one write is answered like one that waits")


def floods(server):
    """Lines of 10 MB, thousands of commands, and a client that asks for much and reads nothing."""
    for name, octets in {
        "x": b"x" * LONG,
        "spaces": b" " * LONG,
        "NULs": b"\x00" * LONG,
        "a name": b"USER " + b"y" * LONG,
        "a password": b"PASS " + b"y" * LONG,
        "a number": b"RETR " + b"1" * LONG,
        "a mechanism": b"AUTH " + b"X" * LONG,
        "an answer": b"AUTH PLAIN\r\n" + b"QUFB" * (LONG // 4),
        "CRs": b"\r" * LONG,
        "empty lines": b"\r\n" * (LONG // 16),
    }.items():
        for login in (False, True):
            with Raw(server, login) as raw, raw.pouring(octets + ASK):
                refusals = 0
                try:
                    while TOLD not in raw.heard:
                        raw.more()
                        refusals += raw.heard.count(b"-ERR")
                        raw.heard = raw.heard[-40:].replace(b"-ERR", b"")
                except (Closed, ConnectionError):
                    pass
                expect(refusals, name, raw.heard)
    fact("lines of 10 MB: refused, before and after log-in")

    with Raw(server) as raw, raw.pouring(b"NOOP\r\nRETR 1\r\nUIDL 1\r\nRETR 0\r\n" * PIPELINED + ASK):
        ok = bad = 0
        tail = b"\r\n"
        while TOLD not in tail:
            raw.heard = b""
            raw.more()
            whole = tail + raw.heard
            ok += whole.count(b"\r\n+OK") - tail.count(b"\r\n+OK")
            bad += whole.count(b"\r\n-ERR") - tail.count(b"\r\n-ERR")
            tail = whole[-30:]
    # One more of each: the question behind them begins with an empty line.
    expect((ok, bad) == (3 * PIPELINED + 1, PIPELINED + 1), ok, bad)
    fact(f"{4 * PIPELINED:,} commands in one write: each answered")

    with server.connect() as client:
        client.append("INBOX", b"Subject: large\r\n\r\n" + (b"." * 70 + b"\r\n") * 100_000)
    with Raw(server) as raw:
        raw.socket.settimeout(0.5)
        quietly(raw.say, b"STAT\r\n" + b"LIST\r\nRETR 21\r\n" * 100_000)
        server.peak_is_bounded("with 700 GB asked for and not read")


def noise(server):
    """Random octets, cut anywhere, and in TLS's place."""
    dice, ended = random.Random(SEED + 1), 0
    for number in range(300):
        with Raw(server, login=number % 3 == 0) as raw:
            octets = dice.randbytes(dice.randint(1, 4_000))
            try:
                for at in range(0, len(octets), 700):
                    raw.say(octets[at : at + 700])
                if number % 2:
                    ended += raw.answers(b"") is None
            except ConnectionError:
                ended += 1
    fact(f"300 connections of random octets: {ended} ended with -ERR, the others went on or went")
    no_handshakes(server.pop3s_port, LOGIN, SEED + 2)


def others(server):
    """What is meant for other servers, and what comes in plain text behind STLS: nothing of it is obeyed."""
    for talk in (
        b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nUser-Agent: x\r\nConnection: close\r\nA: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 60\r\nOrigin: null\r\n"
        b"A: b\r\n\r\n" + LOGIN + b"DELE 1\r\nQUIT\r\n",
        b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: x\r\n\r\n.\r\n" + LOGIN + b"STAT\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n" * 6,
        b"a1 CAPABILITY\r\na2 LOGIN x y\r\na3 SELECT INBOX\r\na4 FETCH 1 BODY[]\r\na5 LOGOUT\r\n" + LOGIN,
    ):
        with Raw(server, login=False) as raw:
            quietly(raw.say, talk)
            quietly(raw.rest)
            expect(b"-ERR" in raw.heard and b"+OK" not in raw.heard, talk[:40], raw.heard)
    context = server.trust()
    for after in (LOGIN + b"STAT\r\n", b"CAPA\r\n", b"QUIT\r\n", b"US", b"\x16\x03\x01"):
        raw = Raw(server, login=False)
        raw.say(b"USER " + USER.encode() + b"\r\n")
        raw.until(b"\r\n")
        raw.heard = b""
        raw.say(b"STLS\r\n" + after)
        raw.until(b"\r\n")
        try:
            with context.wrap_socket(raw.socket, server_hostname="localhost") as secure:
                secure.sendall(b"PASS " + PASSWORD.encode() + ASK)
                heard = b""
                while TOLD not in heard:
                    heard += secure.recv(1_000)
                # USER from before is forgotten as well (RFC 2595 §4).
                expect(heard.startswith(b"-ERR") and heard.count(b"\r\n") <= 2, heard)
        except (OSError, ValueError):
            pass  # the plain text was taken for TLS, and that was the end
        expect(raw.heard.count(b"\r\n") == 1, "obeyed in plain text", raw.heard)
    fact("HTTP, SMTP, SSH, IMAP, STLS with commands behind it: nothing of it is obeyed")


def sasl(server):
    """Answers in SASL that are none, sent along and sent when asked for."""
    for mechanism in (b"PLAIN", b"SCRAM-SHA-256", b"plain", b"LOGIN", b"NONE", b"X" * 1_000):
        for answer in sasl_answers(SEED + 3):
            for between in (b" ", b"\r\n"):
                with Raw(server, login=False) as raw:
                    raw.answers(b"AUTH " + mechanism + between + answer + b"\r\n*")
                    heard = raw.heard.split(TOLD)[0]
                    expect(b"+OK" not in heard and b"-ERR" in heard, mechanism, between, answer[:50], heard)
    with server.pop3(tls=True) as client:  # nobody is kept out by all this
        client.quit()


def half(server):
    """Sessions that never go on."""
    starts = [b"", b"U", LOGIN[:10], b"AUTH PLAIN\r\n", b"AUTH PLAIN\r\nAAAA", b"STLS\r\n", b"STLS\r\n\x16\x03\x01"]
    starts += [b"x" * 60_000, b"\xff" * 9_000, b"CAPA\r\n" * 500, b"AUTH PLAIN " + b"A" * 7_000, LOGIN[:-2]]
    inside = [b"", b"LIST\r\nRET", b"RETR 21\r\n" * 50, b"DELE 1\r\nQUI", b"UIDL\r\n" * 1_000]

    def beginning(number):
        # All but one of those who log in find the maildrop in use.
        return starts[number % len(starts)] if number % 20 else LOGIN + inside[number // 20 % len(inside)]

    crowd_in(server, server.pop3_port, beginning, server.pop3)


def main():
    with Server() as server:
        besiege(server, (lines, tolerated, at_once, floods, noise, others, sasl, half))


main()
