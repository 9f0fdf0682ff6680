#!/usr/bin/env python3
"""IMAP libraries and synchronising programs against the real server.

    cargo build && python3 tests/real/imap_clients.py [NAME …]

Needs (Debian): openssl offlineimap3 interimap libmail-imapclient-perl libio-socket-ssl-perl php-imap
python3-venv npm; it puts imapclient, aioimaplib and scramp (PyPI) and imapflow (npm) into
target/clients by itself.
"""

import imaplib
import json
import mailbox
import os
import socket
import subprocess
import sys
import zlib
from pathlib import Path

from server import ROOT
from suite import PASSWORD, USER, all_subjects, case, equal, filled, imap_login, main, run, sample
from suite import subjects_in

LIBRARIES = Path(os.environ.get("CLIENTS", ROOT / "target" / "clients"))
PYTHON = LIBRARIES / "venv" / "bin" / "python"
SCRIPTS = Path(__file__).parent / "imap_clients"


def install():
    """Libraries that Debian has not, or not for this Python."""
    LIBRARIES.mkdir(parents=True, exist_ok=True)
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", LIBRARIES / "venv"], check=True)
    done = subprocess.run([PYTHON, "-c", "import imapclient, aioimaplib, scramp"], capture_output=True)
    if done.returncode != 0:
        pip = [PYTHON, "-m", "pip", "--quiet", "install"]
        subprocess.run([*pip, "imapclient==4.1.0", "aioimaplib==2.0.1", "scramp==1.5.0"], check=True)
    if not (LIBRARIES / "node_modules" / "imapflow").exists():
        npm = ["npm", "install", "--silent", "--no-fund", "--prefix", LIBRARIES, "imapflow@1"]
        subprocess.run(npm, check=True, stdout=subprocess.DEVNULL)


def script(mail, *words, env=None):
    """Runs one of the client scripts, which ends with 0 if all it found was right."""
    return run(*words, env={
        "IMAP_PORT": str(mail.ports["imap"]), "IMAPS_PORT": str(mail.ports["imaps"]),
        "IMAP_USER": USER, "IMAP_PASSWORD": PASSWORD, "IMAP_CA": str(mail.certificate),
        "LMTP_PORT": str(mail.ports["lmtp"]), "NODE_EXTRA_CA_CERTS": str(mail.certificate),
        "NODE_PATH": str(LIBRARIES / "node_modules"), **(env or {}),
    })


@case
def imapclient(mail):
    filled(mail, 5)
    script(mail, PYTHON, SCRIPTS / "imapclient_case.py")


@case
def aioimaplib(mail):
    filled(mail, 3)
    script(mail, PYTHON, SCRIPTS / "aioimaplib_case.py")


@case
def scramp(mail):
    filled(mail, 1)
    script(mail, PYTHON, SCRIPTS / "scramp_case.py")


@case
def imapflow(mail):
    filled(mail, 5)
    done = script(mail, "node", SCRIPTS / "imapflow_case.js")
    equal(json.loads(done.stdout.splitlines()[-1])["exists"], 5)


@case
def perl_imapclient(mail):
    filled(mail, 4)
    script(mail, "perl", SCRIPTS / "imapclient.pl")


@case
def php_cclient(mail):
    filled(mail, 4)
    script(mail, "php", SCRIPTS / "cclient.php")


# --- offlineimap --------------------------------------------------------------


@case
def offlineimap(mail):
    filled(mail, 5)
    local = mail.folder / "local"
    config = mail.folder / "offlineimaprc"
    config.write_text(f"""
[general]
accounts = a
metadata = {mail.folder}/metadata
ui = quiet
[Account a]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {local}
[Repository far]
type = IMAP
remotehost = localhost
remoteport = {mail.ports['imaps']}
ssl = yes
sslcacertfile = {mail.certificate}
remoteuser = {USER}
remotepass = {PASSWORD}
""")
    sync = lambda: run("offlineimap", "-c", config, "-o")
    sync()
    equal(subjects_in(local / "INBOX"), all_subjects(5))
    # Flags, a deletion and a new message here go there.
    box = mailbox.Maildir(local / "INBOX", create=False)
    keys = sorted(box.keys(), key=lambda key: box[key]["Message-ID"])
    message = box[keys[0]]
    message.add_flag("S")
    box[keys[0]] = message
    box.remove(keys[1])
    box.add(mailbox.MaildirMessage(sample(6).replace(b"\r\n", b"\n")))
    sync()
    session = imap_login(mail)
    equal(session.select("INBOX")[1], [b"5"])
    equal(session.search(None, "SEEN")[1], [b"1"])
    # A flag there comes here.
    session.store("2", "+FLAGS", r"\Flagged")
    session.logout()
    sync()
    box = mailbox.Maildir(local / "INBOX", create=False)
    equal(sum("F" in message.get_flags() for message in box), 1)
    equal(len(box), 5)
    files = sorted(path.name for path in (local / "INBOX").rglob("*"))
    sync()
    equal(sorted(path.name for path in (local / "INBOX").rglob("*")), files)


