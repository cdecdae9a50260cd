// <log-view job="42">: a job's log, of any length. It keeps a window of rows, draws those that are seen, and moves by
// itself: no element of a browser is as high as ten million rows.
//
//   job       number of the job, as the lab counts
//   base      before the lab's addresses; empty is this site
//   line      line to begin at, where the address names none (#L12); else a running job begins at its end
//   evidence  line that a verdict stands on: it is marked
//   end       begin at the end
//   slim      the page has an outline of its own: the viewer's is opened on demand
//   plain     address of the plain log
//   console   the visitor may take over the console of the job, which runs
//
// What stands inside is for browsers without scripts, and is replaced.
import { Rows, Folds, Hits, chunk, place, address } from "./log-rows.js";
import { matcher, worded, read } from "./log-text.js";
import { newSlot, draw } from "./log-paint.js";
import { Source } from "./log-net.js";
import { Copy } from "./log-copy.js";
import { Rail } from "./log-rail.js";
import { bars, levels } from "./log-bars.js";
import { Outline } from "./log-outline.js";
import { keys, copied } from "./log-keys.js";

// It is a number and not measured: all that is reckoned below hangs on it, in each frame.
const height = 18; // of a row, as in the style sheet
const remembered = "strata-log"; // in the browser's storage: levels, time, wrap, outline

export class LogView extends HTMLElement {
  connectedCallback() {
    if (this.source) return;
    this.job = this.getAttribute("job");
    this.source = new Source(this.getAttribute("base") ?? "", this.job);
    this.rows = new Rows();
    this.folds = new Folds();
    this.hits = new Hits();
    this.query = null;
    this.lines = 0; // of all levels
    this.done = false;
    this.copy = new Copy(this);
    this.first = 0; // place of the row at the top
    this.shift = 0; // pixels of it that are above the top
    this.follow = false;
    this.current = -1; // row that keys and searches start from
    this.selection = null; // {from, to} lines
    this.folded = new Set(); // first lines of sections
    this.slots = [];
    this.epoch = 0; // counts what makes all rows look different
    this.marks = { time: "none", wrap: false, outline: true, levels: null, ...recall() };
    this.evidence = this.hasAttribute("evidence") ? Number(this.getAttribute("evidence")) : -1;
    this.source.levels = wanted(this.marks.levels);
    // Before bars(), which replaces what stands inside: askFirst reads what the page brought along there.
    this.early = this.askFirst(); // on the way while the tools are built
    bars(this);
    this.outline = new Outline(this, this.querySelector(".lv-outline"));
    this.rail = new Rail(this.querySelector(".lv-rail"), (fraction) => this.toFraction(fraction));
    this.sheet = this.querySelector(".lv-sheet");
    this.view = this.querySelector(".lv-view");
    keys(this);
    copied(this);
    this.dispatchEvent(new CustomEvent("log-levels"));
    this.setWrap(this.marks.wrap);
    // The window may change, and so may what stands around: the outline, the console, a panel that is opened.
    this.resized = new ResizeObserver(() => this.resize());
    this.resized.observe(this.view);
    this.hashed = () => this.toHash();
    addEventListener("hashchange", this.hashed);
    this.resize();
    this.open();
  }

  // live.js may take the element away with a part of its page; nothing may go on asking then.
  disconnectedCallback() {
    this.source?.stop();
    this.resized?.disconnect();
    removeEventListener("hashchange", this.hashed);
    this.copy?.stop();
    clearTimeout(this.outlineLater);
  }

  // askFirst asks for what is shown first: the line of the address, of the attribute, or an end.
  async askFirst() {
    const asked = place(location.hash);
    const at = asked?.from ?? (this.hasAttribute("line") ? Number(this.getAttribute("line")) : -1);
    const atEnd = at < 0 && (this.hasAttribute("end") || this.hasAttribute("live"));
    const answer = this.brought(at, atEnd) ?? (await this.source.some(at >= 0 ? { line: at } : atEnd ? { end: 1 } : { row: 0 }));
    return { asked, at, atEnd, answer };
  }

