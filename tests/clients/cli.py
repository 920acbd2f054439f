"""The command line, with the server running and without it: accounts, import, status, check, certificates."""

import json
import mailbox as boxes
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import terminal
from corpus import made
from house import USER, Server, binary, expect, fact, until
from imap import Closed, Refused


def main():
    with Server() as server:
        for running in (True, False):
            server.running = running
            if not running:
                server.stop()
            accounts(server)
            at_a_terminal(server)
            imports(server)
            said(server)
        server.start()
        meanwhile(server)
        logged(server)
        expect("all is well" in server.run("check"))
    certificates()
    wrong_arguments()


def at_a_terminal(server):
    """Who sits at a terminal is asked before an account goes."""
    server.run("account", "add", "term@example.org", "--password-stdin", input="a password\n")
    command = [binary(), "account", "remove", "term@example.org", "--data", str(server.data)]
    code, shown = terminal.run(command, 60, b"no\n")
    expect(code == 1 and "Remove term@example.org" in shown and "nothing was removed" in shown, code, shown)
    expect("term@example.org" in server.run("account", "list"))
    code, shown = terminal.run(command, 60, b"yes\n")
    expect(code == 0 and "kept for 30 days" in shown, code, shown)
    expect("term@example.org" not in server.run("account", "list"))
    server.run("account", "remove", "term@example.org", "--yes", "--forever")


def log_in(server, user, password):
    """Whether this password opens this account; starts the server for it if it does not run."""
    if not server.running:
        server.start()
    try:
        server.connect(user=user, password=password).close()
        return True
    except Refused as refused:
        expect("[AUTHENTICATIONFAILED]" in str(refused), refused)
        return False
    finally:
        if not server.running:
            server.stop()


def accounts(server):
    user = "Börte@Example.org" if server.running else "carl@example.org"
    server.run("account", "add", user, "--password-stdin", "--quota", "5M", input="first word\n")
    listed = server.run("account", "list")
    expect("of 5 MiB" in listed and USER in listed, listed)
    name = next(line.split()[0] for line in listed.splitlines() if line.lower().startswith(user.split("@")[0].lower()))
    complaint = server.run("account", "add", user, "--password-stdin", input="x\n", fails=True)
    expect("already" in complaint, complaint)
    if name.isascii():
        expect(log_in(server, name, "first word") and not log_in(server, name, "second word"))
        server.run("account", "passwd", name, "--password-stdin", input="second word\n")
        expect(log_in(server, name, "second word") and not log_in(server, name, "first word"))
        # Without a password given, one is made and printed.
        shown = server.run("account", "passwd", name)
        expect(log_in(server, name, re.search(r"password +(\S+)", shown)[1]), shown)
    server.run("account", "quota", name, "2G", "--messages", "1000")
    shown = server.run("account", "show", name)
    expect("2 GiB" in shown and "1000" in shown and "INBOX" in shown and "Trash" in shown, shown)
    complaint = server.run("account", "remove", name, fails=True)
    expect("--yes" in complaint and name in server.run("account", "list"), complaint)
    server.run("account", "remove", name, "--yes")
    expect(name not in server.run("account", "list") and name in server.run("account", "list", "--removed"))
    expect(not log_in(server, name, "second word") if name.isascii() else True)
    server.run("account", "restore", name)
    expect("2 GiB" in server.run("account", "show", name), "its quota comes back")
    server.run("account", "remove", name, "--yes", "--forever")
    server.run("account", "restore", name, fails=True)
    for command in (("show",), ("passwd", "--password-stdin"), ("remove",), ("quota", "1G")):
        complaint = server.run("account", command[0], "nobody@example.org", *command[1:], input="x\n", fails=True)
        expect("nobody@example.org" in complaint or "no account" in complaint.lower(), complaint)
    for weak in ("a", "seven77", "password", "Passw0rd!", "12345678", "ann12345", "pillarbox1"):
        for command in (("add", "ann@weak.example"), ("passwd", USER)):
            complaint = server.run("account", *command, "--password-stdin", input=f"{weak}\n", fails=True)
            expect("password" in complaint, weak, complaint)
    for command, thing in (
        (("alias", "remove", "zz@example.org"), "no alias zz@example.org"),
        (("rule", "remove", USER, 7), "no rule 7"),
        (("domain", "remove", "zz.example"), "no domain zz.example"),
        (("domain", "dns", "zz.example"), "zz.example is not ours"),
        (("account", "quota", USER, 10), "10 GiB"),
        (("account", "restore", "zz@example.org"), "no removed account zz@example.org"),
    ):
        complaint = server.run(*command, fails=True)
        expect(thing in complaint, command, complaint)
    for command, none in (
        (("alias", "list"), "There are no aliases.\n"),
        (("mirror", "list"), "There are no mirrors.\n"),
        (("queue",), "Nothing waits to go out.\n"),
        (("rule", "list", USER), "There are no rules.\n"),
        (("account", "vacation", USER), "There is no vacation answer.\n"),
        (("account", "list", "--removed"), "There are no removed accounts.\n"),
    ):
        expect(server.run(*command) == none, command, server.run(*command))
        found = json.loads(server.run(*command, "--json"))
        expect(not found, command, found)
    for command in (("account", "list"), ("account", "show", USER), ("domain", "list"), ("status",), ("smarthost", "show")):
        json.loads(server.run(*command, "--json"))
    server.run("account", "quota", USER, "2", "GB")
    expect("2 GiB" in server.run("account", "show", USER))
    server.run("account", "quota", USER, "none")
    for wrong in ("", "ann", "@example.org", "ann@", "a b@example.org", "ann@example.org\n"):
        server.run("account", "add", wrong, "--password-stdin", input="x\n", fails=True)


