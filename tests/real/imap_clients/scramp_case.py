"""SCRAM by scramp, bound to the server's certificate (tls-server-end-point, RFC 5929 §4)."""

import imaplib
import os
import ssl

from scramp import ScramClient

port, user, password = (os.environ[name] for name in ("IMAPS_PORT", "IMAP_USER", "IMAP_PASSWORD"))
context = ssl.create_default_context(cafile=os.environ["IMAP_CA"])
for mechanism in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256"):
    session = imaplib.IMAP4_SSL("localhost", int(port), ssl_context=context)
    binding = ("tls-server-end-point", session.sock) if mechanism.endswith("-PLUS") else None
    client = ScramClient([mechanism], user, password, channel_binding=binding)
    turn = 0

    def answer(challenge):
        """The client's three turns: its first and its last message, then nothing."""
        global turn
        turn += 1
        if turn == 1:
            return client.get_client_first().encode()
        if turn == 2:
            client.set_server_first(challenge.decode())
            return client.get_client_final().encode()
        # The server has proved that it knows the password, too.
        client.set_server_final(challenge.decode())
        return b""

    session.authenticate(mechanism, answer)
    assert turn == 3, turn
    session.select("INBOX", readonly=True)
    session.logout()
