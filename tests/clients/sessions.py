"""Sessions end with what they were let in by: by IMAP, also in IDLE, amid an upload and with answers unread, POP3, submission."""

import base64
import json
import socket
import time

from house import PASSWORD, USER, Server, expect, fact, until

OTHER = "bob@example.org"
LAST = b"The account was changed: log in again"


class Raw:
    """A connection on which lines are said and heard, and nothing is understood."""

    def __init__(self, port, greeting=True):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.heard = b""
        if greeting:
            self.line()

    def say(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else text.encode())

    def line(self):
        while b"\r\n" not in self.heard:
            octets = self.socket.recv(1 << 16)
            if not octets:
                raise EOFError(self.heard)
            self.heard += octets
        line, self.heard = self.heard.split(b"\r\n", 1)
        return line

    def reply(self):
        """The last line of an answer in SMTP."""
        while (line := self.line())[3:4] == b"-":
            pass
        return line

    def ask(self, text):
        self.say(text + "\r\n")
        return self.reply()

    def rest(self):
        """All that comes until the connection is closed."""
        try:
            while octets := self.socket.recv(1 << 16):
                self.heard += octets
        except ConnectionResetError:
            pass
        return self.heard


def plain(user, password=PASSWORD):
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def imap(server, user=USER, password=PASSWORD):
    client = Raw(server.port)
    client.say(f'a LOGIN {user} "{password}"\r\n')
    expect(client.line().startswith(b"a OK"))
    return client


def pop3(server, user=USER):
    client = Raw(server.pop3_port)
    client.say(f"AUTH PLAIN {plain(user)}\r\n")
    expect(client.line().startswith(b"+OK"))
    return client


def submission(server, user=USER):
    client = Raw(server.submission_port)
    client.ask("EHLO client.example")
    expect(client.ask(f"AUTH PLAIN {plain(user)}").startswith(b"235"))
    return client


def waiting(server):
    """Sessions of an account in the midst of everything, and what their last words are to be."""
    idle = imap(server)
    idle.say("b SELECT INBOX\r\nc IDLE\r\n")
    while not idle.line().startswith(b"+ "):
        pass
    uploads = imap(server)
    uploads.say("b APPEND INBOX {1000000}\r\n")
    expect(uploads.line().startswith(b"+ "))
    uploads.say(b"Subject: half a message\r\n\r\n" + b"x" * 500_000)
    sends = submission(server)
    sends.ask(f"MAIL FROM:<{USER}>")
    sends.ask("RCPT TO:<victim@outside.example>")
    expect(sends.ask("DATA").startswith(b"354"))
    sends.say("Subject: half a message\r\n\r\nto the world\r\n")
    deletes = pop3(server)
    deletes.say("DELE 1\r\n")
    expect(deletes.line().startswith(b"+OK"))
    return {
        imap(server): b"* BYE " + LAST,
        idle: b"* BYE " + LAST,
        uploads: b"* BYE " + LAST,
        submission(server): b"421 4.7.0 " + LAST,
        sends: b"421 4.7.0 " + LAST,
        deletes: b"-ERR [AUTH] " + LAST,
    }


def deaf(server):
    """A client that asks for much and reads none of it."""
    client = imap(server)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.say("b SELECT INBOX\r\n" + "c FETCH 1 BODY.PEEK[]\r\n" * 200)
    return client


def sessions(server):
    return json.loads(server.run("session", "list", "--json"))


def passwd(server, password):
    server.run("account", "passwd", USER, "--password-stdin", input=password + "\n")


def ends(server, change):
    """All sessions of the account end, at once, with their last words; those of others go on."""
    other = imap(server, OTHER)
    clients = waiting(server)
    unread = deaf(server)
    until(lambda: any(line["doing"] == "FETCH" for line in sessions(server)), 10, "a client that reads nothing")
    began = time.monotonic()
    change()
    for client, words in clients.items():
        said = client.rest()
        expect(said.split(b"\r\n")[-2:] == [words, b""], words, said[-200:])
    fact(f"all ended {time.monotonic() - began:.2f} s after the command began")
    until(lambda: all(line["user"] == OTHER for line in sessions(server)), 10, "only the other's session is left")
    expect(not unread.rest().endswith(LAST + b"\r\n"), "nothing is said within a literal")
    other.say("b NOOP\r\n")
    expect(other.line() == b"b OK NOOP done")
    other.say("c LOGOUT\r\n")
    other.rest()


