#!/usr/bin/env python3
"""POP3 programs with their own ways of leaving mail on the server, against each hold.

    cargo build && python3 tests/real/holds.py [NAME …]

Needs (Debian): curl openssl isync getmail6 mpop fetchmail.
Nothing may come down twice by one program, and nothing may be lost to another. Holds
are short here, so that their end can be seen: what waits for one waits until it is
there, and gives up after a time.
"""

import email
import os
import shutil
import time

from suite import PASSWORD, USER, case, equal, imap_login, main, mbsync_config, run, sample

DAY = 86_400
# A sweep looks every minute for what is due.
PATIENCE_SECONDS = 150


# --- the programs ---------------------------------------------------------------


class Program:
    """A POP3 program on one computer, as one device of the account."""

    def __init__(self, mail, name, user=USER, password=PASSWORD):
        self.mail, self.user, self.password = mail, user, password
        self.home = mail.folder / f"{type(self).__name__}-{name}"
        self.home.mkdir()
        self.local = self.home / "mail"
        for part in ("cur", "new", "tmp"):
            (self.local / part).mkdir(parents=True)

    def numbers(self):
        """The numbers of the samples that are here, each as often as it came."""
        found = []
        for part in ("cur", "new"):
            for file in (self.local / part).iterdir():
                message = email.message_from_bytes(file.read_bytes())
                found.append(int(message["Message-ID"].strip("<>\r\n ").split("@")[0]))
        return sorted(found)


class Getmail(Program):
    def fetch(self, delete=False, after_days=None):
        as_user = ""
        if os.geteuid() == 0:
            # getmail does not deliver as root: it becomes the one who owns the Maildir.
            as_user = "user = nobody"
            self.mail.folder.chmod(0o711)
            for folder in (self.home, self.local, *self.local.iterdir()):
                shutil.chown(folder, "nobody")
        after = f"delete_after = {after_days}" if after_days else ""
        (self.home / "getmailrc").write_text(f"""
[retriever]
type = SimplePOP3SSLRetriever
server = localhost
port = {self.mail.ports['pop3s']}
username = {self.user}
password = {self.password}
[destination]
type = Maildir
path = {self.local}/
{as_user}
[options]
delete = {str(delete).lower()}
{after}
read_all = false
delivered_to = false
received = false
""")
        run("getmail", f"--getmaildir={self.home}", "--rcfile=getmailrc")
        return self.numbers()

    def age(self, days):
        """What getmail remembers happened so many days earlier."""
        for file in self.home.glob("oldmail-*"):
            lines = []
            for line in file.read_text().splitlines():
                uidl, seconds = line.split("\0")
                lines.append(f"{uidl}\0{int(seconds) - days * DAY}\n")
            file.write_text("".join(lines))


class Mpop(Program):
    def fetch(self, delete=False):
        config = self.home / "mpoprc"
        config.write_text(f"""
account a
host localhost
port {self.mail.ports['pop3s']}
tls on
tls_starttls off
tls_trust_file {self.mail.certificate}
user {self.user}
password {self.password}
keep {'off' if delete else 'on'}
uidls_file {self.home}/uidls
delivery maildir {self.local}
received_header off
""")
        config.chmod(0o600)
        run("mpop", f"--file={config}", "a")
        return self.numbers()


class Fetchmail(Program):
    """With `keep` it asks by TOP, with `fetchall` by RETR."""

    def fetch(self, delete=False, by_retr=False):
        script = self.home / "mda"
        script.write_text(f'#!/bin/sh\ncat > "$(mktemp {self.local}/new/XXXXXX)"\n')
        script.chmod(0o755)
        options = ("nokeep" if delete else "keep") + (" fetchall" if by_retr else "")
        config = self.home / "fetchmailrc"
        config.write_text(
            f'poll localhost protocol pop3 port {self.mail.ports["pop3"]} uidl\n'
            f'  user "{self.user}" password "{self.password}" {options} sslproto "" '
            f'mda "{script}"\n'
        )
        config.chmod(0o600)
        done = run("fetchmail", "--fetchmailrc", config, "--nodetach", "--nosyslog",
                   "--bad-header", "accept", "--invisible",
                   env={"FETCHMAILHOME": str(self.home)}, check=False)
        # 1: there was nothing new.
        assert done.returncode in (0, 1), (done.returncode, done.stdout, done.stderr)
        return self.numbers()


