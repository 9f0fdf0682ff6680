"""What Python's email package makes of a message, beside what an IMAP server says.

The judge has an opinion only where the message leaves no room for another: each
case in which the two differ by design is named in EXPLAINED, with its reason.
"""

import email
import email.errors
import email.header
import email.policy
import email.utils
import re

# Why the package and the server may rightly differ.
EXPLAINED = {
    "no-separator": "a line that is no field ends the package's header; the server's"
    " ends at the first blank line alone (RFC 5322 2.1)",
    "no-boundary": "a multipart whose boundary is missing or never comes: the package"
    " says multipart without parts, which BODYSTRUCTURE cannot; the server says text",
    "no-close": "the last part ends with the message: the package takes its last line"
    " break away as if a boundary followed, the server leaves it (RFC 2046 5.1.1)",
    "bad-type": "parameters without a semicolon before them: the package takes them"
    " for a part of the subtype",
    "address": "an address list that breaks RFC 5322: the package gives up or guesses",
    "eight-bit": "octets beyond ASCII in a header field: the package replaces them",
}


# How often each may be the answer for the mails of the corpus.
EXPLAINED_COUNTS = {
    "address": 58,
    "bad-type": 1,
    "eight-bit": 44,
    "no-boundary": 2,
    "no-close": 50,
}


def parse_response(octets):
    """The nested lists of a parenthesized IMAP value; strings as bytes, NIL as None."""
    value, at = _value(octets, 0)
    if at != len(octets):
        raise ValueError(f"{octets[at:at + 40]!r} follows the value")
    return value


def _value(octets, at):
    first = octets[at:at + 1]
    if first == b"(":
        items, at = [], at + 1
        while octets[at:at + 1] != b")":
            if octets[at:at + 1] == b" ":
                at += 1
            item, at = _value(octets, at)
            items.append(item)
        return items, at + 1
    if first == b'"':
        end = at + 1
        while octets[end:end + 1] != b'"':
            end += 2 if octets[end:end + 1] == b"\\" else 1
        return re.sub(rb"\\(.)", rb"\1", octets[at + 1:end]), end + 1
    if first == b"{":
        length, start = re.match(rb"\{(\d+)\}\r\n", octets[at:]), 0
        start = at + length.end()
        end = start + int(length[1])
        return octets[start:end], end
    atom = re.match(rb"[^() ]+", octets[at:])
    if not atom:
        raise ValueError(f"no value at {octets[at:at + 40]!r}")
    text = atom[0]
    return (None if text == b"NIL" else int(text) if text.isdigit() else text), at + len(text)


def structure_of(body):
    """A BODYSTRUCTURE as (type, children) or (type, octets, lines or None)."""
    if isinstance(body[0], list):
        count = next(i for i, item in enumerate(body) if not isinstance(item, list))
        return "multipart/" + text(body[count]), [structure_of(child) for child in body[:count]]
    kind = f"{text(body[0])}/{text(body[1])}"
    if kind == "message/rfc822":
        return kind, [structure_of(body[8])]
    lines = body[7] if kind.startswith("text/") else None
    return kind, body[6], lines


def text(octets):
    return octets.decode("latin-1").lower()


def expected_structure(part):
    """The same from a parsed message."""
    kind = part.get_content_type()
    if " " in kind:
        raise Unjudged("bad-type")
    if part.get_content_maintype() == "message" and kind != "message/rfc822":
        # The package looks into these and keeps no octets; IMAP does not look.
        return kind, ANY, None
    if part.is_multipart():
        return kind, [expected_structure(child) for child in part.get_payload()]
    if kind.startswith("multipart/"):
        raise Unjudged("no-boundary")
    # Not get_payload(), which decodes.
    octets = part._payload.encode("ascii", "surrogateescape")
    return kind, len(octets), octets.count(b"\n") if kind.startswith("text/") else None


class Any:
    """Equal to everything."""

    def __eq__(self, other):
        return True

    def __repr__(self):
        return "any"


ANY = Any()


class Unjudged(Exception):
    """The package cannot judge; the reason is a key of EXPLAINED."""


def parse(message):
    """The message as the package sees it."""
    return email.message_from_bytes(message, policy=email.policy.compat32)


def defects(part):
    for one in part.walk():
        yield from (type(defect).__name__ for defect in one.defects)


