#!/usr/bin/env python3
"""neomutt in a pseudo-terminal against the real server.

    cargo build && python3 tests/real/neomutt.py [NAME …]

Needs (Debian): neomutt tmux openssl.
"""

import re
import subprocess
import time

from suite import PASSWORD, USER, case, equal, filled, imap_login, main, run, sample


class Terminal:
    """A program in a pseudo-terminal that tmux keeps."""

    def __init__(self, folder, command):
        self.socket = folder / "tmux"
        self.tmux("new-session", "-d", "-x", "120", "-y", "40", command)

    def tmux(self, *words):
        return run("tmux", "-S", self.socket, *words).stdout.decode()

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def wait_for(self, text):
        for _ in range(300):
            screen = self.screen()
            if re.search(text, screen):
                return screen
            time.sleep(0.1)
        raise AssertionError(f"{text!r} never came:\n{screen}")

    def wait_for_end(self):
        """Until the program has ended, and tmux with it."""
        for _ in range(300):
            words = ["tmux", "-S", str(self.socket), "list-sessions"]
            if subprocess.run(words, capture_output=True).returncode != 0:
                return
            time.sleep(0.1)
        raise AssertionError(f"it never ended:\n{self.screen()}")

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def close(self):
        subprocess.run(["tmux", "-S", str(self.socket), "kill-server"], capture_output=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def neomutt_in_terminal(mail, settings="", options=""):
    """neomutt with INBOX open, its index in lines `<flags|subject>`."""
    config = mail.folder / "muttrc"
    config.write_text(f"""
set folder = "imaps://localhost:{mail.ports['imaps']}/"
set spoolfile = "+INBOX"
set imap_user = "{USER}"
set imap_pass = "{PASSWORD}"
set ssl_force_tls = yes
set certificate_file = "{mail.certificate}"
set ssl_ca_certificates_file = "{mail.certificate}"
set header_cache = "{mail.folder}/hcache"
set trash = "+Trash"
set confirmappend = no
set delete = yes
set move = no
set mark_old = no
set sort = date
set mail_check = 1
set timeout = 1
set index_format = "<%Z|%s>"
{settings}""")
    environment = f"env HOME={mail.folder} TERM=xterm LANG=C.UTF-8"
    return Terminal(mail.folder, f"{environment} neomutt -F {config} {options}")


@case
def neomutt(mail):
    filled(mail, 3)
    with neomutt_in_terminal(mail) as terminal:
        terminal.wait_for("Message 3: Gr")
        terminal.keys("1", "Enter", "Enter")
        terminal.wait_for("Wie geht es dir")
        terminal.keys("i")
        terminal.wait_for("Message 2: Gr")
        terminal.keys("2", "Enter", "d")
        terminal.keys("3", "Enter", "F")
        terminal.keys("$")
        terminal.wait_for(r"Msgs:2")
        mail.deliver(USER, sample(4))
        terminal.keys("$")
        terminal.wait_for("Message 4: Gr")
        terminal.keys("q")
        terminal.wait_for_end()
    session = imap_login(mail)
    session.select("INBOX")
    counts = [len(session.search(None, key)[1][0].split()) for key in ("ALL", "SEEN", "FLAGGED")]
    trash = session.status("Trash", "(MESSAGES)")[1]
    session.logout()
    equal((counts, trash), ([3, 1, 1], [b"Trash (MESSAGES 1)"]))


# --- QRESYNC ------------------------------------------------------------------


def on_server(mail):
    """The subjects' numbers in INBOX and what neomutt has to show of their flags."""
    session = imap_login(mail)
    session.select("INBOX", readonly=True)
    found = []
    for number in session.search(None, "ALL")[1][0].split():
        data = session.fetch(number, "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
        flags = data[0][0]
        shown = "".join(letter for letter, flag in [
            ("r", b"\\Answered"), ("D", b"\\Deleted"), ("!", b"\\Flagged"),
        ] if flag in flags)
        new = "" if b"\\Seen" in flags or "r" in shown else "N"
        found.append((int(re.search(rb"Message (\d+)", data[0][1])[1]), new + shown))
    session.logout()
    return found


def on_screen(screen):
    shown = re.findall(r"<([^|]*)\|Message (\d+): Grüße>", screen)
    return [(int(number), flags.replace(" ", "")) for flags, number in shown]


def shows(mail, terminal, expected=None):
    """Waits until the index shows what the server has, or what is expected."""
    expected = on_server(mail) if expected is None else expected
    for _ in range(100):
        screen = terminal.screen()
        if on_screen(screen) == expected:
            return
        time.sleep(0.1)
    raise AssertionError(f"not {expected}:\n{screen}")


def change_elsewhere(mail, flags=(), expunge=()):
    """Another program's doings, by the numbers in the subjects."""
    session = imap_login(mail)
    session.select("INBOX")
    for number, how in flags:
        found = session.search(None, "SUBJECT", f'"Message {number}:"')[1][0].decode()
        session.store(found, how[0] + "FLAGS.SILENT", how[1:])
    for number in expunge:
        found = session.search(None, "SUBJECT", f'"Message {number}:"')[1][0].decode()
        session.store(found, "+FLAGS.SILENT", r"(\Deleted)")
    session.expunge()
    session.logout()


@case
def qresync_and_header_cache(mail):
    """Opened again and again, neomutt asks for what has changed and shows what is."""
    filled(mail, 8)
    wire = mail.folder / "wire.log0"  # neomutt numbers its logs

    def opened():
        wire.unlink(missing_ok=True)
        settings = "set imap_qresync = yes\nset imap_idle = no\n"
        return neomutt_in_terminal(mail, settings, f"-d 5 -l {mail.folder}/wire.log")

    def left(terminal):
        terminal.keys("q")
        terminal.wait_for_end()
        # What was sent and what came, without the rest of the log.
        text = wire.read_text(errors="replace")
        return "\n".join(re.findall(r"(?m)^(?:\[.*mutt_socket_\w+\(\) \d)?([<>a].*)$", text))

    with opened() as terminal:
        shows(mail, terminal)
        log = left(terminal)
    assert "ENABLE QRESYNC" in log and "VANISHED" not in log, log

    # Flags, expunges and new mail while it is away.
    change_elsewhere(
        mail, expunge=(1, 5),
        flags=[(2, r"+(\Flagged)"), (3, r"+(\Seen)"), (4, r"+(\Answered \Seen)")],
    )
    for number in (9, 10):
        mail.deliver(USER, sample(number))
    with opened() as terminal:
        shows(mail, terminal)
        # And while it looks on.
        change_elsewhere(mail, flags=[(2, r"-(\Flagged)"), (6, r"+(\Flagged)")], expunge=(3,))
        mail.deliver(USER, sample(11))
        shows(mail, terminal)
        # Its own change: message 7 is flagged, the line of 8 marked for deletion.
        terminal.keys("/", "Message 7", "Enter", "F")
        terminal.keys("/", "Message 8", "Enter", "d", "$")
        shows(mail, terminal, [
            (2, "N"), (4, "r"), (6, "N!"), (7, "N!"), (9, "N"), (10, "N"), (11, "N"),
        ])
        log = left(terminal)
    assert re.search(r"UID FETCH 1:8 \(FLAGS\) \(CHANGEDSINCE \d+ VANISHED\)", log), log
    assert re.search(r"(?m)^< \* VANISHED \(EARLIER\) 1,5$", log), log
    assert re.search(r"(?m)^< \* VANISHED 3$", log), log
    assert re.search(r"(?m)^< \* VANISHED 8$", log), log
    assert not re.search(r"(?m)^< \* \d+ EXPUNGE", log), log

    # What it heard on the way it asks for once more; then nothing has happened, so that
    # nothing is fetched.
    with opened() as terminal:
        shows(mail, terminal)
        left(terminal)
    with opened() as terminal:
        shows(mail, terminal)
        log = left(terminal)
    assert "[HIGHESTMODSEQ " in log and " FETCH " not in log, log
    # One that has no cache shows it too.
    (mail.folder / "hcache").rename(mail.folder / "hcache.away")
    with opened() as terminal:
        shows(mail, terminal)
        left(terminal)


if __name__ == "__main__":
    main()
