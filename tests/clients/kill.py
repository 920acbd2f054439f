"""kill -9 in a loop under concurrent changes: what was acknowledged is there, the rest is wholly done or not at all.

    kill.py [KILLS]

Each client keeps its own books: every message it ever appended, in which states it may be by what was acknowledged and
what was under way when the connection broke. Clients touch their own messages only, all in the same three mailboxes.
"""

import random
import re
import sys
import threading
import time

from corpus import made
from house import Server, expect, fact
from imap import Closed

MAILBOXES = ["INBOX", "Archive", "Work"]
CLIENTS = 6
FLAGS = ["\\Seen", "\\Flagged", "\\Answered", "$Work"]
KEPT = 40  # messages that a client lets grow before it expunges more than it appends
LARGE = 3_000_000  # what a large message has: it goes into the store in pieces
GONE = None
SEED = 4


class Message:
    """One message: where it is (`mailbox, flags`, or GONE) by what was acknowledged, and what else it may be."""

    def __init__(self, mark, size):
        self.mark, self.size = mark, size
        self.uid = None
        self.state = GONE
        self.under_way = []

    def octets(self):
        return made(self.mark, self.size, subject="Kill")

    def last(self):
        return self.under_way[-1] if self.under_way else self.state


class Client:
    """One client: a connection at a time, books for ever."""

    def __init__(self, number, seed):
        self.number = number
        self.dice = random.Random(seed)
        self.messages = []
        self.made = 0
        self.acknowledged = 0
        self.highest = dict.fromkeys(MAILBOXES, 0)
        self.failure = None

    def work(self, server):
        """Changes things until the connection breaks."""
        try:
            with server.connect(tls=self.number % 2 == 0) as client:
                while True:
                    self.round(client)
        except (Closed, OSError):
            pass
        except Exception as failure:
            self.failure = failure

    def round(self, client):
        """A few commands in a row, pipelined, in one mailbox."""
        dice = self.dice
        mailbox = dice.choice(MAILBOXES)
        client.ok(f"SELECT {mailbox}")
        mine = [message for message in self.messages if message.state is not GONE and message.state[0] == mailbox]
        dice.shuffle(mine)
        sent = []
        for _ in range(dice.randint(1, 5)):
            crowd = len(self.messages) > KEPT
            act = dice.choices(["append", "store", "move", "expunge"], [2 if crowd else 6, 5, 4, 5 if crowd else 2])[0]
            if act == "append":
                sent.append(self.append(client, mailbox))
            elif mine:
                some = [mine.pop() for _ in range(min(len(mine), dice.choice([1, 1, 1, 3])))]
                sent.append(getattr(self, act)(client, mailbox, some))
        for tag, messages, kind in sent:
            answer = client.end(tag)
            expect(answer.status == "OK", kind, answer)
            self.acknowledge(kind, messages, answer)

    def append(self, client, mailbox):
        size = LARGE if self.dice.random() < 0.02 else self.dice.choice([0, 300, 5_000, 60_000])
        message = Message(self.number * 1_000_000 + self.made, size)
        self.made += 1
        flags = frozenset(self.dice.sample(FLAGS, self.dice.randint(0, 2)))
        # Entered before it is sent: it may be stored, and its acknowledgement never come.
        message.under_way.append((mailbox, flags))
        self.messages.append(message)
        return client.begin(f"APPEND {mailbox} ({' '.join(flags)}) ", message.octets()), [message], "append"

    def store(self, client, mailbox, messages):
        sign = self.dice.choice("+-")
        flags = frozenset(self.dice.sample(FLAGS, self.dice.randint(1, 2)))
        for message in messages:
            old = message.last()[1]
            message.under_way.append((mailbox, old | flags if sign == "+" else old - flags))
        return client.begin(f"UID STORE {uids(messages)} {sign}FLAGS ({' '.join(flags)})"), messages, "store"

    def move(self, client, mailbox, messages):
        target = self.dice.choice([name for name in MAILBOXES if name != mailbox])
        for message in messages:
            message.under_way.append((target, message.last()[1]))
        return client.begin(f"UID MOVE {uids(messages)} {target}"), messages, "move"

    def expunge(self, client, mailbox, messages):
        # Two commands: in between, the messages may be marked and still there.
        for message in messages:
            message.under_way += [(mailbox, message.last()[1] | {"\\Deleted"}), GONE]
        client.begin(f"UID STORE {uids(messages)} +FLAGS.SILENT (\\Deleted)")
        return client.begin(f"UID EXPUNGE {uids(messages)}"), messages, "expunge"

    def acknowledge(self, kind, messages, answer):
        self.acknowledged += 1
        for message in messages:
            message.state, message.under_way = message.last(), []
        if kind == "append":
            messages[0].uid = int(re.search(r"APPENDUID \d+ (\d+)", answer.text)[1])
        if kind == "move":
            [line] = [line for line in answer.lines if b"COPYUID" in line.text]
            olds, news = re.search(rb"COPYUID \d+ (\S+) (\S+)\]", line.text).groups()
            new_of = dict(zip(numbers(olds), numbers(news)))
            for message in messages:
                message.uid = new_of[message.uid]
        if kind in ("append", "move"):
            mailbox = messages[0].state[0]
            given = sorted(message.uid for message in messages)
            expect(given[0] > self.highest[mailbox], "a UID was given twice, or they went back")
            self.highest[mailbox] = given[-1]
        self.messages = [message for message in self.messages if message.state is not GONE or message.under_way]


