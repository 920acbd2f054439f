"""The programs that fetch mail by POP3: how each is told to add least to a message, and run.

Each fetches over TLS and trusts the server's own authority only. `fetch` returns what came this time; with `delete` it
takes all there is, seen before or not, and deletes it from the server.
"""

import json
import os
import poplib
import shutil
import subprocess

from house import PASSWORD, expect

SECONDS = 300


class Program:
    """A program, the account it serves, and the folder in which it keeps its things."""

    name = ""

    def __init__(self, server, user):
        self.server, self.user = server, user
        self.folder = server.folder / self.name
        self.folder.mkdir()
        self.place = self.make_place()

    def make_place(self):
        """A folder for what comes: a Maildir, where the program does not say another."""
        for name in ("cur", "new", "tmp"):
            (self.folder / "Maildir" / name).mkdir(parents=True)
        return self.folder / "Maildir" / "new"

    def fetch(self, delete=False):
        """Runs the program; returns the messages that came, in files of its own no more."""
        self.run(delete)
        return self.taken()

    def taken(self):
        found = []
        for file in self.place.iterdir():
            found.append(file.read_bytes())
            file.unlink()
        return found

    def stored(self, bodies):
        """What the program keeps of messages: all but the CRs of the line ends, where it does not say otherwise."""
        return [body.replace(b"\r\n", b"\n") for body in bodies]

    def settings(self, name, text):
        """A file with a password in it."""
        file = self.folder / name
        file.touch(mode=0o600)
        file.write_text(text)
        return file

    def call(self, *command, allowed=(0,), input=b""):
        # FETCHMAILHOME: only fetchmail heeds it.
        environment = {"PATH": "/usr/bin:/bin", "HOME": self.folder, "FETCHMAILHOME": self.folder}
        done = subprocess.run(command, input=input, capture_output=True, timeout=SECONDS, env=environment)
        expect(done.returncode in allowed, command, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout


class Fetchmail(Program):
    """fetchmail, which hands each message to a program: a script that numbers files."""

    name = "fetchmail"
    NO_MAIL = 1

    def make_place(self):
        place = self.folder / "taken"
        place.mkdir()
        (self.folder / "count").write_text("0\n")
        script = self.folder / "keep"
        script.write_text(
            f"#!/bin/sh\nread count <{self.folder}/count\necho $((count + 1)) >{self.folder}/count\n"
            f"exec cat >{place}/$count\n"
        )
        script.chmod(0o700)
        return place

    def run(self, delete):
        # `invisible`: no Received of its own.
        file = self.settings(
            "fetchmailrc",
            f'set invisible\nset no bouncemail\nset idfile "{self.folder}/ids"\n'
            f"poll localhost protocol pop3 service {self.server.pop3s_port} uidl auth password\n"
            f'user "{self.user}" there with password "{PASSWORD}"\n'
            f'ssl sslproto "tls1.2+" sslcertck sslcertfile "{self.server.authority}" sslcertpath "{self.folder}"\n'
            f"no rewrite no mimedecode pass8bits {'fetchall no keep' if delete else 'keep'}\n"
            f'mda "{self.folder}/keep"\n',
        )
        self.call("fetchmail", "--fetchmailrc", file, "--silent", allowed=(0, self.NO_MAIL))


class Getmail(Program):
    """getmail6, into a Maildir, which it does not do as root."""

    name = "getmail"
    OTHER = "mail"  # who it becomes then
    # It begins a child for each message, and asks to be told of its end after that: of a child that is quicker it never
    # hears, and gives up a minute later. It waits for the child itself here.
    START = (
        "import os, runpy, sys\n"
        "from getmailcore.baseclasses import ForkingBase\n"
        "ForkingBase._prepare_child = lambda self: None\n"
        "ForkingBase._wait_for_child = lambda self, child: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
        "sys.argv[0] = '/usr/bin/getmail'\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    # It parses a message, writes it anew with a Return-Path, and folds the header differently: only it knows how.
    REWRITE = (
        "import json, sys; from getmailcore.message import Message\n"
        "anew = lambda body: Message(fromlines=body.encode('latin-1').split(b'\\n')).flatten(False, False)\n"
        "json.dump([anew(body).decode('latin-1') for body in json.load(sys.stdin)], sys.stdout)"
    )

    def make_place(self):
        place = super().make_place()
        if os.geteuid() == 0:
            self.server.folder.chmod(0o711)
            for folder in (self.folder, place.parent, *place.parent.iterdir()):
                shutil.chown(folder, self.OTHER, self.OTHER)
        return place

    def run(self, delete):
        other = f"user = {self.OTHER}\n" if os.geteuid() == 0 else ""
        file = self.settings(
            "getmailrc",
            f"[retriever]\ntype = SimplePOP3SSLRetriever\nserver = localhost\nport = {self.server.pop3s_port}\n"
            f"username = {self.user}\npassword = {PASSWORD}\nca_certs = {self.server.authority}\n"
            f"[destination]\ntype = Maildir\npath = {self.folder}/Maildir/\n{other}"
            f"[options]\nreceived = false\ndelivered_to = false\nverbose = 0\n"
            f"read_all = {delete}\ndelete = {delete}\n",
        )
        self.call("/usr/bin/python3", "-c", self.START, "--getmaildir", self.folder, "--rcfile", file)

    def stored(self, bodies):
        given = json.dumps([body.decode("latin-1") for body in super().stored(bodies)])
        done = self.call("/usr/bin/python3", "-c", self.REWRITE, input=given.encode())
        return [body.encode("latin-1") for body in json.loads(done)]


class Mpop(Program):
    """mpop, into a Maildir; it pipelines, begins TLS with STLS, and shows nobody its password."""

    name = "mpop"

    def run(self, delete):
        file = self.settings(
            "mpoprc",
            f"account default\nhost localhost\nport {self.server.pop3_port}\n"
            f"auth scram-sha-256\ntls on\ntls_starttls on\ntls_trust_file {self.server.authority}\n"
            f'user {self.user}\npassword "{PASSWORD}"\n'
            f"uidls_file {self.folder}/ids\nreceived_header off\ndelivery maildir {self.folder}/Maildir\n"
            f"only_new {'off' if delete else 'on'}\nkeep {'off' if delete else 'on'}\n",
        )
        self.call("mpop", "--file", file, "--quiet")


class Remembering(Program):
    """A tool that fetches what it is told, and one who remembers the ids (RFC 1939 §7)."""

    def __init__(self, *about):
        super().__init__(*about)
        self.known = set()

    def new(self, ids, delete):
        """The numbers of those not seen before; all if they are to be deleted."""
        numbers = [number for number, unique in ids.items() if delete or unique not in self.known]
        expect(len(set(ids.values())) == len(ids), "an id stands for two messages")
        self.known |= set(ids.values())
        return numbers

    def stored(self, bodies):
        return bodies


class Curl(Remembering):
    """curl: its listing, and a message per URL, all over one connection."""

    name = "curl"

    def make_place(self):
        place = self.folder / "taken"
        place.mkdir()
        return place

    def curl(self, where, *options, scheme="pop3s"):
        port = self.server.pop3s_port if scheme == "pop3s" else self.server.pop3_port
        command = ["curl", "-sS", "--max-time", str(SECONDS), "--cacert", self.server.authority, "--ssl-reqd"]
        command += ["--user", f"{self.user}:{PASSWORD}", *options]
        return self.call(*command, f"{scheme}://localhost:{port}/{where}")

    def ids(self):
        """What it lists, which is the same with STLS."""
        listed = self.curl("", "-X", "UIDL")
        expect(self.curl("", "-X", "UIDL", "--login-options", "AUTH=PLAIN", scheme="pop3") == listed)
        return {int(number): unique for number, unique in map(str.split, listed.decode().splitlines())}

    def run(self, delete):
        numbers = self.new(self.ids(), delete)
        if not numbers:
            return
        span = f"[{numbers[0]}-{numbers[-1]}]"
        expect(numbers == list(range(numbers[0], numbers[-1] + 1)), "the new ones are not behind the others", numbers)
        self.curl(span, "-o", self.place / "#1")
        if delete:
            self.curl(span, "-X", "DELE", "-I")


class Poplib(Remembering):
    """The module of Python's standard library."""

    name = "poplib"

    def fetch(self, delete=False):
        poplib._MAXLINE = 1 << 16  # its 2,048 octets are less than RFC 5321 §4.5.3.1.6 lets real mail obey
        client = poplib.POP3_SSL("localhost", self.server.pop3s_port, timeout=60, context=self.server.trust())
        client.user(self.user)
        client.pass_(PASSWORD)
        lines = [line.decode().split() for line in client.uidl()[1]]
        found = []
        for number in self.new({int(number): unique for number, unique in lines}, delete):
            _, lines, octets = client.retr(number)
            found.append(b"".join(line + b"\r\n" for line in lines))
            expect(len(found[-1]) == octets == int(client.list(number).split()[2]), number)
            if delete:
                client.dele(number)
        client.quit()
        return found


ALL = [Getmail, Fetchmail, Mpop, Curl, Poplib]  # the slowest first
