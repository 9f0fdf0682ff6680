#!/usr/bin/env python3
"""Real mail programs against the real server.

    cargo build && python3 tests/real/clients.py [NAME …]

Needs (Debian): curl openssl getmail6 mpop fetchmail gsasl.
Each case has a server and an account of its own, so that one cannot hide the
fault of another.
"""

import imaplib
import os
import poplib
import shutil
import smtplib
import time

from suite import PASSWORD, USER, all_subjects, case, equal, filled, imap_login, main
from suite import run, sample, subjects_in

# --- curl ---------------------------------------------------------------------


def curl(mail, url, *words):
    return run("curl", "-sS", "--fail", "--cacert", mail.certificate,
               "--user", f"{USER}:{PASSWORD}", url, *words).stdout


@case
def curl_imap(mail):
    filled(mail, 2)
    for url, words in [
        (f"imap://localhost:{mail.ports['imap']}", []),
        (f"imap://localhost:{mail.ports['imap']}", ["--ssl-reqd"]),
        (f"imaps://localhost:{mail.ports['imaps']}", []),
    ]:
        listing = curl(mail, url + "/", *words)
        assert b'INBOX' in listing and b"Trash" in listing, listing
        message = curl(mail, url + "/INBOX;UID=1", *words)
        assert b"Message-ID: <1@example.net>" in message, message
        found = curl(mail, url + "/INBOX?SUBJECT%20Message", *words)
        equal(found.split(), b"* SEARCH 1 2".split())
    upload = mail.folder / "upload.eml"
    upload.write_bytes(sample(9))
    curl(mail, f"imap://localhost:{mail.ports['imap']}/Drafts", "-T", upload)
    message = curl(mail, f"imap://localhost:{mail.ports['imap']}/Drafts;UID=1")
    equal(message, sample(9))


@case
def curl_pop3(mail):
    filled(mail, 2)
    for url, words in [
        (f"pop3://localhost:{mail.ports['pop3']}", []),
        (f"pop3://localhost:{mail.ports['pop3']}", ["--ssl-reqd"]),
        (f"pop3s://localhost:{mail.ports['pop3s']}", []),
    ]:
        equal(len(curl(mail, url + "/", *words).splitlines()), 2)
        message = curl(mail, url + "/1", *words)
        assert message.endswith(sample(1)), message
    curl(mail, f"pop3://localhost:{mail.ports['pop3']}/1", "-X", "DELE", "-l")
    equal(len(curl(mail, f"pop3://localhost:{mail.ports['pop3']}/").splitlines()), 1)


# --- GNU SASL -----------------------------------------------------------------


@case
def gsasl_scram(mail):
    """SCRAM bound to TLS (tls-exporter), and unbound."""
    filled(mail, 1)
    for mechanism, words in [
        ("SCRAM-SHA-256-PLUS", []), ("SCRAM-SHA-1-PLUS", []), ("SCRAM-SHA-256", ["--no-cb"]),
    ]:
        done = run("gsasl", "--imap", f"--connect=localhost:{mail.ports['imap']}",
                   f"--x509-ca-file={mail.certificate}", f"--mechanism={mechanism}", "--verbose",
                   f"--authentication-id={USER}", "--authorization-id=", f"--password={PASSWORD}",
                   *words, stdin=b"")
        said = done.stdout.decode()
        assert f". AUTHENTICATE {mechanism}" in said and "logged in" in said, said
    wrong = run("gsasl", "--imap", f"--connect=localhost:{mail.ports['imap']}",
                f"--x509-ca-file={mail.certificate}", "--mechanism=SCRAM-SHA-256-PLUS",
                f"--authentication-id={USER}", "--authorization-id=", "--password=wrong",
                stdin=b"", check=False)
    assert wrong.returncode != 0 and b"AUTHENTICATIONFAILED" in wrong.stdout, wrong.stdout


# --- Python -------------------------------------------------------------------


