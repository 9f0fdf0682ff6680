"""The scripts that differ.py plays to Restante and to Dovecot.

Each is played in an account of its own. A step is a command, or the number of a connection and
a command; `$MODSEQ`, `$UIDVALIDITY` and `$MARK` stand for what the server said last, and what
`MARK` kept. A command in octets may have literals in it.
"""

from differ_odd import odd

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


def simple(number, *fields, body="text\n"):
    lines = [f"Subject: message {number}", f"Message-ID: <{number}@x>", *fields]
    return ("\n".join(lines) + "\n\n" + body).encode()


def filled(count, name="INBOX"):
    return [append(name, simple(number), day=number) for number in range(1, count + 1)]


def condstore():
    """RFC 7162 §3.1."""
    yield from filled(4)
    yield from [
        "SELECT INBOX (CONDSTORE)",
        "FETCH 1:* (FLAGS MODSEQ)",
        "MARK",
        "STORE 1 +FLAGS (\\Seen)",
        "STORE 2 (UNCHANGEDSINCE $MARK) +FLAGS (\\Flagged)",
        "STORE 1:3 (UNCHANGEDSINCE $MARK) +FLAGS (\\Answered)",
        "UID STORE 1:4 (UNCHANGEDSINCE $MARK) FLAGS.SILENT (\\Draft)",
        "STORE 3 (UNCHANGEDSINCE 0) +FLAGS (\\Seen)",
        "STORE 4 (UNCHANGEDSINCE $MODSEQ) +FLAGS.SILENT (\\Seen)",
        "STORE 4 (UNCHANGEDSINCE $MODSEQ) +FLAGS (\\Seen)",
        "STORE 4 (UNCHANGEDSINCE $MODSEQ) -FLAGS (\\Flagged)",
        "STORE 1 +FLAGS.SILENT (\\Flagged)",
        "UID STORE 1 +FLAGS.SILENT (\\Answered)",
        "FETCH 1:* FLAGS (CHANGEDSINCE $MARK)",
        "UID FETCH 1:2 FLAGS (CHANGEDSINCE $MARK)",
        "UID FETCH 1:* FLAGS (CHANGEDSINCE $MARK VANISHED)",
        "FETCH 1:* FLAGS (CHANGEDSINCE $MODSEQ)",
        "FETCH 1 FLAGS (CHANGEDSINCE 0)",
        "FETCH 1 FLAGS (CHANGEDSINCE nope)",
        "FETCH 1 FLAGS ()",
        "FETCH 1 FLAGS (NOPE 1)",
        "SEARCH MODSEQ $MARK",
        "SEARCH MODSEQ 99999999",
        "SEARCH MODSEQ \"/flags/\\\\Seen\" all 1",
        "SEARCH MODSEQ \"/flags/\\\\Seen\" nope 1",
        "SEARCH NOT MODSEQ 1",
        "SEARCH RETURN (MIN MAX) MODSEQ 1",
        "SEARCH RETURN (COUNT) MODSEQ 1",
        "UID SEARCH RETURN (ALL) MODSEQ 1",
        "SORT (ARRIVAL) UTF-8 MODSEQ 1",
        "STATUS INBOX (HIGHESTMODSEQ)",
        "STORE 1 (UNCHANGEDSINCE) FLAGS ()",
        "STORE 1 (UNCHANGEDSINCE x) FLAGS ()",
        "STORE 1 (NOPE 1) FLAGS ()",
        "STORE 1 () FLAGS ()",
        "STORE 99 (UNCHANGEDSINCE 1) FLAGS ()",
        "UID STORE 99 (UNCHANGEDSINCE 1) FLAGS ()",
        "STORE 2 +FLAGS (\\Deleted)",
        "EXPUNGE",
        "FETCH 2 BODY[TEXT]",
        "COPY 1 Archive",
        "MOVE 1 Archive",
        "UNSELECT",
        "EXAMINE INBOX (CONDSTORE)",
        "FETCH 1 BODY[TEXT]",
        "ENABLE CONDSTORE",
    ]


