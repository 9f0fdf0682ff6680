<?php
// UW's c-client, by way of PHP: what Alpine and many web mailers speak.
function ok(string $what, $right): void
{
    if (!$right) {
        fwrite(STDERR, "$what: " . print_r(imap_errors(), true) . "\n");
        exit(1);
    }
}

$server = '{localhost:' . getenv('IMAPS_PORT') . '/imap/ssl/novalidate-cert}';
$box = imap_open($server . 'INBOX', getenv('IMAP_USER'), getenv('IMAP_PASSWORD'));
ok('open', $box);
ok('count', imap_num_msg($box) === 4);
$check = imap_check($box);
ok('check', $check->Nmsgs === 4);
$overview = imap_fetch_overview($box, '1:4');
ok('overview', count($overview) === 4 && $overview[2]->message_id === '<3@example.net>');
ok('search', imap_search($box, 'SUBJECT "Message 2"') === [2]);
ok('sort', imap_sort($box, SORTSUBJECT, true) === [4, 3, 2, 1]);
$structure = imap_fetchstructure($box, 1);
ok('structure', $structure->type === TYPETEXT && strtoupper($structure->subtype) === 'PLAIN');
ok('body', strpos(imap_body($box, 1), 'leading dot') !== false || strlen(imap_body($box, 1)) > 0);
ok('header', imap_headerinfo($box, 1)->toaddress === 'Ann <ann@example.org>');
ok('flag', imap_setflag_full($box, '1', '\\Flagged'));
ok('flagged', imap_search($box, 'FLAGGED') === [1]);
ok('create', imap_createmailbox($box, $server . 'K&APY-ln'));
$names = array_map(fn ($one) => $one->name, imap_getmailboxes($box, $server, '*'));
ok('list', in_array($server . 'K&APY-ln', $names, true));
ok('copy', imap_mail_copy($box, '1:2', 'K&APY-ln'));
$status = imap_status($box, $server . 'K&APY-ln', SA_ALL);
ok('status', $status->messages === 2);
ok('append', imap_append($box, $server . 'Drafts', "Subject: x\r\n\r\nbody\r\n", '\\Draft'));
ok('move', imap_mail_move($box, '4', 'Archive'));
ok('delete', imap_delete($box, '3'));
ok('expunge', imap_expunge($box));
ok('left', imap_num_msg($box) === 2);
ok('threads', count(imap_thread($box)) > 0);
$quota = @imap_get_quotaroot($box, 'INBOX');
imap_errors();
ok('remove', imap_deletemailbox($box, $server . 'K&APY-ln'));
ok('close', imap_close($box, CL_EXPUNGE));
