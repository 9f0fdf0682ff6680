#!/usr/bin/env python3
"""Mail that nobody would write, unless to break a server.

Each message is delivered by LMTP and must be refused in words or come back octet
for octet by POP3 and IMAP, with an ENVELOPE and a BODYSTRUCTURE that a client can
read; in bounded time and memory, while other mail goes on.

    cargo build && python3 tests/real/hostile.py
"""

import imaplib
import os
import re
import socket
import sys

import judge
from corpus import TRACE, Results
from server import server

NAME = "victim@example.org"
PASSWORD = "sesame"
# What one message may cost the server: seconds of processor time, which other work
# on the machine does not change, and memory.
SECONDS_MAX = 10
RESIDENT_OCTETS_MAX = 400 << 20

imaplib._MAXLINE = 100 << 20


def nested(kind, depth):
    return b"".join(b"Content-Type: %s; boundary=b%d\r\n\r\n--b%d\r\n" % (kind, n, n)
                    for n in range(depth)) + b"\r\ninnermost needle\r\n"


def messages():
    """Name and octets; all lines that matter end in CRLF."""
    header = b"Subject: hostile\r\nFrom: a@example.net\r\n"
    digest = b"Content-Type: multipart/digest; boundary=a\r\n\r\n"
    addresses = b",\r\n ".join(b"user%d@example.net" % n for n in range(100_000))
    return {
        "multiparts in each other": header + nested(b"multipart/mixed", 2_000),
        "messages in each other": header + nested(b"message/rfc822", 2_000),
        "100,000 fields": header + b"X-Field: value\r\n" * 100_000 + b"\r\nneedle\r\n",
        "100,000 addresses": header + b"To: " + addresses + b"\r\n\r\nneedle\r\n",
        "a line of 50 MB": header + b"\r\n" + b"x" * (50 << 20) + b" needle\r\n",
        "a field of 20 MB": b"Subject: " + b"y" * (20 << 20) + b"\r\n\r\nneedle\r\n",
        "a field folded a million times":
            b"Subject: a\r\n" + b" b\r\n" * (1 << 20) + b"\r\nneedle\r\n",
        "NULs": header + b"X-Nul: a\0b\r\n\r\nneedle \0\0\0\r\n",
        "lone carriage returns": header + b"X: a\rb\r\n\r\nc\rd\r\rneedle\r\n",
        "lone line feeds": header + b"X: a\nY: b\n\nc\nneedle\r\n",
        "ends of other messages": header + b"\r\n\n.\n\r.\r\n..\r\n.needle\r\n\r\n.\rQUIT\r\n",
        "no separator": b"this is no field, needle\r\nnor this: but this\r\n",
        "nothing but a body": b"\r\nneedle\r\n",
        "one dot": b".\r\n",
        "nothing": b"",
        "no boundary": header + b"Content-Type: multipart/mixed\r\n\r\nneedle\r\n",
        "a boundary that never comes":
            header + b"Content-Type: multipart/mixed; boundary=z\r\n\r\nneedle\r\n",
        "100,000 parts": header + digest + b"--a\r\n\r\nTo: b\r\n\r\nneedle\r\n" * 100_000,
        "a million boundaries":
            header + digest.replace(b"digest", b"mixed") + b"--a\r\n" * 1_000_000,
        "octets of all values": header + b"\r\n" + bytes(range(14, 256)) * 100 + b"\r\nneedle\r\n",
        "8-bit fields": b"Subject: gr\xfcn \xff\xfe\r\nFrom: \xe9 <\xe9@\xe9>\r\n\r\nneedle\r\n",
        "broken addresses": b"From: ((((\r\nTo: <<<>>>,@,;:\"\r\nCc: \"unclosed\r\n\r\nneedle\r\n",
        "broken encoded words":
            b"Subject: =?utf-8?q?=zz=?= =?x?b?????= =?utf-8?q?\r\n\r\nneedle\r\n",
        "broken base64": header + b"Content-Type: text/plain; charset=utf-16\r\n"
                         b"Content-Transfer-Encoding: base64\r\n\r\n!!!=A=B=\r\n",
    }


def stored(message):
    """As the server keeps it: no NULs, no lone line feeds, a last line that ends."""
    message = re.sub(rb"(?<!\r)\n", b"\r\n", message.replace(b"\0", b"\x80"))
    return message if not message or message.endswith(b"\r\n") else message + b"\r\n"


class Lmtp:
    """Sends octets as they are but for the dots."""

    def __init__(self, port):
        self.link = socket.create_connection(("127.0.0.1", port), timeout=600)
        self.file = self.link.makefile("rb")
        self.reply()
        self.command(b"LHLO localhost")

    def reply(self):
        while True:
            line = self.file.readline()
            if not line or line[3:4] != b"-":
                return line.decode("ascii", "replace").strip()

    def command(self, line):
        self.link.sendall(line + b"\r\n")
        return self.reply()

    def deliver(self, message):
        self.command(b"MAIL FROM:<>")
        self.command(b"RCPT TO:<%s>" % NAME.encode())
        self.command(b"DATA")
        dotted = re.sub(rb"(^|\r\n)\.", rb"\1..", message)
        if dotted and not dotted.endswith(b"\r\n"):
            dotted += b"\r\n"
        self.link.sendall(dotted + b".\r\n")
        return self.reply()


