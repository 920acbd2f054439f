"""Export and the way back: real mail, torture and what is hard to lay down, in both formats, running and not.

What an import makes of an export in a new data folder is compared over IMAP: mailboxes, octets, flags, dates; and over
POP3: which messages it shows, and by which names.
"""

import lzma
import mailbox as boxes
import os
import poplib
import re
import subprocess
import time
from datetime import datetime

from corpus import made
from house import COMMAND_SECONDS, CORPUS, MEMORY, PASSWORD, USER, Server, binary, expect, fact, peak

# The names as IMAP4rev1 spells them: nested, with dots, with other letters, and what is a file or a folder elsewhere.
NAMES = [
    "Work/Deep/Deeper",
    "Work/v1.0",
    "Work.mbox/a",
    "cur/a",
    "new/a",
    ".hidden",
    "&ANw-berall/Entw&APw-rfe &- so",
    "&ZeVnLIqe-",
    "INBOX/Below",
]
# What files cannot keep without more ado: lone LF and CR, no end, lines that look like separators.
HARD = [
    b"A: 1\n\nlines\nof\nfiles\n",
    b"A: 1\r\n\r\nlone\rand\r\r\nboth\n",
    b"A: 1\r\n\r\nno end",
    b"A: 1\n\nno end, and\n\nFrom me\n\n>From you",
    b"A: 1\r\n\r\nFrom a\r\n>From b\r\n\r\nFrom c Thu Jan  1 00:00:07 1970\r\n\r\n\r\n",
    b"Status: RO\r\nReceived: x; Thu, 1 Jan 1970 00:00:05 +0000\r\n\r\nflags and dates are not these\r\n",
    b"\r\n",
    b"x\r",
]
LARGE = 120_000_000


def main():
    with Server() as server:
        fill(server)
        wanted = seen(server)
        hide(server)
        names = shown(server)
        expect(len(names) == len(wanted["INBOX"]) - 3 == len(set(names)), len(names))
        expect(sum(map(len, wanted.values())) > 100 and {"INBOX", "Hard", "Empty/Below", *NAMES} <= set(wanted), wanted)
        for running in (True, False):
            if not running:
                server.stop()
            for format in ("maildir", "mbox"):
                there_and_back(server, running, format, wanted, names)
        server.start()
        refused(server)
        full_disk(server)
    large()


def fill(server):
    if CORPUS.exists():
        mbox = server.folder / "real-mail.mbox"
        mbox.write_bytes(lzma.open(CORPUS / "real-mail.mbox.xz").read())
        server.run("import", USER, mbox)
        server.run("import", USER, CORPUS / "torture", "--mailbox", "Torture")
    else:
        print(f"SKIPPED: {CORPUS} is not there: made mail only")
    with server.connect() as client:
        for number in range(100):
            client.append("INBOX", made(number), date="03-Feb-2003 10:%02d:07 +0530" % (number % 60))
        client.ok("CREATE Empty/Below")
        client.ok("CREATE Hard")
        for number, message in enumerate(HARD):
            client.append("Hard", message, "\\Answered $Phishing" if number % 2 else "", "01-Jan-1969 00:00:01 -0400")
        for number, name in enumerate(NAMES):
            client.ok(f'CREATE "{name}"')
            client.append(f'"{name}"', made(number, subject="Elsewhere"), f"\\Flagged level{number}")
        client.ok("SELECT INBOX")
        client.ok("STORE 2:* +FLAGS (\\Seen)")
        client.ok("STORE 10:40 +FLAGS (\\Answered $Forwarded work a+b@c=d,e/f)")
        client.ok("STORE 30:50 +FLAGS (\\Flagged \\Draft $Junk)")
        client.ok("STORE 45:60 +FLAGS (\\Deleted)")
        client.ok("STORE 70:80 +FLAGS (\\Deleted)")
        # A gap in the UIDs, as any mailbox has them.
        client.ok("UID EXPUNGE 70:80")


