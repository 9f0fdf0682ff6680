#!/usr/bin/env python3
"""What many sessions and large mailboxes cost in memory.

    cargo build && python3 tests/real/load.py

Holds two promises: 1,000 idle IMAP sessions, each in an account of its own, cost
under 20 MB; FETCH 1:* (UID FLAGS) of 100,000 messages streams with bounded
memory to a slow reader. Prints what it measured (resident memory of the server,
from /proc).
"""

import base64
import hashlib
import resource
import socket
import sys
import time
from pathlib import Path

from server import server

SESSIONS = 1_000
IDLE_OCTETS_MAX = 20 * 1_000_000
MESSAGES = 100_000
FETCH_OCTETS_MAX = 8 * 1_000_000


def resident(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmRSS")


class Imap:
    """Just enough of a client: one line out, lines in until one begins so."""

    def __init__(self, port):
        self.link = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.lines = b""
        self.until(b"* OK")

    def until(self, start):
        while True:
            line, found, rest = self.lines.partition(b"\r\n")
            if found:
                self.lines = rest
                if line.startswith(start):
                    return line
                if line.startswith((b"a NO", b"a BAD", b"* BYE")):
                    raise RuntimeError(line)
                continue
            octets = self.link.recv(65536)
            if not octets:
                raise RuntimeError("closed")
            self.lines += octets

    def command(self, line, start=b"a OK"):
        self.link.sendall(b"a " + line + b"\r\n")
        return self.until(start)


def settled(pid):
    """Resident memory once it no longer falls: renewed passwords want 19 MB each
    for a moment."""
    least = resident(pid)
    for _ in range(60):
        time.sleep(1)
        if (now := resident(pid)) >= least:
            return least
        least = now
    return least


def idle_sessions(mail):
    lines = []
    for number in range(SESSIONS + 20):
        salt = b"saltsalt"
        digest = hashlib.sha256(b"sesame" + salt).digest() + salt
        lines.append(f"user{number}@example.org:{{SSHA256}}{base64.b64encode(digest).decode()}:\n")
    accounts = mail.folder / "accounts"
    accounts.write_text("".join(lines))
    mail.command("account", "import", accounts)

    def idle(number):
        session = Imap(mail.ports["imap"])
        session.command(b"LOGIN user%d@example.org sesame" % number)
        session.command(b"SELECT INBOX")
        session.command(b"IDLE", b"+")
        return session

    # What the server sets up once for all sessions is not theirs.
    sessions = [idle(SESSIONS + number) for number in range(20)]
    before = settled(mail.process.pid)
    sessions += [idle(number) for number in range(SESSIONS)]
    cost = settled(mail.process.pid) - before
    print(f"{SESSIONS} idle sessions: {cost / 1e6:.1f} MB, {cost / SESSIONS:.0f} octets each")
    assert cost < IDLE_OCTETS_MAX, cost
    for session in sessions:
        session.link.close()


def large_fetch(mail):
    mail.add_account("big@example.org")
    session = Imap(mail.ports["imap"])
    session.command(b"LOGIN big@example.org sesame")
    message = b"Subject: x\r\n\r\nx\r\n"
    append = b"a APPEND INBOX {%d+}\r\n%s\r\n" % (len(message), message)
    # Filled by doubling: few commits, no 100,000 round trips.
    count = 100
    session.link.sendall(append * count)
    for _ in range(count):
        session.until(b"a OK")
    session.command(b"SELECT INBOX")
    while count < MESSAGES:
        more = min(count, MESSAGES - count, 50_000)
        session.command(b"COPY 1:%d INBOX" % more)
        count += more
    session.command(b"FETCH 1:* (UID FLAGS)")

    session = Imap(mail.ports["imap"])
    session.link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    session.command(b"LOGIN big@example.org sesame")
    session.command(b"SELECT INBOX")
    before = resident(mail.process.pid)
    started = time.monotonic()
    session.link.sendall(b"a FETCH 1:* (UID FLAGS)\r\n")
    time.sleep(1)  # A reader that does not read: the server must wait, not gather.
    cost = resident(mail.process.pid) - before
    rows = octets = 0
    last = b""
    while b"\r\na OK" not in last:
        octets += len(piece := session.link.recv(1 << 16))
        # What the piece before ended with may be the beginning of a row's text.
        rows += (last[-7:] + piece).count(b" FETCH (")
        last = (last + piece)[-1_000:]
    seconds = time.monotonic() - started - 1
    print(f"FETCH of {rows} rows: {octets / 1e6:.1f} MB in {seconds:.2f} s, "
          f"{cost / 1e6:.1f} MB more memory while nobody read")
    assert rows == MESSAGES, rows
    assert cost < FETCH_OCTETS_MAX, cost


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    failed = 0
    for check in (idle_sessions, large_fetch):
        with server() as mail:
            try:
                check(mail)
            except Exception as error:
                failed += 1
                print(f"{check.__name__} FAILED: {error!r}")
                print(*mail.log().splitlines()[-10:], sep="\n  ")
    print(f"{2 - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