def retrieve(port, number):
    """RETR over a socket: poplib would stumble over lone carriage returns."""
    with socket.create_connection(("127.0.0.1", port), timeout=600) as link:
        file = link.makefile("rb")
        file.readline()
        for line in (f"USER {NAME}", f"PASS {PASSWORD}", f"RETR {number}"):
            link.sendall(line.encode() + b"\r\n")
            answer = file.readline()
            if not answer.startswith(b"+OK"):
                return answer
        octets = b""
        pieces = []
        while octets != b".\r\n":
            octets = file.readline()
            if not octets:
                return b"closed"
            # A line ends in CRLF; a lone line feed would be the server's fault.
            pieces.append(octets)
        whole = b"".join(pieces[:-1])
        return re.sub(rb"(^|\r\n)\.", rb"\1", whole)


def came_back(sent, got):
    return got.endswith(sent) and TRACE.fullmatch(got[:len(got) - len(sent)]) is not None


def fetch(imap, number, items):
    """The values of some items of one message."""
    status, data = imap.fetch(str(number), f"({items})")
    if status != "OK":
        raise RuntimeError(data)
    octets = b"".join(piece[0] + b"\r\n" + piece[1] if isinstance(piece, tuple) else piece
                      for piece in data)
    values = judge.parse_response(octets.split(b" ", 1)[1])
    return dict(zip(values[::2], values[1::2]))


def depth_of(value):
    """Iterative, because the question is how deep it is."""
    deepest, open_lists = 0, [(value, 1)]
    while open_lists:
        one, depth = open_lists.pop()
        deepest = max(deepest, depth)
        open_lists += [(item, depth + 1) for item in one if isinstance(item, list)]
    return deepest


def resident_max(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def check(results, running, number, name, message):
    ports, pid = running.ports, running.process.pid
    begun = processor_seconds(pid)
    reply = Lmtp(ports["lmtp"]).deliver(message)
    results.check(reply.startswith("250"), f"{name}: {reply}")
    expected = stored(message)
    got = retrieve(ports["pop3"], number)
    results.check(came_back(expected, got), f"{name}: POP3 gives {got[-100:]!r}")
    imap = imaplib.IMAP4("127.0.0.1", ports["imap"], timeout=600)
    imap.login(NAME, PASSWORD)
    imap.select("INBOX")
    values = fetch(imap, number, "BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] RFC822.SIZE")
    whole = values[b"BODY[]"]
    results.check(came_back(expected, whole), f"{name}: IMAP gives {whole[-100:]!r}")
    results.check(values[b"BODY[HEADER]"] + values[b"BODY[TEXT]"] == whole, f"{name}: halves")
    results.check(values[b"RFC822.SIZE"] == len(whole) == len(got), f"{name}: sizes")
    values = fetch(imap, number, "ENVELOPE BODYSTRUCTURE BODY")
    results.check(len(values[b"ENVELOPE"]) == 10, f"{name}: ENVELOPE")
    results.check(depth_of(values[b"BODYSTRUCTURE"]) <= 210, f"{name}: depth of BODYSTRUCTURE")
    first = fetch(imap, number, "BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[1.1.1.1] BODY.PEEK[7.7]")
    part = first[b"BODY[1]"]
    results.check(part is None or part in whole, f"{name}: BODY[1]")
    _, (found,) = imap.search(None, str(number), "TEXT", '"NEEDLE"')
    expects = b"needle" in message
    finds = str(number).encode() in found.split()
    # Beyond the limits the rest is one opaque part, which is not searched.
    results.check(finds == expects or name == "messages in each other",
                  f"{name}: SEARCH TEXT says {finds}")
    imap.logout()
    took = processor_seconds(pid) - begun
    results.check(took < SECONDS_MAX, f"{name}: {took:.1f} s of processor time")


def main():
    results = Results()
    with server() as running:
        running.add_account(NAME, PASSWORD)
        ports = running.ports
        hostile = messages()
        for number, (name, message) in enumerate(hostile.items(), 1):
            check(results, running, number, name, message)
        long = b"Subject: too long\r\n\r\n" + (b"z" * 998 + b"\r\n") * 80_000
        reply = Lmtp(ports["lmtp"]).deliver(long)
        results.check(reply.startswith("552"), f"80 MB: {reply}")
        check(results, running, len(hostile) + 1, "an honest mail", b"Subject: s\r\n\r\nneedle\r\n")
        resident = resident_max(running.process.pid)
        print(f"the server needed {resident >> 20} MB at the most")
        results.check(resident <= RESIDENT_OCTETS_MAX, f"{resident >> 20} MB of memory")
        if results.failures:
            print(running.log()[-4000:])
    print(f"{results.passed} passed, {len(results.failures)} failed")
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
