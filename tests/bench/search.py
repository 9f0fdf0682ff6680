#!/usr/bin/env python3
"""How fast a large mailbox of small messages is searched and listed: Restante beside Dovecot.

    cargo build --release
    RESTANTE=target/release/restante python3 tests/bench/search.py [--messages 20000]

Needs Debian's dovecot-imapd. Both servers get the same messages of 2 KB by MULTIAPPEND and are
started anew; then one session asks, the first time and five times more. Prints microseconds
for each message, on the clock and of the server's CPU time, and the ratios: only the ratios mean
anything on another machine.
"""

import argparse
import random
import socket
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "real"))
from delivery import cpu_seconds  # noqa: E402
from differ import PASSWORD, USER, Dovecot  # noqa: E402
from server import Server  # noqa: E402

AT_ONCE = 500
LATER = 5
COMMANDS = [
    "FETCH 1:* (UID FLAGS)",
    "FETCH 1:* ENVELOPE",
    "FETCH 1:* BODYSTRUCTURE",
    "FETCH 1:* BODY.PEEK[HEADER.FIELDS (FROM TO CC SUBJECT DATE MESSAGE-ID)]",
    "SEARCH SUBJECT needle",
    "SORT (DATE) UTF-8 ALL",
    "SORT (SUBJECT) UTF-8 ALL",
    "THREAD REFERENCES UTF-8 ALL",
    "SEARCH TEXT needle",
    "SEARCH BODY needle",
    # The texts lie beside what these ask for now.
    "FETCH 1:* (UID ENVELOPE)",
    "SEARCH NOT SUBJECT needle",
]


def message(number, chance):
    """2 KB of made-up words; each hundredth has a needle in it."""
    word = lambda: "".join(chance.choices("abcdefghijklmnoprstuvw", k=chance.randint(2, 9)))
    lines = [" ".join(word() for _ in range(11)) for _ in range(24)]
    if number % 100 == 0:
        lines[17] += " Needle"
    return "\r\n".join([
        f"From: {word().title()} {word().title()} <{word()}@example.net>",
        "To: Ann <ann@example.org>", "Cc: bea@example.org, carl@example.org",
        f"Subject: {word()} {word()} {word()}{' needle' * (number % 500 == 0)}",
        f"Date: Mon, {number % 27 + 1:02} Nov 2026 {number % 24:02}:10:00 +0100",
        f"Message-ID: <{number}@example.net>", f"In-Reply-To: <{number - number % 7}@example.net>",
        "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit", "", *lines, "",
    ]).encode()


class Session:
    """A connection that logs in and asks."""

    def __init__(self, port):
        self.link = socket.create_connection(("127.0.0.1", port), timeout=600)
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.link.recv(65536)
        self.ask(f"LOGIN {USER} {PASSWORD}".encode())

    def ask(self, command):
        """How many octets are answered."""
        self.link.sendall(b"x " + command + b"\r\n")
        count, end = 0, b""
        while True:
            octets = self.link.recv(1 << 20)
            assert octets, "the server closed"
            count += len(octets)
            end = (end + octets)[-8192:]
            if end.endswith(b"\r\n") and end[:-2].rpartition(b"\n")[2].startswith(b"x "):
                answer = end[:-2].rpartition(b"\n")[2]
                assert answer.startswith(b"x OK"), answer
                return count


def fill(port, count):
    chance = random.Random(1)
    session = Session(port)
    for start in range(1, count + 1, AT_ONCE):
        parts = []
        for number in range(start, min(count + 1, start + AT_ONCE)):
            octets = message(number, chance)
            parts.append(b" {%d+}\r\n" % len(octets) + octets)
        session.ask(b"APPEND INBOX" + b"".join(parts))
    session.link.close()


def measure(pid, port, count):
    """Of each command, asked first and (in the mean) later: microseconds a message, on the
    clock and of the CPU."""
    session = Session(port)
    session.ask(b"SELECT INBOX")
    found = {}
    for command in COMMANDS:
        for which, times in (("first", 1), ("later", LATER)):
            cpu, started = cpu_seconds(pid), time.monotonic()
            for _ in range(times):
                session.ask(command.encode())
            clock = time.monotonic() - started
            cpu = cpu_seconds(pid) - cpu
            found[command, which] = [each / count / times * 1e6 for each in (clock, cpu)]
    return found


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--messages", type=int, default=20_000)
    options.add_argument("--folder", help="where the servers keep their mail")
    options = options.parse_args()
    count = options.messages
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        ours = Server(folder).start()
        ours.add_account(USER, PASSWORD)
        fill(ours.ports["imap"], count)
        ours.stop()
        ours.start()
        mine = measure(ours.process.pid, ours.ports["imap"], count)
        ours.stop()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        with Dovecot(folder) as theirs:
            fill(theirs.port, count)
            theirs.restart()
            other = measure(theirs.process.pid, theirs.port, count)
    print(f"{count} messages; µs a message: clock/CPU")
    print(f"{'':44} {'Restante':>12} {'Dovecot':>12} {'ratio':>12}")
    for (command, which), (clock, cpu) in mine.items():
        clock2, cpu2 = other[command, which]
        ratio = f"{clock / clock2:.2f}/" + (f"{cpu / cpu2:.2f}" if cpu2 else "-")
        print(f"{command[:38]:38} {which:5} {clock:6.2f}/{cpu:5.2f} {clock2:6.2f}/{cpu2:5.2f}"
              f" {ratio:>12}", flush=True)


if __name__ == "__main__":
    main()