class Curl(Program):
    """The least there can be: UIDL, RETR and DELE, what is known kept in a file."""

    def curl(self, path="", *words):
        url = f"pop3://localhost:{self.mail.ports['pop3']}/{path}"
        return run("curl", "-sS", "--ssl-reqd", "--cacert", self.mail.certificate,
                   "--user", f"{self.user}:{self.password}", url, *words).stdout

    def fetch(self, delete=False):
        known = self.home / "known"
        seen = set(known.read_text().split()) if known.exists() else set()
        listed = [line.split() for line in self.curl("", "-X", "UIDL").decode().splitlines()]
        listed = [line for line in listed if len(line) == 2]
        for number, uidl in listed:
            if uidl not in seen:
                (self.local / "new" / uidl).write_bytes(self.curl(number))
                seen.add(uidl)
        if delete:
            # Each has a session of its own, so that numbers move: from the last on.
            for number, _ in reversed(listed):
                self.curl(number, "-X", "DELE", "--head")
        known.write_text(" ".join(sorted(seen)))
        return self.numbers()


# --- what is asked of each ------------------------------------------------------


def set_up(mail, hold, *options):
    mail.command("domain", "set", "example.org", "--hold", hold, "--yes")
    if options:
        mail.command("hold", "set", "--domain", "example.org", *options, "--yes")
    mail.add_account(USER, PASSWORD)


def device(mail, name):
    """Declares a device; its password. The user name stays as it is."""
    for line in mail.command("device", "add", USER, name).splitlines():
        if line.startswith("password: "):
            return line.removeprefix("password: ")
    raise AssertionError("no password was printed")


def in_inbox(mail):
    session = imap_login(mail)
    count = int(session.select("INBOX", readonly=True)[1][0])
    session.logout()
    return count


def until(what, expected):
    """Waits until `what` gives what is expected."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := what()) != expected:
        assert time.monotonic() < deadline, f"still {found!r}, not {expected!r}"
        time.sleep(0.5)


def each_once(mail, first, second, deletes, left):
    """Two programs get every message once, whatever the first does with it."""
    for number in range(1, 6):
        mail.deliver(USER, sample(number))
    equal(first(), [1, 2, 3, 4, 5])
    equal(first(), [1, 2, 3, 4, 5])
    equal(second(), [1, 2, 3, 4, 5])
    equal(second(), [1, 2, 3, 4, 5])
    mail.deliver(USER, sample(6))
    equal(second(), [1, 2, 3, 4, 5, 6])
    equal(first(), [1, 2, 3, 4, 5, 6])
    equal(first(), [1, 2, 3, 4, 5, 6])
    equal(in_inbox(mail), left if deletes else 6)


def against(name, make, keeps, deletes):
    """Cases of one program: keeping and deleting, against each hold."""
    for hold, left in (("remove", 0), ("1h", 6), ("forever", 6)):
        for kind, way in (("keeps", keeps), ("deletes", deletes)):
            def run_case(mail, hold=hold, left=left, kind=kind, way=way):
                set_up(mail, hold)
                first = make(mail, "home")
                second = make(mail, "work", password=device(mail, "work"))
                each_once(mail, lambda: first.fetch(**way), lambda: second.fetch(**way),
                          kind == "deletes", left)

            run_case.__name__ = f"{name}_{kind}_{hold}"
            case(run_case)


against("getmail", Getmail, {"delete": False}, {"delete": True})
against("mpop", Mpop, {"delete": False}, {"delete": True})
against("fetchmail_top", Fetchmail, {"delete": False}, {"delete": True})
against("fetchmail_retr", Fetchmail, {"delete": False}, {"delete": True, "by_retr": True})
against("curl", Curl, {"delete": False}, {"delete": True})


@case
def one_keeps_and_one_deletes(mail):
    """The program that deletes takes nothing from the one that keeps, and the other way."""
    set_up(mail, "remove")
    keeps = Mpop(mail, "home")
    deletes = Fetchmail(mail, "work", password=device(mail, "work"))
    each_once(mail, lambda: deletes.fetch(delete=True), keeps.fetch, False, 6)


@case
def getmail_deletes_after_days(mail):
    """getmail's own `delete_after`: what it deletes late leaves as late."""
    set_up(mail, "remove")
    first = Getmail(mail, "home")
    for number in (1, 2):
        mail.deliver(USER, sample(number))
    fetch = lambda: first.fetch(after_days=7)
    equal(fetch(), [1, 2])
    equal(fetch(), [1, 2])
    equal(in_inbox(mail), 2)
    first.age(8)
    mail.deliver(USER, sample(3))
    equal(fetch(), [1, 2, 3])
    equal(in_inbox(mail), 1)


