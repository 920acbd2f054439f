"""Sessions that ask for as much work as a command can hold do not keep anybody else waiting."""

import base64
import multiprocessing
import random
import statistics
import time

from house import PASSWORD, USER, Server, expect, fact

OTHER = "other@example.org"
SESSIONS = 20  # more than there are threads, by far
SECONDS = 12  # for each kind of work
WAITS = 5.0  # seconds: nobody is taken for answered who waits longer, however busy the machine


def main():
    with Server(accounts=((USER, PASSWORD), (OTHER, PASSWORD))) as server:
        prepare(server)
        undisturbed = Neighbour(server)
        fact(f"  (undisturbed: {undisturbed.measure(40)})")
        for name, command in works():
            others(server, undisturbed, name, [command])
        others(server, undisturbed, "all at once", [command for _, command in works()])
        undisturbed.client.close()
        server.no_defect()
        server.peak_is_bounded("of all that")


def works():
    """Commands that are as much work as their length allows."""
    sought = " ".join(f'NOT HEADER X-H "zz{n}"' for n in range(480))
    yield "SEARCH for 480 texts in one field", f"SEARCH 1:12 {sought}"
    yield "SEARCH for 400 texts in the body", "SEARCH 13 " + " ".join(f"NOT BODY zz{n}" for n in range(400))
    yield "FETCH of 60 sizes", f"FETCH 13 ({' '.join(['BINARY.SIZE[1]'] * 60)})"
    octets = " ".join(f"BINARY.PEEK[1]<{7_999_000 + n}.1>" for n in range(60))
    yield "FETCH of 60 octets at the end", f"FETCH 13 ({octets})"
    yield "FETCH of 60 structures", f"FETCH 14 ({' '.join(['BODYSTRUCTURE'] * 60)})"
    patterns = " ".join('"' + "*a" * 480 + 'b"' for _ in range(60))
    yield "LIST with 58 kB of patterns", f'LIST "" ({patterns})'


def prepare(server):
    with server.connect() as client:
        words = b"\r\n ".join(b"=?utf-8?q?" + b"=41" * 20 + b"?=" for _ in range(3_400))
        for _ in range(12):
            client.append("INBOX", b"Subject: x\r\nX-H: " + words + b"\r\n\r\nbody\r\n")
        content = base64.encodebytes(random.Random(1).randbytes(8_000_000)).replace(b"\n", b"\r\n")
        head = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        client.append("INBOX", head + content)
        parts = b"".join(b"--b\r\nContent-Type: text/plain; name=n%d\r\n\r\nx\r\n" % n for n in range(990))
        client.append("INBOX", b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + parts + b"--b--\r\n")
        for number in range(100):
            client.ok(f"CREATE L{number:04}{'a' * 900}")
    with server.connect(user=OTHER) as client:
        client.append("INBOX", b"Subject: five kilobytes\r\n\r\n" + b"line of text\r\n" * 360)


def others(server, neighbour, name, commands):
    """Has sessions ask for work again and again, and measures what somebody else notices of it."""
    # Processes of their own: threads of this one would hold up the neighbour themselves.
    over, rounds, failures = multiprocessing.Event(), multiprocessing.Value("i"), multiprocessing.SimpleQueue()

    def ask(command):
        try:
            with server.connect(timeout=300) as client:
                client.ok("SELECT INBOX")
                while not over.is_set():
                    client.ok(command)
                    with rounds.get_lock():
                        rounds.value += 1
        except Exception as failure:  # whatever it is, the check must hear of it
            failures.put(repr(failure))

    attackers = [multiprocessing.Process(target=ask, args=(commands[n % len(commands)],)) for n in range(SESSIONS)]
    for attacker in attackers:
        attacker.start()
    time.sleep(1)
    waited = neighbour.measure(None, SECONDS)
    over.set()
    for attacker in attackers:
        attacker.join()
    expect(failures.empty(), name, failures.empty() or failures.get())
    expect(rounds.value > 0, name, "nothing was done")
    fact(f"{name}, in {SESSIONS} sessions: {waited}; {rounds.value} done")


class Neighbour:
    """Somebody with an account of their own who does a little now and then."""

    def __init__(self, server):
        self.server = server
        self.client = server.connect(user=OTHER)
        self.client.ok("SELECT INBOX")

    def measure(self, tries, seconds=60):
        """How long NOOP, a log-in and a FETCH of 5 KB take: so many tries, or for so long."""
        noops, logins, fetches = [], [], []
        until = time.monotonic() + seconds
        while time.monotonic() < until and len(noops) != tries:
            noops.append(timed(lambda: self.client.ok("NOOP")))
            fetches.append(timed(lambda: self.client.ok("FETCH 1 BODY.PEEK[]")))
            if len(noops) % 5 == 0:
                logins.append(timed(lambda: self.server.connect(user=OTHER).close()))
            time.sleep(0.02)
        expect(max(noops + fetches + logins) < WAITS, max(noops), max(fetches), max(logins))
        return ", ".join(
            f"{name} {statistics.median(times) * 1000:.1f} ms (99 %: {share(times, 0.99) * 1000:.1f})"
            for name, times in (("NOOP", noops), ("FETCH", fetches), ("log-in", logins))
        )


def timed(act):
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def share(times, part):
    return sorted(times)[min(int(len(times) * part), len(times) - 1)]


if __name__ == "__main__":
    main()
