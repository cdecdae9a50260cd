// The outline beside a log: findings, and the sections (actions, tests, cases) with what they took and how they ended.
import { span } from "./log-rows.js";

// Sections are those of logOutline in job.go; they come in the order in which they begin, inner ones behind what they are in.
export class Outline {
  constructor(view, el) {
    this.view = view;
    this.el = el;
    this.sections = [];
    this.begins = new Map(); // line → section
    this.findings = new Map(); // line → finding
    this.counts = {}; // lines of each level
    el.addEventListener("click", (e) => this.click(e));
  }

  // load asks for what the log is made of, for the levels that are shown: rows of sections depend on them. It returns the
  // lab's answer, null where there is none.
  // At most one asking is on the way and one waits behind it, however often it is called.
  load() {
    if (this.loading) { // what is on the way may be of other levels, or of less: once more
      this.next ??= this.loading.then(() => { this.next = null; return this.load(); });
      return this.next;
    }
    this.loading = this.ask().finally(() => { this.loading = null; });
    return this.loading;
  }

  async ask() {
    const levels = this.view.source.levels;
    try {
      const answer = await this.view.source.outline();
      // Levels were chosen anew while this was on its way: its rows are not those that are shown.
      if (levels !== this.view.source.levels) return null; // asked again already
      this.sections = answer.sections;
      this.counts = answer.levels;
      this.begins = new Map();
      for (const s of answer.sections) {
        const { start, end } = rowsOf(s);
        // Where first lines are left out several begin at the same row: the outermost has it.
        if ((end === undefined || end > start) && !this.begins.has(start)) this.begins.set(start, s);
      }
      this.findings = new Map(answer.findings.map((f) => [f.line, f]));
      this.view.dispatchEvent(new CustomEvent("log-outline"));
      this.draw(answer);
      this.shape();
      this.view.marked();
      this.view.changed();
      return answer;
    } catch (err) {
      this.view.say(err.message);
      return null;
    }
  }

  // forget drops which rows sections have: others are shown from now on.
  // What is folded is remembered by lines in the view, and holds again once the rows are known.
  forget() {
    this.begins = new Map();
    this.sections = [];
    this.view.folds.set([]);
  }

  // shape has the view hide what is folded.
  // A section that goes on has no end yet and is not folded: lines would vanish as they come.
  shape() {
    const { view } = this;
    view.folds.set(this.sections.filter((s) => view.folded.has(s.start) && s.end !== undefined).map(rowsOf));
    for (const el of this.el.querySelectorAll("[data-section]")) el.classList.toggle("closed", view.folded.has(Number(el.dataset.section)));
  }

  // Tests and cases lie within actions, so folding those is enough. It begins at the top, as the line that was there may be gone.
  foldAll(closed) {
    for (const s of this.sections) {
      if (closed && s.kind === "action" && s.end !== undefined) this.view.folded.add(s.start);
      else this.view.folded.delete(s.start);
    }
    this.view.first = 0;
    this.view.shift = 0;
    this.shape();
    this.view.changed();
  }

  // A running job asks every three seconds, and mostly nothing has changed: the comparison of texts is cheaper than a layout.
  draw(answer) {
    const key = JSON.stringify([answer.sections, answer.findings]);
    if (key === this.drawn) return;
    this.drawn = key;
    const out = document.createDocumentFragment();
    if (answer.findings.length) out.append(heading("Findings", answer.findings.length), list(answer.findings.map((f) => this.finding(f))));
    // Beyond 400 sections the cases would bury the actions; their place is the results.
    const shown = answer.sections.filter((s) => s.kind !== "case" || answer.sections.length < 400);
    if (shown.length) out.append(heading("Actions", ""), list(shown.map((s) => this.section(s))));
    if (!out.childNodes.length) out.append(heading(answer.done ? "No actions" : "No actions yet", ""));
    this.el.replaceChildren(out);
  }

  // The kind in words stands before the text, as the colour alone would say nothing (WCAG 1.4.1).
  finding(f) {
    const li = document.createElement("li");
    const a = link(f.line, f.text || f.kind);
    a.className = f.kind === "case" ? "warn-text" : "bad-text";
    a.title = `${f.kind}, line ${f.line}`;
    const kind = document.createElement("span");
    kind.className = "kind";
    kind.textContent = f.kind;
    a.prepend(kind);
    li.append(a);
    return li;
  }

