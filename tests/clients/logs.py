"""The log answers: who failed to log in, what became of each message for each recipient, by one id from RCPT to the mailbox or
to the other server's 250; `trace` finds it, and fail2ban's own program finds the guessers with the filter in `images/fail2ban`.
"""

import json
import re
import shlex
import smtplib
import subprocess

from house import PASSWORD, ROOT, USER, Server, binary, expect, fact, until

NAME = "[server]\nname = 'mail.example.org'\n"
FILTER = ROOT / "images" / "fail2ban" / "filter.d" / "pillarbox.conf"
EVIL = 'x" address=198.51.100.7 reason=wrong-password'


def main():
    with Server(settings=NAME) as server, Server((("bob@example.net", PASSWORD),), NAME.replace("mail", "relay")) as relay:
        server.run("account", "quota", USER, "2M")
        server.run("rule", "add", USER, "--subject", "invoice", "--move", "Bills/This year")
        server.run("rule", "add", USER, "--subject", "casino", "--discard")
        log_ins(server)
        incoming(server)
        outgoing(server, relay)
        traced(server)
        guessers(server)


def events(server, word, **wanted):
    """The lines of the log that begin with a word and have these values."""
    found = []
    for line in server.log().splitlines():
        match = re.search(r"\[pillarbox::events[^\]]*\] (\w+) (.*)", line)
        if match and match.group(1) == word:
            pairs = dict(pair.split("=", 1) for pair in shlex.split(match.group(2)))
            if all(pairs.get(key.replace("_", "-")) == value for key, value in wanted.items()):
                found.append(pairs)
    return found


def one(server, word, **wanted):
    """The only such line."""
    until(lambda: events(server, word, **wanted), 20, (word, wanted))
    found = events(server, word, **wanted)
    expect(len(found) == 1, word, wanted, found, events(server, word))
    return found[0]


def log_ins(server):
    imap = server.connect(user=None)
    imap.command(f'LOGIN {USER} "wrong one"')
    imap.command('LOGIN nobody@example.org "wrong one"')
    imap.command('LOGIN "%s" "wrong one"' % EVIL.replace('"', '\\"'))
    with smtplib.SMTP("127.0.0.1", server.submission_port) as smtp:
        try:
            smtp.login(USER, "wrong one")
        except smtplib.SMTPAuthenticationError:
            pass
    for _ in range(3):
        server.connect().close()
    one(server, "login", result="failed", protocol="imap", user=USER, reason="wrong-password", address="127.0.0.1")
    one(server, "login", result="failed", protocol="imap", user="nobody@example.org", reason="unknown-user")
    one(server, "login", result="failed", protocol="imap", user=EVIL, address="127.0.0.1")
    expect(events(server, "login", result="failed", protocol="submission", user=USER), "none of submission")
    one(server, "login", result="ok", user=USER)  # the first of three
    expect(PASSWORD not in server.log() and "wrong one" not in server.log(), "a password is in the log")


def message(subject, number, extra=""):
    return f"From: eve@example.com\r\nSubject: {subject}\r\nMessage-ID: <{number}@example.com>\r\n\r\nhello {extra}\r\n"


