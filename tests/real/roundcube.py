#!/usr/bin/env python3
"""Roundcube, in PHP's own web server, against the real server.

    cargo build && python3 tests/real/roundcube.py [NAME …]

Needs (Debian): roundcube-core roundcube-sqlite3 php-cli openssl. Its configuration, database,
cache and logs lie in the case's folder; nothing of the system's is read but the program.
"""

import contextlib
import http.cookiejar
import json
import os
import re
import sqlite3
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

from server import free_port
from suite import PASSWORD, USER, case, equal, filled, imap_login, main, sample

PROGRAM = Path("/var/lib/roundcube/public_html")
SCHEMA = Path("/usr/share/roundcube/SQL/sqlite.initial.sql")
DEFAULTS = Path("/etc/roundcube")


def configure(mail, settings):
    """A folder with all that Roundcube reads and writes."""
    folder = mail.folder / "roundcube"
    for name in ("config", "logs", "temp", "sessions"):
        (folder / name).mkdir(parents=True)
    for name in ("defaults.inc.php", "mimetypes.php"):
        (folder / "config" / name).symlink_to(DEFAULTS / name)
    with contextlib.closing(sqlite3.connect(folder / "roundcube.db")) as database:
        database.executescript(SCHEMA.read_text())
    values = {
        "db_dsnw": f"sqlite:///{folder}/roundcube.db?mode=0600",
        "imap_host": f"ssl://localhost:{mail.ports['imaps']}",
        "imap_conn_options": {"ssl": {"cafile": str(mail.certificate), "verify_peer": True}},
        "imap_debug": True, "log_dir": f"{folder}/logs/", "temp_dir": f"{folder}/temp/",
        "log_driver": "file", "des_key": "x" * 24, "plugins": [], "language": "en_US",
        "drafts_mbox": "Drafts", "sent_mbox": "Sent", "trash_mbox": "Trash", "junk_mbox": "Junk",
        "smtp_host": "localhost:9", "enable_spellcheck": False,
    } | settings
    text = json.dumps(json.dumps(values)).replace("$", "\\$")
    (folder / "config" / "config.inc.php").write_text(
        f"<?php\n$config = json_decode({text}, true);\n"
    )
    return folder


