"""The servers under measurement: how each is made, started, stopped and asked about itself."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import host
from client import Imap
from pop import Pop3

USER, PASSWORD = "bench@example.org", "open sesame 7"
HASHED_USERS = 48  # further accounts, whose passwords are hashed with argon2id at every peer
START_SECONDS = 30
SYNCS = "fsync,fdatasync,sync_file_range,msync,sync,syncfs"


class Dead(Exception):
    """A server that does not start, or does not stop when asked."""


class Peer:
    """A server with one folder for everything it writes. Subclasses say `create` and `command`."""

    name = ""
    note = ""

    def __init__(self, folder):
        self.folder = Path(folder, self.name)
        self.data = self.folder / "data"
        self.process = None
        self.trace = None
        self.group = host.Group(f"mail-bench-{self.name}-{os.getpid()}")
        self.imap_port = self.imaps_port = self.pop3_port = self.pop3s_port = self.lmtp_port = 0

    def hashed_user(self, number):
        """The name of an account with the common password whose hash is argon2id."""
        return f"user{number}@example.org"

    def start(self, traced=False):
        """Starts the server; returns milliseconds from the spawn to the first complete IMAP greeting.

        `traced`: under strace, which notes every call that syncs (see `syncs`); only these calls are
        slowed down (seccomp-bpf), so that group commits form nearly as they do untraced.
        """
        command = self.command()
        if traced:
            self.trace = self.folder / "syncs.trace"
            tracer = ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-e", "signal=none", "-o", str(self.trace)]
            command = [*tracer, "-e", f"trace={SYNCS}", *command]
        log = open(self.folder / "console.log", "ab")
        began = time.perf_counter()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self.folder,
            start_new_session=True,
            preexec_fn=self.group.enter,
        )
        log.close()
        while time.perf_counter() < began + START_SECONDS:
            if self.process.poll() is not None:
                break
            try:
                with socket.create_connection(("127.0.0.1", self.imap_port), timeout=5) as probe:
                    if probe.recv(64).startswith(b"* OK"):
                        return (time.perf_counter() - began) * 1000
            except OSError:
                pass
            time.sleep(0.001)
        last = Path(self.folder, "console.log").read_text(errors="replace")[-600:]
        self.stop()
        raise Dead(f"{self.name} gives no greeting; its last words: {last}")

    def stop(self):
        """Ends the server and whatever of its own processes outlives it; SIGKILL after ten seconds."""
        if self.process is None:
            return
        session, tree = self.process.pid, host.process_tree(self.process.pid)
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        # Dovecot's children may serve their clients on; they would hold ports, files and memory.
        for turn in range(500):
            left = [pid for pid in tree if host.alive_in(pid, session)]
            if not left:
                break
            if turn % 100 == 20:
                for pid in left:
                    os.kill(pid, signal.SIGTERM if turn < 200 else signal.SIGKILL)
            time.sleep(0.01)
        self.process, self.trace = None, None

    def connect(self, tls=False, login=True):
        """A client connection, logged in as the bench's user."""
        client = Imap(self.imaps_port if tls else self.imap_port, tls)
        return client.login(USER, PASSWORD) if login else client

    def drop(self):
        """Name and password of the account whose INBOX is the maildrop."""
        return self.hashed_user(0), PASSWORD

    def pop3(self, tls=False):
        """A POP3 connection, not logged in."""
        return Pop3(self.pop3s_port if tls else self.pop3_port, tls)

    def memory_kb(self):
        """PSS of all the server's processes."""
        return host.memory_kb(self.process.pid)

    def kernel_kb(self):
        """Kernel memory held for the server, or None where the machine grants no cgroup."""
        return self.group.kernel_kb()

    def written_bytes(self):
        """Bytes the server's processes, ended ones included, have written so far."""
        return host.written_bytes(self.process.pid)

    def syncs(self):
        """Calls that sync, by name, since the traced start."""
        counts = {}
        for line in self.trace.read_text(errors="replace").splitlines():
            call = line.split(None, 1)[-1].split("(", 1)[0]
            if call in SYNCS.split(","):  # "<... fsync resumed>" is the end of a call already counted
                counts[call] = counts.get(call, 0) + 1
        return counts

    def remove(self):
        """Stops the server and deletes all it wrote."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Dovecot(Peer):
    """Dovecot 2.3 from Debian, as root with folders of its own, tuned as its documentation advises.

    Log-in processes in high-performance mode (shared; one per connection when `shared_logins` is off), argon2id verified by
    workers so that both cores serve log-ins, all mail of virtual users below one uid, `mail_fsync`
    left at its default `optimized`, quota and full-text search off.
    """

    location = ""
    shared_logins = True
    logins = {
        True: "service_count = 0\n  process_min_avail = 2\n  process_limit = 2\n  client_limit = 4000",
        False: "service_count = 1\n  process_min_avail = 2\n  process_limit = 4000\n  client_limit = 1",
    }

    def prepare(self):
        """Installs what is missing."""
        host.install(
            {
                "/usr/lib/dovecot/imap": "dovecot-imapd",
                "/usr/lib/dovecot/pop3": "dovecot-pop3d",
                "/usr/lib/dovecot/lmtp": "dovecot-lmtpd",
                "/usr/sbin/dovecot": "dovecot-core",
                "openssl": "openssl",
                "strace": "strace",
                "/usr/lib/x86_64-linux-gnu/libsodium.so.23": "libsodium23",
            }
            if os.uname().machine == "x86_64"
            else {
                "/usr/lib/dovecot/imap": "dovecot-imapd",
                "/usr/lib/dovecot/pop3": "dovecot-pop3d",
                "/usr/lib/dovecot/lmtp": "dovecot-lmtpd",
                "openssl": "openssl",
                "strace": "strace",
            }
        )

    def create(self):
        """An empty store."""
        self.remove()
        for name in ("data", "run", "state"):
            (self.folder / name).mkdir(parents=True)
        self.data.chmod(0o777)
        ports = []
        while len(ports) < 5:
            ports.append(host.free_port(ports))
        self.imap_port, self.imaps_port, self.pop3_port, self.pop3s_port, self.lmtp_port = ports
        key, certificate = self.folder / "key.pem", self.folder / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
            + ["-days", "30", "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        digest = host.argon2id(PASSWORD)
        users = [f"{USER}:{{PLAIN}}{PASSWORD}\n"]
        users += [f"{self.hashed_user(number)}:{{ARGON2ID}}{digest}\n" for number in range(HASHED_USERS)]
        (self.folder / "users").write_text("".join(users))
        (self.folder / "users").chmod(0o644)
        (self.folder / "dovecot.conf").write_text(self.configuration())
        for parent in self.folder.parents:
            if not parent.stat().st_mode & 0o001:
                raise Dead(f"{parent} is closed to Dovecot's mail user; choose another --work folder")

    def command(self):
        return ["/usr/sbin/dovecot", "-F", "-c", str(self.folder / "dovecot.conf")]

    def configuration(self):
        """dovecot.conf. `{PLAIN}` for the bench's user keeps argon2 out of all but the log-in measurement."""
        here = self.folder
        return f"""
base_dir = {here}/run
state_dir = {here}/state
log_path = {here}/dovecot.log
instance_name = {self.name}
protocols = imap pop3 lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{here}/certificate.pem
ssl_key = <{here}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_cache_size = 10M
auth_cache_verify_password_with_worker = yes
mail_location = {self.location}
mail_max_userip_connections = 5000
maildir_very_dirty_syncs = yes
first_valid_uid = 1
first_valid_gid = 1
default_vsz_limit = 1G
default_process_limit = 4000
default_client_limit = 12000
passdb {{
  driver = passwd-file
  args = {here}/users
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={here}/data/%n
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Sent {{
    special_use = \\Sent
    auto = create
  }}
  mailbox Drafts {{
    special_use = \\Drafts
    auto = create
  }}
  mailbox Trash {{
    special_use = \\Trash
    auto = create
  }}
  mailbox Junk {{
    special_use = \\Junk
    auto = create
  }}
  mailbox Archive {{
    special_use = \\Archive
    auto = create
  }}
}}
service imap-login {{
  {self.logins[Dovecot.shared_logins]}
  inet_listener imap {{
    port = {self.imap_port}
  }}
  inet_listener imaps {{
    port = {self.imaps_port}
  }}
}}
service pop3-login {{
  {self.logins[Dovecot.shared_logins]}
  inet_listener pop3 {{
    port = {self.pop3_port}
  }}
  inet_listener pop3s {{
    port = {self.pop3s_port}
  }}
}}
service imap {{
  process_limit = 4000
}}
service lmtp {{
  process_min_avail = 8
  inet_listener lmtp {{
    port = {self.lmtp_port}
  }}
}}
postmaster_address = postmaster@example.org
service auth-worker {{
  process_limit = 2
  unix_listener auth-worker {{
    mode = 0600
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""


class DovecotMaildir(Dovecot):
    """One file per message."""

    name, location = "dovecot-maildir", "maildir:~/Maildir"


class DovecotMdbox(Dovecot):
    """Dovecot's own format: many messages per file."""

    name, location = "dovecot-mdbox", "mdbox:~/mdbox"