def seen(server):
    """{mailbox: [(octets, flags, moment)]}, as IMAP shows it, in the order of the UIDs."""
    mailboxes = {}
    with server.connect(tls=True) as client:
        for name in client.mailboxes():
            client.ok(f'EXAMINE "{name}"')
            messages = mailboxes[name] = []
            for line in client.ok("FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[])").of("FETCH"):
                flags = re.search(rb"FLAGS \(([^)]*)\)", line.text)[1].split()
                date = re.search(rb'INTERNALDATE "([^"]*)"', line.text)[1].decode().strip()
                moment = datetime.strptime(date, "%d-%b-%Y %H:%M:%S %z")
                messages.append((line.literals[0], sorted(set(flags) - {b"\\Recent"}), moment))
    return mailboxes


def maildrop(server):
    client = poplib.POP3("127.0.0.1", 110 + server.offset, timeout=60)
    client.user(USER)
    client.pass_(PASSWORD)
    return client


def hide(server):
    """Some messages are deleted by a POP3 client, and kept."""
    server.run("account", "pop3", USER, "--deleted", "hide")
    client = maildrop(server)
    for number in (1, 5, 90):
        client.dele(number)
    client.quit()


def shown(server):
    """The names of the messages that POP3 shows."""
    client = maildrop(server)
    names = [line.split()[1] for line in client.uidl()[1]]
    client.quit()
    return names