def qresync():
    """RFC 7162 §3.2."""
    yield from filled(8)
    yield from [
        "SELECT INBOX (QRESYNC (1 1))",
        "ENABLE QRESYNC",
        "SELECT INBOX",
        (2, "SELECT INBOX"),
        (2, "FETCH 1 MODSEQ"),
        "FETCH 1:* (UID MODSEQ)",
        "MARK",
        (2, "STORE 1 +FLAGS (\\Seen)"),
        (2, "STORE 2:3,8 +FLAGS (\\Deleted)"),
        (2, "EXPUNGE"),
        "NOOP",
        "UNSELECT",
        "SELECT INBOX (QRESYNC ($UIDVALIDITY $MARK))",
        "SELECT INBOX (QRESYNC ($UIDVALIDITY $MARK 1:8))",
        "SELECT INBOX (QRESYNC ($UIDVALIDITY $MARK 1:8 (1:3 1:3)))",
        "SELECT INBOX (QRESYNC ($UIDVALIDITY $MARK 4:6))",
        "SELECT INBOX (QRESYNC ($UIDVALIDITY $MODSEQ 1:8))",
        "SELECT INBOX (QRESYNC (1 $MARK 1:8))",
        "SELECT INBOX (QRESYNC ($UIDVALIDITY 0 1:8))",
        "SELECT INBOX (QRESYNC ($UIDVALIDITY $MARK 1:*))",
        "SELECT INBOX (QRESYNC ($UIDVALIDITY))",
        "SELECT INBOX (QRESYNC ())",
        "SELECT INBOX (CONDSTORE QRESYNC ($UIDVALIDITY $MARK))",
        "EXAMINE INBOX (QRESYNC ($UIDVALIDITY $MARK))",
        "SELECT INBOX",
        "UID FETCH 1:* FLAGS (CHANGEDSINCE $MARK VANISHED)",
        "UID FETCH 1:2 FLAGS (CHANGEDSINCE $MARK VANISHED)",
        "UID FETCH 1:* FLAGS (VANISHED)",
        "FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
        "STORE 1 +FLAGS (\\Deleted)",
        "UID EXPUNGE 1:9",
        "MOVE 1 Archive",
        "UID MOVE 5 Archive",
        "STORE 1 +FLAGS (\\Deleted)",
        "CLOSE",
        "STATUS INBOX (MESSAGES UIDNEXT)",
    ]


def appends():
    """APPEND in its forms: RFC 3501, 3502, 3516, 4469."""
    date = b'"01-Nov-2026 12:00:00 +0000"'
    text = b"{15+}\r\nSubject: a\r\n\r\nb"
    yield from [
        b"APPEND INBOX (\\Seen) %s %s (\\Flagged) %s" % (date, text, text),
        b"APPEND INBOX %s" % text,
        b"APPEND INBOX () %s" % text,
        b"APPEND INBOX (\\Recent) {3}",
        b"APPEND INBOX ($Key word) {3}",
        b"APPEND INBOX (\\Nope) {3}",
        b"APPEND INBOX (Key",
        b'APPEND INBOX " 1-Nov-2026 12:00:00 +0000" %s' % text,
        b'APPEND INBOX "01-Nov-2026 12:00:00" {3}',
        b"APPEND INBOX",
        b"APPEND",
        b"NOOP",
        b'APPEND INBOX "quoted"',
        b"APPEND INBOX atom",
        b"APPEND INBOX {0+}\r\n",
        b"APPEND INBOX {1+}\r\na",
        b"APPEND INBOX {3}",
        b"APPEND nope {3+}\r\nabc",
        b"APPEND nope %s %s" % (text, text),
        b"APPEND {5+}\r\nINBOX {3+}\r\nabc",
        b'APPEND "inbox" {3+}\r\nabc',
        b"APPEND INBOX {5+}\r\na\nb\rc",
        b"APPEND INBOX CATENATE (TEXT {12+}\r\nSubject: c\r\n TEXT {3+}\r\n\r\nd)",
        b"append INBOX catenate (text {12+}\r\nSubject: e\r\n)",
        b"APPEND INBOX CATENATE ()",
        b"APPEND INBOX CATENATE (NOPE x)",
        b"APPEND INBOX (\\Seen) %s CATENATE (TEXT {3+}\r\nabc)" % date,
        b"APPEND INBOX CATENATE (TEXT {3+}\r\nabc) (\\Flagged) {3+}\r\nxyz",
        b'APPEND INBOX CATENATE (URL "/INBOX/;UID=1" TEXT {3+}\r\nabc)',
        b'APPEND INBOX CATENATE (URL "/INBOX/;UID=1/;SECTION=TEXT/;PARTIAL=0.1")',
        b'APPEND INBOX CATENATE (URL "/INBOX;UIDVALIDITY=1/;UID=1")',
        b'APPEND INBOX CATENATE (URL "/nope/;UID=1")',
        b"SELECT INBOX",
        b"FETCH 1:* (FLAGS RFC822.SIZE BODY.PEEK[])",
        b"FETCH 1 INTERNALDATE",
        b'APPEND INBOX CATENATE (URL ";UID=1")',
        b'APPEND INBOX CATENATE (URL "/INBOX/;UID=1/;SECTION=HEADER")',
        b"APPEND INBOX (\\Seen) {3+}\r\nabc {3+}\r\nxyz",
        b"STATUS INBOX (MESSAGES UIDNEXT UNSEEN)",
        # What one takes and the other does not.
        b"APPEND INBOX %s extra" % text,
        b"APPEND INBOX %s (\\Flagged)" % text,
        b"NOOP",
        b'APPEND INBOX "32-Nov-2026 12:00:00 +0000" {3}',
        b'APPEND INBOX "1-Nov-2026 12:00:00 +0000" {3}',
        b'APPEND INBOX "01-Nov-2026 25:00:00 +0000" {3}',
        b"APPEND INBOX ~{5+}\r\na\r\n\0b",
        b"APPEND INBOX {5+}\r\na\r\n\0b",
        b'APPEND INBOX CATENATE (URL "/INBOX/;UID=1/;SECTION=9")',
        b"APPEND INBOX {99999999999}",
        b"APPEND INBOX {x}",
    ]


