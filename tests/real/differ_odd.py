"""Messages that nobody should write, for differ.py: what is said of each, and all their sections."""

GROUPS = b"""From: "A \\"quoted\\" name" <"a b"@example.org>, <@relay,@other:route@example.org>
Sender:
Reply-To: Empty group:;, plain@example.org
To: =?utf-8?b?R3LDvMOfZQ==?= <g@example.org>, local, "no domain" <local>, two words <x@example.org>
Cc: a@example.org,, b@example.org, (only a comment), c(d)@(e)example.org (f (g))
Bcc: A: a@example.org, b@example.org; , B: c@example.org;
Date: Thu, 5 Nov 26 10:00 EST
Subject:   spaces   in\ta  subject\t
Message-ID:    <groups@example.org>  (comment)
In-Reply-To: "Your message" of yesterday <1@example.net> <2@example.net>

x
"""
TWICE = b"""Subject: first
Subject: second
From: a@example.org
From: b@example.org
To: c@example.org
To: d@example.org
Content-Type: text/html
Content-Type: text/plain
Message-ID: <first@example.org>
Message-ID: <second@example.org>

<b>twice</b>
"""
PARAMETERS = b"""Subject: parameters
MIME-Version: 1.0
Content-Type: TEXT/Plain; Charset="UTF-8" ; format=flowed; x="a\\"b\\\\c"; y*0="one "; y*1=two; z*=utf-8'de'%C3%BC
Content-Disposition: attachment; filename=
\t"folded
 name.txt"; size=12
Content-Language: de,en-GB , fr
Content-Location: http://example.org/
 folded/path
Content-ID: <id@example.org>
Content-MD5: abc==
Content-Description: =?iso-8859-1?q?d=FCnn?=
Content-Transfer-Encoding: Quoted-Printable

a=C3=BC=
b =41=zz end
"""
BARE_TYPES = b"""Subject: types without subtypes
Content-Type: text
Content-Disposition: nonsense value; a=b
Content-Transfer-Encoding: 8bit (comment)

\xc3\xbc
"""
DEEP = b"""Subject: deep
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="a"

--a
Content-Type: multipart/alternative; boundary="aa"

--aa
Content-Type: text/plain

one
--aa
Content-Type: multipart/related; boundary=" b b"

-- b b
Content-Type: text/html

<p>two
-- b b
Content-Type: image/png; name=x.png
Content-Transfer-Encoding: BASE64

iVBORw0KGgo=
-- b b--
--aa--
--a
Content-Type: message/rfc822

Subject: within
Content-Type: message/rfc822

Subject: within that
Content-Type: multipart/mixed; boundary="c"

--c

innermost
--c
Content-Type: text/plain

second

--c--
--a--
"""
UNCLOSED = b"""Subject: unclosed
Content-Type: multipart/mixed; boundary=u

--u
Content-Type: text/plain

one
--u
Content-Type: multipart/mixed; boundary=v

--v

two
--u

three
"""
EMPTY_PARTS = b"""Subject: empty parts
Content-Type: multipart/mixed; boundary=e

--e
--e

--e
Content-Type: text/plain
--e
Content-Type: text/plain

--e--
"""
ENCODED_MESSAGE = b"""Subject: an encoded message
Content-Type: multipart/mixed; boundary=m

--m
Content-Type: message/rfc822
Content-Transfer-Encoding: base64

U3ViamVjdDogaGlkZGVuCgpib2R5Cg==
--m
Content-Type: message/delivery-status

Reporting-MTA: dns; example.org

Final-Recipient: rfc822; a@example.org
--m
Content-Type: message/external-body; access-type=URL; URL="http://example.org/"

Content-Type: text/plain

--m
Content-Type: message/rfc822

--m--
"""
EIGHT_BIT = b"""Subject: Gr\xc3\xbc\xc3\x9fe
From: J\xc3\xbcrgen <j@example.org>
To: "J\xc3\xbcrgen" <j@example.org>
Date: 5 Nov 2026 10:00:00 +0000 (CET) trailing
Message-ID: <eight@example.org>
Content-Type: text/plain; charset=iso-8859-1; name="\xc3\xbc.txt"

caf\xe9
"""
NO_COLON = b"""Subject: a line without a colon
this is no field
X-After: it
 folded

body
"""
LONG = (
    b"Subject: " + b" ".join(b"word%d" % number for number in range(400)) + b"\nReferences: "
    + b"\n ".join(b"<ref%d@example.org>" % number for number in range(120)) + b"\n\nlong\n"
)
SPACES = b"""Subject : a space before the colon
From:no-space@example.org
To:
 folded@example.org
Date:
X-Empty:
Content-Type: multipart/mixed; boundary="sp ace"

--sp ace \t
Content-Type: text/plain; charset=us-ascii

trailing blanks after the boundary
--sp ace--   \t
epilogue
"""
DIGESTED = b"""Subject: digest of odd things
Content-Type: multipart/digest; boundary=d

--d

From: one@example.org
Subject: one

1
--d
Content-Type: multipart/parallel; boundary=p

--p
Content-Type: audio/basic

a
--p--
--d--
"""
BAD_ENCODINGS = b"""Subject: bad encodings
Content-Type: multipart/mixed; boundary=b

--b
Content-Transfer-Encoding: base64

aGVsbG8=aGVsbG8
!!!!
--b
Content-Transfer-Encoding: base64

aGVsb
--b
Content-Transfer-Encoding: quoted-printable

soft=\x20
break =3D =3 =
--b
Content-Transfer-Encoding: binary

a\xff
--b--
"""
ODD = [
    GROUPS, TWICE, PARAMETERS, BARE_TYPES, DEEP, UNCLOSED, EMPTY_PARTS, ENCODED_MESSAGE, EIGHT_BIT,
    NO_COLON, LONG, SPACES, DIGESTED, BAD_ENCODINGS,
]

