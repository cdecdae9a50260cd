// What the editor offers at a caret, marked as |, by the lab's own schema.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Schema } from '../../static/schema.js';

const schema = new Schema(JSON.parse(readFileSync(new URL('../../../../schemas/job.schema.json', import.meta.url))));
const offers = (text) => schema.offers(text.replace('|', ''), text.indexOf('|')).list.map((o) => o.text);
const has = (text, ...words) => { const got = offers(text); for (const w of words) assert.ok(got.includes(w), `${JSON.stringify(text)} offers ${got}, want ${w}`); };

test('keys of the document', () => {
  has('job_|', 'job_name');
  assert.ok(!offers('device_type: x\n|').includes('device_type'), 'a key that is there is not offered again');
});

test('keys below a key, and in items of a list', () => {
  has('timeouts:\n  |', 'job', 'action', 'connection');
  has('actions:\n- |', 'deploy', 'boot', 'test');
  has('actions:\n- deploy:\n    to: tmpfs\n- |', 'boot');
});

test('keys by the method that stands beside', () => {
  has('actions:\n- deploy:\n    to: tftp\n    ker|', 'kernel');
  has('actions:\n- boot:\n    method: u-boot\n    comm|', 'commands');
  has('actions:\n  - test:\n      definitions:\n        - from: inline\n          pa|', 'path');
});

test('values', () => {
  has('visibility: |', 'public', 'personal');
  has('actions:\n- boot:\n    method: u-|', 'u-boot');
});

test('half-written text offers something or nothing, and breaks nothing', () => {
  for (const text of ['|', ':|', '- - - |', 'actions:\n\t|', 'a: {b: |', "x: '|", 'actions:\n- deploy: &a\n    <<: *b\n    |']) offers(text);
});