def measured(*command):
    """Runs `pillarbox COMMAND`; returns what it said, the seconds, and the KiB of memory that it needed."""
    began = time.monotonic()
    command = [binary(), *map(str, command)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    highest = 0
    while process.poll() is None:
        try:
            highest = max(highest, peak(process.pid))
        except (OSError, StopIteration):
            pass  # it has just ended
        time.sleep(0.002)
        expect(time.monotonic() < began + COMMAND_SECONDS, "it does not end", command)
    said = process.stderr.read()
    expect(process.returncode == 0, command, said)
    return said, time.monotonic() - began, highest


def there_and_back(server, running, format, wanted, names):
    folder = server.folder / f"{format}-{running}"
    said, seconds, kib = measured("export", USER, folder, "--format", format, "--data", server.data)
    messages = sum(map(len, wanted.values()))
    expect(f"{messages} messages in {len(wanted)} mailboxes" in said and "not exported" not in said, said)
    expect(kib < MEMORY, "KiB", kib)
    how = "while the server runs" if running else "without a server"
    fact(f"{messages:,} messages exported to {format} {how}: {seconds:.1f} s, {kib / 1024:.1f} MiB of its own")
    if running:
        server.peak_is_bounded("of the server")
    expect((folder / "pillarbox.mailboxes").exists() and not (folder / "export.incomplete").exists())
    expect(folder.stat().st_mode & 0o077 == 0, "others can read it")
    if format == "maildir":
        looks_like_a_maildir(folder)
    read_by_another(folder, format, wanted)

    # Back through the socket in one case, straight to the store in the other.
    with Server() as other:
        if running:
            other.stop()
        said, seconds, kib = measured("import", USER, folder, "--data", other.data)
        expect(f"{messages} messages imported" in said and ", 0 skipped" in said, said)
        fact(f"and imported: {seconds:.1f} s, {kib / 1024:.1f} MiB of its own")
        if running:
            other.start()
        got = seen(other)
        expect(sorted(got) == sorted(wanted), sorted(got), sorted(wanted))
        for name, messages in wanted.items():
            expect(len(got[name]) == len(messages), name, len(got[name]), len(messages))
            for number, (mine, theirs) in enumerate(zip(messages, got[name]), 1):
                expect(mine == theirs, name, number, mine[1:], theirs[1:], mine[0][:300], theirs[0][:300])
        expect(shown(other) == names)
        expect("all is well" in other.run("check"))


def looks_like_a_maildir(folder):
    """As other programs want it: files with LF, their date, flags after the name, names of folders with dots."""
    expect((folder / ".Work.v1&AC4-0" / "cur").is_dir() and (folder / ".&ZeVnLIqe-" / "maildirfolder").exists())
    expect({"INBOX", "Sent", "Trash"} <= set((folder / "subscriptions").read_text().split("\n")))
    expect("work" in (folder / "dovecot-keywords").read_text())
    files = sorted((folder / "cur").iterdir())
    expect(all(re.fullmatch(r"\d+\.\d{10}\.pillarbox,I=[0-9a-f]{16},D=\d+.*:2,[A-Za-z]*", file.name) for file in files))
    last = files[-1]
    expect(last.read_bytes() == made(99).replace(b"\r\n", b"\n"), last)
    expect(last.stat().st_mtime == datetime.fromisoformat("2003-02-03T10:39:07+05:30").timestamp(), last.stat())
    expect(not any((folder / "new").iterdir()) and not any((folder / "tmp").iterdir()))


def read_by_another(folder, format, wanted):
    """Python's own reader finds the same messages and system flags."""
    if format == "maildir":
        inbox = boxes.Maildir(folder, create=False)
        found = [message for _, message in sorted(inbox.items())]
        subfolder = inbox.get_folder("Work.v1&AC4-0")
    else:
        found = list(boxes.mbox(folder / "INBOX.mbox", create=False))
        subfolder = boxes.mbox(folder / "Work" / "v1&AC4-0.mbox", create=False)
    expect(len(found) == len(wanted["INBOX"]) and len(subfolder) == 1, len(found))
    for message, (octets, flags, _) in zip(found, wanted["INBOX"]):
        body = message.as_bytes().split(b"\n", 1)[0]
        expect(body.strip() in octets, body, octets[:500])
        if format == "maildir":
            letters = {"S": b"\\Seen", "R": b"\\Answered", "F": b"\\Flagged", "T": b"\\Deleted", "D": b"\\Draft"}
            mine = sorted(flag for flag in flags if flag.startswith(b"\\"))
            theirs = sorted(letters[letter] for letter in message.get_flags() if letter in letters)
            expect(mine == theirs, mine, theirs)


def refused(server):
    """What cannot be done is said, and nothing is touched."""
    folder = server.folder / "mbox-True"
    before = sorted(folder.rglob("*"))
    expect("is not empty" in server.run("export", USER, folder, fails=True))
    expect(sorted(folder.rglob("*")) == before)
    new = server.folder / "new"
    expect("no account" in server.run("export", "nobody@example.org", new, fails=True) and not new.exists())
    server.run("export", USER, server.folder / "log", fails=True)
    server.run("export", USER, new / "in" / "it", "--format", "mbox")
    expect((new / "in" / "it" / "INBOX.mbox").exists())


def full_disk(server):
    """A disk that is too small: said, with what was written left where it is not taken for whole."""
    disk = server.folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        print("SKIPPED: a small disk cannot be mounted")
        return
    try:
        for format in ("maildir", "mbox"):
            said = server.run("export", USER, disk, "--format", format, fails=True)
            expect("No space left" in said and "export.incomplete" in said, said)
            expect([entry.name for entry in disk.iterdir()] == ["export.incomplete"])
            said = server.run("export", USER, disk, fails=True)
            expect("did not come to its end" in said and "remove it first" in said, said)
            subprocess.run(["rm", "-r", disk / "export.incomplete"], check=True)
    finally:
        subprocess.run(["umount", disk], check=True)
    server.no_defect()


def large():
    """A message of 120 MB passes through little memory, on both sides of the socket."""
    with Server() as server:
        mail = server.folder / "large.eml"
        # Of random octets as hexadecimal digits: hard to compress, as photographs are.
        text = os.urandom(LARGE // 2).hex()
        mail.write_bytes(made(1) + "\r\n".join(text[at : at + 76] for at in range(0, LARGE, 76)).encode())
        del text
        server.run("import", USER, mail)
        for format in ("maildir", "mbox"):
            server.restart()
            folder = server.folder / format
            _, seconds, kib = measured("export", USER, folder, "--format", format, "--data", server.data)
            fact(f"a message of {mail.stat().st_size:,} octets exported to {format}: {seconds:.1f} s, {kib / 1024:.1f} MiB")
            expect(kib < MEMORY, "KiB", kib)
            server.peak_is_bounded("of the server that gave it")
            server.run("account", "add", f"{format}@example.org", "--password-stdin", input=f"{PASSWORD}\n")
            server.run("import", f"{format}@example.org", folder)
            with server.connect(user=f"{format}@example.org") as client:
                client.ok("SELECT INBOX")
                [line] = client.ok("FETCH 1 BODY.PEEK[]").of("FETCH")
                expect(line.literals == [mail.read_bytes()])


main()
