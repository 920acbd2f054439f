"""kill -9 at random during 2,000 deliveries, by SMTP, LMTP and its socket, with retries as mail servers make them: in the end
each mail is there once, octet for octet.

    smtp_kill.py [MAILS]
"""

import queue
import random
import re
import signal
import sys
import threading
import time

from corpus import made
from house import USER, Server, expect, fact
from smtp import Smtp

OTHER = "ben@example.org"
THREADS = 8
SEED = 6


class Peer:
    """A mail server that tries each of its mails until it is told that it was taken."""

    def __init__(self, server, waiting, number):
        self.server, self.waiting = server, waiting
        self.dice = random.Random(f"{SEED} {number}")
        self.number = number
        self.retries = self.unsure = 0
        self.failure = None

    def work(self):
        try:
            while True:
                mark = self.waiting.get_nowait()
                while not self.tried(mark):
                    self.retries += 1
                    time.sleep(self.dice.random() * 0.05)
        except queue.Empty:
            pass
        except Exception as failure:
            self.failure = failure

    def tried(self, mark):
        """One connection, one mail; whether all of its recipients are served."""
        ended = False
        try:
            where = (self.server.smtp_port, self.server.lmtp_port, self.server.data / "lmtp.sock")[self.number % 3]
            with Smtp(where, timeout=20) as client:
                if not client.greeting:
                    return False
                client.say("LHLO peer.example.net" if client.is_lmtp else "EHLO peer.example.net")
                lines = ["MAIL FROM:<bob@example.net>", f"RCPT TO:<{USER}>", f"RCPT TO:<{OTHER}>", "DATA"]
                client.send("".join(f"{line}\r\n" for line in lines).encode())
                replies = [client.reply() for _ in lines]
                if any(reply is None or reply[0] not in "23" for reply in replies):
                    return False
                client.send(mail(mark) + b".\r\n")
                ended = True
                replies = [client.reply() for _ in range(2 if client.is_lmtp else 1)]
                if any(reply is None for reply in replies):
                    self.unsure += 1
                    return False
                if not all(reply.startswith("250") for reply in replies):
                    expect(all(reply[0] in "24" for reply in replies), replies)
                    return False
                return True
        except (OSError, AttributeError):
            # None where a line should be: the server went in the midst of it.
            self.unsure += ended
            return False


def mail(mark):
    """The mail of this number: most are small."""
    dice = random.Random(mark)
    size = 1_500_000 if mark % 97 == 0 else dice.choice([0, 2_000, 20_000, 300_000 if mark % 10 == 0 else 5_000])
    return b"Received: from a by peer.example.net; Mon, 3 Feb 2003 10:00:00 +0000\r\n" + made(mark, size, subject="Kill")


def main():
    mails = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    dice = random.Random(SEED)
    waiting = queue.Queue()
    for mark in range(mails):
        waiting.put(mark)
    kills = 0
    with Server() as server:
        server.run("account", "add", OTHER, "--password-stdin", input="another password\n")
        peers = [Peer(server, waiting, number) for number in range(THREADS)]
        threads = [threading.Thread(target=peer.work) for peer in peers]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            time.sleep(dice.uniform(0.0, 0.12))
            if any(thread.is_alive() for thread in threads):
                server.process.send_signal(signal.SIGKILL)
                server.process.wait()
                kills += 1
                server.start()
        for thread in threads:
            thread.join()
        for peer in peers:
            if peer.failure:
                raise peer.failure
        retries, unsure = sum(peer.retries for peer in peers), sum(peer.unsure for peer in peers)
        fact(f"{mails} mails to two people, {kills} kills, {retries} retries, {unsure} of them after a lost answer")
        expect(kills >= 10 and unsure > 0, "nothing was killed in the midst of anything", kills, unsure)
        for user, password in ((USER, None), (OTHER, "another password")):
            verify(server, user, password, mails)
        expect("all is well" in server.run("check"))


def verify(server, user, password, mails):
    """Each mail is there once, and as it was sent."""
    found = set()
    with server.connect(user=user, **({"password": password} if password else {})) as client:
        for _, [body] in client.messages("INBOX", "BODY.PEEK[]").values():
            mark = int(re.search(rb"Subject: Kill (\d+)", body)[1])
            expect(mark not in found, user, mark, "is there twice")
            expect(body.endswith(mail(mark)), user, mark, "is not what was sent")
            found.add(mark)
    expect(found == set(range(mails)), user, "lacks", sorted(set(range(mails)) - found)[:10])
    fact(f"{user} has each of the {mails} once")


if __name__ == "__main__":
    main()
