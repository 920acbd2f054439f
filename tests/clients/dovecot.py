"""Dovecot as a provider: its own folders and ports, TLS with its own certificate, nothing left behind."""

import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

from house import expect
from imap import Imap

USER, PASSWORD = "home@provider.example", "open sesame 7"
START_SECONDS = 20


def free_ports(count):
    """Ports at which nobody listens."""
    holders = [socket.socket() for _ in range(count)]
    for holder in holders:
        holder.bind(("127.0.0.1", 0))
    ports = [holder.getsockname()[1] for holder in holders]
    for holder in holders:
        holder.close()
    return ports


def make_certificate(folder):
    """A certificate for localhost, and the authority that signed it."""
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]
    for command in (
        ["req", "-x509", *curve, "-subj", "/CN=Check", "-keyout", "authority.key", "-out", "authority.pem"],
        ["req", "-x509", *curve, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        + ["-addext", "basicConstraints=critical,CA:FALSE", "-CA", "authority.pem", "-CAkey", "authority.key"]
        + ["-keyout", "key.pem", "-out", "certificate.pem"],
    ):
        done = subprocess.run(["openssl", *command], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        expect(done.returncode == 0, done.stderr)


class Dovecot:
    """A provider; as a context it is started, and ended with all its children."""

    def __init__(self, capability=None):
        self.folder = Path(tempfile.mkdtemp(prefix="dovecot-check-"))
        self.folder.chmod(0o755)
        self.process = None
        self.capability = capability
        self.port, self.tls_port, self.pop3_port, self.pop3s_port = free_ports(4)
        for name in ("data", "run", "state"):
            (self.folder / name).mkdir()
        (self.folder / "data").chmod(0o777)
        self.certificate = self.folder / "authority.pem"
        make_certificate(self.folder)
        (self.folder / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
        (self.folder / "users").chmod(0o644)
        (self.folder / "dovecot.conf").write_text(self.configuration())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        if "PILLARBOX_KEEP" not in os.environ:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        with open(self.folder / "console.log", "ab") as log:
            self.process = subprocess.Popen(
                ["/usr/sbin/dovecot", "-F", "-c", self.folder / "dovecot.conf"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            expect(self.process.poll() is None, "dovecot ended", self.log())
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as probe:
                    if probe.recv(64).startswith(b"* OK"):
                        return
            except OSError:
                time.sleep(0.005)
        raise AssertionError(f"no greeting: {self.log()}")

    def stop(self):
        """Ends Dovecot, and those of its children that serve on."""
        if self.process is None:
            return
        children = self.children()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        for child in children:
            for how in (15, 9):
                try:
                    os.kill(child, how)
                except ProcessLookupError:
                    break
                time.sleep(0.02)
        self.process = None

    def cut(self):
        """Ends the processes that talk to clients: their connections break where they are. Not with SIGKILL, which would leave
        the locks of mailboxes behind, and those are waited for for minutes."""
        for child in self.children():
            try:
                name = Path(f"/proc/{child}/comm").read_text().strip()
                if name in ("imap", "pop3"):
                    os.kill(child, 15)
            except (FileNotFoundError, ProcessLookupError):
                pass

    def children(self):
        parents = {}
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = status.read_text().rpartition(")")[2].split()
                parents[int(status.parent.name)] = int(fields[1])
            except (FileNotFoundError, ProcessLookupError):
                pass
        found, level = [], {self.process.pid}
        while level:
            level = {child for child, parent in parents.items() if parent in level}
            found += level
        return found

    def connect(self, timeout=60):
        """An IMAP connection that is logged in."""
        client = Imap(self.port, None, timeout)
        client.ok(f'LOGIN {USER} "{PASSWORD}"')
        return client

    def mailbox_folder(self, name):
        """Where a mailbox lies."""
        root = self.folder / "data" / USER / "Maildir"
        return root if name == "INBOX" else root / f".{name}"

    def log(self):
        texts = [self.folder / name for name in ("console.log", "dovecot.log")]
        return "\n".join(text.read_text(errors="replace")[-2000:] for text in texts if text.exists())

    def trust(self):
        return ssl.create_default_context(cafile=self.certificate)

    def configuration(self):
        here = self.folder
        capability = f"imap_capability = {self.capability}\n" if self.capability else ""
        return f"""
base_dir = {here}/run
state_dir = {here}/state
log_path = {here}/dovecot.log
instance_name = check
protocols = imap pop3
listen = 127.0.0.1
ssl = yes
ssl_cert = <{here}/certificate.pem
ssl_key = <{here}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:~/Maildir
mail_max_userip_connections = 100
first_valid_uid = 1
first_valid_gid = 1
default_vsz_limit = 1G
passdb {{
  driver = passwd-file
  args = {here}/users
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={here}/data/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Sent {{
    special_use = \\Sent
    auto = create
  }}
  mailbox Trash {{
    special_use = \\Trash
    auto = create
  }}
}}
protocol imap {{
  {capability}}}
protocol pop3 {{
  pop3_uidl_format = %08Xu%08Xv
}}
service imap-login {{
  inet_listener imap {{
    port = {self.port}
  }}
  inet_listener imaps {{
    port = {self.tls_port}
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {self.pop3_port}
  }}
  inet_listener pop3s {{
    port = {self.pop3s_port}
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""
