// The package `memcached`: text protocol, and a server that answers SERVER_ERROR is given up.

'use strict';

const Memcached = require('memcached');
const { address, equal, fails, run } = require('./check.js');

const connect = () => new Memcached(address, { retries: 0, timeout: 10000, maxValue: 2e6 });
let client = connect();

// The client's functions with promises in the place of callbacks.
const call = (name, ...rest) =>
  new Promise((resolve, reject) => {
    client[name](...rest, (error, result) => (error ? reject(error) : resolve(result)));
  });

run('memcached (node)', async () => {
  await call('flush');
  equal(await call('get', 'k'), undefined);
  equal(await call('set', 'k', 'one', 0), true);
  equal(await call('get', 'k'), 'one');
  equal(await call('set', 'typed', { a: [1, 2.5, null] }, 0), true);
  equal(await call('get', 'typed'), { a: [1, 2.5, null] });
  equal(await call('set', 'bytes', Buffer.from([0, 13, 10, 255]), 0), true);
  equal(await call('get', 'bytes'), Buffer.from([0, 13, 10, 255]));
  await fails(call('add', 'k', 'two', 0));
  equal(await call('add', 'new', 'two', 0), true);
  equal(await call('replace', 'k', 'three', 0), true);
  await fails(call('replace', 'absent', 'x', 0));
  equal(await call('append', 'k', '>'), true);
  equal(await call('prepend', 'k', '<'), true);
  equal(await call('get', 'k'), '<three>');

  const { k, cas } = await call('gets', 'k');
  equal(k, '<three>');
  equal(await call('cas', 'k', 'four', cas, 0), true);
  equal(await call('cas', 'k', 'five', cas, 0), false);
  equal(await call('get', 'k'), 'four');

  equal(await call('set', 'n', 10, 0), true);
  equal(await call('incr', 'n', 5), 15);
  equal(await call('decr', 'n', 6), 9);
  equal(await call('decr', 'n', 100), 0);
  equal(await call('incr', 'absent', 1), false);
  await fails(call('incr', 'k', 1));

  equal(await call('set', 't', 'v', -1), true);
  equal(await call('get', 't'), undefined);
  equal(await call('set', 't', 'v', 100), true);
  equal(await call('touch', 't', 0), true);
  equal(await call('touch', 'absent', 0), false);
  equal(await call('get', 't'), 'v');

  const names = Array.from({ length: 100 }, (_, i) => `many:${i}`);
  await Promise.all(names.map((name, i) => call('set', name, `${i}`, 0)));
  const found = await call('getMulti', [...names, 'absent']);
  equal(Object.keys(found).length, 100);
  equal(found['many:42'], '42');
  equal(await call('del', 'k'), true);
  equal(await call('del', 'k'), false);

  equal(await call('set', 'big', 'x'.repeat(1024 * 1024), 0), false);
  client.end(); // it asks this server nothing any more
  client = connect();
  equal(await call('set', 'big', 'x'.repeat(1000000), 0), true);
  equal((await call('get', 'big')).length, 1000000);

  equal((await call('version'))[0].server, address);
  const [stats] = await call('stats');
  equal(stats.curr_items > 100, true);
  equal('tcpport' in (await call('settings'))[0], true);
  await call('flush');
  equal(await call('get', 'n'), undefined);
  client.end();
});