def imports(server):
    """A Maildir with subfolders and flags, single messages, an mbox; what is wrong with one harms no other."""
    folder = server.folder / f"import-{server.running}"
    folder.mkdir()
    maildir = boxes.Maildir(folder / "Maildir")
    for number, flags in enumerate(("", "S", "FRS", "D", "T")):
        message = boxes.MaildirMessage(made(number))
        message.set_flags(flags)
        if flags:
            message.set_subdir("cur")
        maildir.add(message)
    maildir.add_folder("Work").add(made(10))
    maildir.add_folder("Work.Deep").add(made(11))
    letters = folder / "letters" / "old"
    letters.mkdir(parents=True)
    for number in range(3):
        (letters / f"{number}.eml").write_bytes(made(20 + number))
    (letters / "notes.pdf").write_bytes(b"%PDF-1.4")
    (letters / "empty.eml").write_bytes(b"")
    os.symlink(letters, letters / "circle")
    box = folder / "old mail"
    box.write_bytes(
        b"".join(
            b"From a@b Mon Feb  3 10:00:00 2003\n" + made(number).replace(b"\r\n", b"\n") + b"\n" for number in range(4)
        )
    )

    user = f"import{int(server.running)}@example.org"
    server.run("account", "add", user, "--password-stdin", input="a password\n")
    server.run("import", user, folder / "Maildir")
    server.run("import", user, folder / "letters", box, "--mailbox", "Überall/Alt")
    server.run("import", user, folder / "nowhere", fails=True)
    server.run("import", "nobody@example.org", box, fails=True)
    if not server.running:
        server.start()
    with server.connect(user=user, password="a password") as client:
        flags = sorted(flags for flags, _ in client.messages("INBOX").values())
        wanted = [(), ("\\Answered", "\\Flagged", "\\Seen"), ("\\Deleted",), ("\\Draft",), ("\\Seen",)]
        expect([tuple(sorted(each)) for each in flags] == sorted(wanted), flags)
        names = client.mailboxes()
        expect("Work" in names and "Work/Deep" in names and "&ANw-berall/Alt" in names, names)
        expect(client.status('"&ANw-berall/Alt"')["MESSAGES"] == 7, client.status('"&ANw-berall/Alt"'))
        bodies = client.messages("Work/Deep", "FLAGS BODY.PEEK[]")
        expect([body for _, [body] in bodies.values()] == [made(11)], bodies)
    if not server.running:
        server.stop()


def said(server):
    status = server.status()
    expect(status["running"] is server.running and status["messages"] > 0 and status["accounts"] >= 2, status)
    expect(("is running" in server.run("status")) == server.running)
    expect("all is well" in server.run("check"))
    version = subprocess.run([binary(), "version"], capture_output=True, text=True, timeout=30).stdout
    expect(re.match(r"pillarbox \d+\.\d+\.\d+\n", version), version)


