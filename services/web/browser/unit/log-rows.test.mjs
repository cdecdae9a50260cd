// The arithmetic of the log viewer: rows, folds, hits, addresses, times.
import test from 'node:test';
import assert from 'node:assert/strict';
import { Rows, Folds, Hits, chunk, place, address, clock, span } from '../../static/log-rows.js';

const records = (from, n) => Array.from({ length: n }, (_, i) => ({ n: from + i }));

test('rows come in chunks and are forgotten in the order of their use', () => {
  const r = new Rows();
  r.count = 10_000_000;
  r.put(chunk * 3, records(chunk * 3, chunk + 5));
  assert.equal(r.get(chunk * 3 + 7).n, chunk * 3 + 7);
  assert.equal(r.get(chunk * 4 + 4).n, chunk * 4 + 4);
  assert.equal(r.get(chunk * 4 + 5), undefined);
  assert.ok(r.has(3) && !r.has(4) && !r.has(5));
  for (let i = 10; i < 400; i++) {
    r.put(chunk * i, records(0, chunk));
    r.use(3);
  }
  assert.ok(r.chunks.size < 250 && r.has(3) && !r.has(10) && r.has(399));
});

test('rows that are added follow what is here', () => {
  const r = new Rows();
  for (let i = 0; i < chunk + 2; i++) r.add({ n: i });
  assert.equal(r.count, chunk + 2);
  assert.equal(r.get(chunk + 1).n, chunk + 1);
  r.count += 3; // somebody else knows of more
  r.add({ n: -1 });
  assert.equal(r.get(r.count - 1), undefined);
  assert.equal(r.has(1), false);
});

test('an answer that is late takes nothing from what came live meanwhile', () => {
  const r = new Rows();
  r.put(0, records(0, 2));
  r.count = 2;
  r.add({ n: 2 });
  r.put(0, records(0, 2));
  assert.deepEqual([0, 1, 2].map((row) => r.get(row)?.n), [0, 1, 2]);
  r.put(1, records(1, 4)); // and what it knows more of is added
  assert.deepEqual([1, 2, 3, 4].map((row) => r.get(row)?.n), [1, 2, 3, 4]);
});

// slow is what folds are, row by row.
function slow(rows, sections) {
  const hidden = new Set();
  for (const s of sections) for (let i = s.start + 1; i <= s.end; i++) hidden.add(i);
  return Array.from({ length: rows }, (_, i) => i).filter((i) => !hidden.has(i));
}

test('folds agree with a slow count, for any sections', () => {
  let seed = 7;
  const random = (n) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
  for (let round = 0; round < 300; round++) {
    const rows = 1 + random(60);
    const sections = Array.from({ length: random(6) }, () => { const start = random(rows); return { start, end: Math.min(rows - 1, start + random(12)) }; });
    const f = new Folds();
    f.set(sections);
    const seen = slow(rows, sections);
    assert.equal(f.count(rows), seen.length);
    seen.forEach((row, at) => {
      assert.equal(f.row(at), row, `row at place ${at} of ${JSON.stringify({ rows, sections })}`);
      assert.equal(f.place(row), at, `place of row ${row} of ${JSON.stringify({ rows, sections })}`);
    });
    for (let row = 0; row < rows; row++) assert.ok(f.row(f.place(row)) <= row);
  }
});

test('hits in the order of rows, whatever the order of the search', () => {
  const h = new Hits();
  h.add({ lines: [50, 70], count: 2 });
  h.add({ lines: [3, 9], count: 4, done: true });
  assert.equal(h.next(50).row, 70);
  assert.equal(h.next(70).row, 3);
  assert.equal(h.next(50, -1).row, 9);
  assert.equal(h.next(3, -1).row, 70);
  assert.equal(h.next(4).row, 9);
  assert.deepEqual([...h.marks(10, 100)], [1, 0, 0, 0, 0, 1, 0, 1, 0, 0]);
  assert.equal(new Hits().next(3), null);
  const many = new Hits();
  many.add({ count: 9, strips: [0, 1, 0, 0], done: true });
  assert.deepEqual([...many.marks(8, 100)], [0, 0, 1, 1, 0, 0, 0, 0]);
});

test('rows of hits where levels are filtered', () => {
  const h = new Hits();
  h.add({ lines: [500, 700], rows: [5, 7], count: 2, done: true });
  assert.deepEqual([h.rows, h.lines], [[5, 7], [500, 700]]);
});

test('addresses', () => {
  assert.deepEqual(place('#L12'), { from: 12, to: 12 });
  assert.deepEqual(place('#L40-L12'), { from: 12, to: 40 });
  assert.deepEqual(place('#L12-40'), { from: 12, to: 40 });
  assert.deepEqual(place('#results_8'), { from: 8, to: 8 });
  for (const no of ['', '#', '#Lx', '#L1-', '#L99999999999999999', '#results']) assert.equal(place(no), null);
  for (const a of ['#L1', '#L1-L9']) assert.equal(address(place(a)), a);
});

test('times', () => {
  const at = '2026-11-23T10:01:05.25Z';
  assert.equal(clock('absolute', at), '10:01:05.250');
  assert.equal(clock('relative', at, '2026-11-23T10:00:00Z'), '01:05.250');
  assert.equal(clock('relative', at, '2026-11-23T08:00:00Z'), '2:01:05.250');
  assert.equal(clock('delta', at, '', '2026-11-23T10:01:05Z'), '+0.250');
  assert.equal(clock('delta', at), '');
  assert.equal(clock('absolute', 'nonsense'), '');
  assert.deepEqual([0.04, 12.4, 65, 3720, undefined].map(span), ['0.0 s', '12 s', '1 min 05 s', '1 h 02 min', '']);
});
