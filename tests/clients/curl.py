"""curl: list, fetch, append, search, store, in TLS and with STARTTLS."""

import subprocess

from corpus import made
from house import PASSWORD, USER, Server, expect


def main():
    with Server() as server:

        def curl(where, *options, scheme="imaps", fails=False):
            port = server.tls_port if scheme == "imaps" else server.port
            command = ["curl", "-sS", "--max-time", "60", "--cacert", server.authority, "--user", f"{USER}:{PASSWORD}"]
            command += [f"{scheme}://localhost:{port}/{where}", *options]
            done = subprocess.run(command, capture_output=True, timeout=90)
            expect((done.returncode != 0) == fails, command, done.returncode, done.stdout, done.stderr)
            return done.stdout

        file = server.folder / "message"
        for number in range(3):
            file.write_bytes(made(number, size=200_000 if number == 1 else 0))
            curl("INBOX", "-T", file)
        listed = curl("").decode()
        for name, use in (
            ("INBOX", ""),
            ("Sent", "\\Sent"),
            ("Drafts", "\\Drafts"),
            ("Trash", "\\Trash"),
            ("Junk", "\\Junk"),
        ):
            [line] = [line for line in listed.splitlines() if line.endswith(f'"{name}"') or line.endswith(f" {name}")]
            expect(use in line, line)
        for number in range(3):
            body = made(number, size=200_000 if number == 1 else 0)
            for scheme, where in (("imaps", "MAILINDEX"), ("imap", "MAILINDEX"), ("imaps", "UID")):
                secure = ["--ssl-reqd"] if scheme == "imap" else []
                expect(curl(f"INBOX;{where}={number + 1}", *secure, scheme=scheme) == body, where, number)
        header = curl("INBOX;MAILINDEX=1;SECTION=HEADER.FIELDS%20(SUBJECT)")
        expect(header == b"Subject: Mail 0\r\n\r\n", header)
        expect(curl("INBOX?SUBJECT%20%22mail%202%22") == b"* SEARCH 3\r\n")
        told = curl("INBOX", "-X", "STORE 1:2 +FLAGS (\\Flagged \\Deleted)").replace(b"\r\n", b"\n")
        expect(told.count(b"FETCH (FLAGS (") == 2 and told.count(b"\\Flagged") == 2, told)
        expect(curl("INBOX?FLAGGED") == b"* SEARCH 1 2\r\n")
        expect(curl("INBOX", "-X", "EXPUNGE").count(b"EXPUNGE") == 2)
        expect(b"MESSAGES 1" in curl("", "-X", "STATUS INBOX (MESSAGES UIDNEXT)"))
        # Several mechanisms; SCRAM where this curl has it.
        for mechanism in ("AUTH=PLAIN", "AUTH=SCRAM-SHA-256"):
            command = ["curl", "-sS", "--max-time", "60", "--cacert", server.authority, "--user", f"{USER}:{PASSWORD}"]
            command += ["--login-options", mechanism, f"imaps://localhost:{server.tls_port}/INBOX;UID=3"]
            done = subprocess.run(command, capture_output=True, timeout=90)
            if "SCRAM" in mechanism and done.returncode != 0:
                expect(b"uth" in done.stderr or b"ogin" in done.stderr, done.stderr)
            else:
                expect(done.stdout == made(2), mechanism, done.stderr)
        curl("Nowhere", "-T", file, fails=True)
        curl("INBOX;UID=3", "--user", f"{USER}:wrong", fails=True)


main()