def reason(parsed):
    """Why this message's structure cannot be judged, or None."""
    found = set(defects(parsed))
    if found & {"MissingHeaderBodySeparatorDefect", "FirstHeaderLineIsContinuationDefect"}:
        return "no-separator"
    if found & {"NoBoundaryInMultipartDefect", "StartBoundaryNotFoundDefect"}:
        return "no-boundary"
    if "CloseBoundaryNotFoundDefect" in found:
        return "no-close"
    return None


def judge_structure(parsed, body):
    """None if the two agree, a key of EXPLAINED, or what is wrong."""
    try:
        expected = expected_structure(parsed)
    except Unjudged as unjudged:
        return str(unjudged)
    if structure_of(body) == expected:
        return None
    return reason(parsed) or f"structure: {structure_of(body)} is not {expected}"


def unfolded(value):
    return re.sub(r"\r?\n", "", value).strip(" \t\r\n") if value is not None else None


def judge_envelope(parsed, envelope):
    """As judge_structure, for ENVELOPE."""
    names = ["Date", "Subject", "From", "Sender", "Reply-To", "To", "Cc", "Bcc",
             "In-Reply-To", "Message-ID"]
    given = dict(zip(names, envelope))
    for name in ("Date", "Subject", "In-Reply-To", "Message-ID"):
        value = parsed[name]
        if value is not None and not isinstance(value, str):
            return "eight-bit"
        value = unfolded(value)
        mine = None if given[name] is None else given[name].decode("ascii", "surrogateescape")
        if mine != value:
            return f"{name}: {mine!r} is not {value!r}"
    for name in ("From", "To", "Cc"):
        values = [value for value in parsed.get_all(name, [])]
        if not all(isinstance(value, str) for value in values):
            return "eight-bit"
        expected = [address for _, address in email.utils.getaddresses(values) if "@" in address]
        mine = [f"{a[2].decode('latin-1')}@{a[3].decode('latin-1')}" for a in given[name] or []
                if a[2] is not None and a[3] is not None]
        mine = [address for address in mine if "MISSING_" not in address]
        if [a.strip('"').lower() for a in mine] != [a.strip('"').lower() for a in expected]:
            if all(plain_list(value) for value in values):
                return f"{name}: {mine} is not {expected} in {values}"
            return "address"
    return None


def plain_list(value):
    """Whether the value is made of plain addresses, so that nobody can misread it."""
    name = r'(?:"[^"\\]*"|[\w .=?\'-]*)'
    address = r"[\w.+=-]+@[\w.-]+"
    one = rf"\s*(?:{name}\s*<{address}>|{address})\s*"
    return re.fullmatch(rf"{one}(?:,{one})*", value) is not None


def leaves(body, part, path=""):
    """Path, octets and the package's part of each leaf, of multiparts and of
    messages in them."""
    if isinstance(body[0], list):
        children = [item for item in body if isinstance(item, list)]
        count = next(i for i, item in enumerate(body) if not isinstance(item, list))
        for number, (child, sub) in enumerate(zip(children[:count], part.get_payload()), 1):
            yield from leaves(child, sub, f"{path}.{number}".lstrip("."))
        return
    kind = f"{text(body[0])}/{text(body[1])}"
    if kind == "message/rfc822":
        inner, sub = body[8], part.get_payload()[0]
        if isinstance(inner[0], list):
            yield from leaves(inner, sub, path)
        else:
            yield from leaves(inner, sub, f"{path}.1")
        return
    yield path, body[6], None if part.get_content_maintype() == "message" else part


def octets_of(part):
    """A leaf's octets as they stand."""
    return part._payload.encode("ascii", "surrogateescape")


def decoded(value):
    """A header field's value as text."""
    if not isinstance(value, str):
        return None
    try:
        return str(email.header.make_header(email.header.decode_header(unfolded(value))))
    except (LookupError, UnicodeError, email.errors.HeaderParseError):
        return None


def subject_has(parsed, word):
    subject = parsed["Subject"]
    return subject is not None and word in (decoded(subject) or str(subject)).lower()


def body_has(parsed, word):
    for part in parsed.walk():
        if part.get_content_maintype() == "text" and not part.is_multipart():
            if word.encode() in (part.get_payload(decode=True) or b"").lower():
                return True
    return False
