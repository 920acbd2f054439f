"""Mail that goes out: from msmtp through the queue to a Postfix as the smarthost, with STARTTLS and AUTH, and to a second
Pillarbox with SCRAM. It survives that the server is killed before and during delivery; what is refused or not taken in
time comes back.

    outgoing.py [SEED]
"""

import email
import email.policy
import json
import os
import random
import re
import shutil
import smtplib
import ssl
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import dkim

from house import PASSWORD, USER, Server, expect, fact, until
from smtp_postfix import DAEMONS, Postfix
from zone import Zone

RELAY_USER, RELAY_PASSWORD = "box", "let the mail out"
NOBODY = 65534
SETTINGS = """
[server]
name = 'mail.example.org'
[queue]
first-retry = 1
longest-retry = 2
"""
IMPATIENT = SETTINGS + "warn-after = 3\ngive-up-after = 8\n"


class Relay(Postfix):
    """A provider's server: takes mail by STARTTLS from who logs in, and puts it into a Maildir."""

    def __init__(self, server):
        super().__init__(server)
        self.certificate = self.folder / "cert.pem"
        self.key = self.folder / "key.pem"
        run(
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=relay.example.net"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"),
            *("-keyout", self.key, "-out", self.certificate),
        )
        sasl = self.folder / "etc" / "sasl"  # where Debian looks, whatever the setting says
        sasl.mkdir()
        (sasl / "smtpd.conf").write_text(
            f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {sasl}/db\nmech_list: PLAIN LOGIN\n"
        )
        run("saslpasswd2", "-p", "-c", "-f", sasl / "db", "-u", "relay.example.net", RELAY_USER, input=RELAY_PASSWORD)
        (sasl / "db").chmod(0o644)
        self.mail = self.folder / "mail"
        self.mail.mkdir()
        os.chown(self.mail, NOBODY, NOBODY)
        ours = f"""
mynetworks =
relay_domains =
transport_maps =
virtual_mailbox_domains = elsewhere.example
virtual_mailbox_base = {self.mail}
virtual_mailbox_maps = static:all/
virtual_mailbox_limit = 0
virtual_uid_maps = static:{NOBODY}
virtual_gid_maps = static:{NOBODY}
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = {self.certificate}
smtpd_tls_key_file = {self.key}
smtpd_sasl_auth_enable = yes
smtpd_sasl_local_domain = relay.example.net
cyrus_sasl_config_path = {sasl}
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = check_recipient_access inline:{{ {{ no@elsewhere.example = 550 5.1.1 There is no such person }}, {{ later@elsewhere.example = 451 4.3.0 Come again }} }}, permit_sasl_authenticated, reject
""".lstrip()
        # A setting that stands twice is warned of, and so often that postlogd would wait for itself.
        names = {line.split(" =")[0] for line in ours.splitlines()}
        main = self.folder / "etc" / "main.cf"
        theirs = [line for line in main.read_text().splitlines() if line.split(" =")[0] not in names]
        main.write_text("\n".join(theirs) + "\n" + ours)
        with open(self.folder / "etc" / "master.cf", "a") as master:
            master.write("virtual unix - n n - - virtual\n")

    def take_from_anybody(self, address):
        """As the host of its domain, which others find by the DNS, at another address than ours."""
        main = self.folder / "etc" / "main.cf"
        text = main.read_text().replace(", permit_sasl_authenticated, reject", "")
        main.write_text(text.replace("= permit_sasl_authenticated, reject", "= reject_unauth_destination"))
        with open(self.folder / "etc" / "master.cf", "a") as master:
            master.write(f"{address}:{self.port} inet n - n - - smtpd\n")

    def arrived(self):
        """The mails in the Maildir, by their X-Number."""
        found = Counter()
        for path in (self.mail / "all" / "new").glob("*"):
            found[number(path.read_bytes())] += 1
        return found

    def files(self):
        return sorted((self.mail / "all" / "new").glob("*"))


def run(*command, input=None):
    done = subprocess.run([*map(str, command)], input=input, capture_output=True, text=True, timeout=60)
    expect(done.returncode == 0, command, done.stderr[-1000:])
    return done.stdout


def number(octets):
    return int(re.search(rb"^X-Number: (\d+)", octets, re.M)[1])