def meanwhile(server):
    """What the owner does is seen by sessions that are open."""
    server.run("account", "add", "dora@example.org", "--password-stdin", input="a password\n")
    file = server.folder / "one.eml"
    file.write_bytes(made(99))
    with server.connect(user="dora@example.org", password="a password", timeout=20) as client:
        client.ok("SELECT INBOX")
        tag = client.begin("IDLE")
        expect(client.line().text.startswith(b"+"))
        server.run("import", "dora@example.org", file)
        expect(client.line().text == b"* 1 EXISTS")
        client.send(b"DONE\r\n")
        client.end(tag)
        # A new password lets the old one in no more, also where it was remembered.
        server.run("account", "passwd", "dora@example.org", "--password-stdin", input="another one\n")
        server.running = True
        expect(not log_in(server, "dora@example.org", "a password") and log_in(server, "dora@example.org", "another one"))
        # And what was open under the old one is over.
        try:
            answer = client.command("SELECT INBOX")
            expect(False, "a session outlives its password", answer)
        except (Closed, ConnectionError):
            pass
    with server.connect(user="dora@example.org", password="another one", timeout=20) as client:
        server.run("account", "remove", "dora@example.org", "--yes")
        try:
            answer = client.command("SELECT INBOX")
            expect(False, "a session outlives its account", answer)
        except (Closed, ConnectionError):
            pass
    expect(not log_in(server, "dora@example.org", "another one"))


def logged(server):
    """One line per session: who, how long, how much; never a password."""
    with server.connect(tls=True) as client:
        client.ok("LOGOUT")
    line = rf"session protocol=imap tls=yes address=\S+ port=\d+ user={USER} seconds=\d+\.\d in=\d+ out=\d+\n"
    until(lambda: re.search(line, server.log()), 10, "a line in the log")
    log = server.log()
    for secret in ("a password", "first word", "second word", "sesame", "Mail 1"):
        expect(secret not in log, secret)


def certificates():
    """The owner's own certificate, exchanged while sessions go on."""

    def certificate(folder, name):
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-days", "30", "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost"]
        command += ["-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    settings = '[tls]\ncertificate = "cert.pem"\nkey = "key.pem"\n'
    server = Server(settings=settings)
    certificate(server.data, "first")
    with server:
        old = shown(server)
        expect("first" in old, old)
        with server.connect() as plain, server.connect() as idle:
            idle.ok("SELECT INBOX")
            tag = idle.begin("IDLE")
            expect(idle.line().text.startswith(b"+"))
            certificate(server.data, "second")
            began = time.monotonic()
            until(lambda: "second" in shown(server), 30, "the new certificate is shown")
            fact(f"a changed certificate is shown after {time.monotonic() - began:.0f} s, sessions go on")
            plain.append("INBOX", made(1))
            expect(idle.line().text == b"* 1 EXISTS")
            idle.send(b"DONE\r\n")
            expect(idle.end(tag).status == "OK")
            # One that cannot be used is not.
            (server.data / "cert.pem").write_text("no certificate")
            until(lambda: "is not used" in server.log(), 30, "the log tells of it")
            expect("second" in shown(server))


def shown(server):
    """The subject of the certificate that a new session is shown."""
    command = ["openssl", "s_client", "-connect", f"localhost:{server.tls_port}", "-servername", "localhost"]
    done = subprocess.run(command, input=b"", capture_output=True, timeout=30)
    return re.search(rb"subject=(.*)", done.stdout)[1].decode()


def wrong_arguments():
    for arguments in (["nonsense"], ["serve", "--port-offset", "70000"], ["account"], ["import"], ["export", USER], ["--bind"]):
        done = subprocess.run([binary(), *arguments], capture_output=True, text=True, timeout=30)
        expect(done.returncode == 2 and "--help" in done.stderr, arguments, done.stderr)
    for words, meant in (("sevre", "serve"), ("acount list", "account"), ("account lsit", "account list")):
        done = subprocess.run([binary(), *words.split()], capture_output=True, text=True, timeout=30)
        expect(done.returncode == 2 and f"did you mean {meant}?" in done.stderr, words, done.stderr)
    helps = [
        subprocess.run([binary(), *words.split()], capture_output=True, text=True, timeout=30).stdout
        for words in ("help account", "account help", "account --help", "account add --help")
    ]
    expect(len(set(helps)) == 1 and "account restore" in helps[0], helps)
    mail = Path(tempfile.mkdtemp(prefix="pillarbox-check-"), "one.eml")
    mail.write_bytes(made(1))
    for arguments in (["status"], ["check"], ["account", "list"], ["import", USER, mail]):
        done = subprocess.run(
            [binary(), *arguments, "--data", "/nonexistent"], capture_output=True, text=True, timeout=30
        )
        expect(done.returncode == 1 and "/nonexistent" in done.stderr, arguments, done.stderr)
    shutil.rmtree(mail.parent)


main()