def uids(messages):
    return ",".join(str(message.uid) for message in messages)


def numbers(text):
    for part in text.decode().split(","):
        first, _, last = part.partition(":")
        yield from range(int(first), int(last or first) + 1)


class Books:
    """What must be there after a kill, by all clients' books."""

    def __init__(self):
        self.validity = {}
        self.next = dict.fromkeys(MAILBOXES, 1)
        self.done_under_way = self.undone = 0

    def verify(self, server, clients):
        found = {}
        with server.connect(tls=True) as client:
            for mailbox in MAILBOXES:
                status = client.status(mailbox)
                expect(self.validity.setdefault(mailbox, status["UIDVALIDITY"]) == status["UIDVALIDITY"], "UIDVALIDITY")
                least = max(self.next[mailbox], *(client.highest[mailbox] + 1 for client in clients))
                expect(status["UIDNEXT"] >= least, mailbox, "UIDNEXT went back")
                self.next[mailbox] = status["UIDNEXT"]
                for uid, (flags, [body]) in client.messages(mailbox, "FLAGS BODY.PEEK[]").items():
                    mark = int(re.search(rb"Subject: Kill (\d+)", body)[1])
                    expect(mark not in found, mark, "is there twice")
                    expect(uid < status["UIDNEXT"], mark, uid)
                    found[mark] = uid, (mailbox, frozenset(flags)), body
                expect(status["MESSAGES"] == sum(state[0] == mailbox for _, state, _ in found.values()))
        for client in clients:
            for message in client.messages:
                uid, state, body = found.pop(message.mark, (None, GONE, None))
                allowed = [message.state, *message.under_way]
                expect(state in allowed, message.mark, "is", state, "and may be", allowed)
                if state is not GONE:
                    expect(body == message.octets(), message.mark, "is not what was appended")
                    same_place = message.state is not GONE and message.state[0] == state[0]
                    # One that was moved away and is back would have another; none is moved back within one round.
                    expect(not same_place or uid == message.uid, message.mark, uid, message.uid)
                if message.under_way:
                    self.done_under_way += state == message.last()
                    self.undone += state != message.last()
                message.uid, message.state, message.under_way = uid, state, []
            client.messages = [message for message in client.messages if message.state is not GONE]
        expect(not found, "nobody knows of", list(found)[:10])


def main():
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    dice = random.Random(SEED)
    clients = [Client(number, f"{SEED} {number}") for number in range(1, CLIENTS + 1)]
    books, starts = Books(), []
    with Server() as server:
        with server.connect() as client:
            client.ok("CREATE Work")
        for _ in range(kills):
            threads = [threading.Thread(target=client.work, args=(server,)) for client in clients]
            for thread in threads:
                thread.start()
            time.sleep(dice.uniform(0.02, 0.5))
            server.kill()
            for thread in threads:
                thread.join(60)
            for client in clients:
                if client.failure:
                    raise client.failure
            expect("all is well" in server.run("check"))
            starts.append(server.start())
            books.verify(server, clients)
            server.no_defect()
        acknowledged = sum(client.acknowledged for client in clients)
        fact(f"{kills} kills, {acknowledged:,} acknowledged changes, all there; check clean each time")
        fact(f"under way at a kill: {books.done_under_way} messages as if done, {books.undone} as if not")
        fact(
            f"restart to greeting: {sorted(starts)[len(starts) // 2]:.3f} s in the median, {max(starts):.3f} s at most"
        )
        expect(max(starts) < 1)
        expect(acknowledged > 20 * kills and books.done_under_way + books.undone > kills, "too little was going on")


main()
