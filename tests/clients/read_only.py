"""Mail is served from a folder that nothing can be written to: read by IMAP and POP3, mirrored, checked and exported."""

import hashlib
import os
import re
import subprocess
import tempfile
from pathlib import Path

import terminal
from corpus import made, some_mail
from house import PASSWORD, USER, Server, expect, fact
from imap import Refused
from mbsync import CONFIG

MAILS = 60
FROZEN = "Mail can only be read at the moment"


class Frozen:
    """A folder that nothing can be written to: a mount of its own, read-only."""

    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        for options in (["--bind", self.folder, self.folder], ["-o", "remount,bind,ro", self.folder]):
            subprocess.run(["mount", *options], check=True, timeout=20)
        try:
            (self.folder / "probe").write_text("")
        except OSError:
            return self
        raise AssertionError("the folder can be written to")

    def __exit__(self, failure, *_):
        # After a failure the server still has it open.
        how = [] if failure is None else ["--lazy"]
        subprocess.run(["umount", *how, self.folder], check=True, timeout=20)


def content(folder):
    """All files of a folder, but for sockets."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def fill(server):
    """Mail in several states; a copy has the POP3 name of its original. The last of it is in the journal only."""
    mail = some_mail()
    with server.connect(tls=True) as client:
        client.ok("CREATE Lists")
        for number in range(MAILS):
            client.append("Lists" if number % 3 == 0 else "INBOX", next(mail), ("", "\\Seen")[number % 2])
        client.ok("SELECT INBOX")
        client.ok("COPY 1:3 INBOX")
        client.append("INBOX", made(1, subject="Last"))
        return {name: client.messages(name, "FLAGS INTERNALDATE BODY.PEEK[]") for name in ("INBOX", "Lists")}


def refused(client, *pieces, sync=False):
    answer = client.command(*pieces, sync=sync)
    expect(answer.status == "NO" and "[UNAVAILABLE]" in answer.text and FROZEN in answer.text, pieces, answer)


def by_imap(server, kept):
    with server.connect(tls=True) as client:
        for name, found in kept.items():
            expect(client.messages(name, "FLAGS INTERNALDATE BODY.PEEK[]") == found, name)
        answer = client.ok("SELECT INBOX")
        expect("[READ-ONLY]" in answer.text, answer)
        expect(any(b"[PERMANENTFLAGS ()]" in line.text for line in answer.lines), answer.lines)
        [unseen] = client.ok("SEARCH UNSEEN").of("SEARCH")
        numbers = unseen.text.split()[2:]
        expect(len(numbers) > 5, unseen)
        # Without PEEK: nothing is marked, and nothing fails.
        answer = client.ok(f"FETCH {numbers[0].decode()} (FLAGS BODY[])")
        expect(len(answer.of("FETCH")) == 1 and b"\\Seen" not in answer.of("FETCH")[0].text, answer)
        expect(client.ok("SEARCH UNSEEN").of("SEARCH")[0].text == unseen.text)
        for command in (
            "STORE 1 +FLAGS (\\Flagged)",
            "COPY 1 Lists",
            "MOVE 1 Lists",
            "EXPUNGE",
            "CREATE New",
            "DELETE Lists",
            "RENAME Lists Other",
            "SUBSCRIBE New",
        ):
            refused(client, command)
        refused(client, "APPEND INBOX ", made(2))
        try:
            client.command("APPEND INBOX ", made(2), sync=True)
        except Refused as refusal:
            expect(FROZEN in str(refusal), refusal)
        else:
            raise AssertionError("a message was asked for that cannot be kept")
        tag = client.begin("IDLE")
        expect(client.line().text.startswith(b"+"))
        client.send(b"DONE\r\n")
        expect(client.end(tag).status == "OK")
        client.ok("CLOSE")
        with server.connect(tls=False) as other:
            other.ok("EXAMINE INBOX")


def by_pop3(server, kept):
    names = None
    for _ in range(2):
        client = server.pop3(tls=True)
        ids = client.ids()
        expect(len(ids) == len(kept["INBOX"]) == len(set(ids.values())), ids)
        expect(names in (None, ids), names, ids)
        names = ids
        expect(len(client.all()) == len(ids))
        expect(FROZEN in client.refused("DELE 1"))
        client.quit()
    return names


def by_mbsync(server):
    """A mirror is made, and made again, though nothing can be stored here."""
    near = server.folder / "Mail"
    near.mkdir()
    config = server.folder / "mbsyncrc"
    text = CONFIG.format(port=server.tls_port, user=USER, password=PASSWORD, authority=server.authority, near=near)
    config.write_text(text.replace("Create Both", "Create Near\nSync Pull").replace("Remove Both\nExpunge Both\n", ""))
    for _ in range(2):
        code, shown = terminal.run(["mbsync", "-c", str(config), "mail"], cwd=server.folder)
        expect(code == 0, code, shown)
    return sum(path.parent.name in ("cur", "new") for path in near.rglob("*"))


def by_commands(server, kept, running):
    status = server.status()
    expect(status["state"] == "read-only" and status["running"] == running and status["free"] > 0, status)
    expect(status["messages"] == sum(map(len, kept.values())), status)
    expect("nothing can be written" in server.run("status"))
    expect("all is well" in server.run("check"))
    expect(USER in server.run("account", "list"))
    expect("nothing can be changed" in server.run("account", "add", "bob@example.org", fails=True))
    expect("nothing can be changed" in server.run("account", "quota", USER, "1G", fails=True))
    mail = server.folder / "one.eml"
    mail.write_bytes(made(3))
    expect("nothing can be changed" in server.run("import", USER, mail, fails=True))
    out = server.folder / f"export-{running}"
    server.run("export", USER, out)
    files = [path for path in out.rglob("*") if path.parent.name in ("cur", "new")]
    expect(len(files) == status["messages"], len(files), status)


class Card:
    """A card that wears out: a file system in a file, mounted where a server's data is to be."""

    def __init__(self, server):
        self.image, self.mounted = server.folder / "card", server.data

    def __enter__(self):
        with open(self.image, "wb") as image:
            image.truncate(256 << 20)
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", self.image], check=True, timeout=60)
        self.mount()
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "--lazy", self.mounted], check=False, timeout=60)

    def mount(self):
        options = ["-t", "ext4", "-o", "loop,errors=remount-ro"]
        subprocess.run(["mount", *options, self.image, self.mounted], check=True, timeout=60)

    def unmount(self):
        subprocess.run(["umount", self.mounted], check=True, timeout=60)

    def wears_out(self):
        """The kernel finds an error, as it would on a worn card."""
        found = subprocess.run(["findmnt", "-no", "SOURCE", self.mounted], check=True, capture_output=True, text=True)
        device = Path(found.stdout.strip()).name
        Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("a check wants it")


