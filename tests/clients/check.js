// What the suites in JavaScript share.

'use strict';

const assert = require('assert');

const [host = '127.0.0.1', port = '11211'] = process.argv.slice(2);
let count = 0;

exports.address = `${host}:${port}`;

exports.equal = (found, expected) => {
  count += 1;
  assert.deepStrictEqual(found, expected);
};

// Fails unless the promise does, and returns why it does.
exports.fails = async (promise) => {
  count += 1;
  let result;
  try {
    result = await promise;
  } catch (error) {
    return error;
  }
  return assert.fail(`found ${result}`);
};

// Runs a suite; its client must not keep the process alive for ever.
exports.run = (name, suite) => {
  const late = setTimeout(() => {
    console.error(`${name}: no answer`);
    process.exit(1);
  }, 60000);
  suite().then(
    () => {
      clearTimeout(late);
      console.log(`${name}: ${count} checks`);
      process.exit(0);
    },
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
};
