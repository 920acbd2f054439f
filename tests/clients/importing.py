"""An import that is cut off, by its owner, by a server that is killed, by a quota: it says where it stopped, and the same
import again goes on from there. A message that is in what is imported so many times is there so many times, never more.
"""

import re
import signal
import subprocess
import time

from house import USER, Server, binary, expect, fact

MANY = 12_000
SAME = 100  # each of so many messages in a row is the same


def main():
    with Server() as server:
        mbox = server.folder / "many.mbox"
        with open(mbox, "wb") as file:
            for number in range(MANY):
                text = b"line\n" * (number // SAME % 50)
                file.write(b"From bob@example.org Mon Feb  3 10:00:00 2003\nSubject: %d\n\n" % (number // SAME) + text)
        by_its_owner(server, mbox)
        by_the_server(server, mbox)
        whole(server, mbox)
        with_a_quota(server, mbox)
        named(server)
        expect("all is well" in server.run("check"))
        server.no_defect()


def begin(server, mbox):
    command = [binary(), "import", USER, str(mbox), "--data", str(server.data)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def stored(server):
    with server.connect() as client:
        return subjects(client)


def subjects(client):
    client.ok("EXAMINE INBOX")
    lines = client.ok("FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])").of("FETCH") if exists(client) else []
    counts = {}
    for line in lines:
        subject = int(re.search(rb"Subject: (\d+)", line.literals[0])[1])
        counts[subject] = counts.get(subject, 0) + 1
    return counts


def exists(client):
    return int(re.search(rb"MESSAGES (\d+)", client.ok("STATUS INBOX (MESSAGES)").of("STATUS")[0].text)[1])


def amid(server, importing, more):
    """Waits until so many messages are there; whether the import still goes on then."""
    end = time.monotonic() + 60
    with server.connect() as client:
        before = exists(client)
        while exists(client) < before + more and importing.poll() is None:
            expect(time.monotonic() < end, "the import does not begin")
    return importing.poll() is None


def by_its_owner(server, mbox):
    importing = begin(server, mbox)
    expect(amid(server, importing, 500), "too quick to be interrupted")
    importing.send_signal(signal.SIGINT)
    said = importing.communicate(timeout=60)[1]
    expect(importing.returncode == 1 and "it was interrupted" in said, said)
    told = int(re.search(r"(\d+) messages imported", said)[1])
    place = int(re.search(r"stopped at .*, message (\d+):", said)[1])
    counts = stored(server)
    expect(sum(counts.values()) == told == place - 1, told, place, sum(counts.values()))
    expect(all(count == SAME for number, count in sorted(counts.items())[:-1]), counts)
    fact(f"interrupted: {told:,} of {MANY:,} messages, as it said")


def by_the_server(server, mbox):
    importing = begin(server, mbox)
    expect(amid(server, importing, 500), "too quick to be cut off")
    server.kill()
    said = importing.communicate(timeout=60)[1]
    expect(importing.returncode == 1 and "stopped at" in said, said)
    place = int(re.search(r"stopped at .*, message (\d+):", said)[1])
    server.start()
    counts = stored(server)
    total = sum(counts.values())
    expect(total >= place - 1, "what came before that place is there", total, place)
    expect(max(counts.values()) == SAME, counts)
    fact(f"the server killed: stopped at message {place:,}, and {total:,} are there")


def whole(server, mbox):
    said = begin(server, mbox).communicate(timeout=120)[1]
    counts = stored(server)
    expect(len(counts) == MANY // SAME and set(counts.values()) == {SAME}, counts, said)
    known = int(re.search(r"(\d+) there already", said)[1])
    told = int(re.search(r"(\d+) messages imported", said)[1])
    expect(told + known == MANY and told > 0 and known > 0, said)
    said = begin(server, mbox).communicate(timeout=120)[1]
    expect(f"0 messages imported (0 B), {MANY} there already" in said, said)


def with_a_quota(server, mbox):
    server.run("account", "add", "bob@example.org", "--messages", "100", "--password-stdin", input="another secret\n")
    command = [binary(), "import", "bob@example.org", str(mbox), "--data", str(server.data)]
    full = subprocess.run(command, capture_output=True, text=True, timeout=60)
    expect(full.returncode == 1 and "message 101" in full.stderr and "quota" in full.stderr, full.stderr)
    server.run("account", "quota", "bob@example.org", "--messages", "250")
    full = subprocess.run(command, capture_output=True, text=True, timeout=60)
    expect("150 messages imported" in full.stderr and "message 251" in full.stderr, full.stderr)


def named(server):
    """Nothing is left unsaid, and what is no mail is refused before anything is imported."""
    said = server.run("import", USER, binary(), fails=True)
    expect("this is no mail, but a program (ELF)" in said, said)
    folder = server.folder / "some"
    (folder / "m" / "cur").mkdir(parents=True)
    (folder / "m" / "tmp").mkdir()
    (folder / "m" / "tmp" / "half").write_text("Subject: half\n")
    for number in range(5):
        (folder / f"{number}.pdf").write_text("%PDF-1.7\n")
    (folder / "one.eml").write_text("Subject: 1000000\n\nwhole\n")
    command = [binary(), "import", USER, str(folder), "--mailbox", "Some", "--data", str(server.data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    expect(done.returncode == 0 and "6 skipped" in done.stderr, done.stderr)
    expect(re.search(r"5 no mail, but a PDF document: .*0\.pdf; .*1\.pdf; .*2\.pdf …\n", done.stderr), done.stderr)
    expect(re.search(r"1 delivery that was never finished: .*half\n", done.stderr), done.stderr)


main()
