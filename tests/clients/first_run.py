"""The first command: on a fresh folder, without arguments, to the greeting; the printed curl line; Ctrl-C."""

import os
import re
import shlex
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from house import binary, expect, fact, is_free, until


def main():
    for port in (10_110, 10_143, 10_993, 10_995):
        expect(is_free(port), f"port {port} is needed and in use")
    with tempfile.TemporaryDirectory(prefix="pillarbox-check-") as folder:
        log = Path(folder, "printed")
        began = time.monotonic()
        with open(log, "wb") as out:
            server = subprocess.Popen([binary()], cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            until(lambda: "curl " in log.read_text() and log.read_text().endswith("\n"), 20, "the greeting is printed")
            fact(f"first start to what is printed: {time.monotonic() - began:.2f} s")
            told(folder, log.read_text())
            again(folder, log)
            began = time.monotonic()
            server.send_signal(signal.SIGINT)
            code = server.wait(10)
            took = time.monotonic() - began
            fact(f"Ctrl-C to the end: {took:.2f} s")
            expect(code == 0 and took < 3, code, took)
        finally:
            if server.poll() is None:
                server.kill()
                server.wait(10)
        second_start(folder)


def told(folder, text):
    """What is printed leads to the mail."""
    for word in ("server ", "993", "user ", "password ", "SHA-256 ", "web page "):
        expect(word in text, word, text)
    [line] = [line for line in text.splitlines() if line.startswith("curl ")]
    done = subprocess.run(shlex.split(line), cwd=folder, capture_output=True, text=True, timeout=60)
    expect(done.returncode == 0, line, done.stderr)
    expect("Subject: Your mailbox is ready" in done.stdout, done.stdout)
    # The line as it is, in a shell, where people paste it.
    done = subprocess.run(line, shell=True, cwd=folder, capture_output=True, text=True, timeout=60)
    expect("Good to have you here" in done.stdout, done.stderr)

    page = ["curl", "-sS", "--cacert", "pillarbox-data/tls/ca.pem", re.search(r"web page +(\S+)", text)[1]]
    done = subprocess.run(page, cwd=folder, capture_output=True, text=True, timeout=60)
    expect("Mail is served here" in done.stdout, done.stdout, done.stderr)

    fingerprint = re.search(r"SHA-256 +([0-9A-F:]{95})", text)[1]
    authority = Path(folder, "pillarbox-data/tls/ca.pem")
    shown = ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", authority]
    done = subprocess.run(shown, capture_output=True, text=True, timeout=60)
    expect(fingerprint in done.stdout, fingerprint, done.stdout)
    password = re.search(r"password +(\S+)", text)[1]
    expect(len(password) >= 12, password)
    # Nobody else's business.
    data = Path(folder, "pillarbox-data")
    expect(stat.S_IMODE(data.stat().st_mode) == 0o700, oct(data.stat().st_mode))
    expect(stat.S_IMODE((data / "tls" / "key.pem").stat().st_mode) & 0o077 == 0, "the key can be read by others")


def again(folder, log):
    """A second server on the same folder or the same ports says why not, and ends; the first one goes on."""
    text = log.read_text()
    other = Path(folder, "other")
    other.mkdir()
    for place in (folder, other):
        done = subprocess.run([binary()], cwd=place, capture_output=True, text=True, timeout=20)
        expect(done.returncode == 1 and done.stderr.count("\n") < 4, done.returncode, done.stderr)
    [line] = [line for line in text.splitlines() if line.startswith("curl ")]
    done = subprocess.run(shlex.split(line), cwd=folder, capture_output=True, text=True, timeout=60)
    expect(done.returncode == 0, done.stderr)


def second_start(folder):
    """What is told once is told once; SIGTERM ends as cleanly as Ctrl-C."""
    log = Path(folder, "printed again")
    with open(log, "wb") as out:
        server = subprocess.Popen([binary()], cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        until(lambda: not is_free(10_993), 20, "the server listens")
        os.kill(server.pid, signal.SIGTERM)
        expect(server.wait(10) == 0, log.read_text())
        expect("password" not in log.read_text(), log.read_text())
    finally:
        if server.poll() is None:
            server.kill()
            server.wait(10)


main()