class Pillarbox(Peer):
    """Ourselves."""

    name = "pillarbox"
    binary = Path()
    ports = (24, 25, 80, 110, 143, 443, 465, 587, 993, 995)

    def prepare(self):
        """strace alone."""
        host.install({"strace": "strace"})

    def create(self):
        """An empty store with the accounts; the first start, which makes the certificate, is not measured."""
        self.remove()
        self.folder.mkdir(parents=True)
        self.offset = host.free_offset(self.ports)
        self.imap_port, self.imaps_port = 143 + self.offset, 993 + self.offset
        self.pop3_port, self.pop3s_port = 110 + self.offset, 995 + self.offset
        self.lmtp_port = 24 + self.offset
        for user in (USER, *map(self.hashed_user, range(HASHED_USERS))):
            done = subprocess.run(
                [self.binary, "account", "add", user, "--password-stdin", "--data", self.data],
                input=PASSWORD.encode() + b"\n",
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=60,
                check=False,
            )
            if done.returncode != 0:
                raise Dead(f"account add {user}: {done.stderr.decode(errors='replace')[-300:]}")
        self.start()
        self.stop()

    def command(self):
        return [
            *(str(self.binary), "serve", "--data", str(self.data)),
            *("--bind", "127.0.0.1", "--port-offset", str(self.offset)),
        ]


class PillarboxBefore(Pillarbox):
    """Ourselves as we were: another binary, beside the present one in the same rounds."""

    name = "pillarbox-before"


PEERS = {kind.name: kind for kind in (DovecotMaildir, DovecotMdbox, Pillarbox)}
