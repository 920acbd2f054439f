"""Thunderbird without a window, driven over Marionette, as a client that fetches mail by POP3.

    with Thunderbird(folder, authority) as thunderbird:
        account = thunderbird.add_pop3_account("localhost", 11_995, USER, PASSWORD, leave_on_server=True)
        fetched = account.fetch()          # as the button "Get Messages"; raises `Failed`
        account.messages()                 # the octets of each, in the order of their arrival
        account.set_leave_on_server(False)
        account.fetch().deleted            # also what an earlier fetch left there is deleted now

Needs Debian's packages thunderbird and libnss3-tools. Nothing but loopback is reached: every other address goes to
a proxy that does not exist. Each wait has an end, and with the context all processes end that it began. Messages
are as the server sent them, but for a bare LF, which comes out as CRLF.

What Thunderbird 153 does, which explains what a server sees:

- A fetch is one connection: CAPA (with STLS, again after it), then AUTH PLAIN with the response only after the
  server's "+", STAT, and for an empty mailbox QUIT at once; otherwise LIST, UIDL, then for each message that it does
  not know RETR, or RETR and DELE at once where mail is not left on the server, and QUIT. It waits for each reply
  before the next command. TOP is sent only for an account that fetches headers, which this one is not.
- It tries AUTH PLAIN, AUTH LOGIN, then USER and PASS, as far as CAPA offers them, on one connection until one succeeds.
- What it knows is in popstate.dat: the UIDLs of the mail it left on the server. With leave_on_server off, the next
  fetch deletes all of these, without RETR. UIDLs that the server no longer lists are forgotten.
- popstate.dat is written before QUIT, and the reply to QUIT is not looked at: it waits three seconds for it, no more.
- It reads a message line by line, ends each with LF, and puts five lines in front (see `ADDED`).
"""

import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

PROGRAM = "/usr/lib/thunderbird/thunderbird"  # what /usr/bin/thunderbird runs after looking for old profiles
START_SECONDS, STOP_SECONDS, SCRIPT_SECONDS, FETCH_SECONDS = 120, 30, 60, 600
QUIT_SECONDS = 10  # it waits three seconds for the reply to QUIT
REPLY_MAX = 64 << 20  # octets of one reply of Marionette

# The lines that it puts in front of a message as it stores it, each at most once and in this order.
ADDED = re.compile(
    rb"(?:X-Account-Key: [^\r\n]*\r\n)?(?:X-UIDL: (?P<uidl>[^\r\n]*)\r\n)?(?:X-Mozilla-Status: [0-9a-f]{4}\r\n)?"
    rb"(?:X-Mozilla-Status2: [0-9a-f]{8}\r\n)?(?:X-Mozilla-Keys: [^\r\n]*\r\n)?"
)

PREFERENCES = {
    "marionette.port": 0,  # a free one, which it writes into a file
    # One file per message: neither From_ lines nor their quoting.
    "mail.serverDefaultStoreContractID": "@mozilla.org/msgstore/maildirstore;1",
    "mail.server.default.spamLevel": 0,
    "mail.server.default.check_new_mail": False,
    "mail.server.default.login_at_startup": False,
    "mail.biff.play_sound": False,
    "mail.biff.show_alert": False,
    "mailnews.database.global.indexer.enabled": False,
    # No questions, no first-run pages, and nothing asked of the world.
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.shell.checkDefaultClient": False,
    "mail.spotlight.firstRunDone": True,
    "mail.winsearch.firstRunDone": True,
    "mail.inappnotifications.enabled": False,
    "mailnews.start_page.enabled": False,
    "mailnews.start_page_override.mstone": "ignore",
    "mail.rights.version": 1,
    "app.donation.eoy.version.viewed": 999,
    "app.update.enabled": False,
    "calendar.timezone.useSystemTimezone": True,
    "datareporting.policy.dataSubmissionEnabled": False,
    "datareporting.healthreport.uploadEnabled": False,
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.unified": False,
    "extensions.update.enabled": False,
    "extensions.blocklist.enabled": False,
    "messenger.status.reportIdle": False,
    "security.OCSP.enabled": 0,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.prefetch-next": False,
    "network.proxy.type": 1,
    "network.proxy.socks": "127.0.0.1",
    "network.proxy.socks_port": 9,
    "network.proxy.socks_version": 5,
    "network.proxy.socks_remote_dns": True,
    "network.proxy.no_proxies_on": "localhost, 127.0.0.1, ::1",
    "network.proxy.allow_hijacking_localhost": False,
    "network.proxy.allow_bypass": False,  # otherwise what the proxy refuses is tried without it
    "network.proxy.failover_direct": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
}

