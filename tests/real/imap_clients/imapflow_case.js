// ImapFlow: the library behind many Node mail programs; it uses every extension that it sees.
const fs = require('fs');
const assert = require('assert');
const { ImapFlow } = require('imapflow');

const options = () => ({
    host: 'localhost',
    port: Number(process.env.IMAPS_PORT),
    secure: true,
    auth: { user: process.env.IMAP_USER, pass: process.env.IMAP_PASSWORD },
    tls: { ca: fs.readFileSync(process.env.IMAP_CA) },
    logger: false,
});

async function main() {
    const client = new ImapFlow({ ...options(), qresync: true });
    await client.connect();
    const folders = await client.list({ statusQuery: { messages: true, uidNext: true } });
    const uses = Object.fromEntries(folders.map((f) => [f.path, f.specialUse]));
    assert.strictEqual(uses.INBOX, '\\Inbox');
    assert.strictEqual(uses.Sent, '\\Sent');
    assert.strictEqual(uses.Trash, '\\Trash');

    let lock = await client.getMailboxLock('INBOX');
    assert.strictEqual(client.mailbox.exists, 5);
    const seen = [];
    for await (const message of client.fetch('1:*', {
        uid: true, flags: true, envelope: true, bodyStructure: true, size: true, internalDate: true,
    })) {
        seen.push(message);
    }
    assert.strictEqual(seen.length, 5);
    assert.strictEqual(seen[2].envelope.subject, 'Message 3: Grüße');
    assert.strictEqual(seen[2].bodyStructure.type, 'text/plain');
    const { content } = await client.download('2', undefined);
    const chunks = [];
    for await (const chunk of content) chunks.push(chunk);
    assert.strictEqual(Buffer.concat(chunks).length, seen[1].size);
    assert.deepStrictEqual(await client.search({ subject: 'Message 4' }, { uid: true }), [4]);

    await client.mailboxCreate(['Köln', 'Büro']);
    await client.messageFlagsAdd('1', ['\\Seen', '$Label1']);
    assert((await client.fetchOne('1', { flags: true })).flags.has('$Label1'));
    const copied = await client.messageCopy('1:2', 'Köln/Büro');
    assert.strictEqual(copied.uidMap.size, 2);
    const moved = await client.messageMove('5', 'Archive', { uid: true });
    assert.strictEqual(moved.uidMap.size, 1);
    await client.messageDelete('4', { uid: true });

    const pushed = new Promise((resolve) => client.once('exists', resolve));
    const idle = client.idle();
    const other = new ImapFlow(options());
    await other.connect();
    const appended = await other.append('INBOX', 'Subject: pushed\r\n\r\nbody\r\n', ['\\Draft']);
    assert(appended.uid >= 6);
    assert.strictEqual((await other.append('INBOX', 'Subject: two\r\n\r\nbody\r\n')).uid, appended.uid + 1);
    await pushed;
    await client.noop();
    await idle;
    const exists = client.mailbox.exists;
    lock.release();
    await client.mailboxRename('Köln/Büro', 'Büro');
    await client.mailboxDelete('Büro');
    await other.logout();
    await client.logout();
    console.log(JSON.stringify({ exists }));
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
