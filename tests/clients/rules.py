"""Where mail goes: aliases, +detail, catch-all, postmaster, rules, vacation answers, grace, and warnings of the quota.

Mail comes by LMTP; a client sees by IMAP what became of it. The owner's commands are given while the server runs (through
the admin socket) and while it does not."""

import re
import socket
import threading
import time

from house import USER, Server, expect, fact, until
from smtp import Smtp

BEA, CARL = "bea@example.org", "carl@other.example"
WORD = "another open sesame"
OUT = "out@elsewhere.example"


def main():
    with Server(settings="[server]\nname = 'mail.example.org'\n[delivery]\ngrace-percent = 20\n") as server:
        for address in (BEA, CARL):
            server.run("account", "add", address, "--password-stdin", input=f"{WORD}\n")
        addresses(server)
        details(server)
        rules(server)
        forwards(server)
        away(server)
        successes(server)
        commands(server)
        with Sink() as sink:
            outside(server, sink)
        expect("all is well" in server.run("check"))
    with Server(settings="[delivery]\ngrace-percent = 20\n") as server:
        server.run("account", "add", BEA, "--password-stdin", input=f"{WORD}\n")
        grace(server)
        warnings(server)
        moved_by_others(server)
        expect("all is well" in server.run("check"))


def mail(subject, to=USER, sender="Bob <bob@example.net>", size=0, **fields):
    """A mail of about so many octets."""
    lines = [f"From: {sender}", f"To: {to}", f"Subject: {subject}", f"Message-ID: <{time.monotonic_ns()}@example.net>"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    text = "\r\n".join([*lines, "", "Hello.", *["x" * 70] * (size // 72), ""])
    return text.encode()


def deliver(server, to, content, sender="bob@example.net"):
    """By LMTP; returns the code for each recipient that was not taken."""
    to = [to] if isinstance(to, str) else to
    with Smtp(server.lmtp_port) as lmtp:
        lmtp.say("LHLO check.example.net")
        _, *rcpts, data = lmtp.deliver(sender, to, content)
    if not isinstance(data, list):
        data, rcpts = [], rcpts[: len(to)]
    refused = {address: int(reply[:3]) for address, reply in zip(to, rcpts) if not reply.startswith("250")}
    taken = [address for address in to if address not in refused]
    refused.update({who: int(reply[:3]) for who, reply in zip(taken, data) if not reply.startswith("250")})
    return refused


def subjects(server, user, mailbox="INBOX"):
    """Subjects and flags in a mailbox, in their order; none where there is no such mailbox."""
    with server.connect(user=user, password=password(user)) as client:
        if client.command(f'EXAMINE "{mailbox}"').status != "OK":
            return []
        answer = client.ok("FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])") if count(client, mailbox) else None
        found = []
        for line in answer.of("FETCH") if answer else []:
            whole = b"".join(line.pieces)
            flags = re.search(rb"FLAGS \(([^)]*)\)", whole)[1].decode().replace("\\Recent", "").split()
            found.append((re.search(rb"Subject: ([^\r]*)", whole)[1].decode(), set(flags)))
        return found


def password(user):
    return "seven open sesames" if user == USER else WORD


def count(client, mailbox):
    return client.status(f'"{mailbox}"')["MESSAGES"]


def has(server, user, subject, mailbox="INBOX", times=1):
    found = [seen for seen, _ in subjects(server, user, mailbox)]
    expect(found.count(subject) == times, user, mailbox, subject, times, found)


class Sink:
    """A smarthost in plain text that takes everything: what it took, as (from, [to], content)."""

    def __init__(self):
        self.taken = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rwb") as stream:
            say = lambda text: (stream.write(text + b"\r\n"), stream.flush())
            say(b"220 sink.example.net ESMTP")
            sender, to = None, []
            for line in stream:
                word = line[:4].upper()
                if word == b"EHLO":
                    say(b"250-sink.example.net\r\n250-8BITMIME\r\n250 SMTPUTF8")
                    continue
                if word == b"MAIL":
                    sender, to = re.search(rb"<(.*?)>", line)[1].decode(), []
                elif word == b"RCPT":
                    to.append(re.search(rb"<(.*?)>", line)[1].decode())
                elif word == b"DATA":
                    say(b"354 Go on")
                    content = b"".join(iter(stream.readline, b".\r\n"))
                    self.taken.append((sender, sorted(to), content))
                elif word == b"QUIT":
                    return say(b"221 Bye")
                say(b"250 Fine")


def outside(server, sink):
    """What leaves: by alias, by rule, as an answer; with which envelope, and how often."""
    server.run("smarthost", "set", "127.0.0.1", "--port", sink.port, "--plain")
    server.run("alias", "add", "away@example.org", OUT, "far@elsewhere.example", USER)
    server.run("rule", "add", USER, "--subject", "go on", "--forward", "rule@elsewhere.example", "--discard")
    server.run("account", "vacation", USER, "--text", "I am on the Brocken.")
    envelopes = lambda: sorted((sender, tuple(to)) for sender, to, _ in sink.taken)
    expect(deliver(server, "away@example.org", mail("by alias", to="away@example.org")) == {})
    # The alias with a reverse path of its domain, so that SPF passes; the answer with none.
    by_alias = ("postmaster@example.org", ("far@elsewhere.example", OUT))
    answer = ("", ("bob@example.net",))
    until(lambda: len(sink.taken) >= 2, 20, "what an alias sends on, and an answer")
    expect(envelopes() == [answer, by_alias], envelopes())
    expect(deliver(server, USER, mail("go on")) == {})
    by_rule = (USER, ("rule@elsewhere.example",))
    until(lambda: len(sink.taken) >= 3, 20, "what a rule sends on")
    expect(envelopes() == [answer, by_rule, by_alias], envelopes())
    has(server, USER, "go on", times=0)
    # A bounce is kept, and its copy has no reverse path.
    expect(deliver(server, USER, mail("go on, bounce"), sender="") == {})
    until(lambda: len(sink.taken) >= 4, 20, "a bounce that a rule sends on")
    expect(envelopes()[0] == ("", ("bob@example.net",)) and ("", ("rule@elsewhere.example",)) in envelopes())
    has(server, USER, "go on, bounce")
    # What comes back again and again is sent on no more, and is here all the same.
    circle = b"Received: from x by mail.example.org with ESMTP; now\r\n" * 4
    expect(deliver(server, USER, circle + mail("go on in a circle")) == {})
    has(server, USER, "go on in a circle")
    time.sleep(1)
    expect(len(sink.taken) == 4, envelopes())
    server.run("account", "vacation", USER, "--off")
    server.run("alias", "remove", "away@example.org")
    server.run("smarthost", "remove")
    fact("sent on: by alias from its postmaster, by rule from the account, answers and bounces from nobody; no circle")


def addresses(server):
    for running in (True, False):
        if not running:
            server.stop()
        server.run("alias", "add", f"family{running}@example.org".lower(), USER, BEA, CARL)
        if not running:
            server.start()
    server.run("alias", "add", "all@example.org", "familytrue@example.org", "familyfalse@example.org", USER)
    server.run("alias", "add", "@other.example", BEA)
    listed = server.run("alias", "list")
    expect("all@example.org" in listed and "@other.example" in listed, listed)
    expect(deliver(server, ["ALL@example.org", "familytrue@example.org"], mail("to all")) == {})
    for user in (USER, BEA, CARL):
        has(server, user, "to all")
    expect(deliver(server, "anybody@other.example", mail("the rest")) == {})
    has(server, BEA, "the rest")
    has(server, CARL, "the rest", times=0)
    expect(deliver(server, "nobody@example.org", mail("no")) == {"nobody@example.org": 550})
    expect(deliver(server, "x@example.net", mail("no")).get("x@example.net", 0) >= 500)
    # Aliases in a circle, and one that leads to nobody, are not made.
    complaint = server.run("alias", "add", "one@example.org", "two@example.org", fails=True)
    expect("no account and no alias two@example.org" in complaint, complaint)
    server.run("alias", "add", "two@example.org", USER)
    server.run("alias", "add", "one@example.org", "two@example.org")
    complaint = server.run("alias", "add", "two@example.org", "one@example.org", fails=True)
    expect("two@example.org to one@example.org to two@example.org" in complaint, complaint)
    server.run("alias", "remove", "one@example.org")
    server.run("alias", "remove", "two@example.org")
    complaint = server.run("alias", "remove", "one@example.org", fails=True)
    expect("no alias one@example.org" in complaint, complaint)
    for name in ("postmaster", "postmaster@example.org", "PostMaster@mail.example.org"):
        expect(deliver(server, name, mail("to the postmaster")) == {}, name)
    has(server, USER, "to the postmaster", times=3)
    server.run("account", "alias", BEA, "postmaster@example.org")
    expect("postmaster@example.org" in server.run("account", "alias", BEA))
    expect(deliver(server, "postmaster@example.org", mail("to its alias")) == {})
    has(server, BEA, "to its alias")
    server.run("account", "alias", BEA, "postmaster@example.org", "--remove")
    complaint = server.run("alias", "add", BEA, USER, fails=True)
    expect("account" in complaint, complaint)
    # A domain without anybody in it: postmaster is there all the same.
    expect(deliver(server, "postmaster@added.example", mail("no")).get("postmaster@added.example", 0) >= 500)
    server.run("domain", "add", "Added.example")
    expect("added.example" in server.run("domain", "list"))
    expect(deliver(server, "postmaster@added.example", mail("to the added one")) == {})
    expect(deliver(server, "x@added.example", mail("no")) == {"x@added.example": 550})
    has(server, USER, "to the added one")
    server.run("domain", "remove", "added.example")
    server.run("domain", "remove", "added.example", fails=True)
    # An account takes the aliases along that lead to nobody else.
    server.run("account", "add", "dora@example.org", "--password-stdin", input=f"{WORD}\n")
    server.run("alias", "add", "info@example.org", "dora@example.org")
    server.run("account", "remove", "dora@example.org", "--yes")
    expect("info@example.org" not in server.run("alias", "list"))
    expect(deliver(server, "info@example.org", mail("gone")) == {"info@example.org": 550})
    # It comes back with them.
    server.run("account", "restore", "dora@example.org")
    expect(deliver(server, "info@example.org", mail("back again")) == {})
    server.run("account", "remove", "dora@example.org", "--yes", "--forever")
    fact("aliases: to several, nested, each gets one; catch-all, postmaster, circles")


def details(server):
    with server.connect() as client:
        client.ok("CREATE Lists")
    expect(deliver(server, "ann+lists@example.org", mail("detail 1")) == {})
    has(server, USER, "detail 1")
    server.run("account", "detail", USER, "existing")
    expect(deliver(server, "Ann+LISTS@example.org", mail("detail 2")) == {})
    expect(deliver(server, "ann+none@example.org", mail("detail 3")) == {})
    has(server, USER, "detail 2", "Lists")
    has(server, USER, "detail 3")
    server.run("account", "detail", USER, "make")
    expect(deliver(server, "ann+New@example.org", mail("detail 4")) == {})
    has(server, USER, "detail 4", "New")
    with server.connect() as client:
        expect(client.ok('LSUB "" New').of("LSUB"), "it can be seen")
    server.run("account", "detail", USER, "inbox")
    fact("+detail: to INBOX, to a mailbox that is there, to one that is made")


def rules(server):
    server.run("rule", "add", USER, "--subject", "größe", "--move", "Sizes", "--flag", "flagged", "--flag", "Work")
    server.run("rule", "add", USER, "--header", "List-Id: rust", "--move", "Lists", "--flag", "\\Seen", "--stop")
    server.run("rule", "add", USER, "--from", "spam@", "--discard")
    server.run("rule", "add", USER, "--to", "nobody-else", "--flag", "Never")
    encoded = "=?iso-8859-1?q?Die_GR=D6=DFE?="
    expect(deliver(server, USER, mail(encoded)) == {})
    expect(subjects(server, USER, "Sizes") == [(encoded, {"\\Flagged", "Work"})], subjects(server, USER, "Sizes"))
    expect(deliver(server, USER, mail("list", sender="spam@x", List_Id="<RUST.example>")) == {})
    expect(("list", {"\\Seen"}) in subjects(server, USER, "Lists"))
    expect(deliver(server, USER, mail("thrown away", sender="spam@x")) == {})
    has(server, USER, "thrown away", times=0)
    # The other way round, the third one goes first.
    server.run("rule", "move", USER, 3, 1)
    expect(deliver(server, USER, mail("thrown away list", sender="spam@x", List_Id="<rust.example>")) == {})
    has(server, USER, "thrown away list", "Lists", times=0)
    listed = server.run("rule", "list", USER)
    expect(listed.splitlines()[1].split()[:3] == ["1", "--from", '"spam@"'], listed)
    for _ in range(4):
        server.run("rule", "remove", USER, 1)
    server.run("rule", "remove", USER, 1, fails=True)
    server.run("rule", "add", USER, "--subject", "x", fails=True)
    server.run("rule", "add", USER, "--forward", "not an address", fails=True)
    fact("rules: decoded headers, order, stop, flags and keywords; mail filed, marked, thrown away")


def forwards(server):
    # To each other, and nowhere else: nobody loses it, and it ends.
    server.run("rule", "add", USER, "--subject", "pass on", "--forward", BEA, "--discard")
    server.run("rule", "add", BEA, "--subject", "pass on", "--forward", USER, "--discard")
    expect(deliver(server, USER, mail("pass on")) == {})
    has(server, BEA, "pass on")
    has(server, USER, "pass on", times=0)
    server.run("rule", "remove", USER, 1)
    server.run("rule", "remove", BEA, 1)
    fact("two who forward to each other: the mail is there once")


def away(server):
    server.run("account", "vacation", USER, "--text-stdin", "--days", 5, input="I am on the Brocken. Grüße!\n")
    shown = server.run("account", "vacation", USER)
    expect("Brocken" in shown and "5 days" in shown, shown)
    say = {"sender": f"<{BEA}>"}
    for _ in range(3):
        expect(deliver(server, USER, mail("are you there", **say), sender=BEA) == {})
    has(server, BEA, "Auto: are you there")
    expect(deliver(server, USER, mail("a list", List_Id="<x.example>", sender=f"<{CARL}>"), sender=CARL) == {})
    expect(deliver(server, USER, mail("blind", to="somebody@else.example", sender=f"<{CARL}>"), sender=CARL) == {})
    expect(deliver(server, USER, mail("robot", Auto_Submitted="auto-generated", sender=f"<{CARL}>"), sender=CARL) == {})
    expect([seen for seen, _ in subjects(server, CARL) if seen.startswith("Auto")] == [])
    with server.connect(user=BEA, password=WORD) as client:
        client.ok("SELECT INBOX")
        number = [seen for seen, _ in subjects(server, BEA)].index("Auto: are you there") + 1
        answer = b"".join(client.ok(f"FETCH {number} BODY.PEEK[]").of("FETCH")[0].pieces)
        for field in (b"Auto-Submitted: auto-replied", b"In-Reply-To: <", b"References:", b"To: <bea@example.org>"):
            expect(field in answer, field, answer)
    # It ends, and who was answered is not answered any more.
    server.run("account", "vacation", USER, "--text", "Again", "--begins", "2020-01-01", "--ends", "2020-01-31")
    expect(deliver(server, USER, mail("after it", **say), sender=BEA) == {})
    has(server, BEA, "Auto: after it", times=0)
    server.run("account", "vacation", USER, "--off")
    fact("vacation: answered once, with the manners of RFC 3834; lists, robots and blind copies not at all")


def successes(server):
    """Who wants to know that it was delivered is told, by way of the queue (RFC 3461 §4.1)."""
    with Smtp(server.lmtp_port) as lmtp:
        lmtp.say("LHLO check.example.net")
        for line in (f"MAIL FROM:<{BEA}> ENVID=e1", f"RCPT TO:<{USER}> NOTIFY=SUCCESS", f"RCPT TO:<{CARL}>"):
            expect(lmtp.say(line).startswith("250"), line)
        expect(lmtp.say("DATA").startswith("354"))
        lmtp.send(mail("tell me", to=f"{USER}, {CARL}", sender=f"<{BEA}>") + b".\r\n")
        expect([lmtp.reply()[:3] for _ in range(2)] == ["250", "250"])
    until(lambda: "tell me" in [seen for seen, _ in subjects(server, USER)], 20, "a mail by way of the queue")
    has(server, USER, "tell me")
    has(server, CARL, "tell me")
    with server.connect(user=BEA, password=WORD) as client:
        told = lambda: client.ok("SELECT INBOX") and client.ok("SEARCH TEXT e1 TEXT delivered TEXT " + USER)
        until(lambda: told().of("SEARCH")[0].text != b"* SEARCH", 20, "the report of success")
        expect(len(told().of("SEARCH")[0].text.split()) == 3, "one report")
    fact("NOTIFY=SUCCESS of a recipient here: one report, and the mail once")


def commands(server):
    """The same without the server."""
    server.stop()
    server.run("rule", "add", USER, "--subject", "later", "--move", "Later")
    server.run("alias", "add", "later@example.org", USER, OUT)
    server.run("account", "vacation", USER, "--text", "Later", "--begins", "2090-01-01")
    server.start()
    expect("Later" in server.run("rule", "list", USER) and OUT in server.run("alias", "list"))
    expect(deliver(server, "later@example.org", mail("later")) == {})
    has(server, USER, "later", "Later")
    server.run("alias", "remove", "later@example.org", OUT)
    expect(OUT not in server.run("alias", "list"))
    fact("what was said without the server holds in it")


def grace(server):
    server.run("account", "quota", BEA, "100K")
    for _ in range(2):
        expect(deliver(server, BEA, mail("a half", size=50 << 10)) == {})
    expect(deliver(server, BEA, mail("into the grace", size=8 << 10)) == {})
    refused = deliver(server, BEA, mail("too much", size=20 << 10))
    expect(refused == {BEA: 452}, refused)
    server.run("account", "quota", BEA, "none")
    fact("a delivery goes 20 per cent over the quota, and no further")


def warned(server, user, level):
    """How often an account was warned of this level."""
    wanted = "Your mailbox is full" if level == 100 else f"Your mailbox is {level} % full"
    return [seen for seen, _ in subjects(server, user)].count(wanted)


def all_warnings(server, user):
    return len([seen for seen, _ in subjects(server, user) if seen.startswith("Your mailbox is")])


def alerts(client, text):
    """Waits in IDLE for an alert; returns the seconds that it took."""
    began = time.monotonic()
    while time.monotonic() < began + 10:
        line = client.line().text
        if line.startswith(b"* OK [ALERT]"):
            expect(text.encode() in line, line)
            return time.monotonic() - began
    raise AssertionError(f"no alert: {text}")


def warnings(server):
    with server.connect() as idle, server.connect() as busy, server.connect() as outside:
        outside.send(b"o IDLE\r\n")
        expect(outside.line().text.startswith(b"+"))
        # It is told in any mailbox, not only where the warning comes in.
        idle.ok("SELECT Archive")
        tag = idle.begin("IDLE")
        expect(idle.line().text.startswith(b"+"))
        server.run("account", "quota", USER, "200K")
        for _ in range(3):
            expect(deliver(server, USER, mail("fills it", size=55 << 10)) == {})
        took = alerts(idle, "80 %")
        alerts(outside, "80 %")
        until(lambda: warned(server, USER, 80) == 1, 10, "the warning of 80 %")
        expect(deliver(server, USER, mail("fills more", size=28 << 10)) == {})
        alerts(idle, "95 %")
        idle.send(b"DONE\r\n")
        expect(idle.end(tag).status == "OK")
        # Who does not idle hears of it with the next command.
        answer = busy.ok("NOOP")
        expect([line for line in answer.lines if b"[ALERT]" in line.text], answer)
        expect(warned(server, USER, 95) == 1 and warned(server, USER, 80) == 1)
        # Room, and full again: told again. Lowering the quota is a crossing, too.
        busy.ok("SELECT INBOX")
        busy.ok("STORE 1:* +FLAGS (\\Deleted)")
        busy.ok("EXPUNGE")
        time.sleep(1)
        expect(deliver(server, USER, mail("fills it", size=170 << 10)) == {})
        until(lambda: warned(server, USER, 80) == 1, 10, "the warning of 80 %, again")
        server.run("account", "quota", USER, "100K")
        until(lambda: warned(server, USER, 100) == 1, 10, "the warning of a lowered quota")
        # A restart repeats nothing.
        server.restart()
        time.sleep(1)
        expect((warned(server, USER, 80), warned(server, USER, 95), warned(server, USER, 100)) == (1, 0, 1))
    fact(f"warned at 80, 95 and 100 %, once each; an idle session was alerted after {took * 1000:.0f} ms")


def moved_by_others(server):
    """Whatever moves the usage: APPEND, COPY, an import without the server; and a kill between."""
    server.run("account", "quota", BEA, "none")
    with server.connect(user=BEA, password=WORD) as client:
        client.ok("SELECT INBOX")
        client.ok("STORE 1:* +FLAGS (\\Deleted)")
        client.ok("EXPUNGE")
        server.run("account", "quota", BEA, "200K")
        client.append("INBOX", mail("appended", size=85 << 10))
        client.ok("NOOP")
        client.ok("COPY 1 Archive")
        until(lambda: warned(server, BEA, 80) == 1, 10, "the warning after COPY")
        client.ok("STORE 1:* +FLAGS (\\Deleted)")
        client.ok("EXPUNGE")
    time.sleep(1)
    told = all_warnings(server, BEA)
    server.stop()
    file = server.folder / "one.eml"
    file.write_bytes(mail("imported", size=100 << 10))
    server.run("import", BEA, file)
    server.start()
    until(lambda: all_warnings(server, BEA) == told + 1, 10, "the warning after an import")
    told += 1
    for _ in range(10):
        server.run("account", "quota", BEA, "none")
        time.sleep(0.6)
        server.run("account", "quota", BEA, "150K")
        server.kill()
        server.start()
        told += 1
        until(lambda: all_warnings(server, BEA) >= told, 10, "the warning after a kill")
    time.sleep(1)
    expect(all_warnings(server, BEA) == told, told, subjects(server, BEA))
    fact("after APPEND, COPY, an import without the server; ten kills at the moment of a crossing lost and doubled none")


main()
