#!/usr/bin/env python3
"""Restante and Dovecot, asked the same.

One script of IMAP commands is played to both. What must differ (texts for people,
UIDVALIDITY, zones of dates) is made alike; every difference that is left must stand
in differences.txt with its reason, and nothing may stand there that is not found.

    cargo build && python3 tests/real/differ.py            compare
    cargo build && python3 tests/real/differ.py --show     print what differs
"""

import datetime
import getpass
import grp
import os
import pwd
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from server import free_port, server

REVIEWED = Path(__file__).with_name("differences.txt")
USER, PASSWORD = "ann@example.org", "sesame"

PLAIN = b"""From: "Bea, of House" <bea@example.net>
To: Ann <ann@example.org>, list: x@example.org, "y z"@example.org;, undisclosed:;
Cc: (comment) carl@[10.0.0.1]
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= and more
Date: Mon, 02 Nov 2026 10:00:00 +0100
Message-ID: <1@example.net>
X-Folded: one
\ttwo
  three

Hello needle.
.leading dot
"""
REPLY = b"""From: ann@example.org (Ann)
To: bea@example.net
Subject: Re: =?utf-8?q?Gr=C3=BC=C3=9Fe?= and more
Date: Mon, 2 Nov 2026 08:00:00 -0500
In-Reply-To: <1@example.net>
Message-ID: <2@example.net>
Reply-To: other@example.org
Sender: secretary@example.org

answer
"""
NESTED = b"""From: zed@example.org
Subject: nested
Date: Sun, 01 Nov 2026 10:00:00 +0000
Message-ID: <3@example.net>
References: <1@example.net> <2@example.net>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"

preamble
--outer
Content-Type: text/plain; charset=utf-8; format=flowed
Content-Transfer-Encoding: quoted-printable
Content-Description: the text
Content-Language: de, en

Gr=C3=BC=C3=9Fe=
 und Kuchen
--outer
Content-Type: message/rfc822
Content-Disposition: attachment; filename="inner.eml"

From: inner@example.org
To: ann@example.org
Subject: inside
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain

plain inside
--inner
Content-Type: text/html; charset="iso-8859-1"
Content-Transfer-Encoding: base64
Content-ID: <html@example.org>
Content-Location: http://example.org/

PGI+ZvxyPC9iPg==
--inner--
--outer
Content-Type: application/octet-stream; name*=utf-8''f%C3%BCr.bin
Content-Transfer-Encoding: base64
Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==

AAECAwQ=
--outer--
epilogue
"""
BROKEN = b"""From: @,;<>
Subject: broken
Date: yesterday
Content-Type: multipart/mixed; boundary=nope

there is no part in here
"""
HEADERLESS = b"""
a body and no header
"""
BODYLESS = b"""Subject: no body
From: nobody
"""
UNKNOWN = b"""Subject: unknown encoding
Content-Transfer-Encoding: x-none

what
"""
DIGEST = b"""Subject: digest
Content-Type: multipart/digest; boundary=d

--d

Subject: first of digest

one
--d
Content-Type: text/plain

two
--d--
"""
MESSAGES = [PLAIN, REPLY, NESTED, BROKEN, HEADERLESS, BODYLESS, UNKNOWN, DIGEST]


def crlf(octets):
    return octets.replace(b"\n", b"\r\n")


def append(name, octets, flags="", day=1):
    date = f"{day:2d}-Nov-2026 12:00:00 +0000"
    octets = crlf(octets)
    head = f'APPEND {name} {flags}"{date}" {{{len(octets)}+}}\r\n'
    return head.encode() + octets


