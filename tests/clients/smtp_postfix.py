"""Postfix delivers the real mail: each to somebody by SMTP to the MX, over TLS, and to somebody else by LMTP. What arrives is
what was sent, octet for octet, below the trace that Postfix and we put before it.

    smtp_postfix.py [MAILS]
"""

import os
import pwd
import re
import shutil
import signal
import smtplib
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

from corpus import some_mail
from house import USER, Server, expect, fact, free_offset, until

OTHER, OTHERS = "ben@example.org", "another password"
MADE = b"This is line after line of message "
DAEMONS = next((path for path in ("/usr/lib/postfix/sbin", "/usr/libexec/postfix") if Path(path).exists()), "")
SERVICES = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """A Postfix of its own, in a folder of its own; as a context it is started and ended."""

    def __init__(self, server):
        self.folder = server.folder / "postfix"
        self.port = free_offset()
        self.process = None
        server.folder.chmod(0o755)
        server.data.chmod(0o755)  # the socket is in it
        user = pwd.getpwnam("postfix")
        for name in ("etc", "spool", "data"):
            (self.folder / name).mkdir(parents=True)
        os.chown(self.folder / "data", user.pw_uid, user.pw_gid)
        for name in "active bounce corrupt defer deferred flush hold incoming private saved trace".split():
            (self.folder / "spool" / name).mkdir(mode=0o700)
            os.chown(self.folder / "spool" / name, user.pw_uid, user.pw_gid)
        for name in ("public", "maildrop", "pid"):
            (self.folder / "spool" / name).mkdir()
        os.chown(self.folder / "spool" / "public", user.pw_uid, -1)
        (self.folder / "etc" / "main.cf").write_text(
            f"""
compatibility_level = 3.6
queue_directory = {self.folder}/spool
data_directory = {self.folder}/data
command_directory = /usr/sbin
daemon_directory = {DAEMONS}
maillog_file = {self.folder}/log
maillog_file_prefixes = {self.folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.example.net
mydestination =
mynetworks = 127.0.0.0/8
relay_domains = example.org
transport_maps = inline:{{ {{ {USER} = smtp:[127.0.0.1]:{server.smtp_port} }}, {{ {OTHER} = lmtp:unix:{server.data}/lmtp.sock }} }}
local_header_rewrite_clients =
message_size_limit = 0
smtp_line_length_limit = 0
lmtp_line_length_limit = 0
smtp_tls_security_level = encrypt
smtpd_tls_security_level = none
smtputf8_enable = no
strict_8bitmime = no
minimal_backoff_time = 2s
maximal_backoff_time = 4s
queue_run_delay = 2s
smtpd_peername_lookup = no
""".lstrip()
        )
        (self.folder / "etc" / "master.cf").write_text(SERVICES.format(port=self.port).lstrip())

    def __enter__(self):
        # In a session of its own: master wants to lead one, and ends what it started when it is told to.
        self.process = subprocess.Popen(
            [f"{DAEMONS}/master", "-c", str(self.folder / "etc"), "-d"],
            env={**os.environ, "MAIL_CONFIG": str(self.folder / "etc")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until(self.answers, 20, f"Postfix answers; it said: {self.log()[-2000:]}")
        return self

    def __exit__(self, failure, *_):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(15)
        if failure is not None:
            print(*self.log().splitlines()[-15:], sep="\n  ", file=sys.stderr)

    def answers(self):
        expect(self.process.poll() is None, "Postfix ended", self.log()[-2000:])
        try:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=5):
                return True
        except (OSError, smtplib.SMTPException):
            return False

    def log(self):
        log = self.folder / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    def waiting(self):
        """Mails in its queue."""
        spool = self.folder / "spool"
        return sum(len(files) for name in ("incoming", "active", "deferred") for _, _, files in os.walk(spool / name))


def fits(octets):
    """Whether Postfix passes it on as it is: without a CR alone or NUL, and with a header."""
    rest = octets.replace(b"\r\n", b"")
    header = octets.split(b"\r\n\r\n")[0]
    return b"\r" not in rest and b"\n" not in rest and b"\0" not in octets and re.match(rb"[!-9;-~]+:", header)


def core(octets):
    """A mail without what Postfix and we put before it or leave out."""
    header, separator, body = octets.partition(b"\r\n\r\n")
    fields = re.split(rb"\r\n(?![ \t])", header)
    lost = (b"return-path:", b"bcc:", b"resent-bcc:", b"content-length:")
    fields = [field for field in fields if not field.lower().startswith(lost)]
    return b"\r\n".join(fields), separator + body


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 3_000
    mails = [octets for octets in islice(some_mail(), count * 2) if fits(octets)][:count]
    expect(len(mails) == count, len(mails))
    with Server(settings="[server]\nname = 'localhost'\n") as server:
        server.run("account", "add", OTHER, "--password-stdin", input=f"{OTHERS}\n")
        with Postfix(server) as postfix:
            began = time.monotonic()
            with smtplib.SMTP("127.0.0.1", postfix.port) as relay:
                relay.ehlo("source.example.net")
                for octets in mails:
                    relay.mail("sender@example.net", ["BODY=8BITMIME"])
                    relay.rcpt(USER)
                    relay.rcpt(OTHER)
                    code, said = relay.data(octets)
                    expect(code == 250, code, said)
            until(lambda: postfix.waiting() == 0, 300, "the queue is empty")
            seconds = time.monotonic() - began
            log = postfix.log()
            expect("status=bounced" not in log, re.findall(r".*status=bounced.*", log)[:3])
        sent = log.count("status=sent")
        expect(sent == 2 * count, sent, re.findall(r".*status=(?!sent).*", log)[:3])
        for user, password, how in ((USER, None, rb"with ESMTPS id"), (OTHER, OTHERS, rb"with LMTP id")):
            verify(server, user, password, how, mails)
        made = sum(MADE in octets for octets in mails)
        fact(f"{count - made} real and {made} made mails to two people through Postfix, by SMTP with STARTTLS and by LMTP: {seconds:.0f} s")
        server.peak_is_bounded("of it")
        expect("all is well" in server.run("check"))


def verify(server, user, password, how, mails):
    """Each mail is there once, and below its trace it is what was sent."""
    wanted = {}
    for octets in mails:
        wanted.setdefault(core(octets), []).append(octets)
    with server.connect(user=user, **({"password": password} if password else {})) as client:
        client.ok("EXAMINE INBOX")
        lines = client.ok("FETCH 1:* BODY.PEEK[]").of("FETCH")
        expect(len(lines) == len(mails), user, len(lines))
        for line in lines:
            [octets] = line.literals
            trace = re.match(
                rb"Return-Path: <sender@example\.net>\r\n(?:Authentication-Results: .*\r\n(?:[ \t].*\r\n)*)?"
                rb"Received: from relay\.example\.net.*\r\n(?:[ \t].*\r\n)*Received: .*\r\n(?:[ \t].*\r\n)*",
                octets,
            )
            expect(trace and re.search(how, trace[0]), user, octets[:600])
            known = wanted.get(core(octets[trace.end() :]))
            expect(known, user, "is no mail that was sent", octets[:1500])
            known.pop()
    fact(f"{user}: each of the {len(mails)} once and unchanged, {how.decode()} …")


if __name__ == "__main__":
    if not DAEMONS or not shutil.which("postconf"):
        raise SystemExit("Postfix is missing")
    main()