@case
def retr_collects(mail):
    """collect = retr: a program that never deletes still lets mail go, TOP or RETR."""
    set_up(mail, "5s", "--collect", "retr", "--at-least", "5s")
    first, second = Fetchmail(mail, "home"), Mpop(mail, "work", password=device(mail, "work"))
    for number in (1, 2, 3):
        mail.deliver(USER, sample(number))
    equal(first.fetch(), [1, 2, 3])
    equal(first.fetch(), [1, 2, 3])
    equal(in_inbox(mail), 3)
    equal(second.fetch(), [1, 2, 3])
    until(lambda: in_inbox(mail), 0)
    equal(first.fetch(), [1, 2, 3])
    equal(second.fetch(), [1, 2, 3])


@case
def recent_shows_all(mail):
    """A new program that has no device of its own gets the last 30 days by `recent:`."""
    set_up(mail, "forever")
    for number in (1, 2):
        mail.deliver(USER, sample(number))
    equal(Getmail(mail, "home").fetch(delete=True), [1, 2])
    new = Mpop(mail, "new", user=f"recent:{USER}")
    equal(new.fetch(), [1, 2])
    equal(new.fetch(), [1, 2])
    equal(Getmail(mail, "newer", user=f"recent:{USER}").fetch(), [1, 2])
    equal(in_inbox(mail), 2)


@case
def the_promise(mail):
    """Two plain POP3 programs set to delete, each with its device's ready line, and
    mbsync, on one account. Nobody waits for the device that no program uses."""
    set_up(mail, "20s")
    home = Fetchmail(mail, "home", password=device(mail, "home"))
    phone = Mpop(mail, "phone", password=device(mail, "phone"))
    tree = mail.folder / "tree"
    config = mbsync_config(mail, tree, """\
Channel a
Far :far:
Near :near:
Patterns INBOX
Create Near
Expunge Near
Sync Pull
SyncState *
""")
    tree.mkdir()

    def synced():
        run("mbsync", "-c", config, "a")
        return sum(len(list((tree / "INBOX" / part).iterdir())) for part in ("cur", "new"))

    def used():
        shown = mail.command("account", "show", USER)
        return [line.split()[1] for line in shown.splitlines() if line.startswith("messages")][0]

    def offered(name):
        listed = mail.command("pop3", "uidls", USER, "--device", name).splitlines()
        return [line.split("\t")[1] for line in listed[1:]]

    for number in range(1, 5):
        mail.deliver(USER, sample(number))
    uidl = offered("home")[0]
    equal(home.fetch(delete=True, by_retr=True), [1, 2, 3, 4])
    equal(home.fetch(delete=True, by_retr=True), [1, 2, 3, 4])
    equal(synced(), 4)
    # No clock runs before the last program has been here.
    equal(phone.fetch(delete=True), [1, 2, 3, 4])
    equal(phone.fetch(delete=True), [1, 2, 3, 4])
    equal(synced(), 4)
    until(synced, 0)
    equal(used(), "0")
    # All three see again what comes back.
    mail.command("undo", "restore", USER, uidl)
    for name in ("home", "phone"):
        equal(offered(name), [uidl])
    equal(synced(), 1)
    # Programs forget what they have deleted themselves.
    equal(len(home.fetch(delete=True, by_retr=True)), 5)
    equal(len(phone.fetch(delete=True)), 5)


if __name__ == "__main__":
    main()