SECTIONS = [
    "", "HEADER", "TEXT", "HEADER.FIELDS (SUBJECT TO X-NOPE)", "HEADER.FIELDS.NOT (SUBJECT TO)",
    "1", "1.MIME", "1.HEADER", "1.TEXT", "1.1", "1.1.MIME", "1.2", "1.2.1", "1.2.2.MIME", "1.1.1",
    "2", "2.MIME", "2.HEADER", "2.TEXT", "2.1", "2.1.HEADER", "2.1.TEXT", "2.1.1", "2.1.2.MIME",
    "2.HEADER.FIELDS (SUBJECT)", "2.1.HEADER.FIELDS.NOT (SUBJECT)", "3", "3.MIME", "4", "4.HEADER",
    "4.TEXT", "9",
]


def odd(append):
    """Everything that can be asked of each of them."""
    for octets in ODD:
        yield append("INBOX", octets)
    yield "SELECT INBOX"
    yield from ["FETCH 1:* RFC822.SIZE", "FETCH 1:* ENVELOPE", "FETCH 1:* BODYSTRUCTURE"]
    yield from ["FETCH 1:* BODY", "FETCH 1:* RFC822.HEADER", "FETCH 1:* PREVIEW"]
    for section in SECTIONS:
        yield f"FETCH 1:* BODY.PEEK[{section}]"
    yield from ["FETCH 1:* BODY.PEEK[]<3.5>", "FETCH 1:* BODY.PEEK[1]<2.3>"]
    yield from ["FETCH 1:* BODY.PEEK[TEXT]<0.4>", "FETCH 5 BODY.PEEK[2.TEXT]<5.9>"]
    for section in ("1", "1.1", "2", "3", "4"):
        for number in (3, 4, 5, 8, 9, 13):
            yield f"FETCH {number} BINARY.PEEK[{section}]"
            yield f"FETCH {number} BINARY.SIZE[{section}]"
    yield from ["FETCH 14 BINARY.PEEK[3]", "FETCH 14 BINARY.PEEK[4]", "FETCH 5 BINARY.PEEK[]"]
    yield from ["FETCH 1 BINARY.PEEK[HEADER]", "FETCH 5 BINARY.PEEK[1.2.2]<1.3>"]
    for key in ("FROM j\u00fcrgen", "SUBJECT gr\u00fc\u00dfe", "BODY caf\u00e9", "BODY hidden", "BODY innermost",
                "TEXT spaces", "SUBJECT second", "SUBJECT \"spaces in\"", "TO local", "CC only",
                "HEADER Content-Type html", "HEADER X-After folded", "BODY preamble",
                "BODY epilogue", "BODY Final-Recipient", "TEXT innermost", "FROM b@example.org",
                "SENTON 5-Nov-2026", "HEADER X-Empty \"\"", "SUBJECT word399"):
        yield f"SEARCH CHARSET UTF-8 {key}"
    for order in ("SUBJECT", "FROM", "TO", "CC", "DATE", "SIZE", "DISPLAYFROM", "DISPLAYTO"):
        yield f"SORT ({order}) UTF-8 ALL"
    yield from ["THREAD REFERENCES UTF-8 ALL", "THREAD ORDEREDSUBJECT UTF-8 ALL"]