def script():
    """The commands, and what is to be closed over between them."""
    for day, octets in enumerate(MESSAGES, 1):
        yield append("INBOX", octets, "(\\Seen) " if day == 2 else "", day)
    yield from [
        "NOOP",
        'LIST "" *',
        'LIST "" ""',
        'LIST "" "%"',
        "CREATE work",
        "CREATE work/deep/down",
        "CREATE work",
        "CREATE INBOX",
        'CREATE "a&AOQ-"',
        'LIST "" "work*"',
        'LIST "work/" "%"',
        'LIST "" "%/%"',
        "SUBSCRIBE work",
        'LSUB "" "*"',
        'LSUB "" "%"',
        "UNSUBSCRIBE work",
        'LSUB "" "work*"',
        "STATUS INBOX (MESSAGES RECENT UIDNEXT UNSEEN)",
        "STATUS nope (MESSAGES)",
        "STATUS INBOX ()",
        "STATUS INBOX (NOPE)",
        "FETCH 1 FLAGS",
        "EXAMINE INBOX",
        "STORE 1 +FLAGS (\\Seen)",
        "SELECT INBOX",
        "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)",
        "FETCH 1:* ENVELOPE",
        "FETCH 1:* BODY",
        "FETCH 1:* BODYSTRUCTURE",
        "FETCH 1:* BODY.PEEK[HEADER]",
        "FETCH 1:* BODY.PEEK[TEXT]",
        "FETCH 1:* RFC822.HEADER",
        "FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT X-Folded From)]",
        "FETCH 1:* BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT From To Date)]",
        "FETCH 1:* BODY.PEEK[1]",
        "FETCH 1:* BODY.PEEK[1.MIME]",
        "FETCH 1:* BODY.PEEK[2]",
        "FETCH 3 (BODY.PEEK[2.HEADER] BODY.PEEK[2.TEXT] BODY.PEEK[2.MIME])",
        "FETCH 3 (BODY.PEEK[2.1] BODY.PEEK[2.2] BODY.PEEK[2.2.MIME] BODY.PEEK[2.3])",
        "FETCH 3 BODY.PEEK[2.HEADER.FIELDS (To)]",
        "FETCH 3 BODY.PEEK[3]<2.3>",
        "FETCH 1 (BODY.PEEK[]<0.10> BODY.PEEK[]<99999.10>)",
        "FETCH 1 BODY.PEEK[]<0.0>",
        "FETCH 3 (BINARY.PEEK[1] BINARY.PEEK[3] BINARY.SIZE[1] BINARY.SIZE[3])",
        "FETCH 3 BINARY.PEEK[1]<3.4>",
        "FETCH 3 BINARY.PEEK[9]",
        "FETCH 7 BINARY.PEEK[1]",
        "FETCH 1 BODY[TEXT]",
        "FETCH 1 (FLAGS",
        "FETCH 1 NOPE",
        "FETCH 99 FLAGS",
        "FETCH 1 ()",
        "FETCH 1 FAST",
        "FETCH 1 (FAST)",
        "UID FETCH 1:3 FLAGS",
        "UID FETCH 99:100 FLAGS",
        "SEARCH ALL",
        "SEARCH NOT ALL",
        "SEARCH TEXT needle",
        "SEARCH BODY NEEDLE",
        "SEARCH BODY inside",
        "SEARCH SUBJECT gr\u00fc\u00dfe",
        "SEARCH CHARSET UTF-8 SUBJECT \"GR\u00dc\u00dfE\"",
        "SEARCH CHARSET UTF-8 BODY \"Gr\u00fc\u00dfe und\"",
        "SEARCH BODY f\u00fcr",
        "SEARCH FROM bea",
        "SEARCH TO y",
        "SEARCH CC carl",
        "SEARCH HEADER X-Folded two",
        "SEARCH HEADER Reply-To \"\"",
        "SEARCH HEADER Nope \"\"",
        "SEARCH SENTON 2-Nov-2026",
        "SEARCH SENTBEFORE 2-Nov-2026",
        "SEARCH SENTSINCE 2-Nov-2026",
        "SEARCH SINCE 4-Nov-2026 BEFORE 6-Nov-2026",
        "SEARCH ON 1-Nov-2026",
        "SEARCH LARGER 200 SMALLER 600",
        "SEARCH UNSEEN UNANSWERED",
        "SEARCH OR SEEN 3",
        "SEARCH UID 2:4 NOT 3",
        "SEARCH 99",
        "SEARCH KEYWORD $Nope",
        "SEARCH CHARSET X-NONE ALL",
        "SEARCH",
        "SEARCH NOPE",
        "SEARCH (ALL",
        "UID SEARCH UID 1:*",
        "SORT (SUBJECT) UTF-8 ALL",
        "SORT (REVERSE SUBJECT) UTF-8 ALL",
        "SORT (DATE) UTF-8 ALL",
        "SORT (REVERSE DATE FROM) US-ASCII ALL",
        "SORT (FROM) UTF-8 ALL",
        "SORT (TO) UTF-8 ALL",
        "SORT (CC) UTF-8 ALL",
        "SORT (SIZE) UTF-8 ALL",
        "SORT (ARRIVAL) UTF-8 ALL",
        "SORT (REVERSE ARRIVAL) UTF-8 1:3",
        "SORT (DISPLAYFROM) UTF-8 ALL",
        "SORT (DISPLAYTO) UTF-8 ALL",
        "SORT (NOPE) UTF-8 ALL",
        "SORT (SUBJECT) X-NONE ALL",
        "UID SORT (SUBJECT) UTF-8 SEEN",
        "THREAD REFERENCES UTF-8 ALL",
        "THREAD REFS UTF-8 ALL",
        "THREAD ORDEREDSUBJECT UTF-8 ALL",
        "UID THREAD REFERENCES UTF-8 SUBJECT more",
        "THREAD NOPE UTF-8 ALL",
        "SEARCH RETURN (MIN MAX COUNT) ALL",
        "SEARCH RETURN () NOT SEEN",
        "UID SEARCH RETURN (ALL COUNT) TEXT nowhere",
        "SEARCH RETURN (SAVE) SEEN",
        "FETCH $ UID",
        "SEARCH $ UNSEEN",
        "SEARCH RETURN (NOPE) ALL",
        "SEARCH OLDER 100",
        "SEARCH YOUNGER 100",
        "SORT RETURN (ALL) (SUBJECT) UTF-8 ALL",
        "SORT RETURN (MIN MAX COUNT) (REVERSE DATE) UTF-8 ALL",
        "STATUS INBOX (SIZE MESSAGES)",
        'APPEND work CATENATE (URL "/INBOX/;UID=1/;SECTION=HEADER" URL "/INBOX/;UID=2/;SECTION=TEXT")',
        'APPEND work CATENATE (URL "/INBOX/;UID=99")',
        'APPEND work CATENATE (URL "nonsense")',
        "UID FETCH 1:2 PREVIEW",
        'LIST "" "*" RETURN (CHILDREN)',
        'LIST (SUBSCRIBED) "" "*"',
        'LIST (SUBSCRIBED RECURSIVEMATCH) "" "%"',
        'LIST (RECURSIVEMATCH) "" "%"',
        'LIST (NOPE) "" "%"',
        'LIST "" ("INBOX" "work/%")',
        'LIST "" "work" RETURN (STATUS (MESSAGES UNSEEN))',
        'LIST (SPECIAL-USE) "" "*"',
        "STORE 1 +FLAGS (\\Flagged $Work)",
        "STORE 1 -FLAGS ($Work)",
        "STORE 1 FLAGS (\\Seen)",
        "STORE 1:2 +FLAGS.SILENT (\\Answered)",
        "STORE 1 +FLAGS (\\Seen)",
        "STORE 1 +FLAGS (\\Recent)",
        "STORE 99 +FLAGS (\\Seen)",
        "UID STORE 99 +FLAGS (\\Seen)",
        "COPY 1:2 work",
        "COPY 1 nope",
        "UID COPY 99 work",
        "MOVE 2 work",
        "UID MOVE 99 work",
        "STATUS work (MESSAGES UNSEEN UIDNEXT)",
        "STORE 1 +FLAGS (\\Deleted)",
        "UID EXPUNGE 4",
        "EXPUNGE",
        "FETCH 1:* (UID FLAGS)",
        append("work", PLAIN) + b" \"01-Nov-2026 12:00:00 +0000\" {5+}\r\nhello",
        "APPEND nope {3}",
        append("work", b"Subject: part of another\n\n"),
        "RENAME work job",
        "RENAME nope other",
        'LIST "" "*"',
        "DELETE job",
        "DELETE nope",
        "DELETE INBOX",
        'LIST "" "*"',
        "CLOSE",
        "FETCH 1 FLAGS",
        "SELECT nope",
        "SELECT INBOX",
        "UNSELECT",
        "CHECK",
        "NAMESPACE",
        "NOPE",
        "NOOP extra",
        "LOGOUT",
    ]