  // brought is the answer that the page brought along, where it has the place that is asked for: a line from 0 on, or
  // with -1 the end or the beginning. It is of all levels, and told for rows: where those are not lines it cannot say
  // which row a line is.
  brought(line, atEnd) {
    const text = this.querySelector(":scope > script[type='application/json']")?.textContent;
    if (!text || this.source.levels) return null;
    const answer = JSON.parse(text);
    const last = answer.first + answer.records.length;
    if (line < 0) return (atEnd ? last === answer.rows : answer.first === 0) ? answer : null;
    // JSON.parse has made it for us alone, so it may get the row that was asked for.
    if (answer.rows !== answer.lines || line < answer.first || line >= last) return null;
    answer.at = line;
    return answer;
  }

  // open shows the log for the first time.
  async open() {
    try {
      const { asked, at, atEnd, answer } = await this.early;
      if (asked) this.selection = asked;
      this.take(answer);
      if (at >= 0) this.toRow(answer.at ?? 0, at);
      else if (atEnd) this.toEnd(!answer.done);
      else this.paintSoon();
      this.marked();
      this.dispatchEvent(new CustomEvent("log-open"));
      if (this.rows.get(0) === undefined) this.source.ask("lines", { row: 0, count: 1 }).then((a) => this.begin(a.records[0]), () => {});
    } catch (err) {
      this.say(err.message);
    }
    // The rows come first: an outline of ten million lines takes the lab longer.
    this.outline.load(); // behind what is read first
  }

  begin(record) {
    this.began ??= record?.dt;
  }

  // take takes in an answer of the lab's with rows.
  take(answer) {
    if (!this.source.levels) this.hiddenKinds = answer.rows !== answer.lines; // parts of files are no rows
    // Never downwards: an answer that was overtaken by a live line knows less.
    this.rows.count = Math.max(this.rows.count, answer.rows);
    this.lines = Math.max(this.lines, answer.lines);
    this.rows.put(answer.first, answer.records);
    if (answer.first === 0) this.begin(answer.records[0]);
    this.copy.told(answer);
    if (answer.done) this.ended();
    else if ((answer.ahead || !answer.of) && !this.source.events && !this.done) this.listen();
    this.paintSoon();
  }

  // ended notes that the job says nothing more.
  ended() {
    if (!this.done) {
      this.done = true;
      this.dispatchEvent(new CustomEvent("log-end"));
    }
    this.source.hush();
    this.setFollow(false);
    this.querySelector(".lv-follow").hidden = true;
    this.querySelector(".lv-take").hidden = true; // a job that is over has no console
  }

  // listen takes lines as the job says them.
  listen() {
    this.querySelector(".lv-follow").hidden = false;
    this.source.listen(this.job, this.lines, (record) => {
      // A stream that was taken up again may repeat lines.
      if (record.n < this.lines) return;
      if (this.whole && record.n > this.lines) this.rows.count = record.n; // what lies between never came
      this.lines = record.n + 1;
      this.rows.add(record);
      this.begin(record);
      // Lines that came while nobody followed; the foot counts them.
      this.fresh = (this.fresh ?? 0) + 1;
      this.dispatchEvent(new CustomEvent("log-line", { detail: record }));
      this.outlineSoon();
      this.paintSoon();
    }, () => { this.outline.load(); this.ended(); this.paintSoon(); }, (state) => this.told(state));
  }

  told(state) {
    this.dataset.live = state;
    if (state === "away") this.say("The connection was cut; it comes back by itself");
    else if (state === "lost") this.say("The lab does not answer any more; load the page again");
    else this.say("");
  }

  // Every three seconds while lines come, not with each.
  outlineSoon() {
    this.outlineLater ??= setTimeout(() => { this.outlineLater = undefined; this.outline.load(); }, 3000);
  }

