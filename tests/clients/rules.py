"""Where mail goes: aliases, +detail, catch-all, postmaster, rules, vacation answers, grace, and warnings of the quota.

Mail comes by LMTP; a client sees by IMAP what became of it. The owner's commands are given while the server runs (through
the admin socket) and while it does not."""

import re
import smtplib
import time

from house import USER, Server, expect, fact, until

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
        commands(server)
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
    with smtplib.LMTP("127.0.0.1", server.lmtp_port) as lmtp:
        try:
            return {address: code for address, (code, _) in lmtp.sendmail(sender, to, content).items()}
        except smtplib.SMTPRecipientsRefused as refused:
            return {address: code for address, (code, _) in refused.recipients.items()}
        except smtplib.SMTPDataError as refused:
            return dict.fromkeys(to, refused.smtp_code)


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
    # Aliases in a circle.
    server.run("alias", "add", "one@example.org", "two@example.org")
    server.run("alias", "add", "two@example.org", "one@example.org")
    expect(deliver(server, "one@example.org", mail("circle")).get("one@example.org", 0) >= 500)
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
    # An account takes the aliases along that lead to nobody else.
    server.run("account", "add", "dora@example.org", "--password-stdin", input=f"{WORD}\n")
    server.run("alias", "add", "info@example.org", "dora@example.org")
    server.run("account", "remove", "dora@example.org")
    expect("info@example.org" not in server.run("alias", "list"))
    expect(deliver(server, "info@example.org", mail("gone")) == {"info@example.org": 550})
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
    expect(listed.splitlines()[0].split()[:3] == ["1", "--from", '"spam@"'], listed)
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
    with server.connect() as idle, server.connect() as busy:
        # It is told in any mailbox, not only where the warning comes in.
        idle.ok("SELECT Archive")
        tag = idle.begin("IDLE")
        expect(idle.line().text.startswith(b"+"))
        server.run("account", "quota", USER, "200K")
        for _ in range(3):
            expect(deliver(server, USER, mail("fills it", size=55 << 10)) == {})
        took = alerts(idle, "80 %")
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
    server.stop()
    file = server.folder / "one.eml"
    file.write_bytes(mail("imported", size=100 << 10))
    server.run("import", BEA, file)
    server.start()
    until(lambda: warned(server, BEA, 80) + warned(server, BEA, 95) == 1, 10, "the warning after an import")
    told = all_warnings(server, BEA)
    for _ in range(10):
        server.run("account", "quota", BEA, "none")
        time.sleep(0.6)
        server.run("account", "quota", BEA, "190K")
        server.kill()
        server.start()
        told += 1
        until(lambda: all_warnings(server, BEA) >= told, 10, "the warning after a kill")
    time.sleep(1)
    expect(all_warnings(server, BEA) == told, told, subjects(server, BEA))
    fact("after APPEND, COPY, an import without the server; ten kills at the moment of a crossing lost and doubled none")


main()
