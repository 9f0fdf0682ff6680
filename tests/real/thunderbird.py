#!/usr/bin/env python3
"""Thunderbird without a window against the real server, set up as its wizard leaves it.

    cargo build && python3 tests/real/thunderbird.py [NAME …]

Needs (Debian): thunderbird openssl. Each profile is written as the account wizard writes it,
the password as Thunderbird itself encrypts it (by the NSS library that it ships); all but
localhost is behind a proxy that is not there.
"""

import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

from suite import PASSWORD, USER, case, equal, filled, imap_login, main, run, sample

LIBRARIES = Path("/usr/lib/thunderbird")


def encrypted(profile, *texts):
    """The texts, as the password store of the profile keeps them."""
    done = run(sys.executable, Path(__file__).with_name("nss.py"), profile, *texts,
               env={"LD_LIBRARY_PATH": str(LIBRARIES)})
    return json.loads(done.stdout)


def write_profile(folder, kind, port, user=USER, password=PASSWORD):
    """A profile with one account. POP3 leaves mail for 14 days: the wizard's own choice."""
    folder.mkdir()
    scheme = "mailbox" if kind == "pop3" else "imap"
    server = {
        "type": kind, "hostname": "localhost", "port": port, "userName": user, "name": user,
        "socketType": 0, "authMethod": 3, "login_at_startup": True, "check_new_mail": True,
        "check_time": 1, "directory-rel": "[ProfD]Mail/localhost",
    }
    if kind == "pop3":
        server |= {
            "download_on_biff": True, "leave_on_server": True,
            "delete_by_age_from_server": True, "num_days_to_leave_on_server": 14,
        }
    else:
        server |= {"autosync_offline_stores": True, "offline_download": True}
    prefs = {f"mail.server.server1.{key}": value for key, value in server.items()} | {
        "mail.accountmanager.accounts": "account1,account2",
        "mail.accountmanager.defaultaccount": "account1",
        "mail.accountmanager.localfoldersserver": "server2",
        "mail.account.account1.server": "server1",
        "mail.account.account1.identities": "id1",
        "mail.account.account2.server": "server2",
        "mail.identity.id1.useremail": user,
        "mail.identity.id1.valid": True,
        "mail.server.server2.type": "none",
        "mail.server.server2.hostname": "Local Folders",
        "mail.server.server2.name": "Local Folders",
        "mail.server.server2.userName": "nobody",
        "mail.server.server2.directory-rel": "[ProfD]Mail/Local Folders",
        "mail.provider.suppress_dialog_on_startup": True,
        "mailnews.start_page.enabled": False,
        "mail.rights.version": 1,
        "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
        "toolkit.telemetry.enabled": False,
        "app.donation.eoy.version.viewed": 999,
        "app.update.auto": False,
        "network.proxy.type": 1,
        "network.proxy.socks": "127.0.0.1",
        "network.proxy.socks_port": 9,
        "network.proxy.no_proxies_on": "localhost, 127.0.0.1",
    }
    lines = [f"user_pref({json.dumps(key)}, {json.dumps(value)});" for key, value in prefs.items()]
    (folder / "prefs.js").write_text("\n".join(lines) + "\n")
    name, secret = encrypted(folder, user, password)
    now = int(time.time() * 1000)
    login = {
        "id": 1, "hostname": f"{scheme}://localhost", "httpRealm": f"{scheme}://localhost",
        "formSubmitURL": None, "usernameField": "", "passwordField": "",
        "encryptedUsername": name, "encryptedPassword": secret, "guid": f"{{{uuid.uuid4()}}}",
        "encType": 1, "timeCreated": now, "timeLastUsed": now, "timePasswordChanged": now,
        "timesUsed": 1,
    }
    (folder / "logins.json").write_text(json.dumps({"nextId": 2, "logins": [login], "version": 3}))
    return folder


