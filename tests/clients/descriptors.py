"""Few file descriptors, and a server that says nothing: the store and the owner come before strangers, a file that cannot
be opened is no full disk, and the command line does not wait for ever."""

import glob
import os
import signal
import smtplib
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from house import PASSWORD, USER, Server, binary, expect, fact, until

FEW = 400
CROWD = 900


def few_descriptors(folder):
    """As many connections as come, under a limit that cannot be raised; everything goes on beside them."""
    program, limited = binary(), Path(folder) / "pillarbox"
    limited.write_text(f'#!/bin/sh\nulimit -n {FEW}\nexec {program} "$@"\n')
    limited.chmod(0o755)
    os.environ["PILLARBOX_BINARY"] = str(limited)
    try:
        with Server() as server:
            good = server.connect()
            crowd = [connection for _ in range(CROWD) if (connection := attempt(server.port))]
            time.sleep(0.5)
            # Some are still on their way into a message, which goes into a file.
            good.append("INBOX", b"Subject: x\r\n\r\n" + b"y" * 500_000)
            began = time.monotonic()
            expect(server.status()["running"], "the owner is answered")
            fact(f"{FEW} descriptors, {len(crowd)} connections: the owner is answered in {time.monotonic() - began:.1f} s")
            for connection in crowd:
                connection.close()
            until(lambda: deliver(server) == 250, 20, "mail is taken again")
            server.no_defect()
            expect("disk" not in server.log(), server.log()[-2000:])
            good.ok("NOOP")
    finally:
        os.environ["PILLARBOX_BINARY"] = program


def attempt(port):
    connection = socket.socket()
    connection.settimeout(2)
    try:
        connection.connect(("127.0.0.1", port))
        return connection
    except OSError:
        connection.close()
        return None


def deliver(server):
    try:
        with smtplib.SMTP("127.0.0.1", server.smtp_port, timeout=20) as client:
            client.ehlo()
            client.mail("a@b.example")
            client.rcpt(USER)
            return client.data(b"Subject: x\r\n\r\n" + (b"y" * 76 + b"\r\n") * 10_000)[0]
    except (OSError, smtplib.SMTPException) as error:
        return error


def is_stopped(pid):
    states = [Path(stat).read_text().rpartition(")")[2].split()[0] for stat in glob.glob(f"/proc/{pid}/task/*/stat")]
    return set(states) == {"T"}


def a_server_that_says_nothing():
    with Server() as server:
        server.process.send_signal(signal.SIGSTOP)
        try:
            until(lambda: is_stopped(server.process.pid), 20, "all of its threads stand still")
            for words in (["status"], ["account", "list"], ["queue", "list"]):
                began = time.monotonic()
                command = [binary(), *words, "--data", server.data]
                done = subprocess.run(command, capture_output=True, text=True, timeout=60)
                expect(done.returncode == 1 and "does not answer" in done.stderr, words, done)
                expect(time.monotonic() - began < 30, words)
        finally:
            server.process.send_signal(signal.SIGCONT)
        expect(server.status()["running"], "it answers again")
    fact("a server that is stopped: the command line says so, and ends")


def main():
    a_server_that_says_nothing()
    with tempfile.TemporaryDirectory() as folder:
        few_descriptors(folder)


main()
