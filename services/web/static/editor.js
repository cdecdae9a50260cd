// The editor of job definitions: line numbers, what is wrong beside its line as one types, and completion of keys and
// values. It stays a text area: what the browser knows of text areas goes on to work.
import { Schema } from "./schema.js";

const area = document.getElementById("definition-input");
const form = area.form;
const box = area.parentElement;
const report = document.getElementById("problems");
// Numbers are read to nobody: a screen reader has the lines themselves, and problems name theirs.
const gutter = document.createElement("div");
gutter.className = "gutter";
gutter.setAttribute("aria-hidden", "true");
box.prepend(gutter);

let marks = new Map(); // line → {tone, text}
let lines = 0;

// number draws the gutter: one element a line, as high as the lines of the area, which does not wrap.
// Elements are made anew only when their number changes; marks change with each check.
const number = () => {
  const n = area.value.split("\n").length;
  if (n !== lines) {
    lines = n;
    gutter.replaceChildren(...Array.from({ length: n }, (_, i) => {
      const s = document.createElement("span");
      s.textContent = i + 1;
      return s;
    }));
  }
  [...gutter.children].forEach((s, i) => {
    const mark = marks.get(i + 1);
    s.className = mark?.tone ?? "";
    s.title = mark?.text ?? "";
  });
  gutter.scrollTop = area.scrollTop;
};

// The offers stand at the caret's place of before.
area.addEventListener("scroll", () => { gutter.scrollTop = area.scrollTop; hide(); });

// Checking: half a second after the last key, and never two questions at once.
let timer = 0;
let asked = 0;
// asked counts, so that an answer which a later question has overtaken is thrown away. The header makes the server answer with
// JSON and submit nothing.
const check = async () => {
  if (!area.value.trim()) return;
  const mine = ++asked;
  const body = new URLSearchParams({ "definition-input": area.value });
  const answer = await fetch(form.action || location.href, { method: "POST", body, headers: { "X-Requested-With": "XMLHttpRequest" } }).catch(() => null);
  // What cannot be asked is said by nobody: the button "Validate" asks again, with words.
  if (!answer?.ok || mine !== asked) return;
  show((await answer.json()).problems);
};

// show marks lines and lists what is wrong. A line has one mark: an error hides a warning.
// The report is a live region of the page, so what it says is read out (WCAG 4.1.3).
const show = (problems) => {
  marks = new Map();
  for (const p of problems) {
    const tone = p.warning ? "warn" : "bad";
    if (p.line && marks.get(p.line)?.tone !== "bad") marks.set(p.line, { tone, text: p.message });
  }
  number();
  if (!problems.length) {
    const fine = document.createElement("p");
    fine.className = "good-text";
    fine.textContent = "The definition is valid.";
    report.replaceChildren(fine);
    return;
  }
  const list = document.createElement("ol");
  list.className = "found";
  for (const p of problems) {
    const item = document.createElement("li");
    item.className = p.warning ? "warn" : "bad";
    item.dataset.line = p.line;
    item.dataset.column = p.column;
    const head = document.createElement(p.line ? "button" : "b"); // a button, as keys have to reach it too (WCAG 2.1.1)
    if (p.line) {
      head.type = "button";
      head.className = "link";
    }
    head.textContent = (p.warning ? "Warning" : "Error") + (p.line ? `, line ${p.line}` : "");
    // As text and not as HTML: messages quote what was typed.
    item.append(head, " ", p.message);
    if (p.path && !p.message.includes(p.path)) {
      const code = document.createElement("code");
      code.textContent = p.path;
      item.append(" ", code);
    }
    list.append(item);
  }
  report.replaceChildren(list);
};

// A click on a problem puts the caret at its place.
report.addEventListener("click", (e) => {
  const item = e.target.closest("li[data-line]");
  const line = Number(item?.dataset.line);
  if (!line) return;
  // A text area counts characters from its beginning, with a line end as one.
  const before = area.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
  const at = before + Math.max(0, Number(item.dataset.column) - 1);
  area.focus();
  area.setSelectionRange(at, at);
  // 18 px is a line's height in submit.css; five lines stay above it.
  area.scrollTop = (line - 6) * 18;
});

// Completion.
// null while it is not here; one that could not be fetched is asked for again with the next letter.
let schema = null;
const offers = document.createElement("ul");
offers.className = "offers";
offers.id = "offers";
offers.setAttribute("role", "listbox");
offers.setAttribute("aria-label", "Completions");
offers.hidden = true;
box.append(offers);
let chosen = 0;
let current = { word: "", list: [] };

// The list of offers stands below the caret; the focus stays in the area, which names the chosen one for screen readers.
// The pattern is ARIA's listbox with aria-activedescendant: focus never leaves the area, or typing would stop.
const hide = () => {
  offers.hidden = true;
  area.removeAttribute("aria-activedescendant");
};