@contextlib.contextmanager
def thunderbird(profile):
    """Runs until the block ends, then asks it to quit."""
    log = open(profile.parent / f"{profile.name}.log", "ab")
    process = subprocess.Popen(
        ["thunderbird", "--headless", "--no-remote", "--profile", profile],
        stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        env={"HOME": str(profile.parent), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        start_new_session=True,
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def local_ids(profile):
    """Message-IDs in the local INBOX, in the order of the file."""
    inbox = profile / "Mail" / "localhost" / ("Inbox" if (profile / "Mail" / "localhost" / "Inbox")
                                              .exists() else "INBOX")
    text = inbox.read_bytes() if inbox.exists() else b""
    return re.findall(rb"(?m)^Message-ID: (<[^>]+>)", text)


def wait_for(found, expected, seconds=60):
    deadline = time.monotonic() + seconds
    while (value := found()) != expected:
        if time.monotonic() > deadline:
            raise AssertionError(f"found {value!r} after {seconds} s, expected {expected!r}")
        time.sleep(0.2)


def ids(first, last):
    return [f"<{number}@example.net>".encode() for number in range(first, last + 1)]


def known_ids(profile):
    """How many unique-ids Thunderbird has noted: what it will not fetch again."""
    state = profile / "Mail" / "localhost" / "popstate.dat"
    return len(re.findall(r"(?m)^[kdf] ", state.read_text())) if state.exists() else 0


def polls_of(mail):
    return mail.log().count('login protocol="pop3"')


@case
def pop3_untouched(mail):
    """Each message once over three starts, all of it left for IMAP and for another program."""
    filled(mail, 3)
    profile = write_profile(mail.folder / "profile", "pop3", mail.ports["pop3"])
    with thunderbird(profile):
        wait_for(lambda: sorted(local_ids(profile)), ids(1, 3))
        wait_for(lambda: known_ids(profile), 3)
    mail.deliver(USER, sample(4))
    with thunderbird(profile):
        wait_for(lambda: sorted(local_ids(profile)), ids(1, 4))
        wait_for(lambda: known_ids(profile), 4)
    polls = polls_of(mail)
    with thunderbird(profile):
        wait_for(lambda: polls_of(mail) > polls, True)
        wait_for(lambda: mail.log().count('session ended protocol="pop3"') >= polls + 1, True)
    equal(sorted(local_ids(profile)), ids(1, 4))
    session = imap_login(mail)
    equal(session.select("INBOX", readonly=True)[1], [b"4"])
    session.logout()
    # A second Thunderbird, on another computer.
    other = write_profile(mail.folder / "other", "pop3", mail.ports["pop3"])
    with thunderbird(other):
        wait_for(lambda: sorted(local_ids(other)), ids(1, 4))


@case
def imap_untouched(mail):
    """Thunderbird's IMAP downloads for reading offline, and hears of new mail by IDLE."""
    filled(mail, 3)
    profile = write_profile(mail.folder / "profile", "imap", mail.ports["imap"])
    with thunderbird(profile):
        wait_for(lambda: sorted(local_ids(profile)), ids(1, 3))
        mail.deliver(USER, sample(4))
        wait_for(lambda: sorted(local_ids(profile)), ids(1, 4))


def write_filters(profile, *filters):
    """Filters for what comes into INBOX: what Thunderbird does there without anybody's hand."""
    folder = profile / "Mail" / "localhost"
    folder.mkdir(parents=True)
    lines = ['version="9"', 'logging="no"']
    for number, (subject, *actions) in enumerate(filters):
        lines += [f'name="{number}"', 'enabled="yes"', 'type="17"']
        for action, value in actions:
            lines += [f'action="{action}"', *([f'actionValue="{value}"'] if value else [])]
        lines += [f'condition="AND (subject,contains,{subject})"']
    (folder / "msgFilterRules.dat").write_text("\n".join(lines) + "\n")


def on_server(mail, mailbox="INBOX"):
    """Of each message its number and its flags."""
    session = imap_login(mail)
    session.select(mailbox, readonly=True)
    data = session.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")[1]
    session.logout()
    return {
        int(re.search(rb"<(\d+)@", octets)[1]): set(re.findall(rb"[\\$][A-Za-z1]+", head))
        - {b"\\Recent"} for head, octets in (one for one in data if isinstance(one, tuple))
    }


@case
def imap_filters(mail):
    """Thunderbird flags, tags, copies, moves and deletes what it finds."""
    filled(mail, 1)
    profile = write_profile(mail.folder / "profile", "imap", mail.ports["imap"])
    folder = "imap://ann%40example.org@localhost/"
    write_filters(
        profile, ("Message 2:", ("Move to folder", folder + "Archive")),
        ("Message 3:", ("Mark flagged", ""), ("AddTag", "$label1")),
        ("Message 4:", ("Mark read", ""), ("Copy to folder", folder + "Sent")),
        ("Message 5:", ("Delete", "")),
    )
    with thunderbird(profile):
        wait_for(lambda: local_ids(profile), ids(1, 1))
        for number in range(2, 7):
            mail.deliver(USER, sample(number))
        wait_for(lambda: on_server(mail), {
            1: set(), 3: {b"\\Flagged", b"$label1"}, 4: {b"\\Seen"}, 6: set(),
        })
        wait_for(lambda: set(on_server(mail, "Archive")), {2})
        wait_for(lambda: set(on_server(mail, "Sent")), {4})
        wait_for(lambda: set(on_server(mail, "Trash")), {5})


if __name__ == "__main__":
    if not shutil.which("thunderbird"):
        raise SystemExit("thunderbird is not installed")
    main()