def literals():
    """Literals wherever a string may stand, and names that are none."""
    yield append("INBOX", PLAIN)
    yield from [
        b"CREATE {4+}\r\nlits",
        b"CREATE {3}",
        b"LIST {0+}\r\n {1+}\r\n*",
        b"LIST {0+}\r\n {3+}\r\nlit*",
        b"LIST {0+}\r\n{1+}\r\n*",
        b"STATUS {4+}\r\nlits (MESSAGES)",
        b"STATUS lits ({8+}\r\nMESSAGES)",
        b"SELECT {5+}\r\nINBOX",
        b"SEARCH SUBJECT {3+}\r\nand",
        b"SEARCH HEADER {7+}\r\nSubject {4+}\r\nmore",
        b"SEARCH {3+}\r\nALL",
        b"SEARCH CHARSET {5+}\r\nUTF-8 SUBJECT {4+}\r\nmore",
        b"SEARCH KEYWORD {4+}\r\nabcd",
        b"FETCH 1 BODY.PEEK[HEADER.FIELDS ({7+}\r\nMessage-Id)]",
        b"FETCH 1 BODY.PEEK[HEADER.FIELDS ({10+}\r\nMessage-Id)]",
        b'FETCH 1 BODY.PEEK[HEADER.FIELDS ("MESSAGE-ID")]',
        b"FETCH {1+}\r\n1 FLAGS",
        b"STORE 1 +FLAGS ({5+}\r\n\\Seen)",
        b"COPY 1 {4+}\r\nlits",
        b"COPY 1 {4+}\r\nnope",
        b"RENAME {4+}\r\nlits {4+}\r\nlist",
        b"SUBSCRIBE {4+}\r\nlist",
        b'LSUB {0+}\r\n "l*"',
        b"UNSUBSCRIBE {4+}\r\nlist",
        b"ID ({4+}\r\nname {1+}\r\nx)",
        b"SORT ({4+}\r\nDATE) UTF-8 ALL",
        b"GETACL {4+}\r\nlist",
        b"DELETE {4+}\r\nlist",
        b"CREATE {3+}\r\na\nb",
        b'CREATE "a\\"b"',
        b'CREATE "a\\\\b"',
        b'CREATE "open',
        b'CREATE "a//b"',
        b"CREATE /a",
        b"CREATE a/",
        b"CREATE /",
        b'CREATE ""',
        b"CREATE &",
        b"CREATE &Jjo",
        b"CREATE &Jjo-",
        b"CREATE &AGE-",
        b"CREATE &-",
        b'CREATE "spaces in it"',
        b'CREATE " leading"',
        b"CREATE inbox/sub",
        b"CREATE NIL",
        b"CREATE ]x",
        b"CREATE x{y",
        b"CREATE " + b"n" * 200,
        b'LIST "" "*"',
        b'LIST "" inbox',
        b'LIST "" InBoX/%',
        b'LIST "" "NI*"',
        b"STATUS iNBOX (MESSAGES)",
        b"STATUS inbox/sub (MESSAGES)",
        b"STATUS INBOX/sub (MESSAGES)",
        b"DELETE &-",
        b"DELETE a/b",
        b"RENAME a c",
        b"RENAME c c",
        b"RENAME c c/d",
        b"DELETE inbox",
        b'LIST "" "%"',
        b"UNSELECT",
        b"RENAME INBOX old",
        b"STATUS old (MESSAGES)",
        b"STATUS INBOX (MESSAGES)",
        b"RENAME old INBOX",
        # What one takes and the other does not.
        b"CREATE {3+}\r\na\0b",
        b"CREATE {2+}\r\n\xc3\xbc",
        b'CREATE "\xc3\xbc"',
        b'CREATE "a\\b"',
        b"CREATE a*b",
        b"CREATE a%b",
        b'CREATE "a%b"',
        b"CREATE ..",
        b"CREATE a/../b",
        b"CREATE ~x",
        b"CREATE " + b"n" * 300,
    ]


