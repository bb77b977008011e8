# Cache::Memcached::Fast: text protocol, deep pipelines of requests without answers.

use strict;
use warnings;

use Cache::Memcached::Fast;

my ($host, $port) = (@ARGV, '127.0.0.1', 11211);
my $client = Cache::Memcached::Fast->new({
    servers => ["$host:$port"],
    io_timeout => 10,
    max_size => 2 * 1024 * 1024,
    utf8 => 0,
});
my $count = 0;

sub equal {
    my ($found, $expected) = @_;
    $count++;
    $_ = defined $_ ? $_ : '(none)' for ($found, $expected);
    die "found $found, expected $expected, at line " . (caller)[2] . "\n" unless $found eq $expected;
}

sub holds { equal($_[0] ? 1 : 0, 1) }
sub fails { equal($_[0] ? 1 : 0, 0) }

holds($client->flush_all);
equal($client->get('k'), undef);
holds($client->set('k', 'one'));
equal($client->get('k'), 'one');
fails($client->add('k', 'two'));
holds($client->add('new', 'two'));
holds($client->replace('k', 'three'));
fails($client->replace('absent', 'x'));
holds($client->append('k', '>'));
holds($client->prepend('k', '<'));
equal($client->get('k'), '<three>');
holds($client->set('typed', { a => [1, 2] }));
equal($client->get('typed')->{a}[1], 2);

my $seen = $client->gets('k');
equal($seen->[1], '<three>');
holds($client->cas('k', $seen->[0], 'four'));
fails($client->cas('k', $seen->[0], 'five'));
equal($client->get('k'), 'four');

holds($client->set('n', 10));
equal($client->incr('n', 5), 15);
equal($client->decr('n', 6), 9);
equal($client->decr('n', 100) + 0, 0);
fails($client->incr('absent'));

holds($client->set('t', 'v', -1));
equal($client->get('t'), undef);
holds($client->set('t', 'v', 100));
holds($client->touch('t', 200));
fails($client->touch('absent', 200));
equal($client->gat(300, 't'), 'v');
equal($client->gats(300, 't')->[1], 'v');

my @names = map { "many:$_" } 0 .. 99;
my $stored = $client->set_multi(map { [$_, "value of $_"] } @names);
equal(scalar(grep { $_ } values %$stored), 100);
my $found = $client->get_multi(@names, 'absent');
equal(scalar(keys %$found), 100);
equal($found->{'many:42'}, 'value of many:42');
my $stamped = $client->gets_multi(@names);
equal(scalar(keys %$stamped), 100);
my $deleted = $client->delete_multi(@names);
equal(scalar(grep { $_ } values %$deleted), 100);

# In void context nothing is answered.
$client->set("quiet:$_", $_) for 0 .. 999;
$client->delete("quiet:$_") for 0 .. 499;
$client->incr('quiet:999', 1);
$client->nowait_push;
equal($client->get('quiet:999'), 1000);
equal(scalar(keys %{ $client->get_multi(map { "quiet:$_" } 0 .. 999) }), 500);

holds($client->set('big', 'small'));
fails($client->set('big', 'x' x (1024 * 1024)));
equal($client->get('big'), undef);
holds($client->set('big', 'x' x 1_000_000));
equal(length($client->get('big')), 1_000_000);
holds($client->delete('k'));
fails($client->delete('k'));
holds((values %{ $client->server_versions })[0]);
holds($client->flush_all);
equal($client->get('n'), undef);

print "Cache::Memcached::Fast: $count checks\n";
