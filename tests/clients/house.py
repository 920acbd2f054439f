"""A running server for a check: its own folder, free ports, an account; bounded waits, and nothing left behind."""

import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from imap import Imap
from pop3 import Pop3

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT.parent / "shared" / "corpus"
USER, PASSWORD = "ann@example.org", "seven open sesames"
OFFSETS = range(11_000, 30_000)  # below the ports that the kernel gives away
START_SECONDS, STOP_SECONDS, COMMAND_SECONDS = 20, 15, 300
MEMORY = 64 << 10  # KiB that the server may need at its worst


def binary():
    """The program under test."""
    return os.environ.get("PILLARBOX_BINARY") or str(ROOT / "target" / "release" / "pillarbox")


def fact(text):
    """Something that was measured, for who reads the run."""
    print(f"    {text}", flush=True)


def expect(truth, *about):
    """As `assert`, which an option of Python's could switch off."""
    if not truth:
        frame = sys._getframe(1)
        raise AssertionError(f"line {frame.f_lineno} of {Path(frame.f_code.co_filename).name}: {about!r}")


def until(true, seconds, what):
    """Waits until something is so."""
    end = time.monotonic() + seconds
    while not true():
        expect(time.monotonic() < end, f"not within {seconds} s: {what}")
        time.sleep(0.005)


class Server:
    """A server; as a context it is started, and stopped in good order at the end."""

    def __init__(self, accounts=((USER, PASSWORD),), settings=None, environment=None, bind="127.0.0.1"):
        self.folder = Path(tempfile.mkdtemp(prefix="pillarbox-check-"))
        self.data = self.folder / "data"
        self.log_file = self.folder / "log"
        self.process = None
        self.options = []  # of `serve`
        self.offset = free_offset()
        self.environment = environment or {}
        self.bind = bind
        for address, password in accounts:
            self.run("account", "add", address, "--password-stdin", input=f"{password}\n")
        if settings:
            self.data.mkdir(exist_ok=True)
            (self.data / "pillarbox.toml").write_text(settings)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, failure, *_):
        try:
            if self.process and failure is None:
                self.stop()
        finally:
            if self.process:
                self.kill()
            if failure is not None and self.log_file.exists():
                print("the server's last words:", *self.log().splitlines()[-15:], sep="\n  ", file=sys.stderr)
            if "PILLARBOX_KEEP" not in os.environ:
                shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def port(self):
        return 143 + self.offset

    @property
    def tls_port(self):
        return 993 + self.offset

    @property
    def pop3_port(self):
        return 110 + self.offset

    @property
    def pop3s_port(self):
        return 995 + self.offset

    @property
    def smtp_port(self):
        return 25 + self.offset

    @property
    def submissions_port(self):
        return 465 + self.offset

    @property
    def submission_port(self):
        return 587 + self.offset

    @property
    def lmtp_port(self):
        return 24 + self.offset

    @property
    def http_port(self):
        return 80 + self.offset

    @property
    def https_port(self):
        return 443 + self.offset

    @property
    def authority(self):
        """The file with the certificate that a client is to trust."""
        return self.data / "tls" / "ca.pem"

    def start(self):
        """Starts the server; returns the seconds until its greeting."""
        with open(self.log_file, "ab") as log:
            began = time.monotonic()
            self.process = subprocess.Popen(
                [
                    *(binary(), "serve", "--data", self.data, "--bind", self.bind),
                    *("--port-offset", str(self.offset), *self.options),
                ],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        while time.monotonic() < began + START_SECONDS:
            expect(self.process.poll() is None, "the server ended", self.log()[-2000:])
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=START_SECONDS) as probe:
                    if probe.recv(200).startswith(b"* OK"):
                        return time.monotonic() - began
            except ConnectionError:
                time.sleep(0.002)
        raise AssertionError(f"no greeting: {self.log()[-2000:]}")

    def stop(self, how=signal.SIGINT):
        """Asks the server to end; it must do so in time, without an error, and without a defect in its log."""
        began = time.monotonic()
        self.process.send_signal(how)
        code = self.process.wait(STOP_SECONDS)
        self.process = None
        expect(code == 0, "exit", code, self.log()[-2000:])
        self.no_defect()
        return time.monotonic() - began

    def kill(self):
        self.process.kill()
        self.process.wait(STOP_SECONDS)
        self.process = None

    def restart(self):
        self.stop()
        return self.start()

    def log(self):
        return self.log_file.read_text(errors="replace")

    def no_defect(self):
        log = self.log()
        for word in ("this is a defect", "panicked"):
            expect(word not in log, word, log[max(0, log.find(word) - 1000) :][:2000])

    def run(self, *arguments, input="", fails=False, seconds=COMMAND_SECONDS):
        """Runs `pillarbox ARGUMENTS --data`; returns what it printed. With `fails`, it must fail."""
        command = [binary(), *map(str, arguments), "--data", str(self.data)]
        done = subprocess.run(command, input=input, capture_output=True, text=True, timeout=seconds)
        expect((done.returncode != 0) == fails, command, done.returncode, done.stdout, done.stderr)
        return done.stderr if fails else done.stdout

    def status(self):
        return json.loads(self.run("status", "--json"))

    def connect(self, tls=False, user=USER, password=PASSWORD, timeout=60):
        """A connection; logged in, unless `user` is None."""
        client = Imap(self.tls_port if tls else self.port, self.trust() if tls else None, timeout)
        if user is not None:
            client.ok(f'LOGIN {user} "{password}"')
        return client

    def pop3(self, tls=False, user=USER, password=PASSWORD, timeout=60):
        """A POP3 connection; logged in, unless `user` is None."""
        client = Pop3(self.pop3s_port if tls else self.pop3_port, self.trust() if tls else None, timeout)
        return client if user is None else client.login(user, password)

    def trust(self):
        """What a careful client believes: our authority, for this name."""
        return ssl.create_default_context(cafile=self.authority)

    def peak(self):
        """KiB of memory that the server needed at its worst."""
        return peak(self.process.pid)

    def peak_is_bounded(self, what):
        kib = self.peak()
        fact(f"peak memory {what}: {kib / 1024:.1f} MiB")
        expect(kib < MEMORY, "KiB", kib)


def peak(process):
    """VmHWM of a process in KiB."""
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))


def free_offset():
    """A port offset at which nobody listens."""
    for offset in random.sample(OFFSETS, 200):
        if all(is_free(standard + offset) for standard in (24, 25, 80, 110, 143, 443, 465, 587, 993, 995)):
            return offset
    raise AssertionError("no free ports")


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
