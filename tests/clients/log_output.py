"""A log that cannot be written costs lines and nothing else: its disk is full, its reader is gone, or reads no more."""

import fcntl
import os
import smtplib
import socket
import subprocess
import time

from house import PASSWORD, USER, Server, binary, expect, fact, until

F_SETPIPE_SZ = 1031
STRANGERS = 400


class Mute(Server):
    """A server whose stdout and stderr are what a check gives it."""

    def __init__(self, output, first=False, **options):
        super().__init__(accounts=() if first else ((USER, PASSWORD),), **options)
        self.output = output

    def start(self):
        self.process = subprocess.Popen(
            [binary(), "serve", "--data", self.data, "--bind", self.bind, "--port-offset", str(self.offset)],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
        )
        until(lambda: greeting(self.port).startswith(b"* OK"), 20, "a greeting")

    def log(self):
        return ""


def greeting(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 20) as probe:
            return probe.recv(200)
    except OSError:
        return b""


def give(server, port, sender, to, login=False):
    """Sends a mail; what it was answered."""
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.ehlo()
        if login:
            client.login(USER, PASSWORD)
        client.mail(sender)
        client.rcpt(to)
        return client.data(f"From: {sender}\r\nMessage-ID: <{time.time()}@check>\r\n\r\ntext\r\n")


def works(server):
    """Everything answers, and the queue is tried."""
    expect(give(server, server.smtp_port, "a@b.example", USER)[0] == 250)
    expect(give(server, server.submission_port, USER, "nobody@outside.invalid", login=True)[0] == 250)
    until(lambda: tried(server), 30, "the queue tries what is in it")
    # Each of them is a line of the log, and so is each that is turned away.
    strangers(server, STRANGERS)
    with server.connect() as client:
        client.ok("SELECT INBOX")
        client.ok("FETCH 1 BODY.PEEK[TEXT]")
    until(lambda: greeting(server.port).startswith(b"* OK"), 20, "a greeting")
    status = server.status()
    expect(status["broke_off"] == {}, status)
    return status["log_lost"]


def tried(server):
    """Mail for a host that does not exist was given up, or waits for its next attempt."""
    return "0 attempts" not in server.run("queue", "list")


def strangers(server, count):
    for _ in range(count):
        greeting(server.port)


def a_full_disk():
    with open("/dev/full", "wb") as output, Mute(output) as server:
        lost = works(server)
        expect(lost > STRANGERS, lost)
    fact(f"disk of the log full: {lost} lines lost, nothing else")


def a_reader_that_went():
    reading, writing = os.pipe()
    server = Mute(writing)
    os.close(reading)
    with server:
        os.close(writing)
        lost = works(server)
        expect(lost > STRANGERS, lost)
    fact(f"reader of the log gone: {lost} lines lost, nothing else")


def a_reader_that_reads_no_more():
    reading, writing = os.pipe()
    fcntl.fcntl(writing, F_SETPIPE_SZ, 4096)
    # The first account is printed where nobody reads: that must not hold up the start.
    os.set_blocking(writing, False)
    os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    with Mute(writing, first=True, environment={"PILLARBOX_LOG": "debug"}) as server:
        os.close(writing)
        server.run("account", "add", USER, "--password-stdin", input=f"{PASSWORD}\n")
        lost = works(server)
        while not lost:
            strangers(server, STRANGERS)
            lost = server.status()["log_lost"]
        # Once somebody reads again, the log says what it lacks.
        heard = b""
        while b"lines of this log were lost" not in heard:
            heard += os.read(reading, 65536)
        expect(heard.count(b"log were lost") == 1 and b"ERROR" not in heard, heard[-2000:])
        # And it ends in time while nobody does.
        strangers(server, STRANGERS)
        ended = server.stop()
    os.close(reading)
    fact(f"reader of the log stalled: {lost} lines lost and told of, ended in {ended:.1f} s")


def commands_whose_reader_went():
    """`pillarbox account list | head -1` ends quietly, and so does what speaks on stderr."""
    with Server(accounts=[(f"user{number}@example.org", PASSWORD) for number in range(3)]) as server:
        for words in (["account", "list"], ["--help"], ["status"], ["account", "show", "nobody@example.org"], ["nonsense"]):
            for stream in ("stdout", "stderr"):
                for broken in (open("/dev/full", "wb"), closed_pipe()):
                    command = [binary(), *words] + ([] if words[0][0] == "-" else ["--data", server.data])
                    done = subprocess.run(
                        command, timeout=60, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: broken}
                    )
                    broken.close()
                    expect(done.returncode in (0, 1, 2), words, stream, done)
                    expect(b"panicked" not in (done.stderr or b""), words, stream, done)
    fact("commands end quietly where nobody takes what they say")


def closed_pipe():
    reading, writing = os.pipe()
    os.close(reading)
    return open(writing, "wb")


def main():
    a_full_disk()
    a_reader_that_went()
    a_reader_that_reads_no_more()
    commands_whose_reader_went()


main()
