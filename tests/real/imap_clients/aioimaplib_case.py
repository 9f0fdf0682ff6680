"""aioimaplib: asynchronous use, IDLE with a push in it."""

import asyncio
import os
import ssl

import aioimaplib


async def connect(context):
    client = aioimaplib.IMAP4_SSL(
        host="localhost", port=int(os.environ["IMAPS_PORT"]), ssl_context=context, timeout=20
    )
    await client.wait_hello_from_server()
    answer = await client.login(os.environ["IMAP_USER"], os.environ["IMAP_PASSWORD"])
    assert answer.result == "OK", answer
    return client


async def main():
    context = ssl.create_default_context(cafile=os.environ["IMAP_CA"])
    client = await connect(context)
    answer = await client.select("INBOX")
    assert aioimaplib.extract_exists(answer) == 3, answer
    answer = await client.uid_search("ALL")
    assert answer.lines[0].split() == [b"1", b"2", b"3"], answer
    answer = await client.uid("fetch", "1:*", "(UID FLAGS RFC822.SIZE)")
    assert answer.result == "OK" and len(answer.lines) == 4, answer
    answer = await client.uid("fetch", "2", "BODY.PEEK[]")
    assert b"Message-ID: <2@example.net>" in answer.lines[1], answer
    answer = await client.store("1", "+FLAGS", r"(\Seen)")
    assert answer.result == "OK", answer

    idle = await client.idle_start(timeout=60)
    other = await connect(context)
    await other.append(b"Subject: pushed\r\n\r\nbody\r\n", "INBOX")
    pushed = await client.wait_server_push(timeout=20)
    while not any(line.endswith(b"EXISTS") for line in pushed):
        pushed = await client.wait_server_push(timeout=20)
    assert b"4 EXISTS" in pushed, pushed
    client.idle_done()
    await asyncio.wait_for(idle, 20)

    answer = await client.uid("move", "1", "Archive")
    assert answer.result == "OK", answer
    answer = await client.status("INBOX", "(MESSAGES UNSEEN)")
    assert b"MESSAGES 3" in answer.lines[0], answer
    await other.logout()
    await client.logout()


asyncio.run(main())