// It goes round at both ends.
const pick = (i) => {
  chosen = (i + current.list.length) % current.list.length;
  [...offers.children].forEach((o, n) => o.setAttribute("aria-selected", String(n === chosen)));
  const o = offers.children[chosen];
  o.scrollIntoView({ block: "nearest" });
  area.setAttribute("aria-activedescendant", o.id);
};

// charWidth is how wide a character of the area is: all are as wide, but how wide only the browser knows.
// A canvas measures without a layout. The style is read each time, as the font may come late or be zoomed.
const charWidth = (() => {
  const canvas = document.createElement("canvas").getContext("2d");
  return () => {
    const style = getComputedStyle(area);
    canvas.font = `${style.fontSize} ${style.fontFamily}`;
    return canvas.measureText("0").width;
  };
})();

// offer shows what may stand at the caret: while one types once a letter is there, with Ctrl-Space always. The schema is
// asked for the first time that somebody types, as it is large.
// Lists of more than sixty would be scrolled rather than read: a letter more narrows them.
const offer = async (always) => {
  schema ??= await fetch("/scheduler/jobsubmit/schema").then((r) => (r.ok ? r.json() : null)).then((s) => s && new Schema(s)).catch(() => null);
  if (!schema || area.selectionStart !== area.selectionEnd) return;
  current = schema.offers(area.value, area.selectionStart);
  if (!current.list.length || (!always && !current.word && !current.value)) {
    hide();
    return;
  }
  offers.replaceChildren(...current.list.slice(0, 60).map((o, i) => {
    const item = document.createElement("li");
    item.id = `offer-${i}`;
    item.setAttribute("role", "option");
    item.textContent = o.text;
    if (o.about) {
      const small = document.createElement("small");
      small.textContent = o.about;
      item.append(small);
    }
    return item;
  }));
  current.list = current.list.slice(0, 60);
  const head = area.value.slice(0, area.selectionStart);
  const row = head.split("\n").length;
  const column = head.length - head.lastIndexOf("\n") - 1 - current.word.length;
  offers.hidden = false;
  // As submit.css has it: 8 px of padding above the first line, of 18 px each; on the left 52 px of gutter and 12 px of padding.
  const top = 8 + row * 18 - area.scrollTop;
  offers.style.top = `${Math.min(top, box.clientHeight - 60)}px`;
  offers.style.left = `${Math.max(60, Math.min(64 + column * charWidth() - area.scrollLeft, box.clientWidth - 240))}px`;
  pick(0);
};

// take writes the chosen offer in place of what was begun; a key gets its colon.
// setRangeText leaves the rest of the text and the place to which it is scrolled alone; "end" puts the caret behind.
const take = () => {
  const o = current.list[chosen];
  const end = area.selectionStart;
  const rest = current.value || o.text.endsWith(":") ? o.text : `${o.text}: `;
  area.setRangeText(rest, end - current.word.length, end, "end");
  hide();
  area.dispatchEvent(new Event("input"));
};

// mousedown and not click: by then the area would have lost the focus, which hides the offers.
offers.addEventListener("mousedown", (e) => {
  const at = [...offers.children].indexOf(e.target.closest("li"));
  if (at < 0) return;
  e.preventDefault();
  chosen = at;
  take();
});

area.addEventListener("keydown", (e) => {
  // With its button, as if that were pressed: by its name the server tells submitting from validating.
  if ((e.ctrlKey || e.metaKey) && e.key === "Enter") {
    form.requestSubmit(form.querySelector("[name=submit]"));
  } else if (e.ctrlKey && e.key === " ") {
    offer(true);
  } else if (!offers.hidden && e.key === "ArrowDown") {
    pick(chosen + 1);
  } else if (!offers.hidden && e.key === "ArrowUp") {
    pick(chosen - 1);
  } else if (!offers.hidden && (e.key === "Enter" || e.key === "Tab")) {
    take();
  } else if (!offers.hidden && e.key === "Escape") {
    hide();
  // isComposing: an Enter that ends a composition of an input method is no line end.
  } else if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
    // The next line begins where this one does, one deeper after a key without a value.
    const head = area.value.slice(0, area.selectionStart);
    const line = head.slice(head.lastIndexOf("\n") + 1);
    const inner = /^\s*(?:- +)*/.exec(line)[0].length;
    const deeper = /:\s*$/.test(line) ? 2 : 0;
    area.setRangeText("\n" + " ".repeat(line.trim() ? inner + deeper : inner), area.selectionStart, area.selectionEnd, "end");
    area.dispatchEvent(new Event("input"));
  } else {
    return;
  }
  e.preventDefault();
});

area.addEventListener("input", (e) => {
  number();
  clearTimeout(timer);
  timer = setTimeout(check, 500);
  // Pasting and deleting offer nothing: nobody is looking for a word then.
  if (e.inputType === "insertText") offer(false);
  else hide();
});
area.addEventListener("blur", hide);

number();
if (area.value.trim()) check();
