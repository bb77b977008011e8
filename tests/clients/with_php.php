<?php
// php-memcached, which is libmemcached: text and binary.

$host = $argv[1] ?? '127.0.0.1';
$port = (int) ($argv[2] ?? 11211);
$count = 0;

function equal($found, $expected)
{
    global $count;
    $count++;
    if ($found !== $expected) {
        $line = debug_backtrace()[0]['line'];
        fwrite(STDERR, "line $line: found " . var_export($found, true) . ', expected ' . var_export($expected, true) . "\n");
        exit(1);
    }
}

function suite(string $host, int $port, bool $binary)
{
    $client = new Memcached();
    $client->setOption(Memcached::OPT_BINARY_PROTOCOL, $binary);
    $client->setOption(Memcached::OPT_TCP_NODELAY, true);
    $client->setOption(Memcached::OPT_COMPRESSION, false);
    $client->addServer($host, $port);
    equal($client->flush(), true);

    equal($client->get('k'), false);
    equal($client->getResultCode(), Memcached::RES_NOTFOUND);
    equal($client->set('k', 'one'), true);
    equal($client->get('k'), 'one');
    foreach ([7, 2.5, true, ['a' => [1, null]], "gr\xc3\xbc\xc3\x9fe"] as $value) {
        equal($client->set('typed', $value), true);
        equal($client->get('typed'), $value);
    }
    equal($client->add('k', 'two'), false);
    equal($client->add('new', 'two'), true);
    equal($client->replace('k', 'three'), true);
    equal($client->replace('absent', 'x'), false);
    equal($client->append('k', '>'), true);
    equal($client->prepend('k', '<'), true);
    equal($client->get('k'), '<three>');

    $seen = $client->get('k', null, Memcached::GET_EXTENDED);
    equal($client->cas($seen['cas'], 'k', 'four'), true);
    equal($client->cas($seen['cas'], 'k', 'five'), false);
    equal($client->getResultCode(), Memcached::RES_DATA_EXISTS);
    equal($client->get('k'), 'four');

    equal($client->set('n', 10), true);
    equal($client->increment('n', 5), 15);
    equal($client->decrement('n', 6), 9);
    equal($client->decrement('n', 100), 0);
    if ($binary) {
        equal($client->increment('from', 1, 100), 100);
        equal($client->increment('from', 1, 100), 101);
    } else {
        equal($client->increment('from', 1), false);
    }

    equal($client->set('t', 'v', 2592001), true); // a moment that is past
    equal($client->get('t'), false);
    equal($client->set('t', 'v', 100), true);
    if (!$binary) { // libmemcached waits for nothing after a touch that has hit
        equal($client->touch('t', 0), true);
    }
    equal($client->get('t'), 'v');

    $many = [];
    for ($i = 0; $i < 100; $i++) {
        $many["many:$i"] = $i;
    }
    equal($client->setMulti($many), true);
    $found = $client->getMulti(array_merge(array_keys($many), ['absent']));
    ksort($found);
    ksort($many);
    equal($found, $many);
    equal($client->getDelayed(array_keys($many), true), true);
    equal(count($client->fetchAll()), 100);
    equal(array_unique(array_values($client->deleteMulti(array_keys($many)))), [true]);
    equal($client->getMulti(array_keys($many)), []);

    equal($client->set('big', 'small'), true);
    equal($client->set('big', str_repeat('x', 1024 * 1024)), false);
    equal($client->get('big'), false);
    equal($client->set('big', str_repeat('x', 1000000)), true);
    equal(strlen($client->get('big')), 1000000);
    equal($client->delete('k'), true);
    equal($client->delete('k'), false);

    equal(count($client->getVersion()), 1);
    equal(isset($client->getStats()["$host:$port"]['curr_items']), true);
    equal($client->flush(), true);
    equal($client->get('n'), false);
    $client->quit();
}

suite($host, $port, false);
suite($host, $port, true);
echo "php-memcached: $count checks\n";
