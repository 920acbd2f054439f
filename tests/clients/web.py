"""The pages: setting up with a code, wrong codes, what is refused in plain text, health, our authority."""

import http.client
import socket
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

from house import Server, expect, fact

CODE = "K3MF-W8TA"
GOOD = {"code": "k3mf w8ta", "name": "Anna", "password": "four words are good", "again": "four words are good"}
PAGE = 64 << 10


def main():
    with Server(accounts=(), environment={"PILLARBOX_CLAIM": CODE}, bind="0.0.0.0") as server:
        expect(server.status()["accounts"] == 0, "an account was made that nobody asked for")
        expect(server.log().count("password") == 0, server.log())
        bounds(server)
        watched(server)
        plain(server)
        guessed(server)
        claimed(server)
        server.peak_is_bounded("of pages")
    with Server(accounts=(), environment={"PILLARBOX_CLAIM": ""}) as server:
        expect(server.status()["accounts"] == 0, "an account was made that nobody asked for")
        expect(b"<form" not in ask(server, "GET", "/").body, "a box without a code offers to be set up")
        expect(ask(server, "POST", "/claim", {**GOOD, "code": ""}).status == 409)


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read(PAGE)


def ask(server, method, path, form=None, tls=True, host="127.0.0.1"):
    """What a browser is answered."""
    if tls:
        context = server.trust()
        # The name is the box's, whatever it was asked by.
        context.check_hostname = False
        connection = http.client.HTTPSConnection(host, server.https_port, timeout=30, context=context)
    else:
        connection = http.client.HTTPConnection(host, server.http_port, timeout=30)
    body = urllib.parse.urlencode(form) if form is not None else None
    kind = {"Content-Type": "application/x-www-form-urlencoded"} if form is not None else {}
    connection.request(method, path, body, kind)
    answer = Answer(connection.getresponse())
    connection.close()
    expect("frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], answer.headers)
    return answer


def own_address():
    """An address of this machine that is not the loopback's; None where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return probe.getsockname()[0]


def watched(server):
    for tls in (False, True):
        health = ask(server, "GET", "/health", tls=tls)
        expect(health.status == 200 and health.body == b"ok\n", health.body)
        authority = ask(server, "GET", "/ca.pem", tls=tls)
        expect(authority.headers["Content-Type"] == "application/x-x509-ca-cert", authority.headers)
        expect(authority.body == server.authority.read_bytes(), authority.body)
    expect(ask(server, "HEAD", "/").body == b"")
    for method, path, status in [
        ("GET", "/nothing", 404),
        ("GET", "/../tls/ca.key", 404),
        ("GET", "/ca.key", 404),
        ("POST", "/health", 405),
        ("DELETE", "/", 405),
        ("PUT", "/claim", 405),
    ]:
        expect(ask(server, method, path).status == status, method, path)


def plain(server):
    """Where others can read along, no password is asked for, and none is taken."""
    expect(b"<form" in ask(server, "GET", "/", tls=False).body, "from the machine itself it is taken")
    address = own_address()
    if address is None:
        fact("no network: plain text from elsewhere was not tried")
        return
    page = ask(server, "GET", "/", tls=False, host=address)
    expect(b"<form" not in page.body and f"https://{address}:{server.https_port}/".encode() in page.body, page.body)
    expect(ask(server, "POST", "/claim", {**GOOD, "code": CODE}, tls=False, host=address).status == 403)
    expect(b"<form" in ask(server, "GET", "/", host=address).body, "in TLS it is")
    expect(server.status()["accounts"] == 0)


def guessed(server):
    """A few guesses are looked at; of more some wait, and the others are told to come later."""
    statuses = [ask(server, "POST", "/claim", {**GOOD, "code": f"K3MF-W8T{n}"}).status for n in range(5)]
    expect(statuses == [403] * 5, statuses)
    with ThreadPoolExecutor(8) as pool:
        guesses = [{**GOOD, "code": f"K3MF-W8T{n}"} for n in range(8)]
        late = list(pool.map(lambda guess: ask(server, "POST", "/claim", guess), guesses))
    expect(sorted({answer.status for answer in late}) == [403, 429], [answer.status for answer in late])
    expect(all(int(answer.headers["Retry-After"]) > 0 for answer in late if answer.status == 429))
    expect(server.status()["accounts"] == 0)
    expect("W8T" not in server.log(), "a guess in the log")


def claimed(server):
    """The owner comes, errs, and is let in."""
    began = time.monotonic()
    while (answer := ask(server, "POST", "/claim", {**GOOD, "again": "other"})).status == 429:
        expect(time.monotonic() < began + 60, "the code is never looked at again")
        time.sleep(1)
    expect(answer.status == 400 and b"two different passwords" in answer.body, answer.body)
    expect(b'aria-invalid="true" aria-describedby="why" autofocus' in answer.body, answer.body)
    for weak in ("abc", "password1", "12345678", "anna1990", "pillarbox"):
        answer = ask(server, "POST", "/claim", {**GOOD, "password": weak, "again": weak})
        expect(answer.status == 400 and b"password" in answer.body, weak, answer.body)
    answer = ask(server, "POST", "/claim", {**GOOD, "name": "<b>x</b>"})
    expect(answer.status == 400 and b"<b>x" not in answer.body and b"&lt;b&gt;x" in answer.body, answer.body)
    answer = ask(server, "POST", "/claim", {**GOOD, "quota": "1G"})
    expect(answer.status == 303 and b"four words" not in answer.body, answer.status, answer.body)
    # What became of it is a page of its own, which can be loaded again.
    for _ in range(2):
        welcome = ask(server, "GET", answer.headers["Location"])
        expect(welcome.status == 200 and b"anna@" in welcome.body and b"four words" not in welcome.body, welcome.body)
    listed = server.run("account", "list").splitlines()[-1]
    user = listed.split()[0]
    expect(user.startswith("anna@") and "of 1 GiB" in listed, listed)
    with server.connect(tls=True, user=user, password=GOOD["password"]) as client:
        client.ok("SELECT INBOX")
        [mail] = client.ok("FETCH 1 BODY.PEEK[]").of("FETCH")
        expect(b"that you chose on the set-up page" in b"".join(mail.literals), mail)
    expect(ask(server, "POST", "/claim", GOOD).status == 409)
    front = ask(server, "GET", "/").body
    expect(b"<form" not in front and str(server.tls_port).encode() in front and b"anna" not in front, front)
    server.restart()
    expect(ask(server, "POST", "/claim", GOOD).status == 409, "the code opens nothing after a restart")
    expect(GOOD["password"] not in server.log(), "the password is in the log")


def bounds(server):
    """What is too much, too slow, or no HTTP harms nobody."""
    form = b"code=" + b"x" * (1 << 20)
    for octets, statuses in [
        (b"POST /claim HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(form) + form, (b"413",)),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * (1 << 20) + b"\r\n\r\n", (b"431",)),
        (b"GET /" + b"y" * (1 << 20), (b"414", b"431")),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", (b"400",)),
        (b"A1 LOGIN a b\r\n\r\n", (b"400",)),
    ]:
        with socket.create_connection(("127.0.0.1", server.http_port), timeout=30) as client:
            try:
                client.sendall(octets)
                answer = client.recv(200)
            except (BrokenPipeError, ConnectionResetError):
                continue
            expect(any(status in answer[:16] for status in statuses), octets[:40], answer)
    # Some hundred that say nothing: mail and pages go on.
    silent = [socket.create_connection(("127.0.0.1", server.http_port), timeout=30) for _ in range(300)]
    for client in silent:
        client.sendall(b"GET / HTTP/1.1\r\nHost")
    began = time.monotonic()
    expect(ask(server, "GET", "/health").status == 200)
    server.connect(user=None).close()
    expect(time.monotonic() - began < 5, "slow besides silent connections")
    silent[0].settimeout(60)
    expect(silent[0].recv(200)[:12] in (b"", b"HTTP/1.1 408"), "who says nothing more is not waited for")
    fact(f"a silent connection is closed after {time.monotonic() - began:.0f} s")
    for client in silent:
        client.close()


main()
