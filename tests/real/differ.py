#!/usr/bin/env python3
"""Restante and Dovecot, asked the same.

Scripts of IMAP commands are played to both. What must differ (texts for people,
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

from differ_scripts import SCRIPTS
from server import free_port, server

REVIEWED = Path(__file__).with_name("differences.txt")
USER, PASSWORD = "ann@example.org", "sesame"


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
        if value == b"NIL" and re.match(r"(BODY|BINARY)\[", name):
            # RFC 3501 §6.4.5: of a part that is not there Restante says NIL, Dovecot "".
            value = ""
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
    if words[0] == "CLIENTBUG":
        # RFC 5530 §3: Dovecot finds fault with a STATUS of the selected mailbox.
        code = ""
    if words[0] == "CAPABILITY":
        words = words[:1]
    return f"{status} [{' '.join(words)}]" if code else status


def alike(octets, extended=False, with_children=False):
    """A response in the form in which it is compared; `extended` is to a LIST with options."""
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
        flags = set(tokens[2]) - SPECIAL_USES
        if words[1] == b"LIST":
            # RFC 3501 §7.2.2: Dovecot alone says \\Marked.
            flags -= {b"\\Marked", b"\\UnMarked"}
        if extended:
            # RFC 5258 §3: a level without a mailbox is \\NonExistent, to Dovecot \\Noselect.
            flags = {b"\\Noselect" if flag == b"\\NonExistent" else flag for flag in flags}
            if not with_children:
                # §3.4: Restante tells of children unasked.
                flags -= {b"\\HasChildren", b"\\HasNoChildren"}
            tokens[4:-1], tokens[-1:] = [], [shown(tokens[4:]).replace('"', "").encode()]
        tokens[2] = sorted(flags)
        name = tokens[-1]
        tokens[-1] = name.encode("latin-1") if isinstance(name, str) else name
        return " ".join(map(shown, tokens))
    if words[1] == b"STATUS":
        tokens = parsed(octets)
        items = tokens[-1]
        counts = {b"HIGHESTMODSEQ", b"UIDVALIDITY"}
        pairs = [(one, b"N" if one in counts else two)
                 for one, two in sorted(zip(items[::2], items[1::2]))]
        tokens[-1] = [one for pair in pairs for one in pair]
        return " ".join(map(shown, tokens))
    if words[1] in (b"ID", b"CAPABILITY"):
        # Who they are and what they can do is another matter.
        return f"* {words[1].decode()}"
    if words[1] == b"METADATA":
        # Strings are strings, however they are written; entries in the order of their names.
        tokens = parsed(octets)
        if isinstance(tokens[3], list):
            pairs = sorted(zip(tokens[3][::2], tokens[3][1::2]))
            tokens[3] = [one for pair in pairs for one in pair]
        return " ".join(map(shown, tokens))
    if words[1] in (b"ACL", b"MYRIGHTS", b"LISTRIGHTS"):
        # Rights in the order of the alphabet; the rest of a list of required ones as it is.
        tokens = [bytes(sorted(word)) if 2 < at and set(word) <= set(b"lrswipkxteacd") else word
                  for at, word in enumerate(words)]
        return b" ".join(tokens[:3] + sorted(tokens[3:])).decode("latin-1")
    octets = re.sub(rb"\bMODSEQ \d+", b"MODSEQ N", octets)
    return octets.decode("latin-1")


def user_of(name):
    return USER if name == "first" else f"{name}@example.org"


def visible(text):
    """A space at the end is seen in the list."""
    return re.sub(r" $", r"\\x20", text)


class Player:
    """Plays a script: its connections, and what the server said that steps refer to."""

    def __init__(self, port, name):
        self.port, self.user = port, user_of(name)
        self.counts = name in ("condstore", "qresync")
        self.connections = {}
        self.values = {b"$MODSEQ": b"1", b"$UIDVALIDITY": b"1", b"$MARK": b"1"}

    def connection(self, number):
        if number not in self.connections:
            self.connections[number] = Server(self.port)
            login = self.connections[number].ask(f"LOGIN {self.user} {PASSWORD}")[-1]
            assert login.startswith(b"x OK"), login
        return self.connections[number]

    def play(self, step):
        """The step as it is called in the list, and the answers in the form that is compared."""
        number, command = step if isinstance(step, tuple) else (1, step)
        octets = command if isinstance(command, bytes) else command.encode()
        text = octets.split(b"\r\n", 1)[0] if len(octets) > 100 else octets
        text = text.decode("latin-1").encode("unicode_escape").decode().replace("\\\\", "\\")
        text = visible(text if number == 1 else f"({number}) {text}")
        if octets == b"MARK":
            self.values[b"$MARK"] = self.values[b"$MODSEQ"]
            return text, []
        for name, value in self.values.items():
            octets = octets.replace(name, value)
        try:
            answers = self.connection(number).ask(octets)
        except (EOFError, OSError):
            answers = [b"* BYE closed\r\n"]
        for answer in answers:
            self.note(answer)
        extended = re.match(rb"(?i)LIST (\(|\S+ \(|.* RETURN)", octets) is not None
        how = extended, b"CHILDREN" in octets
        return text, sorted(visible(alike(one, *how)) for one in self.compared(answers))

    def compared(self, answers):
        """Without what one of them is known to say alone."""
        # RFC 8474, which Dovecot 2.3 does not know.
        answers = [answer for answer in answers if not answer.startswith(b"* OK [MAILBOXID")]
        # RFC 7162 §3.1.2.1: Restante keeps mod-sequences from the beginning, Dovecot from the
        # first that asks.
        if not self.counts:
            answers = [one for one in answers if not one.startswith(b"* OK [HIGHESTMODSEQ")]
        # RFC 3501 §7.3.2: Dovecot tells RECENT also when one of them is expunged.
        if not any(answer.endswith(b" EXISTS\r\n") for answer in answers):
            answers = [answer for answer in answers if not answer.endswith(b" RECENT\r\n")]
        return answers

    def note(self, answer):
        for modseq in re.findall(rb"MODSEQ \(?(\d+)", answer):
            newest = max(int(modseq), int(self.values[b"$MODSEQ"]))
            self.values[b"$MODSEQ"] = b"%d" % newest
        if found := re.search(rb"\[UIDVALIDITY (\d+)", answer):
            self.values[b"$UIDVALIDITY"] = found[1]


def play(port):
    """All scripts: what was asked, and what came."""
    found = []
    for name, script in SCRIPTS.items():
        player = Player(port, name)
        for step in script():
            text, answers = player.play(step)
            found.append((text if name == "first" else f"{name}: {text}", answers))
    return found


DOVECOT = """
protocols = imap
mail_plugins = acl quota
protocol imap {{
  mail_plugins = acl quota imap_acl imap_quota
  imap_metadata = yes
}}
plugin {{
  acl = vfile
  quota = count
  quota_vsizes = yes
  quota_rule = *:storage=1G
}}
mail_attribute_dict = file:%h/attributes
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
        self.config = config

    def __enter__(self):
        """Starts it."""
        self.process = subprocess.Popen(
            ["/usr/sbin/dovecot", "-F", "-c", self.config], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
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

    def restart(self):
        self.__exit__()
        return self.__enter__()

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)


def differences():
    """What only one of them says, by command: `-` Dovecot's, `+` ours."""
    # Dovecot takes raw octets in headers; RFC 9755 §4 has them refused where UTF8=ACCEPT
    # is announced.
    with server("[imap]\nutf8-accept = false\n") as ours:
        for name in [*SCRIPTS, "bob"]:
            ours.add_account(user_of(name), PASSWORD)
            ours.command("account", "set", user_of(name), "--quota", "1G")
        found = play(ours.ports["imap"])
    with tempfile.TemporaryDirectory(prefix="differ-") as folder, Dovecot(folder) as theirs:
        expected = play(theirs.port)
    different, asked = {}, {}
    for (text, mine), (_, other) in zip(found, expected):
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