GRAMMAR = """
FETCH|FETCH 1|FETCH 1 |FETCH  1 FLAGS|FETCH 1 FLAGS |FETCH 0 FLAGS|FETCH 1:0 FLAGS|FETCH 01 FLAGS
FETCH 1,,2 FLAGS|FETCH 1, FLAGS|FETCH *:1 FLAGS|FETCH 2:1 FLAGS|FETCH * FLAGS|FETCH 1:9 FLAGS
FETCH 2,1,2 FLAGS|FETCH 1 ALL|FETCH 1 FULL|FETCH 1 (ALL)|FETCH 1 (FLAGS  UID)|FETCH 1 ( FLAGS)
FETCH 1 (FLAGS )|FETCH 1 (FLAGS)(UID)|FETCH 1 FLAGS UID|FETCH 1 (FLAGS FLAGS)|FETCH 1 ((FLAGS))
FETCH 1 BODY[|FETCH 1 BODY.PEEK[]<5>|FETCH 1 BODY[]<5.>|FETCH 1 BODY[]<.5>|FETCH 1 BODY.PEEK[]<0.4294967296>
FETCH 1 BODY[MIME]|FETCH 1 BODY[1.]|FETCH 1 BODY[0]|FETCH 1 BODY[01]|FETCH 1 BODY[HEADER.FIELDS]
FETCH 1 BODY[HEADER.FIELDS ()]|FETCH 1 BODY[HEADER.FIELDS (a|FETCH 1 BODY[NOPE]|FETCH 1 BODY[TEXT.1]
FETCH 1 BODY.PEEK|FETCH 1 RFC822.PEEK|FETCH 1 RFC822|FETCH 1 RFC822.TEXT|FETCH 1 body.peek[text]
FETCH 1 BODY[HEADER.FIELDS (SUBJECT)] extra|FETCH 1 BODY.PEEK[HEADER.FIELDS(SUBJECT)]
FETCH 1 BODY.PEEK[header.fields (subject)]|FETCH 1 BODY.PEEK[ TEXT]|FETCH 1 BODY.PEEK [TEXT]
FETCH 4294967295 FLAGS|FETCH 4294967296 FLAGS|FETCH -1 FLAGS|FETCH 1- FLAGS|FETCH 1:2:3 FLAGS
FETCH 1 BINARY[]|FETCH 1 BINARY.SIZE|FETCH 1 BINARY.SIZE[]|FETCH 1 BINARY[1.MIME]|FETCH 1 NIL
UID FETCH 0 FLAGS|UID FETCH|UID NOPE 1|UID FETCH 1|UID|UID FETCH 1 UID|UID FETCH * FLAGS
UID FETCH 99:* FLAGS|UID FETCH 1:* (FLAGS|UID COPY 1|UID SEARCH|UID EXPUNGE 0|UID EXPUNGE 1 x
fetch 1 flags|Fetch 1 (uid Flags)|STORE 1|STORE 1 FLAGS|STORE 1 +FLAGS \\Seen
STORE 1 +FLAGS \\Seen \\Flagged|STORE 1 +FLAGS ()|STORE 1 -FLAGS ()|STORE 1 +FLAGS (\\Nope)
STORE 1 +FLAGS (\\*)|STORE 1 +FLAGS (a]b)|STORE 1 ++FLAGS (a)|STORE 1 +FLAGS.LOUD (a)
STORE 1 +flags.silent (\\seen)|STORE 1 FLAGS (\\SEEN \\seen)|STORE 1 FLAGS (a%b)|STORE 1 FLAGS (\\)
STORE 1 FLAGS ("quoted")|STORE 1 FLAGS (a (b))|STORE 1 FLAGS (a|STORE 1 FLAGS a b) c
STORE 1 FLAGS (kEy)|STORE 1 +FLAGS (KEY)|STORE 1 FLAGS ()|STORE 0 FLAGS ()|STORE x FLAGS ()
SEARCH BEFORE "1-Nov-2026"|SEARCH BEFORE 1-Foo-2026|SEARCH BEFORE 31-Feb-2026|SEARCH BEFORE 01-Nov-26
SEARCH BEFORE 1-nov-2026|SEARCH BEFORE|SEARCH ON 0-Nov-2026|SEARCH SENTON "01-Nov-2026 12:00"
SEARCH LARGER x|SEARCH LARGER -1|SEARCH LARGER|SEARCH SMALLER 4294967296|SEARCH NOT|SEARCH OR ALL
SEARCH ()|SEARCH (())|SEARCH (ALL) ALL|SEARCH ALL)|SEARCH ( ALL )|SEARCH ALL  ALL|SEARCH ALL |SEARCH all
SEARCH SUBJECT|SEARCH SUBJECT ""|SEARCH TEXT ""|SEARCH BODY ""|SEARCH UID|SEARCH UID *|SEARCH UID 99:*
SEARCH *|SEARCH 1:9|SEARCH 9:1|SEARCH KEYWORD|SEARCH KEYWORD \\Seen|SEARCH CHARSET|SEARCH CHARSET UTF-8
SEARCH CHARSET us-ascii ALL|SEARCH CHARSET "UTF-8" ALL|SEARCH NOT NOT ALL|SEARCH OR (ALL NOT ALL) SEEN
SEARCH OLD|SEARCH NEW|SEARCH RECENT|SEARCH UNKEYWORD kEy|SEARCH HEADER Subject|SEARCH HEADER "" x
SEARCH RETURN ALL|SEARCH RETURN (ALL|SEARCH RETURN () RETURN () ALL|SEARCH RETURN (ALL) |SEARCH RETURN (ALL)
SEARCH RETURN (MIN MIN) ALL|SEARCH RETURN () CHARSET UTF-8 ALL|SEARCH CHARSET UTF-8 RETURN () ALL
COPY 1|COPY work|COPY 1 nope extra|COPY 1 work|MOVE 1|MOVE 1 nope x|EXPUNGE 1|UID EXPUNGE
CLOSE extra|UNSELECT extra|CHECK extra|SELECT|SELECT INBOX INBOX|SELECT INBOX ()|SELECT INBOX (NOPE)
SELECT INBOX|EXAMINE "INBOX|SELECT INBOX |SELECT  INBOX|STATUS INBOX|STATUS INBOX MESSAGES
STATUS INBOX (MESSAGES MESSAGES)|STATUS INBOX (messages)|STATUS (MESSAGES)|STATUS INBOX (MESSAGES) x
LIST|LIST ""|LIST "" * extra|LIST () "" *|LIST (SUBSCRIBED) "" * RETURN|LIST "" INBOX RETURN ()
LIST "" INBOX RETURN (NOPE)|LIST "" ()|LIST "" (INBOX|LIST (SUBSCRIBED "" *|LIST "" INBOX RETURN (STATUS)
LIST "" INBOX RETURN (STATUS ())|LIST "" INBOX RETURN (STATUS (NOPE))|list "" inbox|LSUB ""|LSUB "" * x
CREATE|CREATE a b|DELETE|DELETE a b|RENAME a|RENAME|SUBSCRIBE|SUBSCRIBE a b|SUBSCRIBE nope|UNSUBSCRIBE nope
ENABLE|ENABLE NOPE|ENABLE CONDSTORE NOPE|ENABLE CONDSTORE|ID|ID NIL|ID ()|ID ("a")|ID ("a" "b")
ID ("a" NIL)|ID nil extra|ID (a b)|ID "x"|NAMESPACE extra|NAMESPACE|CAPABILITY extra|LOGIN a b|LOGIN a
AUTHENTICATE PLAIN|AUTHENTICATE NOPE|IDLE extra|IDLE|SORT|SORT DATE UTF-8 ALL|SORT () UTF-8 ALL
SORT (DATE) ALL|SORT (REVERSE) UTF-8 ALL|SORT (DATE|SORT (DATE) UTF-8|SORT (date) utf-8 all
SORT (REVERSE REVERSE DATE) UTF-8 ALL|SORT (DATE DATE) UTF-8 ALL|SORT (DATE)  UTF-8 ALL
THREAD|THREAD REFERENCES|THREAD REFERENCES UTF-8|thread references utf-8 all|THREAD REFERENCES ALL
GETQUOTA|GETQUOTAROOT|GETQUOTAROOT nope|GETACL|MYRIGHTS|SETACL INBOX|DELETEACL INBOX|LISTRIGHTS INBOX
GETMETADATA|GETMETADATA INBOX|SETMETADATA INBOX|SETMETADATA INBOX ()|GETMETADATA "" ()|(|"|{3|*|NIL
"""