class Roundcube:
    """Roundcube's web server, and a browser that has logged in."""

    def __init__(self, mail, **settings):
        self.folder = configure(mail, settings)
        self.url = f"http://127.0.0.1:{free_port()}/"
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(cookies, urllib.request.ProxyHandler({}))
        self.token = None

    def __enter__(self):
        log = open(self.folder / "php.log", "ab")
        self.process = subprocess.Popen(
            ["php", "-d", f"session.save_path={self.folder}/sessions", "-d", "display_errors=0",
             "-d", "error_reporting=0", "-S", urllib.parse.urlsplit(self.url).netloc,
             "-t", PROGRAM],
            env={**os.environ, "ROUNDCUBE_CONFIG_DIR": str(self.folder / "config")},
            stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while True:
            try:
                page = self.get()
                break
            except urllib.error.URLError:
                assert self.process.poll() is None and time.monotonic() < deadline, self.logs()
                time.sleep(0.05)
        form = re.search(r'name="_token" value="(\w+)"', page)
        page = self.post("login", "login", _token=form[1], _user=USER, _pass=PASSWORD,
                         _timezone="UTC", _url="")
        found = re.search(r'"request_token":"(\w+)"', page)
        assert found and '"task":"mail"' in page, (page, self.logs())
        self.token = found[1]
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)

    def open(self, task, action, fields, data):
        query = urllib.parse.urlencode({"_task": task, "_action": action, **fields})
        request = urllib.request.Request(f"{self.url}?{query}", data)
        if self.token:
            request.add_header("X-Roundcube-Request", self.token)
        with self.opener.open(request, timeout=60) as answer:
            return answer.read().decode()

    def get(self, task="login", action="", **fields):
        """A page, or what the page's scripts ask for where `_remote` is among the fields."""
        return self.open(task, action, fields, None)

    def post(self, task, action, **fields):
        data = urllib.parse.urlencode({**fields, "_token": self.token or fields.get("_token")})
        return self.open(task, action, {}, data.encode())

    def ask(self, task, action, **fields):
        """What a script of the page asks for, and the calls with which it is answered."""
        return self.done(self.get(task, action, _remote=1, **fields))

    def do(self, task, action, **fields):
        return self.done(self.post(task, action, _remote=1, **fields))

    def done(self, answer):
        calls = json.loads(answer)["exec"]
        assert '"error"' not in calls, (calls, self.logs())
        return calls

    def rows(self, calls):
        """UID as it names it, decoded subject and flags of each line that the list is told to show."""
        found = re.findall(r"this\.add_message_row\((.*)\);", calls)
        rows = []
        for arguments in found:
            uid, columns, flags, *_ = json.loads(f"[{arguments}]")
            subject = re.sub(r"<[^>]+>", "", columns["subject"]).strip()
            rows.append((uid, subject, {flag for flag in
                        ("seen", "flagged", "answered", "deleted") if flags.get(flag)}))
        return rows

    def listed(self, mailbox="INBOX", **fields):
        return self.rows(self.ask("mail", "list", _mbox=mailbox, _refresh=1, **fields))

    def logs(self):
        """What it has to say of its own."""
        logs = self.folder / "logs"
        texts = [path.read_text(errors="replace")[-3000:] for path in sorted(logs.iterdir())]
        return "\n".join([*texts, (self.folder / "php.log").read_text(errors="replace")[-2000:]])

    def wire(self):
        return (self.folder / "logs" / "imap.log").read_text(errors="replace")

    def check_logs(self):
        """No command was refused, and Roundcube found nothing wrong."""
        refused = re.findall(r"(?m)^.* S: (?:\*|A\d+) (?:NO|BAD) .*$", self.wire())
        equal(refused, [])
        errors = self.folder / "logs" / "errors.log"
        equal(errors.read_text() if errors.exists() else "", "")


def numbers(rows):
    return [int(re.search(r"Message (\d+): Grüße", subject)[1]) for _, subject, _ in rows]


def on_server(mail, mailbox="INBOX"):
    session = imap_login(mail)
    session.select(mailbox, readonly=True)
    data = session.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
    session.logout()
    found = {}
    for entry in data:
        if isinstance(entry, tuple):
            flags = {flag.decode()[1:].lower() for flag in re.findall(rb"\\\w+", entry[0])}
            number = int(re.search(rb"Message (\d+)", entry[1])[1])
            found[number] = flags - {"recent"}
    return found


def elsewhere(mail, expunged, answered):
    """Another program expunges the message with this UID, and answers that one."""
    session = imap_login(mail)
    session.select("INBOX")
    session.uid("STORE", expunged, "+FLAGS", r"(\Deleted)")
    session.expunge()
    session.uid("STORE", answered, "+FLAGS", r"(\Answered)")
    session.logout()


