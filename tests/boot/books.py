"""Who changes mail while the power may go, and what must be there afterwards.

A place is an octet of the log of the disk's writes. What was acknowledged is noted with the length that the log had
then: the flush that the acknowledgement stands for lies before it. So a disk that was cut off at a place must hold all
that was acknowledged before that, and cannot hold what was asked for after it.
"""

import os
import random
import re
import threading
from dataclasses import dataclass, field

from corpus import made
from house import expect
from imap import Closed

MAILBOXES = ["INBOX", "Archive", "Work"]
FLAGS = ["\\Seen", "\\Flagged", "\\Answered", "$Work"]
KEPT = 30  # messages that a client lets grow before it expunges more than it appends
SIZES = [0, 300, 5_000, 60_000]
LARGE = 1_500_000  # what a large message has: it goes into the store in pieces
GONE = None


@dataclass
class Step:
    """What became of a message, when it was asked for, and when that was acknowledged."""

    state: object  # (mailbox, flags) or GONE
    asked: int
    acknowledged: int | None = None

    def held(self, place):
        """Whether it was acknowledged by then."""
        return self.acknowledged is not None and self.acknowledged <= place


@dataclass
class Message:
    """One message, with all that was ever asked for it."""

    mark: int
    size: int
    steps: list = field(default_factory=lambda: [Step(GONE, 0, 0)])
    uid: int | None = None

    def octets(self):
        return made(self.mark, self.size, subject="Cut")

    def last(self):
        return self.steps[-1].state

    def allowed(self, place):
        """What it may be on a disk that was cut off at a place: as acknowledged, or further."""
        sure = max(number for number, step in enumerate(self.steps) if step.held(place))
        return [self.steps[sure].state, *(step.state for step in self.steps[sure + 1 :] if step.asked <= place)]


class Client:
    """A connection that changes its own messages until it breaks or is told to stop."""

    def __init__(self, number, seed, log):
        self.number, self.log = number, log
        self.dice = random.Random(f"{seed} {number}")
        self.messages = []
        self.changes = 0
        self.failure = None

    def place(self):
        return os.stat(self.log).st_size

    def work(self, connect, stop):
        try:
            with connect() as client:
                while not stop.is_set():
                    self.round(client)
        except (Closed, OSError):
            if not stop.is_set():
                self.failure = AssertionError("the connection broke")
        except Exception as failure:
            self.failure = failure

    def round(self, client):
        """A few commands in a row, sent without waiting, in one mailbox."""
        dice = self.dice
        mailbox = dice.choice(MAILBOXES)
        client.ok(f"SELECT {mailbox}")
        present = [message for message in self.messages if message.last() is not GONE]
        mine = [message for message in present if message.last()[0] == mailbox]
        dice.shuffle(mine)
        crowd = len(present) > KEPT
        sent = []
        for _ in range(dice.randint(1, 5)):
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
        size = LARGE if self.dice.random() < 0.02 else self.dice.choice(SIZES)
        message = Message(self.number * 1_000_000 + len(self.messages), size)
        flags = frozenset(self.dice.sample(FLAGS, self.dice.randint(0, 2)))
        self.messages.append(message)
        message.steps.append(Step((mailbox, flags), self.place()))
        return client.begin(f"APPEND {mailbox} ({' '.join(flags)}) ", message.octets()), [message], "append"

    def store(self, client, mailbox, messages):
        sign = self.dice.choice("+-")
        flags = frozenset(self.dice.sample(FLAGS, self.dice.randint(1, 2)))
        for message in messages:
            old = message.last()[1]
            message.steps.append(Step((mailbox, old | flags if sign == "+" else old - flags), self.place()))
        return client.begin(f"UID STORE {uids(messages)} {sign}FLAGS ({' '.join(flags)})"), messages, "store"

    def move(self, client, mailbox, messages):
        target = self.dice.choice([name for name in MAILBOXES if name != mailbox])
        for message in messages:
            message.steps.append(Step((target, message.last()[1]), self.place()))
        return client.begin(f"UID MOVE {uids(messages)} {target}"), messages, "move"

    def expunge(self, client, mailbox, messages):
        # Two commands: in between, the messages may be marked and still there.
        for message in messages:
            message.steps += [
                Step((mailbox, message.last()[1] | {"\\Deleted"}), self.place()),
                Step(GONE, self.place()),
            ]
        client.begin(f"UID STORE {uids(messages)} +FLAGS.SILENT (\\Deleted)")
        return client.begin(f"UID EXPUNGE {uids(messages)}"), messages, "expunge"

    def acknowledge(self, kind, messages, answer):
        place = self.place()
        self.changes += 1
        for message in messages:
            for step in message.steps:
                if step.acknowledged is None and step.state == message.last():
                    step.acknowledged = place
        if kind == "append":
            messages[0].uid = int(re.search(r"APPENDUID \d+ (\d+)", answer.text)[1])
        if kind == "move":
            [line] = [line for line in answer.lines if b"COPYUID" in line.text]
            olds, news = re.search(rb"COPYUID \d+ (\S+) (\S+)\]", line.text).groups()
            new_of = dict(zip(numbers(olds), numbers(news)))
            for message in messages:
                message.uid = new_of[message.uid]


def uids(messages):
    return ",".join(str(message.uid) for message in messages)


def numbers(text):
    for part in text.decode().split(","):
        first, _, last = part.partition(":")
        yield from range(int(first), int(last or first) + 1)


def load(clients, connect, seconds):
    """All of them at once, for a while."""
    stop = threading.Event()
    threads = [threading.Thread(target=client.work, args=(connect, stop)) for client in clients]
    for thread in threads:
        thread.start()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join(120)
    for client in clients:
        if client.failure:
            raise client.failure


def verify(client, clients, place):
    """What a client finds on a disk that was cut off at a place; returns how many changes it had to hold."""
    found = {}
    existing = client.mailboxes()
    for mailbox in MAILBOXES:
        if mailbox not in existing:
            continue
        for _, (flags, [body]) in client.messages(mailbox, "FLAGS BODY.PEEK[]").items():
            mark = int(re.search(rb"Subject: Cut (\d+)", body)[1])
            expect(mark not in found, mark, "is there twice")
            found[mark] = (mailbox, frozenset(flags)), body
    held = 0
    for message in (message for one in clients for message in one.messages):
        state, body = found.pop(message.mark, (GONE, None))
        allowed = message.allowed(place)
        expect(state in allowed, message.mark, "is", state, "and may be", allowed)
        expect(state is GONE or body == message.octets(), message.mark, "is not what was appended")
        held += sum(step.held(place) for step in message.steps[1:])
    expect(not found, "nobody knows of", list(found)[:10])
    return held
