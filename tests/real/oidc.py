#!/usr/bin/env python3
"""Tokens of a real OpenID Connect provider open mail over POP3 and IMAP, and others do not.

    cargo build && python3 tests/real/oidc.py [NAME …]

The provider is node-oidc-provider (npm), which is certified by the OpenID Foundation; it
is put into target/oidc the first time. Needs (Debian): openssl curl npm.
"""

import base64
import contextlib
import http.cookiejar
import imaplib
import json
import os
import poplib
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from server import ROOT, server
from suite import USER, case, equal, main, run, sample

LIBRARIES = Path(os.environ.get("OIDC", ROOT / "target" / "oidc"))
SCRIPT = Path(__file__).parent / "oidc_provider.mjs"
SECRET = "not-a-secret-but-a-long-one:%+/"
DONE = "http://127.0.0.1/done"


def install():
    """The provider; its newest major version wants a newer Node.js than Debian has."""
    if not (LIBRARIES / "node_modules" / "oidc-provider").exists():
        LIBRARIES.mkdir(parents=True, exist_ok=True)
        npm = ["npm", "install", "--silent", "--no-fund", "--prefix", LIBRARIES, "oidc-provider@9"]
        subprocess.run(npm, check=True, stdout=subprocess.DEVNULL)


class Provider:
    """The provider, and what a mail program asks it for."""

    def __init__(self, issuer):
        self.issuer = issuer

    def ask(self, path, fields):
        pair = f"{urllib.parse.quote('program')}:{urllib.parse.quote(SECRET, safe='')}"
        request = urllib.request.Request(
            self.issuer + path, urllib.parse.urlencode(fields).encode(),
            {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()})
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def token(self, resource="urn:mail", scope="imap pop"):
        """A program's own token. RFC 6749 §4.4."""
        fields = {"grant_type": "client_credentials", "resource": resource, "scope": scope}
        return self.ask("/token", fields)["access_token"]

    def person(self, name):
        """Somebody logs in on the provider's pages and allows it. RFC 6749 §4.1."""
        jar = http.cookiejar.CookieJar()
        browser = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(jar), UntilDone())
        query = urllib.parse.urlencode({
            "client_id": "program", "response_type": "code", "redirect_uri": DONE,
            "scope": "openid imap pop", "resource": "urn:mail"})
        answer = browser.open(f"{self.issuer}/auth?{query}", timeout=30)
        for fields in ({"prompt": "login", "login": name, "password": "x"},
                       {"prompt": "consent"}):
            page = answer.read().decode()
            form = re.search(r'<form[^>]* action="([^"]+)"', page)
            assert form, page
            where = urllib.parse.urljoin(answer.url, form.group(1))
            try:
                answer = browser.open(where, urllib.parse.urlencode(fields).encode(), timeout=30)
            except Done as done:
                code = urllib.parse.parse_qs(urllib.parse.urlparse(done.url).query)["code"][0]
                return self.ask("/token", {
                    "grant_type": "authorization_code", "code": code, "redirect_uri": DONE,
                    "resource": "urn:mail"})["access_token"]
        raise AssertionError(f"no code: {answer.url}")


class Done(Exception):
    def __init__(self, url):
        super().__init__(url)
        self.url = url


class UntilDone(urllib.request.HTTPRedirectHandler):
    """Follows redirections as a browser does, until one leads back to the program."""

    def redirect_request(self, request, answer, code, text, headers, url):
        if url.startswith(DONE):
            raise Done(url)
        return super().redirect_request(request, answer, code, text, headers, url)