def work(mail, browser):
    """A session's work, with what the server has to show for it."""
    equal(numbers(browser.listed()), [6, 5, 4, 3, 2, 1])
    page = browser.get("mail", "show", _mbox="INBOX", _uid=2)
    assert "Wie geht es dir?" in page and "Message 2: Grüße" in page, page
    browser.do("mail", "mark", _mbox="INBOX", _uid="1,3", _flag="flagged")
    browser.do("mail", "mark", _mbox="INBOX", _uid="4", _flag="read")
    equal(on_server(mail), {
        1: {"flagged"}, 2: {"seen"}, 3: {"flagged"}, 4: {"seen"}, 5: set(), 6: set(),
    })
    browser.do("mail", "mark", _mbox="INBOX", _uid="2", _flag="unread")
    browser.do("mail", "mark", _mbox="INBOX", _uid="3", _flag="unflagged")
    browser.do("mail", "move", _mbox="INBOX", _uid="5", _target_mbox="Trash")
    browser.do("mail", "delete", _mbox="INBOX", _uid="6")
    equal(on_server(mail), {1: {"flagged"}, 2: set(), 3: set(), 4: {"seen"}})
    equal(set(on_server(mail, "Trash")), {5})
    equal(numbers(browser.listed("Trash")), [5])

    # A mailbox with a name that is not ASCII, below another.
    assert "error" not in browser.post("settings", "save-folder", _name="Köln & Umland", _parent="",
                                       _mbox="").split("display_message")[-1][:80]
    browser.do("mail", "copy", _mbox="INBOX", _uid="1,2", _target_mbox="K&APY-ln &- Umland")
    equal(numbers(browser.listed("K&APY-ln &- Umland")), [2, 1])

    # Sorted, searched, threaded.
    equal(numbers(browser.listed(_sort="subject_ASC")), [1, 2, 3, 4])
    found = browser.ask("mail", "search", _mbox="INBOX", _q="Grüße", _headers="subject",
                        _scope="base", _filter="UNFLAGGED")
    equal(sorted(numbers(browser.rows(found))), [2, 3, 4])
    found = browser.ask("mail", "search", _mbox="INBOX", _q="geht", _headers="text", _scope="all",
                        _filter="ALL")
    equal(len(browser.rows(found)), 7)
    equal(sorted(numbers(browser.listed(_layout="list", _threads=1))), [1, 2, 3, 4])

    # A draft, saved twice: the second takes the place of the first.
    page = browser.get("mail", "compose")
    compose = re.search(r'"compose_id":"(\w+)"', page)[1]
    identity = re.search(r'<option value="(\d+)"[^>]*>[^<]*ann@example.org', page)[1]
    saved = ""
    for text in ("first words", "last words"):
        answer = browser.post("mail", "send", _draft=1, _id=compose, _from=identity,
                              _to="bea@example.net", _subject="Message 77: Entwürfe",
                              _message=text, _draft_saveid=saved, _framed=1)
        saved = re.search(r'set_draft_id\("([^"]+)"', answer)[1]
    session = imap_login(mail)
    equal(session.select("Drafts", readonly=True)[1], [b"1"])
    octets = session.fetch("1", "(FLAGS BODY.PEEK[])")[1][0]
    assert b"\\Seen" in octets[0] and b"last words" in octets[1], octets
    session.logout()

    # What happens elsewhere is shown: when the list is opened, and while it is.
    elsewhere(mail, "1", "3")
    mail.deliver(USER, sample(7))
    rows = browser.listed(_threads=0, _sort="arrival_DESC")
    equal([(number, flags) for number, (*_, flags) in zip(numbers(rows), rows)],
          [(7, set()), (4, {"seen"}), (3, {"answered"}), (2, set())])
    elsewhere(mail, "4", "7")
    mail.deliver(USER, sample(8))
    calls = browser.do("mail", "refresh", _mbox="INBOX", _list=1, _last=0, _quota=1, _uid="")
    assert "set_quota" in calls, calls
    rows = browser.rows(calls)
    equal([(number, flags) for number, (*_, flags) in zip(numbers(rows), rows)],
          [(8, set()), (7, {"answered"}), (3, {"answered"}), (2, set())])
    browser.do("mail", "purge", _mbox="Trash")
    equal(browser.listed("Trash"), [])


@case
def roundcube(mail):
    filled(mail, 6)
    with Roundcube(mail) as browser:
        work(mail, browser)
        browser.check_logs()


@case
def roundcube_cache(mail):
    """With a cache of its own, that it keeps by QRESYNC."""
    filled(mail, 6)
    with Roundcube(mail, imap_cache="db", messages_cache=True) as browser:
        work(mail, browser)
        browser.check_logs()
        wire = browser.wire()
        assert re.search(r"UID FETCH [\d:,]+ \(FLAGS\) \(CHANGEDSINCE \d+ VANISHED\)", wire), wire
        assert "* VANISHED (EARLIER) 4" in wire, wire


if __name__ == "__main__":
    main()
