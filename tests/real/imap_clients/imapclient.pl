# Mail::IMAPClient: the library of imapsync and many scripts.
use strict;
use warnings;
use Mail::IMAPClient;

my $imap = Mail::IMAPClient->new(
    Server   => 'localhost',
    Port     => $ENV{IMAPS_PORT},
    User     => $ENV{IMAP_USER},
    Password => $ENV{IMAP_PASSWORD},
    Ssl      => [ SSL_ca_file => $ENV{IMAP_CA} ],
    Uid      => 1,
    Peek     => 1,
) or die "cannot connect: $@";

sub ok {
    my ($what, $right) = @_;
    die "$what: " . ($imap->LastError // 'wrong') . "\n" unless $right;
}

ok('folders', grep { $_ eq 'Archive' } @{ $imap->folders });
ok('select', $imap->select('INBOX'));
ok('count', $imap->message_count == 4);
my @uids = $imap->messages;
ok('uids', "@uids" eq '1 2 3 4');
ok('search', ($imap->search(SUBJECT => \$imap->Quote('Message 3')))[0] == 3);
my $text = $imap->message_string(2);
ok('text', $text =~ /Message-ID: <2\@example.net>/);
ok('size', length($text) == $imap->size(2));
my $headers = $imap->parse_headers(\@uids, 'Subject', 'Message-ID');
ok('headers', $headers->{3}{'Message-ID'}[0] eq '<3@example.net>');
my $envelope = $imap->get_envelope(1);
ok('envelope', $envelope->messageid eq '<1@example.net>');
my $structure = $imap->get_bodystructure(1);
ok('structure', lc $structure->bodytype eq 'text');
ok('flag', $imap->set_flag('Flagged', 1));
ok('flags', grep { $_ eq '\\Flagged' } $imap->flags(1));
ok('create', $imap->create('a "quoted" name'));
ok('exists', $imap->exists('a "quoted" name'));
ok('copy', $imap->copy('a "quoted" name', 1, 2));
ok('status', $imap->message_count('a "quoted" name') == 2);
my $uid = $imap->append_string('Drafts', "Subject: x\r\n\r\nbody\r\n", '\\Draft \\Seen');
ok('append', $uid);
ok('move', $imap->move('Archive', 4));
ok('expunge', $imap->expunge);
ok('left', $imap->message_count == 3);
ok('delete', $imap->delete_message(3) && $imap->uidexpunge(3));
ok('left', $imap->message_count == 2);
ok('unseen', $imap->unseen_count == 2);
ok('remove', $imap->delete('a "quoted" name'));
ok('subscribe', $imap->unsubscribe('Junk') && !grep { $_ eq 'Junk' } $imap->subscribed);
ok('idle', $imap->idle && $imap->done);
ok('logout', $imap->logout);