def grammar():
    """BAD or NO, or not minded at all."""
    yield from filled(3)
    yield from ["CREATE work", "SELECT INBOX"]
    commands = [one for line in GRAMMAR.strip().splitlines() for one in line.split("|")]
    for number, command in enumerate(commands):
        yield command
        if number % 4 == 3:
            # Whoever says nothing but nonsense is shown out.
            yield "NOOP"
    yield from ["LOGOUT extra"]


def results():
    """ESEARCH, SEARCHRES and what else SEARCH and SORT return."""
    yield from filled(7)
    yield from [
        "CREATE work",
        "SELECT INBOX",
        "STORE 2,4,6 +FLAGS (\\Flagged)",
        "STORE 4 +FLAGS (\\Deleted)",
        "FETCH $ UID",
        "SEARCH RETURN (SAVE) FLAGGED",
        "FETCH $ UID",
        "SEARCH $",
        "SEARCH NOT $",
        "SEARCH UID $",
        "SEARCH OR $ 1",
        "UID FETCH $ UID",
        "STORE $ +FLAGS.SILENT (\\Seen)",
        "COPY $ work",
        "SEARCH RETURN (SAVE MIN) FLAGGED",
        "FETCH $ UID",
        "SEARCH RETURN (SAVE MAX) FLAGGED",
        "FETCH $ UID",
        "SEARCH RETURN (SAVE MIN MAX) FLAGGED",
        "FETCH $ UID",
        "SEARCH RETURN (SAVE MIN COUNT) FLAGGED",
        "FETCH $ UID",
        "SEARCH RETURN (SAVE COUNT ALL) FLAGGED",
        "UID SEARCH RETURN (SAVE) FLAGGED",
        "EXPUNGE",
        "FETCH $ UID",
        "SEARCH RETURN (SAVE) NOPE",
        "FETCH $ UID",
        "SEARCH RETURN (SAVE) CHARSET X-NONE ALL",
        "FETCH $ UID",
        "SEARCH RETURN (SAVE) NOT ALL",
        "FETCH $ UID",
        "COPY $ work",
        "SORT RETURN (SAVE) (REVERSE ARRIVAL) UTF-8 FLAGGED",
        "FETCH $ UID",
        "MOVE $ work",
        "SELECT INBOX",
        "FETCH $ UID",
        "SEARCH RETURN (MIN) NOT ALL",
        "SEARCH RETURN (ALL) NOT ALL",
        "SEARCH RETURN (COUNT) NOT ALL",
        "SEARCH RETURN (MIN MAX COUNT ALL) NOT ALL",
        "SEARCH RETURN (MAX) 2:3",
        "UID SEARCH RETURN (MIN MAX ALL COUNT) UID 2:4",
        "SEARCH RETURN (ALL) 1,3",
        "SORT RETURN (COUNT) (DATE) UTF-8 ALL",
        "SORT RETURN (MIN) (REVERSE ARRIVAL) UTF-8 ALL",
        "UID SORT RETURN () (REVERSE ARRIVAL) UTF-8 ALL",
        "UID SORT RETURN (ALL) (SUBJECT) UTF-8 NOT ALL",
        "SORT RETURN (PARTIAL 1:2) (REVERSE ARRIVAL) UTF-8 ALL",
        "SEARCH RETURN (PARTIAL 1:2) ALL",
        "SEARCH RETURN (PARTIAL 2:1) ALL",
        "SEARCH RETURN (PARTIAL 10:20) ALL",
        "SEARCH RETURN (PARTIAL 0:2) ALL",
        "SEARCH RETURN (PARTIAL 1:2 ALL) ALL",
        "SEARCH YOUNGER 0",
        "SEARCH OLDER 0",
        "SEARCH YOUNGER 3600 OLDER 3600",
        "SEARCH SAVEDSINCE 1-Jan-2020",
        "SEARCH SAVEDBEFORE 1-Jan-2020",
        "SEARCH SAVEDATESUPPORTED",
        "FETCH 1:* PREVIEW",
        "FETCH 1 (PREVIEW (LAZY))",
        "FETCH 1 PREVIEW (LAZY)",
        "FETCH 1 PREVIEW (NOPE)",
    ]