  // whole says that rows are lines.
  get whole() { return !this.source.levels && !this.hiddenKinds; }

  get places() { return this.folds.count(this.rows.count); }

  // seen is how many rows fit.
  get seen() { return Math.max(1, Math.floor(this.room / height)); }

  // Two rows more than fit: one that is half above, one half below.
  resize() {
    this.room = this.view.clientHeight;
    this.rail.resize(this.room);
    const need = Math.ceil(this.room / height) + 2;
    while (this.slots.length > need) this.slots.pop().el.remove();
    while (this.slots.length < need) {
      const slot = newSlot();
      this.slots.push(slot);
      this.sheet.append(slot.el);
    }
    this.marked();
    this.paintSoon();
  }

  // Once a frame, however much has changed by then.
  paintSoon() {
    this.painting ??= requestAnimationFrame(() => { this.painting = undefined; this.paint(); });
  }

  // changed has all rows drawn anew.
  changed() {
    this.epoch++;
    this.paintSoon();
  }

  look() {
    const { time, wrap } = this.marks;
    const s = this.selection;
    // find is made once for all rows: it compiles an expression.
    this.looked = {
      epoch: this.epoch, time, lines: wrap, began: this.began, whole: this.whole, current: this.current, evidence: this.evidence,
      find: matcher(this.query),
      selected: (n) => !!s && n >= s.from && n <= s.to,
      finding: (n) => this.outline.findings.has(n),
      section: (row) => this.outline.begins.get(row) ?? null,
      folded: (section) => this.folded.has(section.start),
      result: (m) => m?.case && m.definition ? `/results/${encodeURIComponent(this.job)}/${encodeURIComponent(m.definition)}/${encodeURIComponent(m.case)}` : "",
    };
    return this.looked;
  }

  // paint draws what is seen.
  paint() {
    const places = this.places;
    if (this.follow) this.first = places; // and back from there
    if (this.marks.wrap) this.settle(places);
    else {
      const top = Math.min(Math.max(0, this.first * height + this.shift), Math.max(0, places * height - this.room));
      this.first = Math.floor(top / height);
      this.shift = top - this.first * height;
      this.fill(places);
    }
    // The rows stand still in their sheet and the sheet is shifted by less than a row: no layout while one scrolls.
    this.sheet.style.transform = `translateY(${-this.shift}px)`;
    this.rail.show(this.first + this.shift / height, places, this.room / height);
    this.fetch(places);
    this.tellSoon();
    this.painted?.();
  }

  // fill puts the rows from the first place on into the slots. Elements keep the order of the rows, for selections and
  // for those who hear the page: those that leave at one side are put at the other.
  fill(places) {
    const n = this.slots.length;
    const by = this.first - (this.filled ?? 0);
    if (by > 0 && by < n) {
      const gone = this.slots.splice(0, by);
      this.sheet.append(...gone.map((s) => s.el));
      this.slots.push(...gone);
    } else if (by < 0 && -by < n) {
      const gone = this.slots.splice(n + by);
      this.sheet.prepend(...gone.map((s) => s.el));
      this.slots.unshift(...gone);
    }
    this.filled = this.first;
    const look = this.looked?.epoch === this.epoch ? this.looked : this.look();
    for (let i = 0; i < n; i++) {
      const slot = this.slots[i];
      const at = this.first + i;
      const row = at < places ? this.folds.row(at) : -1;
      if (slot.el.hidden !== row < 0) slot.el.hidden = row < 0;
      const record = row < 0 ? undefined : this.rows.get(row);
      // Most slots of a frame are as they were.
      if (slot.row === row && slot.record === record && slot.epoch === this.epoch) continue;
      slot.epoch = this.epoch;
      if (row < 0) slot.row = -1;
      else draw(slot, row, record, look.time === "delta" && row > 0 ? this.rows.get(row - 1) : undefined, look);
    }
  }