@case
def python_imaplib(mail):
    filled(mail, 3)
    for session in (
        imaplib.IMAP4("127.0.0.1", mail.ports["imap"]),
        imaplib.IMAP4_SSL("localhost", mail.ports["imaps"], ssl_context=mail.tls_context()),
        imaplib.IMAP4("localhost", mail.ports["imap"]),
    ):
        if session.host == "localhost" and not isinstance(session, imaplib.IMAP4_SSL):
            equal(session.starttls(mail.tls_context())[0], "OK")
        session.login(USER, PASSWORD)
        kind, data = session.select("INBOX")
        equal((kind, data), ("OK", [b"3"]))
        kind, data = session.search(None, "SUBJECT", "Message 2")
        equal(data, [b"2"])
        kind, data = session.fetch("1:*", "(UID FLAGS RFC822.SIZE)")
        equal(len(data), 3)
        kind, data = session.uid("FETCH", "1", "(BODY.PEEK[])")
        assert data[0][1].endswith(sample(1)), data
        session.logout()

    session = imap_login(mail)
    session.select("INBOX")
    equal(session.store("1", "+FLAGS", r"(\Seen \Flagged mine)")[0], "OK")
    flags = imaplib.ParseFlags(session.fetch("1", "(FLAGS)")[1][0])
    assert {b"\\Seen", b"\\Flagged", b"mine"} <= set(flags), flags
    equal(session.create("Köln".encode("utf-7").decode().replace("+", "&"))[0], "OK")
    equal(session.create('"a b/c"')[0], "OK")
    kind, data = session.list()
    names = b"\n".join(data)
    assert b'"a b/c"' in names and b"K&APY-ln" in names, names
    equal(session.copy("1:2", "Archive")[0], "OK")
    equal(session.status("Archive", "(MESSAGES UNSEEN)")[1], [b"Archive (MESSAGES 2 UNSEEN 1)"])
    equal(session.store("2", "+FLAGS", r"\Deleted")[0], "OK")
    equal(session.expunge()[1], [b"2"])
    equal(session.append("Drafts", r"(\Draft)", imaplib.Time2Internaldate(time.time()),
                         sample(7))[0], "OK")
    equal(session.uid("MOVE", "1", "Trash")[0], "OK")
    equal(session.rename('"a b/c"', "plain")[0], "OK")
    equal(session.delete("plain")[0], "OK")
    equal(session.close()[0], "OK")
    session.logout()


@case
def python_poplib(mail):
    filled(mail, 3)
    session = poplib.POP3("localhost", mail.ports["pop3"])
    session.stls(mail.tls_context())
    assert "UIDL" in session.capa()
    session.user(USER)
    session.pass_(PASSWORD)
    count, octets = session.stat()
    equal(count, 3)
    sizes = [int(line.split()[1]) for line in session.list()[1]]
    equal(sum(sizes), octets)
    ids = [line.split()[1] for line in session.uidl()[1]]
    equal(len(set(ids)), 3)
    for number in (1, 2, 3):
        _, lines, _ = session.retr(number)
        message = b"\r\n".join(lines) + b"\r\n"
        equal(len(message), sizes[number - 1])
        assert message.endswith(sample(number)), message
    _, lines, _ = session.top(1, 0)
    equal(lines[-1], b"")
    session.dele(2)
    session.quit()
    session = poplib.POP3_SSL("localhost", mail.ports["pop3s"], context=mail.tls_context())
    session.user(USER)
    session.pass_(PASSWORD)
    equal([line.split()[1] for line in session.uidl()[1]], [ids[0], ids[2]])
    imap = imap_login(mail)
    equal(imap.select("INBOX", readonly=True)[1], [b"3"])  # the hold keeps it for IMAP
    imap.logout()
    session.dele(1)
    session.close()  # no QUIT: nothing is deleted
    session = poplib.POP3("127.0.0.1", mail.ports["pop3"])
    session.user(USER)
    session.pass_(PASSWORD)
    equal(session.stat()[0], 2)
    session.quit()


@case
def python_lmtp(mail):
    mail.add_account(USER, PASSWORD)
    with smtplib.LMTP("127.0.0.1", mail.ports["lmtp"]) as lmtp:
        refused = lmtp.sendmail("x@example.net", [USER, "nobody@example.org"], sample(1))
        equal(refused["nobody@example.org"][0], 550)
        lmtp.sendmail("", ["ann+Archive@example.org"], sample(2))
    session = imap_login(mail)
    total = sum(
        int(session.select(name, readonly=True)[1][0]) for name in ("INBOX", "Archive")
    )
    equal(total, 2)
    session.logout()


# --- POP3 fetchers ------------------------------------------------------------


def maildir(folder):
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)
    return folder


def left_on_server(mail):
    session = poplib.POP3("127.0.0.1", mail.ports["pop3"])
    session.user(USER)
    session.pass_(PASSWORD)
    count = session.stat()[0]
    session.quit()
    return count


