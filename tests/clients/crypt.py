"""Accounts whose passwords were hashed elsewhere: $5$ and $6$ by openssl, $y$ by mkpasswd; the first log-in makes them ours."""

import base64
import hashlib
import hmac
import os
import shutil
import subprocess
import time

from house import Server, expect, fact

PASSWORD = "open sesame, p\u00e4ss\u00b2"
# `mkpasswd -m yescrypt` and, with 32 MiB, `mkpasswd -m yescrypt -R 6`, of "open sesame".
YESCRYPT = [
    "$y$j9T$pwu3d49TKZuuuorMpDGu91$hHp.c0fQb/2MBnes92M80G5tT93Vkop2H8/k4Xpj4r.",
    "$y$jAT$Ni6zhB3ijSAR8uOEpGcf50$Mnq/3ZPaSpEUtpVs98ocpRDe4tYd/SYoL8674rKyhp/",
]
BAD = ["", "plain", "!", "$1$ab$cd", "$2b$12$abc", "$6$cut$off", "$5$rounds=999999999$x$" + "y" * 43, "$y$jzT$x$" + "y" * 43]


def main():
    with Server(accounts=()) as server:
        hashed = [(f"y{n}", hash, "open sesame") for n, hash in enumerate(YESCRYPT)]
        for kind in ("-5", "-6"):
            done = subprocess.run(["openssl", "passwd", kind, PASSWORD], capture_output=True, text=True, check=True)
            hashed.append((f"sha{kind}", done.stdout.strip(), PASSWORD))
        if shutil.which("mkpasswd"):
            done = subprocess.run(["mkpasswd", "-m", "yescrypt", PASSWORD], capture_output=True, text=True, check=True)
            hashed.append(("made", done.stdout.strip(), PASSWORD))
        for user, hash, _ in hashed:
            server.run("account", "add", f"{user}@example.org", "--password-hash-stdin", input=hash + "\n")
        for bad in BAD:
            said = server.run("account", "add", "bad@example.org", "--password-hash-stdin", input=bad + "\n", fails=True)
            expect("hash" in said and "panicked" not in said, bad, said)
        first = [log_in(server, user, password) for user, _, password in hashed]
        fact("first log-ins: " + ", ".join(f"{user} {seconds:.2f} s" for (user, *_), seconds in zip(hashed, first)))
        server.peak_is_bounded("after log-ins with yescrypt")
        server.restart()
        for user, _, password in hashed:
            with server.connect(tls=True, user=None) as client:
                expect(scram(client, f"{user}@example.org", password), user)
                client.ok("SELECT INBOX")
            with server.connect(tls=True, user=None) as client:
                expect(not scram(client, f"{user}@example.org", password + "x"), user)


def log_in(server, user, password):
    """The first log-in: SCRAM cannot know the password yet, a wrong one is refused, the right one is taken."""
    address = f"{user}@example.org"
    with server.connect(tls=True, user=None) as client:
        expect(not scram(client, address, password), user)
        expect(not plain(client, address, password + "x"), user)
        began = time.monotonic()
        expect(plain(client, address, password), user)
        took = time.monotonic() - began
        client.ok("SELECT INBOX")
    return took


def plain(client, user, password):
    token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    return client.command(f"AUTHENTICATE PLAIN {token}").status == "OK"


def scram(client, user, password):
    """SCRAM-SHA-256 (RFC 7677); whether both sides know the password."""
    nonce = base64.b64encode(os.urandom(12)).decode()
    bare = f"n={user},r={nonce}"
    client.send(f"s AUTHENTICATE SCRAM-SHA-256 {encoded('n,,' + bare)}\r\n".encode())
    challenge = decoded(client)
    fields = dict(field.split("=", 1) for field in challenge.split(","))
    # What is typed as one character and what is typed as another is the same (RFC 4013).
    typed = password.replace("\u00b2", "2").encode()
    salted = hashlib.pbkdf2_hmac("sha256", typed, base64.b64decode(fields["s"]), int(fields["i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    last = f"c=biws,r={fields['r']}"
    said = ",".join((bare, challenge, last)).encode()
    signature = hmac.digest(hashlib.sha256(key).digest(), said, "sha256")
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
    client.send(encoded(f"{last},p={proof}").encode() + b"\r\n")
    line = client.line().text
    if line.startswith(b"+ "):
        verifier = base64.b64decode(line[2:]).decode()
        server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), said, "sha256")
        expect(verifier == "v=" + base64.b64encode(server).decode(), verifier)
        client.send(b"\r\n")
        line = client.line().text
    return line.startswith(b"s OK")


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def decoded(client):
    line = client.line().text
    expect(line.startswith(b"+ "), line)
    return base64.b64decode(line[2:]).decode()


main()