  // settle fills the slots where rows wrap: how high they are is known once they are drawn.
  // offsetHeight makes the browser lay out at once, which is dear; so only this way of drawing asks for it.
  settle(places) {
    const n = this.slots.length;
    const high = (i) => this.slots[i].el.offsetHeight || height;
    this.first = Math.min(Math.max(0, this.first), Math.max(0, places - 1));
    for (let tries = 0; tries < 200; tries++) {
      this.fill(places);
      if (this.shift < 0 && this.first > 0) {
        this.first--;
        this.fill(places);
        this.shift += high(0);
        continue;
      }
      if (this.shift < 0) this.shift = 0;
      if (this.shift >= high(0) && this.first < places - 1) {
        this.shift -= high(0);
        this.first++;
        continue;
      }
      let bottom = -this.shift;
      for (let i = 0; i < n && this.first + i < places; i++) bottom += high(i);
      if (this.first + n < places || bottom >= this.room || (this.first === 0 && this.shift <= 0)) break;
      this.shift -= this.room - bottom; // behind the last row there is nothing
      if (this.first === 0) this.shift = Math.max(0, this.shift);
    }
  }

  // fetch asks for the rows that are seen and, in the direction of the movement, for those that come next. While it
  // rushes by, nothing is asked for: nobody could read it.
  fetch(places) {
    if (!this.rows.count) return; // the first answer is on its way, or nothing was said yet
    const now = performance.now();
    const speed = Math.abs(this.first - (this.fetchedAt ?? this.first)) / Math.max(1, now - (this.fetched ?? 0));
    const down = this.first >= (this.fetchedAt ?? 0);
    this.fetchedAt = this.first;
    this.fetched = now;
    clearTimeout(this.settled);
    if (speed > 20) { // rows in a millisecond
      // Twenty rows a millisecond are a screen in two frames; what rests for 50 ms is read.
      this.settled = setTimeout(() => this.paintSoon(), 50);
      return;
    }
    const from = Math.floor(this.folds.row(Math.min(this.first, Math.max(0, places - 1))) / chunk);
    const to = Math.floor(this.folds.row(Math.min(this.first + this.slots.length, Math.max(0, places - 1))) / chunk);
    const numbers = [];
    for (let i = from; i <= to && numbers.length < 6; i++) numbers.push(i);
    for (const i of down ? [to + 1, to + 2, from - 1] : [from - 1, from - 2, to + 1]) if (i >= 0 && i * chunk < this.rows.count) numbers.push(i);
    for (const i of numbers) this.rows.use(i);
    this.source.want(numbers, this.rows, (answer) => this.take(answer), (err) => this.say(err.message));
  }

  scrollRows(by) { this.scrollPixels(by * height); }

  // Whoever scrolls up wants to read what is there: following would take it away.
  scrollPixels(by) {
    if (by < 0) this.setFollow(false);
    this.shift += by;
    this.paintSoon();
  }

  toFraction(fraction) {
    this.setFollow(false);
    const top = fraction * Math.max(0, this.places - this.room / height);
    this.first = Math.floor(top);
    this.shift = Math.round((top - this.first) * height);
    this.paintSoon();
  }

  // toRow shows a row a third from the top; its line is known or not.
  toRow(row, line = -1) {
    this.setFollow(false);
    if (line >= 0) this.unfold(line);
    this.current = row;
    this.first = Math.max(0, this.folds.place(row) - Math.floor(this.seen / 3));
    this.shift = 0;
    this.fetchedAt = undefined; // this is no rushing by: what stands here is wanted at once
    this.wanted = undefined;
    this.changed();
  }

  // toLine shows a line, or the next one of the levels that are shown.
  async toLine(line) {
    if (this.whole && line < this.rows.count) return this.toRow(line, line);
    this.wanted = line;
    const answer = await this.source.some({ line });
    this.take(answer);
    if (this.wanted === line && (line < answer.lines || !answer.of)) this.toRow(answer.at ?? 0, line);
  }

