#!/usr/bin/env python3
"""mbsync keeps a Maildir tree and the real server equal, whoever is killed meanwhile.

    cargo build && python3 tests/real/mbsync.py [NAME …]

Needs (Debian): isync openssl.
"""

import imaplib
import mailbox
import random
import re
import signal
import socket
import subprocess
import textwrap
import threading
import time

from suite import USER, case, equal, filled, imap_login, main, mbsync_config, run, sample

CHANNEL = """\
Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState {state}/
"""
FLAGS = {"F": "\\Flagged", "S": "\\Seen", "R": "\\Answered", "D": "\\Draft", "T": "\\Deleted"}


class Relay:
    """Carries octets between mbsync and the server; once so many have gone to the server it does
    what it is told to, and carries no more on that connection."""

    def __init__(self, port):
        self.server = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.left, self.action = 0, None
        threading.Thread(target=self.accept, daemon=True).start()

    def after(self, octets, action):
        self.left, self.action = octets, action

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.server))
            for ends in ((client, server, True), (server, client, False)):
                threading.Thread(target=self.carry, args=ends, daemon=True).start()

    def carry(self, source, sink, counted):
        try:
            while octets := source.recv(1024):
                sink.sendall(octets)
                if counted and self.action:
                    self.left -= len(octets)
                    if self.left <= 0:
                        action, self.action = self.action, None
                        action()
                        break
        except OSError:
            pass
        finally:
            source.close()
            sink.close()