# Runs once: it notes each command and each failure, and answers every dialog that such a failure would open.
PREPARE = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const { Pop3Client } = ChromeUtils.importESModule("resource:///modules/Pop3Client.sys.mjs");
const { Pop3Authenticator } = ChromeUtils.importESModule("resource:///modules/MailAuthenticator.sys.mjs");
if (!MailServices.accounts.accounts.some(account => account.incomingServer?.type == "none")) {
  MailServices.accounts.createLocalMailAccount();
}
const noted = {};
const of = client => (noted[client._server.key] ??= { commands: [], failures: [] });
const { _send, _actionError } = Pop3Client.prototype;
Pop3Client.prototype._send = function (command, secret) {
  of(this).commands.push(secret ? "" : command);
  return _send.call(this, command, secret);
};
Pop3Client.prototype._actionError = function (name, parameters, reply) {
  of(this).failures.push(reply ? `${name}: ${reply}` : name);
  return _actionError.call(this, name, parameters, reply);
};
MailServices.mailSession.addUserFeedbackListener({
  QueryInterface: ChromeUtils.generateQI(["nsIMsgUserFeedbackListener"]),
  onAlert(text) {
    noted[MailServices.fetching]?.failures.push(text);
    return true;
  },
  onCertError() {
    return true;
  },
});
Pop3Authenticator.prototype.promptAuthFailed = () => 1;
Pop3Authenticator.prototype.getPassword = async function () {
  const password = this._server.password || this._server.wrappedJSObject._getPasswordWithoutUI();
  if (!password) {
    throw Components.Exception("there is no password for this account", Cr.NS_ERROR_ABORT);
  }
  return password;
};
MailServices.noted = noted;
return Services.appinfo.version;
"""

ADD_ACCOUNT = """
const [host, port, user, password, leave, stls] = arguments;
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
return (async () => {
  const origin = `mailbox://${host}`;
  const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
  login.init(origin, null, origin, user, password, "", "");
  await Services.logins.addLoginAsync(login);
  const server = MailServices.accounts.createIncomingServer(user, host, "pop3");
  server.port = port;
  server.socketType = stls ? Ci.nsMsgSocketType.alwaysSTARTTLS : Ci.nsMsgSocketType.SSL;
  server.authMethod = Ci.nsMsgAuthMethod.passwordCleartext;
  server.doBiff = false;
  server.downloadOnBiff = false;
  server.loginAtStartUp = false;
  const pop3 = server.QueryInterface(Ci.nsIPop3IncomingServer);
  pop3.leaveMessagesOnServer = leave;
  pop3.deleteByAgeFromServer = false;
  pop3.headersOnly = false;
  server.limitOfflineMessageSize = false;
  const identity = MailServices.accounts.createIdentity();
  identity.email = user;
  const account = MailServices.accounts.createAccount();
  account.addIdentity(identity);
  account.incomingServer = server;
  server.valid = true;
  return server.key;
})();
"""

FIND = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const server = MailServices.accounts.getIncomingServer(arguments[0]);
const inbox = server.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox);
"""

FETCH = (
    FIND
    + """
const { setTimeout, clearTimeout } = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");
const noted = MailServices.noted;
noted[server.key] = { commands: [], failures: [] };
MailServices.fetching = server.key;
const name = status => {
  try {
    const errors = Cc["@mozilla.org/nss_errors_service;1"].getService(Ci.nsINSSErrorsService);
    return errors.getErrorMessage(status);
  } catch {
    return Object.keys(Cr).find(known => Cr[known] == status) ?? `0x${status.toString(16)}`;
  }
};
return new Promise(resolve => {
  // Otherwise a connection without an answer keeps all later fetches waiting for `mailnews.tcptimeout`.
  const late = setTimeout(
    () => server.wrappedJSObject.runningClient?._actionDone(Cr.NS_ERROR_NET_TIMEOUT),
    arguments[1] * 1000
  );
  const listener = {
    QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]),
    OnStartRunningUrl() {},
    OnStopRunningUrl(url, status) {
      clearTimeout(late);
      resolve({ status, name: status ? name(status) : "", ...noted[server.key] });
    },
  };
  MailServices.pop3.GetNewMail(null, listener, inbox, server);
});
"""
)

LIST = (
    FIND
    + """
const stored = [...inbox.msgDatabase.enumerateMessages()];
stored.sort((one, other) => one.messageKey - other.messageKey);
return [inbox.filePath.path, stored.map(header => header.storeToken)];
"""
)