# --- interimap ----------------------------------------------------------------


@case
def interimap(mail):
    """Two accounts of one server are kept equal by QRESYNC."""
    filled(mail, 5)
    other = "bob@example.org"
    mail.add_account(other, PASSWORD)
    config = mail.folder / "interimap.conf"
    side = lambda name, user: f"""
[{name}]
type = imaps
host = localhost
port = {mail.ports['imaps']}
username = {user}
password = {PASSWORD}
SSL_verify = yes
SSL_CAfile = {mail.certificate}
"""
    config.write_text(
        f"database = {mail.folder}/interimap.db\nlist-select-opts = \n"
        + side("local", other) + side("remote", USER)
    )
    config.chmod(0o600)
    sync = lambda: run("interimap", "--config", config, env={"XDG_DATA_HOME": str(mail.folder)})
    sync()

    def state(user):
        session = imaplib.IMAP4("127.0.0.1", mail.ports["imap"])
        session.login(user, PASSWORD)
        session.select("INBOX", readonly=True)
        found = []
        for number in session.search(None, "ALL")[1][0].split():
            data = session.fetch(number, "(FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")[1]
            flags = {flag for flag in imaplib.ParseFlags(data[0][0]) if flag != b"\\Recent"}
            found.append((data[0][1].strip(), frozenset(flags)))
        session.logout()
        return sorted(found, key=lambda one: one[0])

    equal(len(state(other)), 5)
    session = imap_login(mail)
    session.select("INBOX")
    session.store("1", "+FLAGS", r"(\Seen \Flagged)")
    session.store("2", "+FLAGS", r"\Deleted")
    session.expunge()
    session.append("INBOX", r"(\Answered)", None, sample(6))
    session.logout()
    sync()
    equal(state(other), state(USER))
    equal(len(state(other)), 5)
    # And back.
    session = imaplib.IMAP4("127.0.0.1", mail.ports["imap"])
    session.login(other, PASSWORD)
    session.select("INBOX")
    session.store("3:4", "+FLAGS", r"\Seen")
    session.store("1", "+FLAGS", r"\Deleted")
    session.expunge()
    session.logout()
    sync()
    equal(state(other), state(USER))
    equal(len(state(USER)), 4)
    before = state(USER)
    sync()
    equal((state(USER), state(other)), (before, before))


@case
def zlib_both_ways(mail):
    """COMPRESS=DEFLATE (RFC 4978), by a library that knows nothing of the server's."""
    mail.add_account(USER, PASSWORD)
    wire = socket.create_connection(("127.0.0.1", mail.ports["imap"]), timeout=60)
    lines = wire.makefile("rb")
    lines.readline()
    for command in [f"a LOGIN {USER} {PASSWORD}", "a COMPRESS DEFLATE"]:
        wire.sendall(command.encode() + b"\r\n")
        answer = lines.readline()
        assert answer.startswith(b"a OK"), answer
    deflate, inflate = zlib.compressobj(9, zlib.DEFLATED, -15), zlib.decompressobj(-15)

    def ask(tag, command):
        octets = deflate.compress(tag + b" " + command + b"\r\n")
        wire.sendall(octets + deflate.flush(zlib.Z_SYNC_FLUSH))
        answer = b""
        while b"\r\n" + tag + b" OK" not in b"\r\n" + answer:
            answer += inflate.decompress(wire.recv(65536))
        return answer

    message = sample(1) + b"compressed\r\n" * 20_000
    for number in range(5):
        ask(b"b%d" % number, b"APPEND INBOX {%d+}\r\n" % len(message) + message)
    ask(b"c", b"SELECT INBOX")
    for number in range(3):
        equal(ask(b"d%d" % number, b"FETCH 1:* BODY.PEEK[]").count(message), 5)
    ask(b"e", b"LOGOUT")
    equal(wire.recv(1), b"")


if __name__ == "__main__":
    install()
    main()
