"""Python's imaplib, as scripts use it: in TLS, after STARTTLS, and what its every method brings about."""

import imaplib
import ssl
import warnings

from corpus import made
from house import PASSWORD, USER, Server, expect


def good(answer, about=None):
    """The data of an answer that must be OK."""
    kind, data = answer
    expect(kind == "OK", about, kind, data)
    return data


def work(client):
    expect("IMAP4REV1" in client.capabilities, client.capabilities)
    good(client.noop())
    namespace = good(client.namespace())
    expect(namespace[0].startswith(b'(("" "/")'), namespace)
    good(client.create("Work"))
    good(client.create("Work/&AOQ-"))
    good(client.subscribe("Work"))
    expect(any(b'"Work/&AOQ-"' in line for line in good(client.list())), "LIST")
    expect(any(b"Work" in line for line in good(client.lsub())), "LSUB")
    good(client.rename("Work/&AOQ-", "Work/B"))

    date = imaplib.Time2Internaldate(1_000_000_000)
    for number in range(10):
        good(client.append("Work", "\\Seen" if number % 2 else None, date, made(number, subject="Report")))
    expect(good(client.status("Work", "(MESSAGES UNSEEN)")) == [b'"Work" (MESSAGES 10 UNSEEN 5)'])
    expect(good(client.select("Work")) == [b"10"])
    expect(good(client.search(None, "UNSEEN")) == [b"1 3 5 7 9"])
    expect(good(client.uid("SEARCH", None, "SUBJECT", '"report 7"')) == [b"8"])
    expect(good(client.search("UTF-8", "TEXT", '"message 4"')) == [b"5"])
    data = good(client.fetch("1", "(FLAGS INTERNALDATE BODY.PEEK[])"))
    expect(data[0][1] == made(0, subject="Report"), data)
    expect(imaplib.Internaldate2tuple(data[0][0]) is not None or imaplib.Internaldate2tuple(data[1]) is not None, data)
    expect(b"\\Flagged" in good(client.store("1:3", "+FLAGS", "(\\Flagged $Work)"))[0])
    good(client.copy("1:3", "Work/B"))
    good(client.uid("MOVE", "4", "Work/B"))
    good(client.store("2", "+FLAGS.SILENT", "\\Deleted"))
    # The library keeps what MOVE has told: it does not know that command.
    expect(good(client.expunge()) == [b"4", b"2"])
    good(client.check())
    good(client.unselect() if hasattr(client, "unselect") else client.close())
    expect(good(client.select("Work/B", readonly=True)) == [b"4"])
    kind, data = client.store("1", "+FLAGS", "(\\Seen)")
    expect(kind == "NO", data)
    good(client.close())
    quota = good(client.getquotaroot("INBOX"))
    expect(quota[0] == [b'"INBOX" ' + USER.encode()], quota)
    good(client.delete("Work/B"))
    good(client.unsubscribe("Work"))
    kind, data = client.select("Work/B")
    expect(kind == "NO", data)
    good(client.enable("IMAP4rev2"))
    kind, _ = client.logout()
    expect(kind == "BYE", kind)


def main():
    with Server() as server:
        trust = server.trust()
        client = imaplib.IMAP4_SSL("localhost", server.tls_port, ssl_context=trust, timeout=60)
        good(client.login(USER, PASSWORD))
        work(client)

        client = imaplib.IMAP4("localhost", server.port, timeout=60)
        good(client.starttls(trust))
        expect(client.sock.version() == "TLSv1.3", client.sock.version())
        good(client.authenticate("PLAIN", lambda _: f"\0{USER}\0{PASSWORD}".encode()))
        good(client.delete("Work"))
        work(client)

        # TLS 1.2 is spoken, 1.1 is not.
        old = server.trust()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        client = imaplib.IMAP4_SSL("localhost", server.tls_port, ssl_context=old, timeout=60)
        expect(client.sock.version() == "TLSv1.2")
        client.logout()
        older = server.trust()
        older.set_ciphers("DEFAULT@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            older.minimum_version = older.maximum_version = ssl.TLSVersion.TLSv1_1
        try:
            imaplib.IMAP4_SSL("localhost", server.tls_port, ssl_context=older, timeout=60)
            raise AssertionError("TLS 1.1 is spoken")
        except (ssl.SSLError, ConnectionError):
            pass
        # Who does not know our authority is told by its own TLS; the server goes on.
        try:
            imaplib.IMAP4_SSL("localhost", server.tls_port, ssl_context=ssl.create_default_context(), timeout=60)
            raise AssertionError("an unknown authority was believed")
        except ssl.SSLCertVerificationError:
            pass

        client = imaplib.IMAP4("localhost", server.port, timeout=60)
        try:
            client.login(USER, "wrong")
            raise AssertionError("a wrong password was taken")
        except imaplib.IMAP4.error as error:
            expect("AUTHENTICATIONFAILED" in str(error), error)
        client.logout()


main()
