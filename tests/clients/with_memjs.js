// memjs: binary protocol.

'use strict';

const { Client } = require('memjs');
const { address, equal, fails, run } = require('./check.js');

run('memjs', async () => {
  const client = Client.create(address, { timeout: 10, retries: 1, logger: { log() {} } });
  const text = async (key) => {
    const { value } = await client.get(key);
    return value === null ? null : value.toString();
  };

  await client.flush();
  equal(await text('k'), null);
  equal(await client.set('k', 'one', {}), true);
  equal(await text('k'), 'one');
  const { flags } = await client.get('k');
  equal(flags.length, 4);
  equal(await client.add('k', 'two', {}), false);
  equal(await client.add('new', 'two', {}), true);
  equal(await client.replace('k', 'three', {}), true);
  equal(await client.replace('absent', 'x', {}), false);
  equal(await client.append('k', '>'), true);
  equal(await text('k'), 'three>');
  await fails(client.append('absent', 'x'));
  equal(await client.set('empty', '', {}), true);
  equal(await text('empty'), '');
  equal(await client.set('bytes', Buffer.from([0, 128, 255]), {}), true);
  equal((await client.get('bytes')).value, Buffer.from([0, 128, 255]));

  equal(await client.increment('n', 5, { initial: 10 }), { success: true, value: 10 });
  equal(await client.increment('n', 5, { initial: 10 }), { success: true, value: 15 });
  equal(await client.decrement('n', 6, { initial: 0 }), { success: true, value: 9 });
  equal(await client.decrement('n', 100, { initial: 0 }), { success: true, value: 0 });

  equal(await client.set('t', 'v', { expires: 2592001 }), true); // a moment that is past
  equal(await text('t'), null);
  equal(await client.set('t', 'v', { expires: 100 }), true);
  equal(await client.touch('t', 200), true);
  equal(await client.touch('absent', 200), false);
  equal(await text('t'), 'v');

  const names = Array.from({ length: 100 }, (_, i) => `many:${i}`);
  await Promise.all(names.map((name, i) => client.set(name, `${i}`, {})));
  const found = await Promise.all(names.map(text));
  equal(found, names.map((_, i) => `${i}`));
  equal(await client.delete('k'), true);
  equal(await client.delete('k'), false);

  equal(await client.set('big', 'small', {}), true);
  await fails(client.set('big', 'x'.repeat(1024 * 1024), {}));
  equal(await text('big'), null);
  equal(await client.set('big', 'x'.repeat(1000000), {}), true);
  equal((await text('big')).length, 1000000);

  await new Promise((resolve, reject) => {
    client.stats((error, server, stats) => {
      if (error) {
        reject(error);
      } else {
        equal(Number(stats.curr_items) > 100, true);
        resolve();
      }
    });
  });
  await client.flush();
  equal(await text('n'), null);
  client.quit();
});
