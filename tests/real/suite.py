"""What the suites of real mail programs share: cases, samples, comparing."""

import email
import imaplib
import mailbox
import os
import subprocess
import sys
import time
import traceback
from email.message import EmailMessage

from server import server

USER, PASSWORD = "ann@example.org", "sesame"
CASES = []


def case(function):
    CASES.append(function)
    return function


def sample(number, body="Wie geht es dir?\r\n.leading dot\r\n"):
    message = EmailMessage()
    message["From"] = "Bea <bea@example.net>"
    message["To"] = "Ann <ann@example.org>"
    message["Subject"] = f"Message {number}: Grüße"
    message["Message-ID"] = f"<{number}@example.net>"
    message["Date"] = "Mon, 02 Nov 2026 10:00:00 +0100"
    message.set_content(body)
    return message.as_bytes(policy=email.policy.SMTP)


def filled(mail, count=5):
    mail.add_account(USER, PASSWORD)
    for number in range(1, count + 1):
        mail.deliver(USER, sample(number))


def run(*words, env=None, stdin=None, check=True, timeout=120):
    done = subprocess.run(
        [str(word) for word in words], input=stdin, capture_output=True, timeout=timeout,
        env={**os.environ, **(env or {})},
    )
    if check and done.returncode != 0:
        raise AssertionError(
            f"{words[0]} ended with {done.returncode}:\n"
            f"{done.stdout.decode(errors='replace')}\n{done.stderr.decode(errors='replace')}"
        )
    return done


def equal(found, expected):
    assert found == expected, f"found {found!r}, expected {expected!r}"


def imap_login(mail):
    session = imaplib.IMAP4("127.0.0.1", mail.ports["imap"])
    session.login(USER, PASSWORD)
    return session


def subjects_in(folder):
    box = mailbox.Maildir(folder, create=False)
    decode = lambda text: str(email.header.make_header(email.header.decode_header(text)))
    return sorted(decode(message["Subject"]) for message in box)


def all_subjects(count):
    return sorted(f"Message {number}: Grüße" for number in range(1, count + 1))


def mbsync_config(mail, tree, channel, port=None):
    """A configuration file: the server (at this port, or its own) as `far`, a Maildir tree as
    `near`, and this channel."""
    config = mail.folder / "mbsyncrc"
    config.write_text(f"""
IMAPAccount a
Host localhost
Port {port or mail.ports['imap']}
User {USER}
Pass {PASSWORD}
SSLType STARTTLS
CertificateFile {mail.certificate}

IMAPStore far
Account a

MaildirStore near
Path {tree}/
Inbox {tree}/INBOX
SubFolders Verbatim

{channel}""")
    return config


def main():
    """Runs all cases, or those that the command line names; each with a server of its own."""
    wanted = sys.argv[1:]
    passed = failed = 0
    for function in CASES:
        if wanted and function.__name__ not in wanted:
            continue
        started = time.monotonic()
        log = ""
        try:
            with server() as mail:
                try:
                    function(mail)
                finally:
                    log = mail.log()
            passed += 1
            verdict = "ok"
        except Exception:
            traceback.print_exc()
            print("the server's log ends:", *log.splitlines()[-15:], sep="\n  ")
            failed += 1
            verdict = "FAILED"
        print(f"{function.__name__:20} {verdict} ({time.monotonic() - started:.1f} s)", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)
