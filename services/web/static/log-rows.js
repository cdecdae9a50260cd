// The rows of a log, without showing them: which are here, which are folded away, and what was found in them.

// chunk is how many rows are asked for at once, from a multiple of it: half of what pages bring along (log.go).
export const chunk = 500;

// kept is how many chunks stay in memory: of ten million rows a hundred thousand.
// The goal is a heap of 150 MB at most, however long the log.
const kept = 192;

// Rows is a window on the records of a log, by row.
// Rows are what is shown, counted from 0. They are lines unless levels are left out or parts of files lie between; a record's n is
// its line.
export class Rows {
  constructor() {
    // A Map keeps the order in which keys came: taking one out and putting it back makes it the last.
    this.chunks = new Map(); // number of a chunk → records; the order is that of their use
    this.count = 0; // rows there are
  }

  // undefined: it is not here.
  get(row) {
    const records = this.chunks.get(Math.floor(row / chunk));
    return records?.[row % chunk];
  }

  // has tells whether all rows of a chunk are here that there are.
  // The last chunk of a running job is whole with as many rows as there are, and no longer with the next one.
  has(number) {
    const records = this.chunks.get(number);
    return !!records && records.length >= Math.min(chunk, this.count - number * chunk);
  }

  // put takes records from a row on, which is the first of a chunk or follows what is here of it.
  put(first, records) {
    for (let at = 0; at < records.length;) {
      const number = Math.floor((first + at) / chunk);
      const from = (first + at) % chunk;
      const here = this.chunks.get(number) ?? [];
      const piece = records.slice(at, at + chunk - from);
      if (from > here.length) break; // a hole: it is asked for when it is wanted
      here.splice(from, piece.length, ...piece); // what stands behind stays: lines may have come live meanwhile
      this.use(number, here);
      at += piece.length;
    }
    while (this.chunks.size > kept) this.chunks.delete(this.chunks.keys().next().value);
  }

  // add appends one record behind all rows.
  // Its chunk may not be here, as somebody reads elsewhere: then it is counted alone, and fetched when it is wanted.
  add(record) {
    const row = this.count++;
    const number = Math.floor(row / chunk);
    const here = this.chunks.get(number);
    if (here ? here.length === row % chunk : row % chunk === 0) this.put(row, [record]);
  }

  // use makes a chunk the last to be forgotten.
  use(number, records = this.chunks.get(number)) {
    if (!records) return;
    this.chunks.delete(number);
    this.chunks.set(number, records);
  }

  clear() {
    this.chunks.clear();
    this.count = 0;
  }
}

// Folds knows which rows are folded away. What is seen has places, counted without them.
// A place is where a row is seen, counted from 0 without those that are folded away; ten thousand folds cost a few steps a row.
export class Folds {
  constructor() {
    this.ranges = []; // [first hidden row, behind the last], in order, apart from each other
    this.before = [0]; // hidden rows before each range
  }

  // set hides the insides of sections: {start, end} rows, both of which a section has; the first stays.
  // Sections may lie within each other and are put together where they meet, so that the ranges are apart.
  set(sections) {
    const ranges = sections.filter((s) => s.end > s.start).map((s) => [s.start + 1, s.end + 1]).sort((a, b) => a[0] - b[0] || b[1] - a[1]);
    this.ranges = [];
    for (const r of ranges) {
      const last = this.ranges.at(-1);
      if (last && r[0] <= last[1]) last[1] = Math.max(last[1], r[1]);
      else this.ranges.push([...r]);
    }
    this.before = [0];
    for (const [from, to] of this.ranges) this.before.push(this.before.at(-1) + to - from);
  }

  get hidden() { return this.before.at(-1); }

  // count is how many places so many rows have.
  // A range may reach behind the rows that there are: only what is there is hidden.
  count(rows) {
    let hidden = 0;
    for (const [from, to] of this.ranges) if (from < rows) hidden += Math.min(to, rows) - from;
    return rows - hidden;
  }

  // row is the row at a place.
  row(place) {
    if (!this.ranges.length) return place;
    let low = 0, high = this.ranges.length; // the first range that begins behind the place
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ranges[middle][0] - this.before[middle] <= place) low = middle + 1;
      else high = middle;
    }
    return place + this.before[low];
  }

  // place is where a row is seen; of one that is folded away, the row that stands for it.
  place(row) {
    let low = 0, high = this.ranges.length; // the first range that begins behind the row
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ranges[middle][0] <= row) low = middle + 1;
      else high = middle;
    }
    if (!low) return row;
    const [from, to] = this.ranges[low - 1];
    if (row < to) return from - this.before[low - 1] - 1;
    return row - this.before[low];
  }
}