def threads():
    """RFC 5256: base subjects, ties, missing parents and loops."""
    messages = [
        ("[list] Re: one", "a", ""), ("re : [list] one (fwd)", "b", "<a@x>"),
        ("Fwd: two", "c", "<missing@x>"), ("[Fwd: two]", "d", "<missing@x> <c@x>"),
        ("three", "e", "<f@x>"), ("Re: three", "f", "<e@x>"), ("", "g", ""), ("Re:", "h", ""),
        ("RE: Fw: [x] [y] four", "i", "<a@x> <b@x>"), ("four", "j", ""), ("one", "k", ""),
        ("=?utf-8?q?re=3A?= one", "l", "<k@x>"), ("Re[2]: one", "m", "<k@x> <l@x>"),
        ("one", "a", "<k@x>"), ("\u00dcber", "n", "nonsense"), ("re: \u00fcber", "o", "<n@x>"),
        ("[only]", "p", ""), ("[only] [this]", "q", ""),
    ]
    for number, (subject, name, references) in enumerate(messages, 1):
        # Some have the same date, some none.
        date = [f"Date: Mon, {number % 5 + 2} Nov 2026 10:00:00 +0000"] if number % 4 else []
        fields = [f"From: {name} <{'zyxw'[number % 4]}@x>", f"To: {number % 3}@x", *date]
        if references:
            fields.append(("References: " if number % 2 else "In-Reply-To: ") + references)
        head = "\n".join([f"Subject: {subject}", f"Message-ID: <{name}@x>", *fields])
        yield append("INBOX", (head + "\n\n" + "x" * (number % 5) + "\n").encode(), day=number)
    yield "SELECT INBOX"
    for algorithm in ("REFERENCES", "REFS", "ORDEREDSUBJECT"):
        for keys in ("ALL", "2:18", "1:9", "SUBJECT one", "NOT ALL", "12,13,2"):
            yield f"THREAD {algorithm} UTF-8 {keys}"
        yield f"UID THREAD {algorithm} UTF-8 5:*"
    for order in ("SUBJECT", "SUBJECT DATE", "REVERSE SUBJECT", "SUBJECT REVERSE DATE", "DATE",
                  "REVERSE DATE", "FROM", "REVERSE FROM SUBJECT", "TO FROM", "CC", "SIZE",
                  "REVERSE SIZE DATE", "ARRIVAL", "DISPLAYFROM", "DISPLAYTO REVERSE ARRIVAL"):
        yield f"SORT ({order}) UTF-8 ALL"