  toEnd(follow = !this.done) {
    this.first = this.places;
    this.shift = 0;
    this.fetchedAt = undefined;
    this.setFollow(follow && !this.done);
    this.paintSoon();
  }

  toHash() {
    const asked = place(location.hash);
    if (!asked) return;
    this.selection = asked;
    this.toLine(asked.from);
    this.marked();
  }

  // select marks lines and puts them into the address.
  select(from, to = from) {
    this.selection = { from: Math.min(from, to), to: Math.max(from, to) };
    // replaceState: each line that was clicked would be a step of Back otherwise. It fires no hashchange.
    history.replaceState(history.state, "", address(this.selection));
    this.marked();
    this.changed();
    const n = this.selection.to - this.selection.from + 1;
    this.say(n > 1 ? `${n.toLocaleString("en")} lines selected; c copies them` : "");
  }

  setFollow(on) {
    if (on === this.follow) return;
    this.follow = on;
    this.fresh = 0;
    this.querySelector(".lv-follow").setAttribute("aria-pressed", String(on));
  }

  setWrap(on) {
    this.remember({ wrap: on });
    this.classList.toggle("wraps", on);
    this.changed();
  }

  setTime(kind) {
    this.remember({ time: kind });
    this.dataset.time = kind;
    this.changed();
  }

  // setLevels shows some levels alone; null is all of them. The line at the top stays.
  async setLevels(names) {
    this.source.levels = wanted(names);
    this.remember({ levels: this.source.levels ? names : null });
    this.dispatchEvent(new CustomEvent("log-levels"));
    const line = this.lineAt(Math.floor(this.seen / 3));
    const follows = this.follow;
    // All answers that are on the way have rows of the levels before.
    this.source.stop();
    this.rows.clear();
    this.copy.ahead = false;
    this.outline.forget();
    this.changed();
    const [answer] = await Promise.all([this.source.some({ line }), this.outline.load()]); // sections have other rows now
    this.take(answer);
    if (follows) this.toEnd();
    else this.toRow(answer.at ?? 0, line);
    if (this.query) this.search(this.query, false);
  }

  // lineAt is the line of the slot so far down.
  lineAt(down = 0) {
    for (let i = Math.min(down, this.slots.length - 1); i >= 0; i--) {
      const s = this.slots[i];
      if (s.row >= 0 && s.record) return s.record.n;
    }
    return this.whole ? this.first : 0;
  }

  remember(what) {
    Object.assign(this.marks, what);
    try {
      // Per browser, not per account; private windows and policies may refuse it.
      localStorage.setItem(remembered, JSON.stringify(this.marks));
    } catch { /* storage is off: it is forgotten with the page */ }
  }

  // unfold opens the sections that hide a line.
  unfold(line) {
    let opened = false;
    for (const s of this.outline.sections) {
      if (this.folded.has(s.start) && line > s.start && line <= (s.end ?? Infinity)) opened = this.folded.delete(s.start) || opened;
    }
    if (opened) this.outline.shape();
  }

  // fold opens or closes a section, the line at the top staying.
  fold(section, closed = !this.folded.has(section.start)) {
    if (closed) this.folded.add(section.start);
    else this.folded.delete(section.start);
    const row = this.folds.row(this.first);
    this.outline.shape();
    this.first = this.folds.place(row);
    this.changed();
  }

  // search looks for a query in the whole log, beginning with what is seen. With go the first hit is shown.
  async search(query, go = true) {
    this.query = query?.text ? query : null;
    const hits = (this.hits = new Hits());
    this.hit = null;
    this.changed();
    this.marked();
    if (!this.query) {
      this.source.searching?.abort();
      return this.found();
    }
    // What is seen is searched first, so that the first hit is near and at once there.
    const from = this.lineAt();
    try {
      await this.source.search(this.query, from, (message) => {
        if (hits !== this.hits) return;
        hits.add(message);
        if (go && hits.rows.length) {
          go = false;
          this.show({ at: 0, row: hits.rows[0], line: hits.lines[0] });
        }
        if (message.done) this.found();
        this.markSoon();
      });
    } catch (err) {
      if (hits === this.hits) this.say(err.message);
    }
  }