class Pair:
    """The two sides, and mbsync between them."""

    def __init__(self, mail):
        self.mail = mail
        self.near = mail.folder / "near"
        (self.near / "INBOX").mkdir(parents=True)
        self.relay = Relay(mail.ports["imap"])
        # Beside the tree, or a mailbox that is removed would be forgotten and not missed.
        state = mail.folder / "state"
        state.mkdir()
        channel = CHANNEL.format(state=state)
        config = mbsync_config(mail, self.near, channel, self.relay.port)
        self.words = [str(word) for word in ("mbsync", "-c", config, "-a")]

    def sync(self):
        run(*self.words)

    def sync_with(self, octets, action):
        """A run in which `action` is done to mbsync's process or to the server after so many
        octets; it has to fail."""
        process = subprocess.Popen(self.words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.relay.after(octets, lambda: action(process))
        output = process.communicate(timeout=120)
        assert self.relay.action is None, "it was done before it was killed"
        assert process.returncode != 0, output
        # What the server still had to read is filed before mbsync looks again.
        while self.mail.process.poll() is None and self.sessions():
            time.sleep(0.01)

    def sessions(self):
        """Those that have logged in and not ended."""
        log = self.mail.log()
        peers = lambda what: re.findall(rf'{what} protocol="imap" peer=(\S+)', log)
        return set(peers("login")) - set(peers("session ended"))

    def box(self, name="INBOX"):
        return mailbox.Maildir(self.near / name, create=False)

    def near_state(self):
        """Of each mailbox, each message's number and flags."""
        state = {}
        for folder in sorted(self.near.rglob("cur")):
            name = str(folder.parent.relative_to(self.near))
            state[name] = sorted(
                (number(message["Message-ID"]), sorted(FLAGS[flag] for flag in message.get_flags()))
                for message in self.box(name)
            )
        return state

    def far_state(self):
        session = imap_login(self.mail)
        state = {}
        for line in session.list()[1]:
            if b"\\Noselect" in line:
                continue
            name = re.search(rb' "/" (?:"(.*)"|(\S+))$', line)
            name = (name[1] or name[2]).decode()
            session.select(f'"{name}"', readonly=True)
            fields = "(FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"
            found = [one for one in session.uid("FETCH", "1:*", fields)[1] if isinstance(one, tuple)]
            state[name] = sorted(
                (number(octets.decode()), sorted(
                    flag.decode() for flag in imaplib.ParseFlags(head) if flag != b"\\Recent"))
                for head, octets in found
            )
        session.logout()
        return state

    def check(self, expected=None):
        """Both sides are equal (and as expected), and a second run finds nothing to do."""
        near = self.near_state()
        equal(near, self.far_state())
        if expected is not None:
            equal({name: rows for name, rows in near.items() if rows}, expected)
        files, modseq = self.listing(), self.modseqs()
        self.sync()
        equal((self.listing(), self.modseqs()), (files, modseq))

    def listing(self):
        return sorted(
            str(path.relative_to(self.near)) for path in self.near.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        )

    def modseqs(self):
        session = imap_login(self.mail)
        found = [session.status(name, "(HIGHESTMODSEQ UIDNEXT)")[1] for name in
                 sorted(line.split(b' "/" ')[1].decode() for line in session.list()[1]
                        if b"\\Noselect" not in line)]
        session.logout()
        return found


def number(text):
    return int(re.search(r"<(\d+)@example\.net>", text)[1])


def key_of(box, wanted):
    return next(key for key, message in box.items() if number(message["Message-ID"]) == wanted)


def flag_near(box, wanted, flags):
    key = key_of(box, wanted)
    message = box[key]
    message.set_flags(flags)
    message.set_subdir("cur")
    box[key] = message


def add_near(box, wanted, flags=""):
    # Octets that COMPRESS cannot make fewer.
    body = textwrap.fill(random.Random(wanted).randbytes(600).hex(), 76)
    message = mailbox.MaildirMessage(sample(wanted, body).replace(b"\r\n", b"\n"))
    message.set_flags(flags)
    message.set_subdir("cur")
    box.add(message)


def change_far(mail, changes, expunge=()):
    """Flags as in `changes`, by the numbers in the subjects; some are expunged."""
    session = imap_login(mail)
    session.select("INBOX")
    find = lambda wanted: session.search(None, "SUBJECT", f'"Message {wanted}:"')[1][0].decode()
    for wanted, how in changes:
        session.store(find(wanted), how[0] + "FLAGS", how[1:])
    for wanted in expunge:
        session.store(find(wanted), "+FLAGS", r"(\Deleted)")
    session.expunge()
    session.logout()


@case
def both_ways(mail):
    """Messages, flags and expunges, of both sides in one run."""
    filled(mail, 8)
    pair = Pair(mail)
    pair.sync()
    pair.check({"INBOX": [(one, []) for one in range(1, 9)]})
    change_far(mail, [(1, r"+(\Flagged)"), (2, r"+(\Seen \Answered)")], expunge=[3])
    mail.deliver(USER, sample(9))
    box = pair.box()
    flag_near(box, 4, "S")
    flag_near(box, 5, "FR")
    flag_near(box, 6, "T")
    box.remove(key_of(box, 7))
    add_near(box, 10, "DS")
    pair.sync()
    pair.check({"INBOX": [
        (1, ["\\Flagged"]), (2, ["\\Answered", "\\Seen"]), (4, ["\\Seen"]),
        (5, ["\\Answered", "\\Flagged"]), (8, []), (9, []), (10, ["\\Draft", "\\Seen"]),
    ]})
    # The same message, flagged on both sides; flags taken away.
    change_far(mail, [(1, r"-(\Flagged)"), (5, r"-(\Answered)"), (8, r"+(\Flagged)")])
    box = pair.box()
    flag_near(box, 8, "S")
    flag_near(box, 4, "")
    pair.sync()
    pair.check({"INBOX": [
        (1, []), (2, ["\\Answered", "\\Seen"]), (4, []), (5, ["\\Flagged"]),
        (8, ["\\Flagged", "\\Seen"]), (9, []), (10, ["\\Draft", "\\Seen"]),
    ]})


@case
def mailboxes(mail):
    """Made and removed on either side, names with spaces and beyond ASCII among them."""
    filled(mail, 1)
    pair = Pair(mail)
    session = imap_login(mail)
    for name in ('"two words"', "K&APY-ln", "deep/down"):
        session.create(name)
        session.append(name, None, None, sample(2))
    session.logout()
    mailbox.Maildir(pair.near / "made here", create=True)
    add_near(pair.box("made here"), 3, "S")
    pair.sync()
    pair.check({
        "INBOX": [(1, [])], "two words": [(2, [])], "K&APY-ln": [(2, [])], "deep/down": [(2, [])],
        "made here": [(3, ["\\Seen"])],
    })
    # Only an empty one is removed.
    session = imap_login(mail)
    session.select('"two words"')
    session.store("1", "+FLAGS", r"(\Deleted)")
    session.close()
    session.logout()
    box = pair.box("made here")
    box.clear()
    pair.sync()
    pair.check({"INBOX": [(1, [])], "K&APY-ln": [(2, [])], "deep/down": [(2, [])]})
    session = imap_login(mail)
    session.delete('"two words"')
    session.logout()
    pair.sync()
    assert not (pair.near / "two words").exists(), pair.listing()
    for path in sorted((pair.near / "made here").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (pair.near / "made here").rmdir()
    pair.sync()
    assert "made here" not in pair.far_state()
    pair.check({"INBOX": [(1, [])], "K&APY-ln": [(2, [])], "deep/down": [(2, [])]})


def work_for_both(pair, count=150):
    """Much to carry either way, and much to expunge."""
    pair.sync()
    box = pair.box()
    for wanted in range(2_000, 2_000 + count):
        add_near(box, wanted, "F")
    for wanted in range(1, 21):
        box.remove(key_of(box, wanted))
    change_far(pair.mail, [], expunge=range(21, 41))
    for wanted in range(1_000, 1_000 + count):
        pair.mail.deliver(USER, sample(wanted))
    return {"INBOX": [
        *((one, []) for one in range(41, 51)), *((one, []) for one in range(1_000, 1_000 + count)),
        *((one, ["\\Flagged"]) for one in range(2_000, 2_000 + count)),
    ]}


@case
def client_killed(mail):
    """mbsync is killed while it carries, thrice; then one run makes both equal, nothing doubled."""
    filled(mail, 50)
    pair = Pair(mail)
    expected = work_for_both(pair)
    for octets in (15_000, 25_000, 35_000):
        pair.sync_with(octets, lambda process: process.kill())
    pair.sync()
    pair.check(expected)


@case
def server_killed(mail):
    """The server is killed while mbsync carries; it has kept whatever it had said it has."""
    filled(mail, 50)
    pair = Pair(mail)
    expected = work_for_both(pair)
    for octets in (15_000, 40_000):
        pair.sync_with(octets, lambda _: mail.stop(signal.SIGKILL))
        mail.start()
    pair.sync()
    pair.check(expected)


if __name__ == "__main__":
    main()
