"""swaks, msmtp and curl against the running server: each extension as a real program uses it."""

import os
import shutil
import subprocess

from corpus import made
from house import PASSWORD, USER, Server, expect, fact
from smtp import Smtp

OTHER, OTHERS = "ben@example.org", "another password"


def swaks(server, *options, code=0, port=None, sender="bob@example.net", to=USER):
    """One mail by swaks; what it said and heard."""
    port = port or server.smtp_port
    command = ["swaks", "--server", "127.0.0.1", "--port", str(port), "--from", sender, "--to", to, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    expect(done.returncode == code, command, done.returncode, done.stdout[-3000:], done.stderr)
    return done.stdout


def main():
    with Server(settings="[server]\nname = 'localhost'\n") as server:
        server.run("account", "add", OTHER, "--password-stdin", input=f"{OTHERS}\n")
        mx(server)
        submission(server)
        msmtp(server)
        curl(server)
        chunks(server)
        counted(server)


def mx(server):
    heard = swaks(server, "--header", "Subject: plain")
    for extension in ("PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS"):
        expect(f"250-{extension}" in heard or f"250 {extension}" in heard, extension, heard)
    heard = swaks(server, "--tls", "--tls-ca-path", str(server.authority), "--header", "Subject: tls")
    expect("TLS started" in heard, heard)
    heard = swaks(server, "--pipeline", "--to", f"{USER},{OTHER}", "--header", "Subject: pipelined")
    swaks(server, "--ehlo", "client.example.net", "--body", "Grüße", "--header", "Subject: 8bit")
    swaks(server, "--protocol", "SMTP", "--header", "Subject: helo")
    # 24: no recipient was taken; 26: the message was not.
    swaks(server, to="nobody@example.org", code=24)
    swaks(server, to="bob@example.net", code=24)
    swaks(server, "--quit-after", "RCPT", to="postmaster@example.org")
    swaks(server, "--protocol", "LMTP", "--header", "Subject: lmtp", port=server.lmtp_port)
    heard = swaks(server, "--protocol", "LMTP", "--to", f"{USER},{OTHER}", "--header", "Subject: lmtp", port=server.lmtp_port)
    expect(heard.count("250 2.0.0 <") == 2, heard)
    fact("swaks: plain, STARTTLS, pipelined, 8 bits, HELO, LMTP to one and to two; strangers and relaying refused")


def submission(server):
    login = ("--auth-user", USER, "--auth-password", PASSWORD)
    for number, (mechanism, tls) in enumerate(
        (mechanism, tls) for mechanism in ("PLAIN", "LOGIN") for tls in ("--tls", "--tls-on-connect")
    ):
        port = server.submission_port if tls == "--tls" else server.submissions_port
        heard = swaks(server, tls, "--auth", mechanism, *login, port=port, sender=USER, to=OTHER)
        expect("235 2.7.0" in heard, heard)
    # 28: the log-in failed; 23: the sender was refused.
    wrong = ("--auth-user", USER, "--auth-password", "wrong")
    swaks(server, "--tls-on-connect", "--auth", "PLAIN", *wrong, port=server.submissions_port, sender=USER, code=28)
    swaks(server, "--tls-on-connect", port=server.submissions_port, sender=USER, code=23)
    swaks(server, "--tls-on-connect", "--auth", "PLAIN", *login, port=server.submissions_port, sender=OTHER, code=23)
    fact("swaks: submission with PLAIN and LOGIN, by STARTTLS and in TLS; wrong password, no log-in, other's name refused")


def msmtp(server):
    """As somebody sends from a script: no Date, no Message-ID; and with what RFC 3461 adds."""
    command = ["msmtp", "--host=127.0.0.1", f"--port={server.submissions_port}", "--tls=on", "--tls-starttls=off"]
    command += [f"--tls-trust-file={server.authority}", "--tls-host-override=localhost", "--auth=on", f"--user={USER}"]
    command += [f"--passwordeval=printf %s '{PASSWORD}'", f"--from={USER}", "--file=/dev/null"]
    for more in ([], ["--dsn-notify=failure,delay", "--dsn-return=hdrs"], ["--auth=scram-sha-256"], ["--auth=login"]):
        text = f"From: {USER}\nTo: {OTHER}\nSubject: by msmtp\n\nhello\n"
        done = subprocess.run([*command, *more, "--", OTHER], input=text, capture_output=True, text=True, timeout=60)
        expect(done.returncode == 0, done.stderr)
    with server.connect(user=OTHER, password=OTHERS) as imap:
        imap.ok("SELECT INBOX")
        [found] = imap.ok('SEARCH SUBJECT "by msmtp"').of("SEARCH")
        number = found.text.split()[2].decode()
        [line] = imap.ok(f"FETCH {number} BODY.PEEK[HEADER]").of("FETCH")
        header = line.literals[0]
        for field in (b"\r\nDate: ", b"\r\nMessage-ID: <", b"with ESMTPSA id ", b"Return-Path: <ann@example.org>\r\n"):
            expect(field in header, field, header)
    fact("msmtp: submitted over TLS, with and without DSN, with SCRAM-SHA-256, LOGIN and its own choice; Date and Message-ID were added")


def curl(server):
    """A From that is not one's own."""
    mail = server.folder / "mail"
    mail.write_bytes(made(1, subject="Curl"))
    command = ["curl", "--silent", "--verbose", "--cacert", str(server.authority), "--user", f"{USER}:{PASSWORD}"]
    command += [f"smtps://localhost:{server.submissions_port}", "--mail-from", USER]
    command += ["--mail-rcpt", OTHER, "--upload-file", str(mail)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    # Refused at the mail's end, and only there.
    expect(done.returncode != 0 and "< 550 5.7.1 The From" in done.stderr, done)
    mail.write_bytes(made(2, subject="Curl").replace(b"bob@example.org", USER.encode()))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    expect(done.returncode == 0, done)
    fact("curl: submitted over TLS; a From of somebody else here is refused")


def chunks(server):
    """BDAT, SIZE and SMTPUTF8, which none of these programs sends."""
    with Smtp(server.smtp_port) as client:
        client.say("EHLO x")
        message = made(3, 100_000, subject="Chunk")
        pieces = [message[at : at + 7_919] for at in range(0, len(message), 7_919)]
        client.send(f"MAIL FROM:<bob@example.net> SIZE={len(message)}\r\nRCPT TO:<{USER}>\r\n".encode())
        for piece in pieces:
            client.send(b"BDAT %d\r\n" % len(piece) + piece)
        client.send(b"BDAT 0 LAST\r\n")
        replies = [client.reply() for _ in range(len(pieces) + 3)]
        expect(all(reply.startswith("250") for reply in replies), replies)
        expect(client.say("MAIL FROM:<грета@пример.example> SMTPUTF8").startswith("250"))
        client.say("RSET")
        replies = client.deliver("bob@example.net", [USER], "Subject: Grüße\r\n\r\näöü\r\n".encode())
        expect(replies[-1][0].startswith("250"), replies)
    fact(f"BDAT in {len(pieces)} chunks in one write, SIZE, SMTPUTF8")


def counted(server):
    with server.connect() as imap:
        first = imap.status("INBOX")["MESSAGES"]
    with server.connect(user=OTHER, password=OTHERS) as imap:
        second = imap.status("INBOX")["MESSAGES"]
    # By swaks 7 and 2, by submission 4, by msmtp 4, by curl 1, and 2 more.
    expect((first, second) == (9, 11), first, second)
    server.no_defect()


if __name__ == "__main__":
    for program in ("swaks", "msmtp", "curl"):
        expect(shutil.which(program), f"{program} is missing")
    os.environ["LC_ALL"] = "C.UTF-8"
    main()