class Failed(Exception):
    """Thunderbird says that something failed, or does not say anything in time."""


class Message(NamedTuple):
    """A message that was fetched."""

    uidl: str
    octets: bytes

    @classmethod
    def read(cls, file):
        """As it is stored: with LF at the ends of lines, and with added lines in front."""
        octets = file.read_bytes().replace(b"\n", b"\r\n")
        added = ADDED.match(octets)
        return cls((added["uidl"] or b"").decode(), octets[added.end() :])


class Fetched(NamedTuple):
    """What a fetch did: the commands in their order, "" for one with a password in it; NOOP is not among them."""

    commands: list

    @property
    def retrieved(self):
        """How many messages were asked for."""
        return sum(command.startswith("RETR ") for command in self.commands)

    @property
    def deleted(self):
        """How many messages were asked to be deleted."""
        return sum(command.startswith("DELE ") for command in self.commands)


class Thunderbird:
    """Thunderbird with a profile of its own; as a context it is started, and ended at the end.

    The profile is made where there is none yet: who starts again in the same folder finds the accounts again.
    """

    def __init__(self, folder, authority):
        self.folder = Path(folder).resolve()
        self.authority = Path(authority)
        self.profile = self.folder / "profile"
        self.home = self.folder / "home"
        self.log_file = self.folder / "thunderbird.log"
        self.process = None
        self.marionette = None
        self.version = ""

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Starts it, and waits until it can be told what to do."""
        if not self.profile.exists():
            self._create_profile()
        port_file = self.profile / "MarionetteActivePort"
        port_file.unlink(missing_ok=True)
        command = [PROGRAM, "--headless", "--no-remote", "--profile", str(self.profile)]
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [*command, "--marionette", "--remote-allow-system-access"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self._environment(),
                start_new_session=True,  # its children can then be ended with it
            )
        try:
            end = time.monotonic() + START_SECONDS
            port = _until(lambda: self._running() and _number(port_file), START_SECONDS, "it listens")
            self.marionette = Marionette(port, end)
            self.version = self.run(PREPARE, seconds=max(1, end - time.monotonic()))
        except BaseException:
            self.stop()
            raise

    def stop(self):
        """Asks it to end, and makes it end if it does not."""
        if self.process is None:
            return
        if self.marionette:
            try:
                self.marionette.command("Marionette:Quit", {"flags": ["eForceQuit"]}, STOP_SECONDS)
            except (Failed, OSError):
                pass  # it may be gone before it answers; what follows holds for all cases
            self.marionette.close()
            self.marionette = None
        else:
            self.process.terminate()
        try:
            _until(self._has_ended, STOP_SECONDS, "it ends")
        except Failed:
            pass
        # The number of the group is ours as long as its first process was not waited for.
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(STOP_SECONDS)
        try:
            _until(lambda: _is_empty(self.process.pid), STOP_SECONDS, "its children have ended")
        except Failed:
            pass  # they are killed; where nobody waits for orphans, their numbers stay
        self.process = None

    def add_pop3_account(self, host, port, user, password, leave_on_server, stls=False):
        """An account that is fetched only when told to, over TLS: from the first octet on, or after STLS."""
        return Pop3Account(self, self.run(ADD_ACCOUNT, host, port, user, password, leave_on_server, stls))

    def run(self, script, *arguments, seconds=SCRIPT_SECONDS):
        """Runs JavaScript with all rights; returns what it returns, or what its promise becomes."""
        self._running()
        self.marionette.command("WebDriver:SetTimeouts", {"script": int(seconds * 1000)}, SCRIPT_SECONDS)
        parameters = {"script": script, "args": list(arguments), "sandbox": "system", "newSandbox": True}
        return self.marionette.command("WebDriver:ExecuteScript", parameters, seconds + 5)["value"]

    def dismiss_dialog(self):
        """Closes a dialog; returns its text."""
        text = self.marionette.command("WebDriver:GetAlertText", {}, SCRIPT_SECONDS)["value"]
        self.marionette.command("WebDriver:DismissAlert", {}, SCRIPT_SECONDS)
        return text

    def log(self):
        """What it printed."""
        return self.log_file.read_text(errors="replace")

    def _create_profile(self):
        for folder in (self.profile, self.home, self.home / "run"):
            folder.mkdir(parents=True)
            folder.chmod(0o700)
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items()]
        (self.profile / "user.js").write_text("".join(lines))
        database = ["-d", f"sql:{self.profile}"]
        for arguments in (
            ["-N", *database, "--empty-password"],
            ["-A", *database, "-n", "authority of the check", "-t", "C,,", "-a", "-i", str(self.authority)],
        ):
            done = subprocess.run(
                ["certutil", *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=SCRIPT_SECONDS,
                check=False,
            )
            if done.returncode != 0:
                raise Failed(f"certutil {arguments[0]}: {done.stdout}{done.stderr}")

    def _environment(self):
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "TZ") if name in os.environ}
        return {
            **kept,
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self.home / "run"),
            "LC_ALL": "C.UTF-8",
            "MOZ_HEADLESS": "1",
            "MOZ_CRASHREPORTER_DISABLE": "1",
            "MOZ_REMOTE_SETTINGS_DEVTOOLS": "1",  # lets services.settings.server count
            "NO_AT_BRIDGE": "1",
        }

    def _has_ended(self):
        # WNOWAIT leaves it to be waited for, so that its number is not given away.
        how = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.process.pid, how) is not None

    def _running(self):
        if self.process is None or self._has_ended():
            raise Failed(f"Thunderbird is not running: {self.log()[-2000:]}")
        return True


class Pop3Account:
    """An account of Thunderbird's."""

    def __init__(self, thunderbird, key):
        self.thunderbird = thunderbird
        self.key = key

    def fetch(self, seconds=FETCH_SECONDS):
        """Connects and does all there is to do; raises `Failed` with what Thunderbird says about a failure."""
        done = self.thunderbird.run(FETCH, self.key, seconds, seconds=seconds + QUIT_SECONDS)
        if done is None:  # a script gives way to a dialog
            raise Failed(f"fetch: a dialog opened: {self.thunderbird.dismiss_dialog()}")
        if done["status"] != 0:
            raise Failed(f"fetch: {done['name']} {done['failures']}, after {done['commands'][-3:]}")
        return Fetched(done["commands"])

    def set_leave_on_server(self, leave):
        """From the next fetch on."""
        self.thunderbird.run(
            f"{FIND} server.QueryInterface(Ci.nsIPop3IncomingServer).leaveMessagesOnServer = arguments[1];",
            self.key,
            leave,
        )

    def count(self):
        """How many messages are in the inbox."""
        return self.thunderbird.run(f"{FIND} return inbox.getTotalMessages(false);", self.key)

    def messages(self):
        """What is in the inbox, in the order of arrival, with CRLF at the ends of lines and without added lines."""
        folder, names = self.thunderbird.run(LIST, self.key)
        return [Message.read(Path(folder, "cur", name)) for name in names]


