"""The first command: on a fresh folder, without arguments, to the greeting; the printed curl line; Ctrl-C."""

import hashlib
import os
import re
import shlex
import signal
import socket
import ssl
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
            # As `pgrep`, `top` and `killall` know it.
            expect(Path(f"/proc/{server.pid}/comm").read_text() == "pillarbox\n", "another name in the list of processes")
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
        nothing_is_left(folder)
        claimed_start(folder)


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

    # What programs show is the certificate's own; the authority's is told as such.
    fingerprints = re.findall(r"SHA-256 +([0-9A-F:]{95})", text)
    connect = ["openssl", "s_client", "-connect", "127.0.0.1:10993", "-showcerts"]
    done = subprocess.run(connect, input="", capture_output=True, text=True, timeout=60)
    sent = re.findall(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", done.stdout, re.DOTALL)
    digests = [hashlib.sha256(ssl.PEM_cert_to_DER_cert(one)).hexdigest().upper() for one in sent]
    expect([one.replace(":", "") for one in fingerprints] == digests and len(digests) == 2, fingerprints, digests)
    authority = Path(folder, "pillarbox-data/tls/ca.pem").read_text()
    expect(ssl.PEM_cert_to_DER_cert(authority) == ssl.PEM_cert_to_DER_cert(sent[1]), "the chain ends with our authority")
    in_page = subprocess.run(page, cwd=folder, capture_output=True, text=True, timeout=60).stdout
    expect(all(one in in_page for one in fingerprints), in_page)
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
        until(lambda: log.read_text().count("\n") >= 3, 20, "three lines")
        runs, where, waits = log.read_text().splitlines()
        expect("runs, with 1 account, in pillarbox-data" in runs, runs)
        expect("IMAP 10993" in where and "https://localhost:10443/" in where, where)
        expect(waits == "Nothing waits", waits)
        os.kill(server.pid, signal.SIGTERM)
        expect(server.wait(10) == 0, log.read_text())
        expect("password" not in log.read_text(), log.read_text())
    finally:
        if server.poll() is None:
            server.kill()
            server.wait(10)


def nothing_is_left(folder):
    """A start that cannot be says so, and leaves no half-made folder behind."""
    with socket.create_server(("127.0.0.1", 26_500 + 465)):
        for options in (["--port-offset", "65000"], ["--port-offset", "26500"], ["--bind", "192.0.2.1"]):
            done = subprocess.run([binary(), *options, "--data", "never"], cwd=folder, capture_output=True, timeout=20)
            expect(done.returncode in (1, 2) and done.stderr, options, done)
            expect(not Path(folder, "never").exists(), options, "a folder is left")
    code = {**os.environ, "PILLARBOX_CLAIM": "x"}
    done = subprocess.run([binary(), "--data", "never"], cwd=folder, capture_output=True, timeout=20, env=code)
    expect(done.returncode == 1 and b"PILLARBOX_CLAIM" in done.stderr, done)
    expect(not Path(folder, "never").exists(), "a folder is left")


def claimed_start(folder):
    """With a code each start tells that it waits to be set up, and by which page."""
    log, environment = Path(folder, "claimed"), {**os.environ, "PILLARBOX_CLAIM": "K3MF-W8TA"}
    for _ in range(2):
        with open(log, "wb") as out:
            command = [binary(), "--data", "claimed-data", "--bind", "127.0.0.5", "--port-offset", "26500"]
            server = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment)
        try:
            until(lambda: log.read_text().count("\n") >= 3, 20, "three lines")
            text = log.read_text()
            expect("waits to be set up" in text and "https://127.0.0.5:26943/" in text and "K3MF" not in text, text)
            page = ["curl", "-sS", "--cacert", "claimed-data/tls/ca.pem", "https://127.0.0.5:26943/"]
            done = subprocess.run(page, cwd=folder, capture_output=True, text=True, timeout=60)
            expect("Set up this mailbox" in done.stdout, done.stdout, done.stderr)
            os.kill(server.pid, signal.SIGTERM)
            expect(server.wait(10) == 0, log.read_text())
        finally:
            if server.poll() is None:
                server.kill()
                server.wait(10)


main()