@contextlib.contextmanager
def provider(algorithm="RS256", lifetime=600):
    """The running provider."""
    script = LIBRARIES / SCRIPT.name
    script.write_text(SCRIPT.read_text())
    process = subprocess.Popen(
        ["node", script, SECRET, algorithm, str(lifetime)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        issuer = process.stdout.readline().strip()
        assert issuer, "the provider did not start"
        yield Provider(issuer)
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextlib.contextmanager
def mail_for(settings):
    """A server with [auth.oauth], and mail for one account."""
    with server(f"[auth.oauth]\n{settings}\n") as mail:
        mail.add_account(USER)
        mail.deliver(USER, sample(1))
        yield mail


def signed_for(issuer, more='audience = "urn:mail"\nclaim = "mailbox"'):
    return mail_for(f'issuer = "{issuer.issuer}"\n{more}')


def asked_of(issuer, more='claim = "mailbox"'):
    return mail_for(
        f'introspection-url = "{issuer.issuer}/token/introspection"\n'
        f'client-id = "restante"\nclient-secret = "{SECRET}"\n{more}')


def bearer(token):
    # RFC 7628 §3.1.
    return f"n,a={USER},\x01auth=Bearer {token}\x01\x01".encode()


def xoauth2(token):
    return f"user={USER}\x01auth=Bearer {token}\x01\x01".encode()


def over_imap(mail, token, mechanism="OAUTHBEARER"):
    """How many messages there are; `None`: the token is refused."""
    answers = iter([(bearer if mechanism == "OAUTHBEARER" else xoauth2)(token), b"\x01"])
    session = imaplib.IMAP4_SSL("localhost", mail.ports["imaps"], ssl_context=mail.tls_context())
    with contextlib.closing(session.sock):
        try:
            session.authenticate(mechanism, lambda _: next(answers))
        except imaplib.IMAP4.error as refused:
            assert "AUTHENTICATIONFAILED" in str(refused), refused
            return None
        return int(session.select("INBOX", readonly=True)[1][0])


def over_pop3(mail, token, mechanism="OAUTHBEARER"):
    """The same."""
    first = (bearer if mechanism == "OAUTHBEARER" else xoauth2)(token)
    session = poplib.POP3_SSL("localhost", mail.ports["pop3s"], context=mail.tls_context())
    with contextlib.closing(session.sock):
        session._putcmd(f"AUTH {mechanism} {base64.b64encode(first).decode()}")
        answer = session._getline()[0]
        if answer.startswith(b"+ "):
            # RFC 7628 §3.2.3: why, and the client says that it has read it.
            assert b"status" in base64.b64decode(answer[2:]), answer
            session._putcmd("AQ==")
            answer = session._getline()[0]
        if answer.startswith(b"+OK"):
            return session.stat()[0]
        assert answer.startswith(b"-ERR [AUTH]"), answer
        return None


def opens(mail, token):
    """What all of these find, which must be the same."""
    found = {
        over(mail, token, mechanism)
        for over in (over_imap, over_pop3) for mechanism in ("OAUTHBEARER", "XOAUTH2")
    }
    equal(len(found), 1)
    return found.pop()


@case
def signed(_):
    """Tokens signed by each of the algorithms, looked up from the issuer alone."""
    for algorithm in ("RS256", "PS256", "ES256", "EdDSA"):
        with provider(algorithm) as issuer, signed_for(issuer) as mail:
            equal(opens(mail, issuer.token()), 1)


@case
def person(_):
    """Somebody who logs in on the provider's pages; another has no mail here."""
    with provider() as issuer, signed_for(issuer) as mail:
        equal(opens(mail, issuer.person(USER)), 1)
        equal(over_imap(mail, issuer.person("bob@example.org")), None)


@case
def curl(_):
    """A program that is not ours."""
    with provider() as issuer, signed_for(issuer) as mail:
        for protocol in ("imaps", "pop3s"):
            done = run("curl", "--silent", "--show-error", "--cacert", mail.certificate,
                       "--user", f"{USER}:", "--oauth2-bearer", issuer.token(),
                       f"{protocol}://localhost:{mail.ports[protocol]}/")
            assert b"INBOX" in done.stdout or b"1 " in done.stdout, done.stdout


@case
def refused(_):
    """Tokens for others, of others, that were changed, and those that ended."""
    with provider() as issuer, signed_for(issuer) as mail, provider() as another:
        good = issuer.token()
        head, claims, signature = good.split(".")
        forged = base64.urlsafe_b64encode(
            base64.urlsafe_b64decode(claims + "==").replace(b"urn:mail", b"urn:mai1")).decode()
        wrong = [issuer.token("urn:other"), another.token(), issuer.token("urn:opaque"),
                 f"{head}.{forged.rstrip('=')}.{signature}", f"{head}.{claims}.", good[:-8]]
        for token in wrong:
            equal(over_pop3(mail, token), None)
        equal(over_imap(mail, good), 1)
    only_imap = 'audience = "urn:mail"\nclaim = "mailbox"\nscopes = ["imap"]'
    with provider() as issuer, signed_for(issuer, only_imap) as mail:
        equal(over_imap(mail, issuer.token(scope="imap")), 1)
        equal(over_imap(mail, issuer.token(scope="pop")), None)


@case
def expired(_):
    """A minute is left to clocks that differ; then a token is over."""
    with provider(lifetime=1) as issuer, signed_for(issuer) as mail:
        token = issuer.token()
        equal(over_imap(mail, token), 1)
        time.sleep(62.5)
        equal(over_imap(mail, token), None)
        equal(over_pop3(mail, token), None)


@case
def introspection(_):
    """Tokens that only the issuer can read, and one that it has taken back."""
    with provider() as issuer, asked_of(issuer) as mail:
        equal(opens(mail, issuer.token("urn:opaque")), 1)
        gone = issuer.token("urn:opaque")
        issuer.ask("/token/revocation", {"token": gone})
        equal(opens(mail, gone), None)
        equal(over_pop3(mail, "nobody-knows-it"), None)
    with provider(lifetime=1) as issuer, asked_of(issuer) as mail:
        token = issuer.token("urn:opaque")
        time.sleep(2)
        equal(over_imap(mail, token), None)
    for audience, found in (("urn:opaque", 1), ("urn:mail", None)):
        more = f'claim = "mailbox"\naudience = "{audience}"'
        with provider() as issuer, asked_of(issuer, more) as mail:
            equal(over_imap(mail, issuer.token("urn:opaque")), found)


if __name__ == "__main__":
    install()
    main()