  // show goes to a hit.
  show(hit) {
    if (!hit) return;
    this.hit = hit;
    this.toRow(hit.row, hit.line);
    this.found();
    this.dispatchEvent(new CustomEvent("log-hit", { detail: hit }));
  }

  next(by) {
    const row = this.current >= 0 && this.hit ? this.hit.row : this.folds.row(this.first);
    this.show(this.hits.next(row, by));
  }

  // found says how many hits there are.
  found() {
    const out = this.querySelector(".lv-count");
    if (!this.query) out.textContent = "";
    else {
      const whole = this.hits.done && !this.copy.of; // else what is copied has been searched
      const many = this.hits.count.toLocaleString("en");
      const at = this.hit && this.hits.done ? `${(this.hits.find(this.hit.row) + 1).toLocaleString("en")} of ` : "";
      out.textContent = this.hits.count ? `${at}${many}${whole ? "" : " so far"}` : whole ? "not found" : this.hits.done ? "not found so far" : "searching …";
    }
  }

  // Ten times a second: a search tells of hits more often than anybody sees.
  markSoon() {
    this.marking ??= setTimeout(() => { this.marking = undefined; this.marked(); this.found(); }, 100);
  }

  // marked paints the scroll bar's marks.
  marked() {
    if (!this.rail?.height) return;
    const rows = Math.max(1, this.rows.count);
    const marks = [];
    if (this.whole) {
      for (const [line, f] of this.outline.findings) marks.push({ at: line / rows, kind: f.kind === "case" ? "warn" : "bad" });
      if (this.selection) marks.push({ at: this.selection.from / rows, to: this.selection.to / rows, kind: "selected" });
      if (this.evidence >= 0) marks.push({ at: this.evidence / rows, kind: "bad" });
    }
    this.rail.mark(marks, this.query ? this.hits.marks(Math.max(1, Math.floor(this.rail.height / 2)), rows) : null);
  }

  // tellSoon says where the view is, not each frame.
  // Eight times a second at most, as it writes text and attributes, which cost a layout.
  tellSoon() {
    this.telling ??= setTimeout(() => {
      this.telling = undefined;
      const line = this.lineAt();
      this.rail.tell(line, this.lines);
      this.outline.at(this.lineAt(Math.floor(this.seen / 3)));
      const fresh = !this.follow && this.fresh ? ` · ${this.fresh.toLocaleString("en")} new` : "";
      this.querySelector(".lv-place").textContent = this.lines ? `line ${line.toLocaleString("en")} of ${this.lines.toLocaleString("en")}${fresh}` : this.done ? "The job said nothing." : "Nothing was said yet.";
    }, 120);
  }

  say(text) {
    const out = this.querySelector(".lv-say");
    if (out.textContent !== text) out.textContent = text;
  }

  // text of lines, as people paste it: without numbers, times and colours.
  async text(from, to) {
    const out = [];
    for (let ask = { line: from, count: 4000 }; ;) {
      const { first, records } = await this.source.ask("lines", ask);
      for (const r of records) if (r.n >= from && r.n <= to) out.push(read(worded(r), true).text);
      if (!records.length || records.at(-1).n >= to) return out.join("\n") + "\n";
      ask = { row: first + records.length, count: 4000 };
    }
  }
}

// wanted is what the lab is asked for to show some levels alone: "" is all.
function wanted(names) {
  if (!names || levels.every((l) => names.includes(l.name))) return "";
  return levels.filter((l) => names.includes(l.name)).flatMap((l) => l.levels).join(",") || "lost";
}

function recall() {
  try {
    return JSON.parse(localStorage.getItem(remembered)) ?? {};
  } catch {
    return {};
  }
}

customElements.define("log-view", LogView);