def on_a_card_that_wears_out():
    """The server goes on, and says what it can do; who is connected stays so."""
    with Server(accounts=()) as server:
        server.stop()
        with Card(server) as card:
            server.run("account", "add", USER, "--password-stdin", input=f"{PASSWORD}\n")
            server.start()
            kept = fill(server)
            with server.connect(tls=True) as client:
                client.ok("SELECT INBOX")
                drop = server.pop3(tls=True)
                drop.ok("DELE 1")
                card.wears_out()
                for _ in range(3):
                    answer = client.command("STORE 1 +FLAGS (\\Flagged)")
                    expect(answer.status == "NO" and "[UNAVAILABLE]" in answer.text, answer)
                refused(client, "CREATE New")
                refused(client, "APPEND INBOX ", made(5))
                expect("Nothing was deleted" in drop.refused("QUIT"))
                expect(len(client.ok("FETCH 1:* BODY[]").of("FETCH")) == len(kept["INBOX"]))
            by_imap(server, kept)
            names = by_pop3(server, kept)
            by_commands(server, kept, running=True)
            server.stop()
            server.options = ["--read-only"]
            server.start()
            by_imap(server, kept)
            expect(by_pop3(server, kept) == names)
            server.stop()
            card.unmount()
            card.mount()
            server.options = []
            server.start()
            with server.connect(tls=True) as client:
                for name, found in kept.items():
                    expect(client.messages(name, "FLAGS INTERNALDATE BODY.PEEK[]") == found, name)
                client.append("INBOX", made(6))
            expect(server.status()["state"] == "good" and "all is well" in server.run("check"))
            server.stop()
            fact(f"{sum(map(len, kept.values()))} messages served on while the file system had given up")


def main():
    if os.geteuid() != 0:
        fact("SKIPPED: a folder is made read-only by a mount, which needs root")
        return
    on_a_folder_that_cannot_be_written()
    on_a_card_that_wears_out()


def on_a_folder_that_cannot_be_written():
    with tempfile.TemporaryDirectory() as runtime, Server() as server:
        kept = fill(server)
        with server.connect(tls=True) as client:
            client.ok("SELECT INBOX")
            # As after power that went: nothing was put in order.
            server.kill()
        before = content(server.data)
        with Frozen(server.data):
            # It finds out by itself.
            server.start()
            with server.connect(tls=True) as client:
                client.ok("SELECT INBOX")
                refused(client, "APPEND INBOX ", made(5))
            server.stop()
            by_commands(server, kept, running=False)

            # Without a runtime folder there is no admin socket, and mail all the same.
            server.options = ["--read-only"]
            server.start()
            with server.connect(tls=True) as client:
                client.ok("SELECT INBOX")
            server.stop()
            expect("there is no admin socket" in server.log())

            os.environ["PILLARBOX_RUNTIME"] = runtime
            server.start()
            by_imap(server, kept)
            names = by_pop3(server, kept)
            fact(f"{by_mbsync(server)} messages mirrored from a folder that nothing can be written to")
            by_commands(server, kept, running=True)
            server.stop()
            expect(not list(Path(runtime).iterdir()), list(Path(runtime).iterdir()))

            # An unusable certificate is no reason to serve no mail.
            expect(content(server.data) == before, "something was written")
        for name in ("cert.pem", "key.pem"):
            (server.data / "tls" / name).unlink()
        with Frozen(server.data):
            server.start()
            with server.connect(tls=True) as client:
                client.ok("SELECT INBOX")
            server.stop()
        for path in (server.data / "tls").iterdir():
            path.unlink()
        with Frozen(server.data):
            server.start()
            server.connect(tls=False).close()
            server.stop()
        # Once it can be written again: all is there, and goes on.
        server.options = []
        server.start()
        with server.connect(tls=False) as client:
            for name, found in kept.items():
                expect(client.messages(name, "FLAGS INTERNALDATE BODY.PEEK[]") == found, name)
        client = server.pop3(tls=False)
        expect(client.ids() == names, "POP3 names changed")
        client.ok("DELE 1")
        client.quit()
        expect(re.search("Pillarbox .* is running", server.run("status")) and server.status()["state"] == "good")
        expect("all is well" in server.run("check"))
        fact(f"{sum(map(len, kept.values()))} messages served read-only, and all of them writable again")


main()
