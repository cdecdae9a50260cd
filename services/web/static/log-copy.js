// What a viewer does while the lab still copies a log that nobody has looked at for long: it shows what lies ahead of
// the copy, and says how far that has come. See services/api/logview.go for what is known when.

// The outline, or the end of the log, is what is asked for: each answer says how far the copy has come.
const pause = 400; // ms between two questions; each waits a while for news by itself

// "Copy" is the lab's own copy of a log in pieces that can be read from anywhere (services/api/logbook), and not the clipboard.
export class Copy {
  constructor(view) {
    this.view = view;
    this.ahead = false; // rows that are shown lie ahead of the copy: a row is a line, as far as is known
    this.of = 0; // lines that there are, while fewer are copied
  }

  // told looks at an answer with rows.
  // of is in an answer only while there is a copy under way.
  told(answer) {
    if (answer.of) this.grows(answer, answer.ahead || this.ahead);
    else if (this.of && !this.ahead) this.show(0, 0);
  }

  // Without "copied" the answer's lines are those that are copied.
  grows({ of, lines, copied = lines }, ahead) {
    this.ahead = ahead;
    this.show(copied, of);
    this.stop();
    this.later = setTimeout(() => this.look().catch((err) => this.view.say(err.message)), pause);
  }

  // look asks how far the copy is. With some levels left out rows are known as far as it has come, and no further.
  async look() {
    const { view } = this;
    const outline = await view.outline.load();
    if (outline && this.ahead) {
      if (outline.of) return this.grows(outline, true);
      return this.whole();
    }
    // A line that somebody wants and that was not there yet may be now.
    view.take(await view.source.some({ end: 1 }));
    if (view.wanted !== undefined && view.wanted < view.lines) view.toLine(view.wanted);
  }

  // whole goes on with the copy alone. Parts of files in it are no rows, which could not be known ahead of it.
  // Where parts of files lie between, rows have other numbers than they had ahead of the copy: all rows are thrown away, and the line
  // at the top is looked up anew.
  async whole() {
    const { view } = this;
    this.ahead = false;
    const line = view.lineAt();
    const answer = await view.source.some({ line });
    if (answer.lines - answer.rows !== view.lines - view.rows.count) {
      view.rows.clear();
      view.take(answer);
      if (!view.follow) view.toRow(answer.at ?? 0, line);
    } else {
      view.take(answer);
    }
    this.show(0, 0);
    if (view.query) view.search(view.query, false); // it went through what was copied
  }

  // show says how much has been copied; of 0 lines, that all has.
  // A <progress> in its label: assistive technology has both its words and its value.
  show(copied, of) {
    this.of = of;
    const el = this.view.querySelector(".lv-copying");
    el.hidden = !of;
    const bar = el.querySelector("progress");
    bar.max = of || 1;
    bar.value = copied;
    el.querySelector("span").textContent = of ? `${Math.floor((100 * copied) / of)} %` : "";
  }

  // The view calls it when it leaves the page.
  stop() { clearTimeout(this.later); }
}