class Marionette:
    """Mozilla's protocol of remote control: JSON with its length in front of it; one command at a time."""

    def __init__(self, port, end):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=max(1, end - time.monotonic()))
        self.number = 0
        self.pending = b""
        try:
            self._receive(end)  # who it is
            self.command("WebDriver:NewSession", {}, max(1, end - time.monotonic()))
            self.command("Marionette:SetContext", {"value": "chrome"}, SCRIPT_SECONDS)
        except BaseException:
            self.close()
            raise

    def command(self, name, parameters, seconds):
        """Sends a command; returns its result."""
        end = time.monotonic() + seconds
        self.number += 1
        octets = json.dumps([0, self.number, name, parameters]).encode()
        self.socket.settimeout(seconds)
        self.socket.sendall(b"%d:%b" % (len(octets), octets))
        while True:
            _, number, error, result = self._receive(end)
            if number == self.number:  # otherwise it answers a command that was no longer waited for
                break
        if error:
            raise Failed(f"{name}: {error['error']}: {error['message']} {error.get('stacktrace', '')[:500]}")
        return result

    def close(self):
        self.socket.close()

    def _receive(self, end):
        while b":" not in self.pending:
            self._read(end)
        length, _, self.pending = self.pending.partition(b":")
        if int(length) > REPLY_MAX:
            raise Failed(f"a reply of {length} octets")
        while len(self.pending) < int(length):
            self._read(end)
        octets, self.pending = self.pending[: int(length)], self.pending[int(length) :]
        return json.loads(octets)

    def _read(self, end):
        left = end - time.monotonic()
        if left <= 0:
            raise Failed("no answer in time")
        self.socket.settimeout(left)
        try:
            octets = self.socket.recv(1 << 16)
        except TimeoutError:
            raise Failed("no answer in time") from None
        if not octets:
            raise Failed("Thunderbird hung up")
        self.pending += octets


def _is_empty(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def _number(file):
    try:
        return int(file.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _until(true, seconds, what):
    end = time.monotonic() + seconds
    while not (value := true()):
        if time.monotonic() > end:
            raise Failed(f"not within {seconds} s: {what}")
        time.sleep(0.02)
    return value
