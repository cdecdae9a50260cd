// How a row of a log is drawn. Rows are recycled: drawing one writes only what differs.
import { read, worded } from "./log-text.js";
import { clock, span } from "./log-rows.js";

// newSlot makes the elements of a row.
// A screen has some forty slots, which are all that ever exist: scrolling makes no elements and leaves none to be collected.
export function newSlot() {
  const el = document.createElement("div");
  el.className = "row";
  const gutter = document.createElement("span");
  gutter.className = "gutter";
  const fold = document.createElement("span");
  fold.className = "fold";
  const number = document.createElement("a");
  number.className = "no";
  // Forty numbers between two buttons would have to be tabbed through; keys select lines in another way.
  number.tabIndex = -1;
  const time = document.createElement("span");
  time.className = "at";
  gutter.append(fold, number, time);
  const text = document.createElement("span");
  text.className = "text";
  text.append(document.createTextNode(""));
  el.append(gutter, text);
  return { el, fold, number, time, text, row: -1, record: undefined, drawn: "", plain: "" };
}

// set changes a property only where it differs: a write that changes nothing still costs a layout.
// Reading back what was set is cheap: these properties ask for no layout.
const set = (to, key, value) => { if (to[key] !== value) to[key] = value; };

// draw shows a record in a slot; of a row that is not here yet only what is known. The look says how:
// {time, began, lines, find, selected(n), finding(n), section(row), folded(section)}.
// look is the same object for all rows of a frame; before is the row above, of which only the time is wanted.
export function draw(slot, row, record, before, look) {
  slot.row = row;
  slot.record = record;
  const known = record !== undefined;
  // A row that is not here yet has its number only where rows are lines.
  const n = known ? record.n : look.whole ? row : -1;
  const section = known ? look.section(row) : null;
  const folded = !!section && look.folded(section);
  let name = "row";
  if (known) name += " " + (record.lvl ?? "other");
  else name += " wait";
  // Only results of a test are green or red: others are neither.
  if (known && record.lvl === "results") name += record.msg?.result === "pass" ? " pass" : record.msg?.result === "fail" ? " fail" : "";
  if (n >= 0 && look.selected(n)) name += " selected";
  if (known && look.finding(n)) name += " finding";
  if (n === look.evidence) name += " evidence";
  if (row === look.current) name += " current";
  if (section) name += " begins";
  set(slot.el, "className", name);
  const label = n < 0 ? "" : String(n);
  if (slot.number.firstChild?.nodeValue !== label) {
    slot.number.textContent = label;
    slot.number.href = n < 0 ? "" : `#L${n}`;
  }
  set(slot.fold, "textContent", section ? (folded ? "▸" : "▾") : "");
  set(slot.time, "textContent", known && look.time !== "none" ? clock(look.time, record.dt ?? "", look.began, before?.dt) : "");
  if (known && record.dt) set(slot.time, "title", record.dt);
  write(slot, known ? worded(record) : "", record, folded ? section : null, look);
}

// write shows the text of a row, as one piece of text where it has neither colours nor hits.
// What decides over the text is remembered with the slot, so that a row which only moved costs nothing.
function write(slot, message, record, folded, look) {
  // The section is part of it, as the note behind the text is the section's.
  const key = message + (folded ? "\u0001" + folded.start : "");
  if (slot.drawn === key && slot.findOf === look.find && slot.linesOf === look.lines && !folded) return;
  slot.drawn = key;
  slot.findOf = look.find;
  slot.linesOf = look.lines;
  const { text, runs } = read(message, look.lines);
  slot.plain = text;
  const hits = look.find ? look.find(text) : [];
  const link = record?.lvl === "results" && look.result(record.msg);
  if (!runs && !hits.length && !folded && !link) {
    const only = slot.text.firstChild;
    // The text node stays and gets another value: by far the cheapest change of a row.
    if (slot.text.childNodes.length === 1 && only.nodeType === 3) only.nodeValue = text;
    else slot.text.textContent = text;
    return;
  }
  const parts = [];
  for (const piece of pieces(text, runs, hits)) parts.push(part(piece));
  let whole = parts;
  if (link) {
    const a = document.createElement("a");
    a.href = link;
    a.append(...parts);
    whole = [a];
  }
  if (folded) {
    const note = document.createElement("span");
    note.className = "folded";
    const lines = folded.end - folded.start;
    note.textContent = ` ${lines.toLocaleString("en")} line${lines === 1 ? "" : "s"}${folded.seconds ? ", " + span(folded.seconds) : ""}`;
    whole.push(note);
  }
  slot.text.replaceChildren(...whole);
}

// pieces cuts a text where a colour or a hit begins or ends.
// Both lists are in order and without overlaps, so one walk is enough. Without colours the text is one run.
export function pieces(text, runs, hits) {
  const out = [];
  let at = 0;
  let hit = 0;
  for (const run of runs ?? [{ text, style: null }]) {
    const end = at + run.text.length;
    while (at < end) {
      while (hit < hits.length && hits[hit][1] <= at) hit++;
      const h = hits[hit];
      const inside = !!h && h[0] <= at;
      const to = Math.min(end, h ? (inside ? h[1] : h[0]) : end);
      out.push({ text: text.slice(at, to), style: run.style, hit: inside });
      at = to;
    }
  }
  return out;
}

// part is a node for a piece.
// textContent and no HTML: a console may say anything. Colours of the theme are classes, others a style that the script sets.
export function part({ text, style, hit }) {
  if (!style && !hit) return document.createTextNode(text);
  const el = document.createElement(hit ? "mark" : "span");
  el.textContent = text;
  if (!style) return el;
  const names = [];
  for (const key of ["bold", "dim", "italic", "under", "struck", "inverse"]) if (style[key]) names.push("t-" + key);
  for (const key of ["ink", "ground"]) {
    const value = style[key];
    if (typeof value === "number") names.push(`${key}-${value}`);
    else if (value) el.style[key === "ink" ? "color" : "backgroundColor"] = value;
  }
  el.className = names.join(" ");
  return el;
}
