"""neomutt, driven by keys: reads a mailbox, flags, saves into another one, deletes; sends nothing."""

import os

import terminal
from corpus import made
from house import PASSWORD, USER, Server, expect

RC = """
set folder = "imaps://localhost:{port}/"
set imap_user = "{user}"
set imap_pass = "{password}"
set certificate_file = "{authority}"
set ssl_usesystemcerts = no
set ssl_force_tls = yes
set spoolfile = "+INBOX"
set record = "" sendmail = "/bin/false" from = "{user}"
set header_cache = "{cache}" message_cachedir = "{cache}"
set sort = mailbox-order
set delete = yes confirmappend = no confirmcreate = no move = no mark_old = no wait_key = no beep = no quit = yes
set imap_check_subscribed = no imap_idle = {idle} imap_condstore = no mail_check = 1
set pager_index_lines = 0 prompt_after = no sleep_time = 0
"""


def main():
    for idle in ("no", "yes"):
        with Server() as server:
            session(server, idle)


def session(server, idle):
    with server.connect() as client:
        for number in range(30):
            client.append("INBOX", made(number, subject="Weekly" if number % 3 == 0 else "Daily"))
    cache = server.folder / "cache"
    cache.mkdir()
    rc = server.folder / "neomuttrc"
    rc.write_text(
        RC.format(
            port=server.tls_port, user=USER, password=PASSWORD, authority=server.authority, cache=cache, idle=idle
        )
    )

    def mutt(keys, *options):
        command = ["neomutt", "-n", "-F", str(rc), "-e", f'push "{keys}"', *options]
        environment = {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", "HOME": str(server.folder)}
        code, shown = terminal.run(command, cwd=server.folder, env=environment)
        expect(code == 0, code, shown[-1500:])
        return shown

    # Reads one, flags all of a subject, saves two into a mailbox that it makes, copies one, deletes one.
    shown = mutt(
        "<first-entry><display-message><exit>"
        "<tag-pattern>~s Weekly<enter><tag-prefix><flag-message><tag-pattern>~A<enter><untag-pattern>~A<enter>"
        "<jump>4<enter><save-message>+Kept<enter>"
        "<jump>5<enter><copy-message>+Kept<enter>"
        "<jump>6<enter><delete-message>"
        "<sync-mailbox><quit>"
    )
    with server.connect() as client:
        inbox = client.messages("INBOX")
        expect(len(inbox) == 28, len(inbox), shown[-3000:])
        expect(4 not in inbox and 6 not in inbox, sorted(inbox))
        expect("\\Seen" in inbox[1][0] and "\\Seen" not in inbox[2][0], inbox[1], inbox[2])
        flagged = {uid for uid, (flags, _) in inbox.items() if "\\Flagged" in flags}
        expect(flagged == set(range(1, 31, 3)) - {4}, flagged)
        kept = client.messages("Kept", "FLAGS BODY.PEEK[]")
        expect([body for _, [body] in kept.values()] == [made(3, subject="Weekly"), made(4, subject="Daily")], kept)

    # Opens the other mailbox, from its cache the first one again, and finds by the server's search.
    mutt(
        "<change-folder>+Kept<enter><last-entry><delete-message><sync-mailbox>"
        "<change-folder>+INBOX<enter><limit>=b 'of message 20'<enter><flag-message><sync-mailbox><quit>"
    )
    with server.connect() as client:
        expect(len(client.messages("Kept")) == 1)
        inbox = client.messages("INBOX")
        expect("\\Flagged" in inbox[21][0] and len(inbox) == 28, inbox[21])


main()