def incoming(server):
    with smtplib.SMTP("127.0.0.1", server.smtp_port) as smtp:
        smtp.sendmail("eve@example.com", [USER], message("hello", 1))
        smtp.sendmail("eve@example.com", [USER], message("invoice 7", 2))
        smtp.sendmail("eve@example.com", [USER], message("casino", 3))
        for to in "nobody@example.org", "bob@elsewhere.example":
            expect(smtp.mail("eve@example.com")[0] == 250 and smtp.rcpt(to)[0] == 550, to)
            smtp.rset()
        smtp.mail("eve@example.com")
        smtp.rcpt(USER)
        code, said = smtp.data(message("hello", 4).replace("\r\n\r\n", "\r\n" + "Received: from x by y; x\r\n" * 101 + "\r\n"))
        expect(code == 554, code, said)
    mail = one(server, "mail", event="delivered", message_id="<1@example.com>")
    expect(mail["to"] == USER and mail["mailbox"] == "INBOX" and mail["uid"] and mail["from"] == "eve@example.com", mail)
    expect(mail["protocol"] == "smtp" and mail["address"] == "127.0.0.1" and mail["account"] == USER, mail)
    mail = one(server, "mail", event="delivered", message_id="<2@example.com>")
    expect(mail["mailbox"] == "Bills/This year" and mail["rule"] == "1", mail)
    expect(one(server, "mail", event="discarded", message_id="<3@example.com>")["rule"] == "2", "which rule")
    expect(one(server, "mail", event="refused", to="nobody@example.org")["reason"] == "unknown-user", "unknown")
    expect(one(server, "mail", event="refused", to="bob@elsewhere.example")["reason"] == "relay-denied", "relay")
    expect(one(server, "mail", event="refused", message_id="<4@example.com>")["reason"] == "loop", "loop")
    # The id is the one in the message, and in the answer to DATA.
    with smtplib.LMTP("127.0.0.1", server.lmtp_port) as lmtp:
        lmtp.sendmail("eve@example.com", [USER], message("by LMTP", 5))
    id = one(server, "mail", event="delivered", message_id="<5@example.com>", protocol="lmtp")["id"]
    imap = server.connect()
    heads = imap.messages("INBOX", "BODY.PEEK[HEADER]").values()
    head = b"".join(literal for _, literals in heads for literal in literals)
    expect(id.encode() in head, id, head)
    imap.close()
    # Full.
    with smtplib.SMTP("127.0.0.1", server.smtp_port) as smtp:
        smtp.ehlo("filler")
        expect(smtp.mail("eve@example.com", ["SIZE=3000000"])[0] == 250, "MAIL")
        expect(smtp.rcpt(USER)[0] == 452, "full")
    expect(one(server, "mail", event="refused", reason="mailbox-full")["to"] == USER, "full")
    fact("each recipient of each message has a line that says where it is, or why it was refused")


def outgoing(server, relay):
    server.run(
        *("smarthost", "set", "127.0.0.1", "--port", str(relay.smtp_port), "--plain"),
    )
    with smtplib.SMTP("127.0.0.1", server.submission_port) as smtp:
        smtp.login(USER, PASSWORD)
        text = message("out", 6).replace("eve@example.com", USER)
        smtp.sendmail(USER, ["bob@example.net", "zoe@example.net"], text)
    queued = one(server, "mail", event="queued", to="bob@example.net", message_id="<6@example.com>")
    expect(queued["user"] == USER, queued)
    sent = one(server, "mail", event="sent", to="bob@example.net")
    expect(sent["id"] == queued["id"] and sent["relay"].endswith(str(relay.smtp_port)), queued, sent)
    failed = one(server, "mail", event="failed", to="zoe@example.net")
    expect(failed["id"] == queued["id"] and failed["reply"].startswith("550 5.1.1"), failed)
    there = one(relay, "mail", event="delivered", message_id="<6@example.com>")
    expect(there["id"] in sent["reply"], "its number there is in its answer", sent, there)
    fact(f"one id from RCPT to the other server's answer: {queued['id']}, {sent['reply']!r}")


def traced(server):
    for what in "<6@example.com>", "6@example.com", "bob@example.net":
        lines = server.run("trace", what)
        expect("event=queued" in lines and "event=sent" in lines and "event=failed" in lines, what, lines)
    told = json.loads(server.run("trace", "<2@example.com>", "--json"))
    expect(len(told) == 1 and told[0]["when"] > 0 and "rule=1" in told[0]["line"], told)
    done = subprocess.run(
        [binary(), "trace", "nothing@example.com", "--data", server.data], capture_output=True, text=True, timeout=60
    )
    expect(done.returncode == 1 and "nothing@example.com" in done.stdout, done)


def guessers(server):
    """fail2ban's own reading of the real log: all guesses, from the address that they came from, and nobody else."""
    bad = len([pairs for pairs in events(server, "login", result="failed") if pairs["reason"] != "busy"])
    expect(bad >= 4, bad)
    found = fail2ban(server.log_file, "normal")
    expect(found == {"127.0.0.1": bad}, found, bad)
    refused = [pairs for pairs in events(server, "mail", event="refused") if pairs["reason"] in ("relay-denied", "unknown-user")]
    found = fail2ban(server.log_file, "aggressive")
    expect(found == {"127.0.0.1": bad + len(refused)}, found, bad, refused)
    fact(f"fail2ban finds {bad} failed log-ins, and with them {len(refused)} refused recipients")


def fail2ban(log, mode):
    done = subprocess.run(
        ["fail2ban-regex", "--out", "ip", str(log), f"{FILTER}[mode={mode}]"], capture_output=True, text=True, timeout=120
    )
    expect(done.returncode in (0, 1), done)
    found = {}
    for line in done.stdout.split():
        if re.fullmatch(r"[0-9a-f.:]+", line):
            found[line] = found.get(line, 0) + 1
    return found


if __name__ == "__main__":
    main()