def mail(number, to, size=0):
    filler = "".join(f"{line:070}\r\n" for line in range(size // 72))
    return (
        f"From: Ann <{USER}>\r\nTo: {to}\r\nSubject: number {number}\r\nX-Number: {number}\r\n\r\n"
        f"A line.\r\n.\r\n..two dots\r\n{filler}"
    ).encode()


def msmtp(server, octets, *to):
    """Submits with msmtp."""
    config = server.folder / "msmtprc"
    if not config.exists():
        config.touch(0o600)
        config.write_text(
            f"""
account box
host localhost
port {server.submission_port}
tls on
tls_starttls on
tls_trust_file {server.authority}
auth on
user {USER}
password "{PASSWORD}"
from {USER}
account default : box
"""
        )
    done = subprocess.run(
        ["msmtp", f"--file={config}", "--", *to], input=octets, capture_output=True, timeout=60, check=False
    )
    expect(done.returncode == 0, done.stderr)


def submit(server, mails):
    """Submits many over one connection."""
    trust = ssl.create_default_context(cafile=server.authority)
    with smtplib.SMTP_SSL("localhost", server.submissions_port, context=trust) as client:
        client.login(USER, PASSWORD)
        for to, octets in mails:
            client.sendmail(USER, [to], octets)


def queue(server):
    lines = server.run("queue", "list").splitlines()
    if lines == ["Nothing waits to go out."]:
        return []
    expect(lines[0].split() == ["NO", "SIZE", "FROM", "TO", "TRIED", "NEXT"], lines[0])
    expect(len(json.loads(server.run("queue", "list", "--json"))) >= 0)
    return lines[1:]


def set_relay(server, relay, password=RELAY_PASSWORD, *more, fails=False):
    return server.run(
        *("smarthost", "set", "127.0.0.1", "--port", relay.port, "--starttls", "--ca", relay.certificate),
        *("--user", RELAY_USER, "--password-stdin", *more),
        input=f"{password}\n",
        fails=fails,
    )


def reports(server):
    """The reports in Ann's INBOX."""
    with server.connect() as client:
        client.ok("SELECT INBOX")
        lines = client.ok("FETCH 1:* BODY.PEEK[]").of("FETCH") if client.ok("STATUS INBOX (MESSAGES)") else []
        found = []
        for line in lines:
            [octets] = line.literals
            found.append(email.message_from_bytes(octets, policy=email.policy.default))
        return [message for message in found if message.get_content_type() == "multipart/report"]


def per_recipient(report):
    """The fields of a report's only recipient."""
    [_, status, *_] = report.iter_parts()
    expect(status.get_content_type() == "message/delivery-status", status.get_content_type())
    [_, recipient] = status.get_payload()
    return recipient


def goes_out(server, relay):
    msmtp(server, mail(1, "bob@elsewhere.example"), "bob@elsewhere.example", "eve@elsewhere.example")
    msmtp(server, mail(2, "bob@elsewhere.example", 3_000_000), "bob@elsewhere.example")
    until(lambda: relay.arrived() == {1: 2, 2: 1}, 60, "both arrived")
    until(lambda: not queue(server), 20, "the queue is empty")
    log = relay.log()
    expect(re.search(r"sasl_method=(PLAIN|LOGIN), sasl_username=box@", log), log[-2000:])
    octets = next(path.read_bytes() for path in relay.files() if number(path.read_bytes()) == 2)
    expect(octets.count(b"DKIM-Signature: v=1;") == 2, octets[:3000])
    expect(re.search(rb"with ESMTPS(A)? ", octets), octets[:3000])
    body = octets.split(b"\n\n", 1)[1]
    expect(body == mail(2, "x", 3_000_000).split(b"\r\n\r\n", 1)[1].replace(b"\r\n", b"\n"), "another content")
    fact("msmtp to the queue to Postfix with STARTTLS and AUTH: 3 MB octet for octet, signed twice")


def survives(server, relay, seed):
    """The relay is away when mail is accepted; the server is killed then, and later while it delivers."""
    rng = random.Random(seed)
    relay.__exit__(None)
    before = sum(relay.arrived().values())
    submit(server, [("bob@elsewhere.example", mail(100 + at, "bob@elsewhere.example")) for at in range(100)])
    server.kill()
    server.start()
    expect(len(queue(server)) == 100, "accepted is stored", len(queue(server)))
    relay.__enter__()
    until(lambda: not queue(server), 120, "the queue is empty")
    until(lambda: sum(relay.arrived().values()) == before + 100, 30, "all arrived")
    arrived = relay.arrived()
    expect(all(arrived[100 + at] == 1 for at in range(100)), arrived)
    fact("killed between acceptance and delivery: of 100 mails each arrives once")
    kills = 0
    submit(server, [("bob@elsewhere.example", mail(1000 + at, "bob@elsewhere.example")) for at in range(300)])
    while queue(server) and kills < 12:
        time.sleep(rng.uniform(0.05, 0.6))
        server.kill()
        kills += 1
        server.start()
    until(lambda: not queue(server), 120, "the queue is empty")
    until(lambda: relay.waiting() == 0, 60, "the relay has delivered")
    arrived = relay.arrived()
    lost = [at for at in range(1000, 1300) if not arrived[at]]
    twice = sum(arrived[at] - 1 for at in range(1000, 1300) if arrived[at] > 1)
    expect(not lost, "lost", lost)
    expect(kills > 0 and twice <= kills * 10, kills, twice)
    fact(f"killed {kills} times during 300 deliveries: none is lost, {twice} came twice")


def bounces(server):
    msmtp(server, mail(3, "no@elsewhere.example"), "no@elsewhere.example")
    until(lambda: len(reports(server)) == 1, 30, "the report is there")
    [report] = reports(server)
    fields = per_recipient(report)
    expect(fields["Action"] == "failed" and fields["Status"] == "5.1.1", fields.as_string())
    expect("There is no such person" in fields["Diagnostic-Code"], fields.as_string())
    expect("X-Number: 3" in report.as_string(), report.as_string())
    expect(not queue(server), queue(server))
    fact("refused with 5xx: the sender has the report at once")


def expires(server):
    server.stop()
    (server.data / "pillarbox.toml").write_text(IMPATIENT)
    server.start()
    msmtp(server, mail(4, "later@elsewhere.example"), "later@elsewhere.example")
    until(lambda: queue(server), 10, "it waits")
    expect("451 4.3.0" in shown_after_an_attempt(server), "what was said is not shown")
    until(lambda: len(reports(server)) == 3, 60, "both reports are there")
    [_, delayed, failed] = [per_recipient(report) for report in reports(server)]
    expect(delayed["Action"] == "delayed" and delayed["Status"] == "4.3.0", delayed.as_string())
    expect(failed["Action"] == "failed" and failed["Status"] == "5.4.7", failed.as_string())
    expect(not queue(server), queue(server))
    fact("never taken, with a shortened clock: a warning first, then the report of the end")


def shown_after_an_attempt(server):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for line in queue(server):
            shown = server.run("queue", "show", line.split()[0])
            if "451" in shown:
                return shown
        time.sleep(0.1)
    return ""


def is_edited(server, relay):
    """What waits can be seen, tried and taken out; a wrong password loses nothing."""
    before = server.run("smarthost", "show", "--json")
    complaint = set_relay(server, relay, "not the password", fails=True)
    expect("535" in complaint and "--no-check" in complaint, complaint)
    complaint = server.run("smarthost", "set", "127.0.0.1", "--port", 1, "--plain", fails=True)
    expect("127.0.0.1:1 was tried" in complaint, complaint)
    expect(server.run("smarthost", "show", "--json") == before, "what does not let us in is not set")
    set_relay(server, relay, "not the password", "--no-check")
    msmtp(server, mail(5, "bob@elsewhere.example"), "bob@elsewhere.example")
    msmtp(server, mail(6, "bob@elsewhere.example"), "bob@elsewhere.example")
    until(lambda: "535" in "".join(server.run("queue", "show", line.split()[0]) for line in queue(server)), 20, "535")
    first = queue(server)[0].split()[0]
    expect(server.status()["queued"] == 2, server.status())
    server.run("queue", "drop", first)
    expect("no message" in server.run("queue", "show", first, fails=True), "it is gone")
    before = sum(relay.arrived().values())
    expect(f"lets {RELAY_USER} in" in set_relay(server, relay), "what was found is said")
    until(lambda: not queue(server), 30, "the other one is delivered")
    until(lambda: sum(relay.arrived().values()) == before + 1, 30, "it arrived")
    shown = server.run("smarthost", "show")
    expect("STARTTLS" in shown and RELAY_PASSWORD not in shown, shown)
    expect(RELAY_PASSWORD not in server.log() and "not the password" not in server.log(), "a password is in the log")
    fact("queue list, show and drop; a wrong password of the smarthost only delays")


def is_published(server):
    records = server.run("domain", "dns", "example.org")
    for wanted in (
        "example.org. MX 10 mail.example.org.",
        "example.org. TXT \"v=spf1 mx",
        "pillarbox._domainkey.example.org. TXT \"v=DKIM1; k=rsa; p=",
        "pillarbox-ed._domainkey.example.org. TXT \"v=DKIM1; k=ed25519; p=",
        "_dmarc.example.org. TXT \"v=DMARC1;",
        f"_submissions._tcp.example.org. SRV 0 1 {server.submissions_port} mail.example.org.",
        f"port {server.smtp_port} here",
    ):
        expect(wanted in records, wanted, records)
    standard = server.run("domain", "dns", "example.org", "--port-offset", 0)
    expect("_submissions._tcp.example.org. SRV 0 1 465 mail.example.org." in standard, standard)
    for command in ("dns", "keys"):
        complaint = server.run("domain", command, "elsewhere.example", fails=True)
        expect("elsewhere.example is not ours" in complaint, complaint)
    keys = server.run("domain", "keys", "example.org")
    expect(keys.count("\n") == 2 and all(line in records for line in keys.splitlines()), keys)
    fact("what is to be published for the domain is shown")


def directly(server, relay):
    """Without a smarthost: to the hosts of the domain, who verify what we signed."""
    server.stop()
    relay.take_from_anybody("127.0.0.2")
    records = [
        ("elsewhere.example", "MX", (5, "down.elsewhere.example")),
        ("elsewhere.example", "MX", (10, "mx.elsewhere.example")),
        ("down.elsewhere.example", "A", "127.0.0.3"),
        ("mx.elsewhere.example", "A", "127.0.0.2"),
        ("null.example", "MX", (0, ".")),
    ]
    with Zone(records) as zone, relay:
        settings = f"port = {relay.port}\n[dns]\nservers = ['127.0.0.1:{zone.port}']\n"
        (server.data / "pillarbox.toml").write_text(SETTINGS + settings)
        server.start()
        server.run("smarthost", "remove")
        expect("no smarthost" in server.run("smarthost", "show"), "it is removed")
        msmtp(server, mail(8, "bob@elsewhere.example"), "bob@elsewhere.example")
        until(lambda: relay.arrived()[8] == 1, 30, "it arrived")
        octets = next(path.read_bytes() for path in relay.files() if number(path.read_bytes()) == 8)
        expect(b"with ESMTPS id" in octets.split(b"DKIM-Signature")[0], octets[:3000])
        keys = {line.split(". TXT ")[0]: "".join(re.findall('"([^"]*)"', line)) for line in published(server)}
        answer = lambda name, **_: keys.get(name.decode().rstrip("."), "").encode()
        signatures = [dkim.DKIM(octets).verify(idx=at, dnsfunc=answer) for at in range(2)]
        expect(signatures == [True, True], signatures, octets[:3000])
        before = len(reports(server))
        msmtp(server, mail(9, "bob@null.example"), "bob@null.example", "bob@nowhere.example")
        until(lambda: len(reports(server)) == before + 1, 30, "the report is there")
        [_, status, *_] = reports(server)[-1].iter_parts()
        statuses = [recipient["Status"] for recipient in status.get_payload()[1:]]
        expect(sorted(statuses) == ["5.1.10", "5.1.2"], statuses)
        until(lambda: not queue(server), 10, "the queue is empty")
    fact("to the second of two MX with STARTTLS: dkimpy verifies both signatures; no mail for a null MX")


def published(server):
    return server.run("domain", "keys", "example.org").splitlines()


def second_box(server):
    """A second Pillarbox as the smarthost, which knows SCRAM."""
    other = ("box@example.net", "another set of words")
    with Server(accounts=(other,), settings="[server]\nname = 'localhost'\n") as provider:
        provider.run("alias", "add", USER, other[0])
        server.run(
            *("smarthost", "set", "localhost", "--port", provider.submissions_port, "--tls"),
            *("--ca", provider.authority, "--user", other[0], "--password-stdin"),
            input=f"{other[1]}\n",
        )
        msmtp(server, mail(7, other[0]), other[0])
        until(lambda: not queue(server), 30, "it went out")
        with provider.connect(user=other[0], password=other[1]) as client:
            client.ok("SELECT INBOX")
            [line] = client.ok("FETCH 1:* BODY.PEEK[]").of("FETCH")
            expect(b"X-Number: 7" in line.literals[0], line.literals[0])
        provider.no_defect()
    fact("a second Pillarbox as the smarthost, with TLS and SCRAM-SHA-256")


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    with Server(settings=SETTINGS) as server:
        relay = Relay(server)
        with relay:
            set_relay(server, relay)
            goes_out(server, relay)
            survives(server, relay, seed)
            bounces(server)
            expires(server)
            is_edited(server, relay)
            is_published(server)
        second_box(server)
        directly(server, relay)
        server.peak_is_bounded("of it all")
        server.no_defect()
        server.stop()
        expect("all is well" in server.run("check"))


if __name__ == "__main__":
    for program in ("msmtp", "postconf", "saslpasswd2", "openssl"):
        expect(shutil.which(program), f"{program} is missing")
    expect(DAEMONS and Path(DAEMONS).exists(), "Postfix is missing")
    main()
