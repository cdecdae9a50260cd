// The texts of consoles are read in the browser as the server reads them.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { read, worded, matcher } from '../../static/log-text.js';

const shared = JSON.parse(readFileSync(new URL('../../../api/logbook/testdata/plain.json', import.meta.url), 'utf8'));
for (const row of shared) test(`plain: ${row.name}`, () => assert.equal(read(row.text).text, row.plain));

test('colours', () => {
  assert.deepEqual(read('a\x1b[1;31mb\x1b[0mc').runs, [{ text: 'a', style: null }, { text: 'b', style: { bold: true, ink: 1 } }, { text: 'c', style: null }]);
  assert.deepEqual(read('[38;5;208mx[48;2;1;2;3my').runs, [{ text: 'x', style: { ink: 'rgb(255 135 0)' } }, { text: 'y', style: { ink: 'rgb(255 135 0)', ground: 'rgb(1 2 3)' } }]);
  assert.deepEqual(read('\x1b[97mx\x1b[39my').runs, [{ text: 'x', style: { ink: 15 } }, { text: 'y', style: null }]);
  assert.deepEqual(read('\x1b[38;5;244mx').runs, [{ text: 'x', style: { ink: 'rgb(128 128 128)' } }]);
  assert.equal(read('\x1b[0mnothing\x1b[0m').runs, null);
});

test('ends of lines are kept where somebody wants them', () => assert.equal(read('a\nb', true).text, 'a\nb'));

test('messages of all kinds', () => {
  assert.equal(worded({ lvl: 'results', msg: { definition: 'lava', case: 'boot', result: 'fail', duration: '1.20' } }), 'lava / boot: fail (1.20 s)');
  assert.equal(worded({ lvl: 'results', msg: { definition: '0_net', set: 's', case: 'speed', result: 'pass', measurement: 3, units: 'MB/s' } }), '0_net / s / speed: pass (3 MB/s)');
  assert.equal(worded({ lvl: 'debug', msg: ['a', 1] }), 'a 1');
  assert.equal(worded({ lvl: 'lost' }), 'this line never came');
  assert.equal(worded({ lvl: 'debug', msg: { a: 1 } }), '{"a":1}');
});

test('where a query is in a line', () => {
  assert.deepEqual(matcher({ text: 'a.b' })('xA.b a.b'), [[1, 4], [5, 8]]);
  assert.deepEqual(matcher({ text: 'A', case: true })('aA'), [[1, 2]]);
  assert.deepEqual(matcher({ text: 'e\\d+', regexp: true })('e12 e'), [[0, 3]]);
  assert.equal(matcher({ text: '(', regexp: true }), null);
  assert.equal(matcher(null), null);
});