def lists():
    """LIST, LSUB, RFC 5258, 5819, 6154."""
    yield from [
        "SUBSCRIBE INBOX", "CREATE tree/one/leaf", "CREATE tree/two", "CREATE top",
        "CREATE tree-like",
        "SUBSCRIBE tree/one/leaf", "SUBSCRIBE top", "SUBSCRIBE gone/away", "CREATE gone/away",
        "DELETE gone/away", "UNSUBSCRIBE top", "SUBSCRIBE top",
        'LIST "" *', 'LIST "" %', 'LIST "" tree%', 'LIST "" tree/%', 'LIST "" %/%', 'LIST "" */leaf',
        'LIST "" %e', 'LIST "" tr*f', 'LIST "" "*%"', 'LIST "" %%', 'LIST "" tree/', 'LIST "" tree/one',
        'LIST tree %', 'LIST tree/ %', 'LIST "tree" "/%"', 'LIST "tree/one" ""', 'LIST "/" ""',
        'LIST "nope" ""', 'LIST "nope/" *', 'LIST "" nope', 'LIST "" TREE', 'LIST "" /tree',
        'LSUB "" *', 'LSUB "" %', 'LSUB "" tree/%', 'LSUB "tree/" *', 'LSUB "" ""', 'LSUB "" gone*',
        'LIST (SUBSCRIBED) "" *', 'LIST (SUBSCRIBED) "" %', 'LIST (SUBSCRIBED) "" gone*',
        'LIST "" * RETURN (SUBSCRIBED)', 'LIST "" % RETURN (CHILDREN)',
        'LIST "" % RETURN (SUBSCRIBED CHILDREN)', 'LIST (SUBSCRIBED RECURSIVEMATCH) "" %',
        'LIST (SUBSCRIBED RECURSIVEMATCH) "" * RETURN (CHILDREN)', 'LIST (REMOTE) "" top',
        'LIST (RECURSIVEMATCH REMOTE) "" %', 'LIST (SPECIAL-USE RECURSIVEMATCH) "" %',
        'LIST "" (top tree/% top)', 'LIST "" (top) RETURN (SUBSCRIBED)', 'LIST "tree" (/one /two)',
        'LIST "" tree* RETURN (STATUS (MESSAGES))', 'LIST "" % RETURN (STATUS (UIDNEXT) CHILDREN)',
        'LIST (SUBSCRIBED) "" * RETURN (STATUS (UNSEEN RECENT))', 'LIST "" * RETURN (SPECIAL-USE)',
        'LIST (SPECIAL-USE SUBSCRIBED) "" *', 'LIST (SPECIAL-USE) "" % RETURN (CHILDREN)',
        'RLIST "" *', 'XLIST "" *', 'CREATE x (USE (\\Nope))', 'CREATE y (USE (\\Sent))',
        "RENAME tree wood", 'LIST "" *', 'LSUB "" *', "DELETE wood/one", 'LIST "" wood*',
        "DELETE wood/one/leaf", 'LIST "" wood*', "DELETE wood", "DELETE top", 'LSUB "" top',
        "CREATE top", 'LIST (SUBSCRIBED) "" top', "RENAME Trash Bin", 'LIST (SPECIAL-USE) "" *',
        "CREATE Trash", 'LIST (SPECIAL-USE) "" Trash', "RENAME top a/b/c", 'LIST "" a*',
        "RENAME a/b/c a/b", "RENAME a/b wood/two", "NAMESPACE",
    ]


def rights():
    """RFC 4314, as far as one account goes."""
    yield from [
        "CREATE work", "MYRIGHTS work", "MYRIGHTS INBOX", "MYRIGHTS nope", "MYRIGHTS",
        "GETACL work", "GETACL nope", "GETACL work extra", "LISTRIGHTS work bob@example.org",
        "SETACL work bob@example.org lr", "GETACL work", "SETACL work bob@example.org +sw",
        "GETACL work", "SETACL work bob@example.org -s", "GETACL work",
        "SETACL work bob@example.org !", "SETACL work bob@example.org l9", "SETACL work anyone lr",
        'SETACL work bob@example.org ""', "GETACL work", "DELETEACL work anyone", "GETACL work",
        "DELETEACL work nobody@example.org", "SETACL nope bob@example.org l",
        "DELETEACL nope bob@example.org", "LISTRIGHTS nope bob@example.org",
        "SETACL work bob@example.org lrc", "GETACL work", "SETACL work bob@example.org lrd",
        "GETACL work", "DELETEACL work bob@example.org", 'LIST "" work RETURN (MYRIGHTS)',
    ]