@case
def getmail(mail):
    filled(mail, 5)
    local = maildir(mail.folder / "local")
    home = mail.folder / "getmail"
    home.mkdir()
    as_user = ""
    if os.geteuid() == 0:
        # getmail does not deliver as root: it becomes the one who owns the Maildir.
        as_user = "user = nobody"
        mail.folder.chmod(0o711)
        for folder in (local, *local.iterdir()):
            shutil.chown(folder, "nobody")

    def fetch(kind, port, delete, state):
        (home / state).mkdir(exist_ok=True)
        (home / state / "getmailrc").write_text(f"""
[retriever]
type = {kind}
server = localhost
port = {port}
username = {USER}
password = {PASSWORD}
[destination]
type = Maildir
path = {local}/
{as_user}
[options]
delete = {delete}
read_all = false
delivered_to = false
received = false
""")
        run("getmail", f"--getmaildir={home / state}", "--rcfile=getmailrc")

    fetch("SimplePOP3SSLRetriever", mail.ports["pop3s"], "false", "pop")
    equal(subjects_in(local), all_subjects(5))
    fetch("SimplePOP3SSLRetriever", mail.ports["pop3s"], "false", "pop")
    equal(subjects_in(local), all_subjects(5))
    mail.deliver(USER, sample(6))
    fetch("SimplePOP3SSLRetriever", mail.ports["pop3s"], "true", "pop")
    equal(subjects_in(local), all_subjects(6))
    equal(left_on_server(mail), 0)
    # Another port is another state to getmail.
    mail.deliver(USER, sample(7))
    fetch("SimplePOP3Retriever", mail.ports["pop3"], "true", "pop")
    equal(subjects_in(local), all_subjects(7))
    equal(left_on_server(mail), 0)


@case
def mpop(mail):
    filled(mail, 5)
    local = maildir(mail.folder / "local")
    config = mail.folder / "mpoprc"

    def fetch(keep, tls):
        config.write_text(f"""
account a
host localhost
port {mail.ports['pop3s' if tls == 'implicit' else 'pop3']}
tls on
tls_starttls {'off' if tls == 'implicit' else 'on'}
tls_trust_file {mail.certificate}
user {USER}
password {PASSWORD}
keep {keep}
uidls_file {mail.folder}/uidls
delivery maildir {local}
received_header off
""")
        config.chmod(0o600)
        run("mpop", f"--file={config}", "a")

    fetch("on", "implicit")
    equal(subjects_in(local), all_subjects(5))
    fetch("on", "starttls")
    equal(subjects_in(local), all_subjects(5))
    equal(left_on_server(mail), 5)
    mail.deliver(USER, sample(6))
    fetch("off", "starttls")
    equal(subjects_in(local), all_subjects(6))
    equal(left_on_server(mail), 0)


@case
def fetchmail(mail):
    filled(mail, 5)
    local = mail.folder / "out"
    local.mkdir()
    script = mail.folder / "mda"
    script.write_text(f'#!/bin/sh\ncat > "$(mktemp {local}/XXXXXX)"\n')
    script.chmod(0o755)
    config = mail.folder / "fetchmailrc"

    def fetch(protocol, port, options, codes=(0,), server_options=""):
        config.write_text(
            f'poll localhost protocol {protocol} port {port} {server_options}\n'
            f'  user "{USER}" password "{PASSWORD}" {options} sslproto "" mda "{script}"\n'
        )
        config.chmod(0o600)
        done = run("fetchmail", "--fetchmailrc", config, "--nodetach", "--nosyslog", "--bad-header",
                   "accept", "--invisible", env={"FETCHMAILHOME": str(mail.folder)}, check=False)
        assert done.returncode in codes, (done.returncode, done.stdout, done.stderr)
        return len(list(local.iterdir()))

    by_uidl = {"server_options": "uidl"}
    equal(fetch("pop3", mail.ports["pop3"], "keep", **by_uidl), 5)
    equal(fetch("pop3", mail.ports["pop3"], "keep", (1,), **by_uidl), 5)
    mail.deliver(USER, sample(6))
    equal(fetch("pop3", mail.ports["pop3"], "keep", **by_uidl), 6)
    equal(left_on_server(mail), 6)
    equal(fetch("imap", mail.ports["imap"], "keep fetchall"), 12)
    equal(fetch("pop3", mail.ports["pop3"], "nokeep fetchall"), 18)
    equal(left_on_server(mail), 0)


if __name__ == "__main__":
    main()