// Hits is what a search has found so far, by row.
// Rows and lines are two lists side by side, as numbers alone take little room.
export class Hits {
  constructor() {
    this.rows = [];
    this.lines = [];
    this.count = 0; // more than rows where there are too many to name
    this.strips = null; // then: hits in each thousandth
    this.done = false;
    this.sorted = true;
  }

  // add takes a message of the server.
  // Rows are left out where they are lines. A search begins at what is seen and goes round, so hits come out of order once.
  add(message) {
    const { lines = [], rows = lines } = message;
    for (let i = 0; i < lines.length; i++) {
      if (this.rows.length && rows[i] < this.rows.at(-1)) this.sorted = false;
      this.rows.push(rows[i]);
      this.lines.push(lines[i]);
    }
    this.count = message.count;
    this.strips = message.strips ?? null;
    this.done = !!message.done;
  }

  // Only when somebody asks for the next hit, and not with each message.
  sort() {
    if (this.sorted) return;
    const order = this.rows.map((_, i) => i).sort((a, b) => this.rows[a] - this.rows[b]);
    this.rows = order.map((i) => this.rows[i]);
    this.lines = order.map((i) => this.lines[i]);
    this.sorted = true;
  }

  // find is the place in rows of the first hit from a row on.
  find(row) {
    this.sort();
    let low = 0, high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle] < row) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // next is the hit behind a row, or with by -1 before it; it goes round. null: there is none.
  next(row, by = 1) {
    const n = this.rows.length;
    if (!n) return null;
    const at = ((by > 0 ? this.find(row + 1) : this.find(row) - 1) + n) % n;
    return { at, row: this.rows[at], line: this.lines[at] };
  }

  // marks says which of some strips of the scroll bar have hits, of so many rows.
  // The server says strips where there are too many hits to name: a thousand for the whole log.
  marks(strips, rows) {
    const out = new Uint8Array(strips);
    if (this.strips) {
      for (let i = 0; i < strips; i++) if (this.strips[Math.floor((i * this.strips.length) / strips)]) out[i] = 1;
      return out;
    }
    for (const row of this.rows) out[Math.min(strips - 1, Math.floor((row * strips) / Math.max(1, rows)))] = 1;
    return out;
  }
}

// place reads where an address points to: "#L12", "#L12-L40", "#results_12".
// Fifteen digits are exact in a double. "#results_12" is LAVA's anchor of a result, by its line.
export function place(hash) {
  const m = /^#(?:L|results_)(\d{1,15})(?:-L?(\d{1,15}))?$/.exec(hash);
  if (!m) return null;
  const from = Number(m[1]), to = m[2] === undefined ? from : Number(m[2]);
  return { from: Math.min(from, to), to: Math.max(from, to) };
}

// address is the other way round.
export const address = ({ from, to }) => (from === to ? `#L${from}` : `#L${from}-L${to}`);

const two = (n) => String(n).padStart(2, "0");

// clock writes a record's time: absolute (UTC), since the log began, or since the row before.
// The server's times have a fraction of any length or none; the log shows milliseconds.
export function clock(kind, at, began, before) {
  const t = Date.parse(at);
  if (Number.isNaN(t)) return "";
  if (kind === "absolute") return at.slice(11, 23).replace("Z", "").padEnd(12, at.includes(".") ? "0" : " ");
  const from = kind === "delta" ? before : began;
  if (!from) return "";
  const s = (t - Date.parse(from)) / 1000;
  if (kind === "delta") return `+${s.toFixed(3)}`;
  const whole = Math.floor(Math.abs(s));
  return `${s < 0 ? "-" : ""}${whole >= 3600 ? Math.floor(whole / 3600) + ":" : ""}${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}.${String(Math.floor((Math.abs(s) % 1) * 1000)).padStart(3, "0")}`;
}

// span writes how long something took.
// Also "" for what is not a number.
export function span(seconds) {
  if (!(seconds >= 0)) return "";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const s = Math.round(seconds);
  return s < 3600 ? `${Math.floor(s / 60)} min ${two(s % 60)} s` : `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} min`;
}
