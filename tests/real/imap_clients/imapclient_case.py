"""imapclient: what its users do, over TLS and with what it makes of the answers."""

import os
import ssl
from datetime import datetime, timezone

from imapclient import IMAPClient

context = ssl.create_default_context(cafile=os.environ["IMAP_CA"])
client = IMAPClient("localhost", port=int(os.environ["IMAPS_PORT"]), ssl_context=context)
client.login(os.environ["IMAP_USER"], os.environ["IMAP_PASSWORD"])
client.id_({"name": "imapclient"})
capabilities = client.capabilities()
personal = client.namespace().personal
assert personal[0][1] == "/", personal

found = client.select_folder("INBOX")
assert found[b"EXISTS"] == 5, found
uids = client.search(["SUBJECT", "Message 3"])
assert len(uids) == 1, uids
assert client.search(["SUBJECT", "Grüße"], charset="UTF-8") == client.search("ALL")
fetched = client.fetch(uids, ["ENVELOPE", "BODYSTRUCTURE", "FLAGS", "INTERNALDATE", "RFC822.SIZE"])
data = fetched[uids[0]]
assert data[b"ENVELOPE"].message_id == b"<3@example.net>", data
assert data[b"BODYSTRUCTURE"][:2] == (b"text", b"plain"), data
body = client.fetch(uids, ["BODY.PEEK[]"])[uids[0]][b"BODY[]"]
assert len(body) == data[b"RFC822.SIZE"]

client.add_flags(uids, [b"\\Flagged", b"$Work"])
assert set(client.get_flags(uids)[uids[0]]) >= {b"\\Flagged", b"$Work"}
client.remove_flags(uids, [b"$Work"])
client.create_folder("Müller & Söhne/2026")
assert "Müller & Söhne/2026" in {name for _, _, name in client.list_folders()}
client.copy(uids, "Müller & Söhne/2026")
assert client.folder_status("Müller & Söhne/2026")[b"MESSAGES"] == 1
client.move(client.search("ALL")[:1], "Archive")
assert len(client.search("ALL")) == 4
when = datetime(2026, 11, 2, 10, tzinfo=timezone.utc)
client.append("Drafts", b"Subject: draft\r\n\r\nbody\r\n", flags=[b"\\Draft"], msg_time=when)
assert client.folder_status("Drafts", ["MESSAGES", "UIDNEXT"])[b"MESSAGES"] == 1
if b"SORT" in capabilities:
    client.append("INBOX", b"Subject: Aaa\r\n\r\nbody\r\n")
    order = client.sort("SUBJECT")
    assert order[0] == max(order), order
    client.delete_messages(order[:1])
    client.uid_expunge(order[:1]) if b"UIDPLUS" in capabilities else client.expunge()
if b"THREAD=REFERENCES" in capabilities:
    assert len(client.thread(algorithm="REFERENCES")) == 4
if b"CONDSTORE" in capabilities:
    status = client.folder_status("INBOX", ["HIGHESTMODSEQ"])[b"HIGHESTMODSEQ"]
    client.set_flags(client.search("ALL")[:1], [b"\\Seen"])
    changed = client.fetch(client.search("ALL"), ["FLAGS"], [f"CHANGEDSINCE {status}"])
    assert len(changed) == 1, changed
if b"QUOTA" in capabilities:
    roots, quotas = client.get_quota_root("INBOX")
    assert roots.quota_roots, roots

client.idle()
other = IMAPClient("localhost", port=int(os.environ["IMAPS_PORT"]), ssl_context=context)
other.login(os.environ["IMAP_USER"], os.environ["IMAP_PASSWORD"])
other.append("INBOX", b"Subject: pushed\r\n\r\nbody\r\n")
pushed = client.idle_check(timeout=10)
assert (5, b"EXISTS") in pushed, pushed
client.idle_done()
other.delete_folder("Müller & Söhne/2026")
other.logout()
client.logout()
