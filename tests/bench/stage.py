"""What a measurement works with, and what it hands back."""

from dataclasses import dataclass, field

from client import Refused, append_request, crowd

APPEND_LARGEST = 65536


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    key: str
    title: str
    unit: str
    better: str  # "higher", "lower", or "" where no side is the better one
    least: float = 0  # what Pillarbox must reach
    ahead: float = 0  # the ratio to the better Dovecot that Pillarbox must reach


@dataclass
class Stage:
    """One peer in one round, its mail, and the values measured so far."""

    peer: object
    options: object
    synthetic: object
    real: object
    values: dict = field(default_factory=dict)  # key -> [(value, client CPU or None)]
    sizes: dict = field(default_factory=dict)  # key -> bytes of the first reply
    cold: str = ""

    def record(self, key, value, cpu=None):
        """Keeps one value for the row `key`."""
        self.values.setdefault(key, []).append((value, cpu))

    @property
    def count(self):
        """Messages in the synthetic mailbox."""
        return len(self.synthetic.messages)

    def mails(self):
        """The bodies of mail that were loaded; each has a mailbox of its name."""
        return [mail for mail in (self.synthetic, self.real) if mail]


def box_name(number):
    """The name of one of the 200 small mailboxes."""
    return f"Box{number:03d}"


def load_mail(stage):
    """Fills one mailbox with each body of mail, in order, over one connection each."""

    def loader(mail):
        def prepare():
            client = stage.peer.connect()
            return lambda: client.load(append_request(mail.name, body, flags) for body, flags in zip(mail.messages, mail.flags))

        return prepare

    # One after the other: of two at once in a new account, Dovecot refuses one.
    with stage.peer.connect() as client:
        for mail in stage.mails():
            client.command(f'CREATE "{mail.name}"')
    crowd([loader(mail) for mail in stage.mails()])
    with stage.peer.connect() as client:
        for mail in stage.mails():
            heard = client.command(f"STATUS {mail.name} (MESSAGES UNSEEN)")
            for wanted in (b"MESSAGES %d" % len(mail.messages), b"UNSEEN %d" % mail.unseen):
                if wanted not in heard:
                    raise Refused(f"after loading, {wanted!r} was expected: {heard!r}")


def load_drop(stage):
    """Fills the INBOX of another account with the synthetic mail, all of it unread."""
    with stage.peer.connect(login=False) as client:
        client.login(*stage.peer.drop())
        client.load(append_request("INBOX", body) for body in stage.synthetic.messages)


def load_boxes(stage):
    """Makes the small mailboxes with three small messages each."""
    bodies = stage.synthetic.between(0, 6000, 3)
    with stage.peer.connect() as client:
        for number in range(stage.options.boxes):
            client.command(f"CREATE {box_name(number)}")
            client.load(append_request(box_name(number), body) for body in bodies)