class Server:
    """A connection that plays commands."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.file = self.socket.makefile("rb")
        self.line()

    def line(self):
        """A response, the octets of its literals in it."""
        whole = b""
        while True:
            line = self.file.readline()
            if not line:
                raise EOFError(whole)
            whole += line
            literal = re.search(rb"\{(\d+)\}\r\n$", line)
            if not literal:
                return whole
            whole += self.file.read(int(literal[1]))

    def ask(self, command):
        octets = command if isinstance(command, bytes) else command.encode()
        self.socket.sendall(b"x " + octets + b"\r\n")
        answers = []
        while True:
            line = self.line()
            if line.startswith(b"+"):
                answers.append(line)
                self.socket.sendall(b"abc\r\n")
                continue
            answers.append(line)
            if line.startswith(b"x "):
                return answers


TOKEN = re.compile(
    rb'(?P<space>[ ]+)|(?P<open>\()|(?P<close>\))|~?\{(?P<literal>\d+)\}\r\n'
    rb'|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<atom>(?:[^ ()\[\]"{]|\[[^\]]*\])+|[\[\]{])'
)


def parsed(octets):
    """Atoms as octets, strings as text, lists as lists."""
    stack, at = [[]], 0
    while at < len(octets):
        found = TOKEN.match(octets, at)
        if not found:
            raise ValueError(octets[at:])
        at = found.end()
        if found["open"]:
            stack.append([])
        elif found["close"]:
            done = stack.pop()
            stack[-1].append(done)
        elif found["literal"]:
            length = int(found["literal"])
            stack[-1].append(octets[at:at + length].decode("latin-1"))
            at += length
        elif found["quoted"] is not None:
            text = re.sub(rb"\\(.)", rb"\1", found["quoted"])
            stack[-1].append(text.decode("latin-1"))
        elif found["atom"]:
            stack[-1].append(found["atom"])
    return stack[0]


SPECIAL_USES = {b"\\Archive", b"\\Drafts", b"\\Junk", b"\\Sent", b"\\Trash"}


def shown(value):
    if isinstance(value, list):
        return "(" + " ".join(map(shown, value)) + ")"
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return '"' + value.encode("unicode_escape").decode().replace('"', '\\"') + '"'


def moment(text):
    date = datetime.datetime.strptime(text.strip(), "%d-%b-%Y %H:%M:%S %z")
    return str(int(date.timestamp()))


def fetch(items):
    """Items in the order of their names, flags in theirs, dates as seconds."""
    pairs = {}
    for name, value in zip(items[::2], items[1::2]):
        name = name.decode().upper()
        if name == "FLAGS":
            value = sorted(value)
        if name == "INTERNALDATE":
            value = moment(value)
        if name == "MODSEQ":
            value = b"N"
        pairs[name] = shown(value)
    return " ".join(f"{name} {value}" for name, value in sorted(pairs.items()))


def code(octets):
    """A response code without what must differ, and without the text after it."""
    found = re.match(rb"(\S+ \S+)(?: \[([^\]]*)\])?", octets)
    status, code = found[1].decode(), (found[2] or b"").decode()
    words = code.split(" ")
    if words[0] in ("UIDVALIDITY", "HIGHESTMODSEQ"):
        words[1:] = ["N"]
    if words[0] in ("APPENDUID", "COPYUID"):
        words[1] = "N"
    if words[0] == "PERMANENTFLAGS":
        words[1:] = sorted(" ".join(words[1:]).strip("()").split(" "))
    if words[0] == "MAILBOXID":
        # RFC 8474, which Dovecot 2.3 does not know.
        code = ""
    if words[0] == "CAPABILITY":
        words = words[:1]
    return f"{status} [{' '.join(words)}]" if code else status


def alike(octets):
    """A response in the form in which it is compared."""
    octets = octets.removesuffix(b"\r\n")
    words = octets.split(b" ")
    if octets.startswith(b"+"):
        return "+"
    if words[1] in (b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"):
        return code(octets)
    if words[2:3] == [b"FETCH"]:
        tokens = parsed(octets)
        return f"* {words[1].decode()} FETCH {fetch(tokens[3])}"
    if words[1] in (b"LIST", b"LSUB", b"FLAGS"):
        tokens = parsed(octets)
        # RFC 6154 §2: what mailboxes are for may be told, or only when asked for.
        tokens[2] = sorted(set(tokens[2]) - SPECIAL_USES)
        name = tokens[-1]
        tokens[-1] = name.encode("latin-1") if isinstance(name, str) else name
        return " ".join(map(shown, tokens))
    if words[1] == b"STATUS":
        tokens = parsed(octets)
        items = tokens[-1]
        tokens[-1] = [one for pair in sorted(zip(items[::2], items[1::2])) for one in pair]
        return " ".join(map(shown, tokens))
    return octets.decode("latin-1")


def play(port):
    connection = Server(port)
    login = connection.ask(f"LOGIN {USER} {PASSWORD}")[-1]
    assert login.startswith(b"x OK"), login
    found = []
    for command in script():
        try:
            answers = connection.ask(command)
        except (EOFError, OSError):
            answers = [b"* BYE closed\r\n"]
        answers = [answer for answer in answers if not answer.startswith(b"* OK [MAILBOXID")]
        found.append((command, sorted(map(alike, answers))))
    return found


DOVECOT = """
protocols = imap
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
ssl = no
disable_plaintext_auth = no
{users}
first_valid_uid = 0
mail_home = {folder}/home/%u
mail_location = mdbox:~/mail
auth_mechanisms = plain
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid}
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Drafts {{
    auto = subscribe
    special_use = \\Drafts
  }}
  mailbox Sent {{
    auto = subscribe
    special_use = \\Sent
  }}
  mailbox Junk {{
    auto = subscribe
    special_use = \\Junk
  }}
  mailbox Trash {{
    auto = subscribe
    special_use = \\Trash
  }}
  mailbox Archive {{
    auto = subscribe
    special_use = \\Archive
  }}
}}
"""


class Dovecot:
    """A Dovecot of its own, as the user who runs this."""

    def __init__(self, folder):
        self.port = free_port()
        self.folder = Path(folder)
        (self.folder / "home").mkdir()
        config = self.folder / "dovecot.conf"
        # Root has Debian's users for what needs no rights; others have themselves.
        user, group = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
        users = "" if os.getuid() == 0 else (
            f"default_internal_user = {user}\ndefault_login_user = {user}\n"
            f"default_internal_group = {group}"
        )
        # It reads no mail as root.
        uid, gid = os.getuid(), os.getgid()
        if uid == 0:
            nobody = pwd.getpwnam("nobody")
            uid, gid = nobody.pw_uid, nobody.pw_gid
            os.chmod(folder, 0o755)
            os.chown(self.folder / "home", uid, gid)
        config.write_text(DOVECOT.format(
            folder=folder, port=self.port, users=users, password=PASSWORD,
            uid=uid, gid=gid,
        ))
        self.process = subprocess.Popen(
            ["/usr/sbin/dovecot", "-F", "-c", config], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )

    def __enter__(self):
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    error = self.process.stderr.read().decode(errors="replace")
                    raise RuntimeError(f"dovecot does not start: {error}") from None
                time.sleep(0.05)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)


def differences():
    """What only one of them says, by command: `-` Dovecot's, `+` ours."""
    with server() as ours:
        ours.add_account(USER, PASSWORD)
        found = play(ours.ports["imap"])
    with tempfile.TemporaryDirectory(prefix="differ-") as folder, Dovecot(folder) as theirs:
        expected = play(theirs.port)
    different, asked = {}, {}
    for (command, mine), (_, other) in zip(found, expected):
        text = command if isinstance(command, str) else command.split(b"\r\n")[0].decode()
        asked[text] = asked.get(text, 0) + 1
        if asked[text] > 1:
            text += f" ({asked[text]})"
        lines = [f"- {line}" for line in other if line not in mine]
        lines += [f"+ {line}" for line in mine if line not in other]
        if lines:
            different[text] = lines
    return different, len(found)


def reviewed():
    """The list: reasons begin with `#` and hold for the blocks up to the next."""
    blocks, reason, command = {}, None, None
    for line in REVIEWED.read_text().splitlines():
        if line.startswith("#"):
            reason, command = line, None
        elif line.startswith(("- ", "+ ")):
            blocks[command].append(line)
        elif line:
            assert reason, f"{line} has no reason"
            command = line
            blocks[command] = []
    return blocks


def main():
    different, count = differences()
    if "--show" in sys.argv:
        for command, lines in different.items():
            print("\n".join([command, *lines, ""]))
        return
    known = reviewed()
    wrong = []
    for command in sorted(different.keys() | known.keys()):
        found, expected = different.get(command, []), known.get(command, [])
        new = [line for line in found if line not in expected]
        gone = [line for line in expected if line not in found]
        if new or gone:
            wrong.append("\n".join(
                [command, *(f"new:  {line}" for line in new),
                 *(f"gone: {line}" for line in gone)]
            ))
    if wrong:
        print("\n\n".join(wrong))
        sys.exit(f"{len(wrong)} of {count} commands differ from what was reviewed")
    print(f"{count} commands, {len(different)} reviewed differences")


if __name__ == "__main__":
    main()