  // Depth is a class and not a style: seven of them are in the style sheet.
  section(s) {
    const li = document.createElement("li");
    li.dataset.section = s.start;
    li.className = `depth-${Math.min(s.depth, 6)} ${s.result ?? ""}`;
    const a = link(s.start, s.name);
    if (s.level) {
      const level = document.createElement("span");
      level.className = "level";
      level.textContent = s.level;
      a.prepend(level);
    }
    const took = document.createElement("span");
    took.className = "took num";
    // "runs" only while the job does: some actions never say that they end.
    took.textContent = s.end === undefined ? (this.view.done ? "" : "runs") : span(s.seconds ?? 0);
    if (s.result && s.result !== "pass") took.prepend(mark(s.result));
    li.append(a, took);
    if (s.end !== undefined && s.end > s.start) {
      const fold = document.createElement("button");
      fold.type = "button";
      fold.className = "quiet tuck";
      // Its sign is drawn by the style sheet and says nothing to who hears the page.
      fold.setAttribute("aria-label", `Fold ${s.name}`);
      li.prepend(fold);
    }
    return li;
  }

  // One listener for all: the list is made anew as the job goes on.
  click(e) {
    if (e.ctrlKey || e.metaKey) return; // the browser's: the line in a new tab
    const a = e.target.closest("a[href^='#L']");
    if (a) {
      e.preventDefault();
      const line = Number(a.hash.slice(2));
      this.view.select(line);
      this.view.toLine(line);
      return;
    }
    const li = e.target.closest(".tuck")?.closest("[data-section]");
    const s = li && this.sections.find((x) => x.start === Number(li.dataset.section));
    if (s) this.view.fold(s);
  }

  // at marks the innermost section that a line is in.
  // Called as the log is moved, so it touches the page only when the section changes.
  at(line) {
    let inside = null;
    for (const s of this.sections) {
      if (s.start > line) break;
      if (s.end === undefined || s.end >= line) inside = s;
    }
    if (inside === this.inside) return;
    this.inside = inside;
    this.el.querySelector("[aria-current]")?.removeAttribute("aria-current");
    const el = inside && this.el.querySelector(`[data-section="${inside.start}"] a`);
    if (!el) return;
    el.setAttribute("aria-current", "true");
    const box = this.el.getBoundingClientRect(), b = el.getBoundingClientRect();
    // By its own scrolling and not by scrollIntoView, which would move the page around it, too.
    if (b.top < box.top || b.bottom > box.bottom) this.el.scrollTop += b.top - box.top - box.height / 3;
  }

  // step is the next finding or section from a line on.
  // undefined: there is none in that direction.
  step(kind, line, by) {
    // Cases are no steps: there may be thousands, and "}" is for actions.
    const lines = (kind === "finding" ? [...this.findings.keys()] : this.sections.filter((s) => s.kind !== "case").map((s) => s.start)).sort((a, b) => a - b);
    return by > 0 ? lines.find((l) => l > line) : lines.findLast((l) => l < line);
  }
}

// rowsOf is the first and the last row of a section. The lab says them where rows are not lines.
// first and behind are rows and come while levels are left out; end is the last row, as in the section itself.
export const rowsOf = (s) => ({ start: s.first ?? s.start, end: s.end === undefined ? undefined : (s.behind ?? s.end + 1) - 1 });

function heading(text, n) {
  const h = document.createElement("h3");
  h.textContent = text;
  if (n) {
    const count = document.createElement("span");
    count.className = "muted";
    count.textContent = ` ${n}`;
    h.append(count);
  }
  return h;
}

function list(items) {
  const ul = document.createElement("ul");
  ul.append(...items);
  return ul;
}

function link(line, text) {
  const a = document.createElement("a");
  a.href = `#L${line}`;
  a.append(text);
  return a;
}

function mark(result) {
  const el = document.createElement("span");
  el.className = result === "fail" ? "bad-text" : "muted";
  el.textContent = `${result} `;
  return el;
}
