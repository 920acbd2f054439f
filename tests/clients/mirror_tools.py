"""What the checks of mailboxes at providers have in common."""

import re
import time

import dovecot
from house import USER, expect


def add(server, provider, *options, certificate=None):
    """A mailbox at this provider, by IMAP with STARTTLS."""
    return server.run(
        *("mirror", "add", USER, "--imap", "localhost", "--port", provider.port, "--user", dovecot.USER, "--starttls"),
        *("--certificate", certificate or provider.certificate, "--every", "3600", "--password-stdin"),
        *options,
        input=dovecot.PASSWORD + "\n",
    )


def until_rest(server, *options):
    """Looks until nothing changes any more; what is told of the last look."""
    shown = server.run("mirror", "run", USER, *options)
    for _ in range(20):
        before, shown = shown, server.run("mirror", "run", USER)
        if numbers(before) == numbers(shown):
            return shown
    raise AssertionError(f"it never rests: {shown}")


def numbers(shown):
    """Messages fetched and sent."""
    found = re.findall(r"messages (?:fetched|sent) +(\d+)", shown)
    expect(len(found) == 2, shown)
    return tuple(map(int, found))


def renumber(provider, *folders):
    """Makes Dovecot forget the UIDs of folders."""
    provider.stop()
    for folder in folders:
        path = provider.mailbox_folder(folder)
        for pattern in ("dovecot-uidlist*", "dovecot.index*"):
            for file in path.glob(pattern):
                file.unlink()
    # UIDVALIDITY is the second of the clock.
    time.sleep(1.1)
    provider.start()