def metadata():
    """RFC 5464."""
    yield from [
        "CREATE work",
        'SETMETADATA work (/private/comment "mine")',
        'SETMETADATA work (/shared/comment "ours")',
        "GETMETADATA work /private/comment",
        "GETMETADATA work (/private/comment /shared/comment)",
        "GETMETADATA work (/private/nope)",
        "GETMETADATA nope /private/comment",
        "GETMETADATA (DEPTH infinity) work /private",
        "GETMETADATA (DEPTH 1) work /shared",
        "GETMETADATA (DEPTH 0) work /shared",
        "GETMETADATA work (DEPTH 1) /shared",
        "GETMETADATA (MAXSIZE 3) work /private/comment",
        "GETMETADATA (MAXSIZE 3 DEPTH 1) work /private",
        "GETMETADATA (NOPE 1) work /private/comment",
        b"SETMETADATA work (/private/comment {3+}\r\nabc /private/other {2+}\r\nxy)",
        "GETMETADATA (DEPTH infinity) work /private",
        "SETMETADATA work (/private/comment NIL)",
        "GETMETADATA work /private/comment",
        'SETMETADATA work (/private/comment "")',
        "GETMETADATA work /private/comment",
        'SETMETADATA work (/nope/comment "x")',
        'SETMETADATA work (comment "x")',
        'SETMETADATA work (/private/ "x")',
        'SETMETADATA work (/private/a//b "x")',
        'SETMETADATA work (/private/a*b "x")',
        "SETMETADATA work (/private/comment)",
        "SETMETADATA work (/private/comment atom)",
        'SETMETADATA work /private/comment "x"',
        'SETMETADATA nope (/private/comment "x")',
        'SETMETADATA "" (/private/comment "server")',
        'GETMETADATA "" /private/comment',
        "GETMETADATA work /PRIVATE/Other",
        "RENAME work job",
        "GETMETADATA job /private/other",
        "DELETE job",
        "CREATE job",
        "GETMETADATA job /private/other",
    ]


def quota():
    """RFC 2087, 9208."""
    yield from [
        "GETQUOTAROOT INBOX", 'GETQUOTA ""', "GETQUOTA nope", "GETQUOTAROOT Archive",
        'SETQUOTA "" (STORAGE 1)', append("INBOX", PLAIN), 'GETQUOTA "" extra',
    ]


def two():
    """Two sessions in one mailbox, each with its own numbers. RFC 3501 §7, RFC 2180."""
    yield from filled(6)
    yield from [
        "CREATE work", "SELECT INBOX", (2, "SELECT INBOX"),
        "STORE 1 +FLAGS (\\Seen)", (2, "FETCH 1 FLAGS"), (2, "NOOP"), (2, "NOOP"),
        "STORE 1:2 +FLAGS.SILENT (\\Flagged)", (2, "NOOP"),
        (2, "STORE 3 +FLAGS (mine)"), "NOOP", "STORE 3 +FLAGS (yours)", (2, "NOOP"),
        append("INBOX", simple(7)), (2, "NOOP"), (2, append("INBOX", simple(8))), "NOOP",
        "STORE 2 +FLAGS.SILENT (\\Deleted)", "EXPUNGE",
        (2, "FETCH 1:* UID"), (2, "SEARCH ALL"), (2, "STORE 3 +FLAGS (\\Answered)"),
        (2, "UID FETCH 1:4 FLAGS"), (2, "NOOP"), (2, "FETCH 1:* UID"),
        "UID STORE 3,5 +FLAGS.SILENT (\\Deleted)", "UID EXPUNGE 3", (2, "SEARCH UNDELETED"),
        (2, "UID SEARCH ALL"), (2, "FETCH 2 UID"), (2, "STORE 2 +FLAGS (\\Seen)"), (2, "NOOP"),
        (2, "EXPUNGE"), "NOOP", "FETCH 1:* (UID FLAGS)", (2, "FETCH 1:* (UID FLAGS)"),
        "MOVE 1 work", (2, "COPY 1:2 work"), (2, "NOOP"), (2, "COPY 1:2 work"),
        (2, "EXAMINE INBOX"), "STORE 1 +FLAGS (\\Deleted)", (2, "NOOP"), (2, "EXPUNGE"),
        (2, "CLOSE"), "FETCH 1:* UID", (2, "SELECT INBOX"), "CLOSE", (2, "NOOP"),
        "SELECT work", (2, "SELECT work"), (2, "STORE 1 +FLAGS (\\Deleted)"), (2, "CLOSE"), "NOOP",
        (2, "RENAME work job"), "NOOP", "FETCH 1 UID", "STATUS job (MESSAGES)",
        "SELECT job", (2, "UNSUBSCRIBE job"), "UNSELECT", (2, "DELETE job"), "SELECT job",
    ]


SCRIPTS = {
    "first": script, "odd": lambda: odd(append), "condstore": condstore, "qresync": qresync,
    "appends": appends, "literals": literals, "grammar": grammar, "results": results,
    "threads": threads, "lists": lists, "rights": rights, "metadata": metadata, "quota": quota,
    "two": two,
}