def in_the_queue_for_argon2(server):
    """Who waits to be let in with the old password when another one is set is not let in."""
    clients = [Raw(server.port) for _ in range(12)]
    for client in clients:
        client.say(f'a LOGIN {USER} "{PASSWORD}"\r\nb STATUS INBOX (MESSAGES)\r\n')
    passwd(server, "quite another one")
    time.sleep(0.5)
    for client in clients:
        client.say("c NOOP\r\n")
    in_vain = [client.rest() if b"OK" in client.line() else b"BYE" for client in clients]
    expect(all(b"BYE" in said and b"c OK" not in said for said in in_vain), in_vain)


def in_the_line_of_guesses(server):
    """Who goes away waits for no answer, who said more is still heard, and a server that ends waits for no guess."""

    def guesses():
        clients = [Raw(server.port) for _ in range(14)]
        for client in clients:
            client.say(f'a LOGIN {OTHER} "a guess"\r\n')
        time.sleep(1)
        return clients

    for client in guesses():
        client.socket.close()
    until(lambda: not sessions(server), 3, "who went away is gone")
    stays = Raw(server.port)
    stays.say(f'a LOGIN {OTHER} "a guess"\r\nb LOGOUT\r\n')
    stays.socket.shutdown(socket.SHUT_WR)
    said = stays.rest()
    expect(b"a NO" in said and b"b OK" in said, said)
    clients = guesses()
    began = time.monotonic()
    server.stop()
    took = time.monotonic() - began
    fact(f"with guesses under way the server ended in {took:.2f} s")
    expect(took < 3, took)
    expect(any(client.rest().endswith(b"* BYE The server is shutting down\r\n") for client in clients))
    server.start()


def listed_and_ended(server):
    first, second, third = imap(server), pop3(server), submission(server, OTHER)
    first.say("b IDLE\r\n")
    first.line()
    until(lambda: any(line["doing"] == "IDLE" for line in sessions(server)), 5, "IDLE is told")
    lines = {line["protocol"]: line for line in sessions(server)}
    expect({name: line["user"] for name, line in lines.items()} == {"imap": USER, "pop3": USER, "submission": OTHER})
    expect(lines["imap"]["from"] == "127.0.0.1" and lines["imap"]["read"] > 20 and lines["imap"]["written"] > 20, lines)
    expect(abs(lines["imap"]["since"] - time.time()) < 60 and not lines["imap"]["tls"], lines)
    table = server.run("session", "list")
    expect("PROTOCOL" in table and USER in table and "IDLE" in table, table)
    for unknown in ("999999", "zoe@example.org"):
        said = server.run("session", "end", unknown, fails=True)
        expect(f"no such session: {unknown}" in said, said)
    expect(server.run("session", "end", str(lines["submission"]["id"])) == "1 session was ended.\n")
    expect(third.rest() == b"421 4.3.2 The owner of the server ended this session\r\n")
    ended = server.run("session", "end", USER)
    expect(ended == "2 sessions were ended.\n", ended)
    expect(b"* BYE The owner of the server ended this session" in first.rest())
    expect(second.rest().startswith(b"-ERR [SYS/TEMP]"))
    until(lambda: not sessions(server), 10, "none is left")


def main():
    with Server(accounts=((USER, PASSWORD), (OTHER, PASSWORD))) as server:
        mail = b"Subject: long\r\n\r\n" + b"twelve words of text that nobody will ever read to the end\r\n" * 20_000
        brings = imap(server)
        brings.say(b"b APPEND INBOX {%d+}\r\n" % len(mail) + mail + b"\r\nc LOGOUT\r\n")
        brings.rest()
        until(lambda: not sessions(server), 10, "it is over")
        listed_and_ended(server)
        in_the_queue_for_argon2(server)
        passwd(server, PASSWORD)
        ends(server, lambda: passwd(server, "yet another one"))
        passwd(server, PASSWORD)
        left = pop3(server)
        left.say("STAT\r\nQUIT\r\n")
        expect(left.line().startswith(b"+OK 1 "), "what was to be deleted is there")
        left.rest()
        ends(server, lambda: server.run("account", "remove", USER, "--yes"))
        expect("waits to go out" not in server.run("status"), "nothing was sent")
        until(lambda: not sessions(server), 10, "none is left")
        in_the_line_of_guesses(server)


if __name__ == "__main__":
    main()
