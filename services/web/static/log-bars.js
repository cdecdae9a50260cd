// What stands around the rows of a log: its tools above, its state below.
import { copyText } from "./clipboard.js";

// levels are the groups that can be hidden, in LAVA's words; error has exceptions with it.
// A group that has no lines is listed all the same: it may get some while the job runs. "other" is what no group is called.
export const levels = [
  { name: "debug", levels: ["debug"], label: "Debug" },
  { name: "info", levels: ["info"], label: "Info" },
  { name: "warning", levels: ["warning"], label: "Warning" },
  { name: "error", levels: ["error", "exception"], label: "Error" },
  { name: "input", levels: ["input"], label: "Input" },
  { name: "target", levels: ["target"], label: "Output" },
  { name: "feedback", levels: ["feedback"], label: "Feedback" },
  { name: "results", levels: ["results"], label: "Results" },
  { name: "other", levels: ["event", "other"], label: "Other" },
];

// A string and no template of the server's: the viewer is made where there are scripts, in place of what stands in its element.
// role="log" with aria-live="off", as a console that is read out aloud as it comes would drown all else; the rows are read by
// moving through them. The rail is a scrollbar to assistive technology, which keys move by way of the view.
const markup = `
<div class="lv-tools" role="toolbar" aria-label="Log">
  <form class="lv-search" role="search">
    <input type="search" aria-label="Search the log" placeholder="Search the log" spellcheck="false" autocomplete="off" enterkeyhint="search">
    <label title="Capitals count"><input type="checkbox" name="case"><span>Aa</span><span class="sr">Capitals count</span></label>
    <label title="Regular expression"><input type="checkbox" name="regexp"><span>.*</span><span class="sr">Regular expression</span></label>
    <button type="button" class="lv-prev" title="Previous hit (N)" aria-label="Previous hit">↑</button>
    <button type="button" class="lv-next" title="Next hit (n)" aria-label="Next hit">↓</button>
    <output class="lv-count" aria-live="polite"></output>
  </form>
  <form class="lv-goto"><input inputmode="numeric" pattern="[0-9, ]*" size="9" aria-label="Go to line" placeholder="Go to line"></form>
  <details class="menu lv-levels"><summary>Levels</summary><div class="sheet"></div></details>
  <label class="lv-time"><span class="sr">Times</span><select title="Times (t)">
    <option value="none">No times</option><option value="absolute">Time (UTC)</option><option value="relative">Since the start</option><option value="delta">Since the line before</option>
  </select></label>
  <button type="button" class="lv-wrap" aria-pressed="false" title="Wrap long lines (w)">Wrap</button>
  <button type="button" class="lv-toggle" aria-pressed="true" title="Outline (o)">Outline</button>
  <button type="button" class="lv-follow" aria-pressed="false" title="Follow the end (f)" hidden>Follow</button>
  <button type="button" class="lv-take" title="Take over the console" aria-label="Take over the console" hidden>Take over</button>
  <details class="menu end lv-more"><summary>More</summary><div class="sheet">
    <button type="button" class="link lv-copy">Copy the selected lines</button>
    <button type="button" class="link lv-link">Copy a link to them</button>
    <button type="button" class="link lv-foldall">Fold all actions</button>
    <button type="button" class="link lv-openall">Unfold all</button>
    <a class="lv-plain" download>Plain log</a>
    <button type="button" class="link lv-help">Keys</button>
  </div></details>
</div>
<div class="lv-body">
  <nav class="lv-outline" aria-label="Outline of the log"></nav>
  <div class="lv-view" role="log" aria-live="off" aria-label="Log" tabindex="0" data-own-keys><div class="lv-sheet"></div></div>
  <div class="lv-rail" role="scrollbar" aria-label="Place in the log" aria-orientation="vertical" aria-valuemin="0" aria-valuenow="0" aria-valuemax="0"></div>
</div>
<div class="lv-foot"><span class="lv-place"></span><label class="lv-copying" hidden>Reading the log <progress></progress> <span class="num"></span></label><span class="lv-say" role="status"></span></div>
<dialog class="lv-keys" aria-label="Keys of the log"><h2>Keys of the log</h2><dl class="keys">
<dt><kbd>/</kbd> <kbd>n</kbd> <kbd>N</kbd></dt><dd>search, next and previous hit</dd>
<dt><kbd>j</kbd> <kbd>k</kbd> <kbd>↓</kbd> <kbd>↑</kbd></dt><dd>a line</dd>
<dt><kbd>Space</kbd> <kbd>Page</kbd></dt><dd>a screen</dd>
<dt><kbd>Home</kbd> <kbd>End</kbd> <kbd>G</kbd></dt><dd>beginning and end</dd>
<dt><kbd>l</kbd></dt><dd>go to a line</dd>
<dt><kbd>]</kbd> <kbd>[</kbd></dt><dd>next and previous finding</dd>
<dt><kbd>}</kbd> <kbd>{</kbd></dt><dd>next and previous action</dd>
<dt><kbd>z</kbd></dt><dd>fold the action that the view is in</dd>
<dt><kbd>f</kbd> <kbd>w</kbd> <kbd>t</kbd> <kbd>o</kbd></dt><dd>follow, wrap, times, outline</dd>
<dt><kbd>c</kbd></dt><dd>copy the selected lines</dd>
<dt><kbd>Esc</kbd></dt><dd>clear the search, then the selection</dd>
</dl><form method="dialog"><button>Close</button></form></dialog>`;

// bars puts the tools into a view and has them do what they say.
// innerHTML takes nothing here but the text above: what a job or a person wrote is set as text.
export function bars(view) {
  view.innerHTML = markup;
  // Of this viewer alone.
  const $ = (selector) => view.querySelector(selector);
  view.$ = $;
  const rail = $(".lv-rail");
  // Two viewers may stand on one page.
  $(".lv-view").id = `log-${view.job}`;
  rail.setAttribute("aria-controls", `log-${view.job}`);

  const field = $(".lv-search input[type=search]");
  let soon;
  const query = () => ({ text: field.value, case: $("[name=case]").checked, regexp: $("[name=regexp]").checked });
  // The same question once more goes to the next hit, so that Enter does what people expect of it.
  const look = () => {
    clearTimeout(soon);
    const q = query();
    if (JSON.stringify(q) !== JSON.stringify(view.asked)) view.search((view.asked = q));
    else view.next(1);
  };
  field.addEventListener("input", () => {
    clearTimeout(soon);
    // 150 ms after the last letter; one letter alone would find nearly every line, and waits for Enter.
    soon = setTimeout(() => { if (field.value.length !== 1) look(); }, 150);
  });
  // A change of the field itself comes too when it is left, and is no wish to search.
  $(".lv-search").addEventListener("change", (e) => { if (e.target.type === "checkbox" && field.value) look(); });
  $(".lv-search").addEventListener("submit", (e) => { e.preventDefault(); look(); });
  field.addEventListener("keydown", (e) => {
    if (e.key === "Escape") {
      field.value = "";
      // Escape leaves the search and goes back to where keys move the log.
      view.search((view.asked = null));
      $(".lv-view").focus();
    } else if (e.key === "Enter" && e.shiftKey) {
      e.preventDefault();
      view.next(-1);
    }
  });
  $(".lv-next").addEventListener("click", () => view.next(1));
  $(".lv-prev").addEventListener("click", () => view.next(-1));

  $(".lv-goto").addEventListener("submit", (e) => {
    e.preventDefault();
    const input = e.target.elements[0];
    // People write 1,234 and 1 234.
    const line = Number(input.value.replace(/[, ]/g, ""));
    if (input.value.trim() === "" || !Number.isInteger(line)) return view.say("That is no line's number");
    view.say("");
    // Behind the end it shows the last line that there is now.
    const to = Math.min(line, Math.max(0, view.lines - 1));
    view.select(to);
    view.toLine(to);
    $(".lv-view").focus();
  });

  // What was chosen holds for all logs that are opened in this browser.
  levelMenu(view, $(".lv-levels .sheet"));
  const time = $(".lv-time select");
  time.value = view.dataset.time = view.marks.time;
  time.addEventListener("change", () => view.setTime(time.value));
  const wrap = $(".lv-wrap");
  wrap.setAttribute("aria-pressed", String(view.marks.wrap));
  wrap.addEventListener("click", () => {
    view.setWrap(!view.marks.wrap);
    wrap.setAttribute("aria-pressed", String(view.marks.wrap));
  });
  // A slim viewer stands beside the job's own pipeline: its outline is opened for the moment and not remembered.
  const toggle = $(".lv-toggle");
  const outlined = (on) => {
    if (!view.hasAttribute("slim")) view.remember({ outline: on });
    view.classList.toggle("bare", !on);
    toggle.setAttribute("aria-pressed", String(on));
  };
  // On a narrow window the outline would cover the log, whatever was chosen on a wide one.
  outlined(view.marks.outline && !view.hasAttribute("slim") && !matchMedia("(max-width: 820px)").matches);
  toggle.addEventListener("click", () => outlined(view.classList.contains("bare")));
  $(".lv-follow").addEventListener("click", () => { if (view.follow) view.setFollow(false); else view.toEnd(true); });
  more(view, $);
}

// levelMenu lists the levels with how many lines each has.
// No level chosen at all is a choice too: then only lines that were lost are shown, as they belong to none.
function levelMenu(view, sheet) {
  // innerHTML has no words of anybody in it; the label is set as text.
  const boxes = levels.map((level) => {
    const label = document.createElement("label");
    label.innerHTML = `<input type="checkbox"><span class="lv-level ${level.name}"></span><span></span><span class="num muted"></span>`;
    label.children[2].textContent = level.label;
    const box = label.firstElementChild;
    box.value = level.name;
    sheet.append(label);
    return { box, level, label };
  });
  const all = document.createElement("button");
  all.type = "button";
  all.className = "link";
  all.textContent = "Show all";
  all.addEventListener("click", () => view.setLevels(null));
  sheet.append(all);
  const show = () => {
    const on = view.marks.levels;
    for (const { box, level } of boxes) box.checked = !on || on.includes(level.name);
    view.$(".lv-levels summary").textContent = on ? `Levels: ${on.length} of ${levels.length}` : "Levels";
  };
  view.addEventListener("log-levels", show);
  view.addEventListener("log-outline", () => {
    for (const { level, label } of boxes) {
      // Counts are of the whole log, also of levels that are hidden.
      const n = level.levels.reduce((sum, l) => sum + (view.outline.counts[l] ?? 0), 0);
      label.lastElementChild.textContent = n ? n.toLocaleString("en") : "–";
    }
  });
  sheet.addEventListener("change", () => view.setLevels(boxes.filter(({ box }) => box.checked).map(({ level }) => level.name)));
}

// more does what the last menu lists.
// The menu closes first, so that what is said at the foot is seen.
function more(view, $) {
  const close = () => { $(".lv-more").open = false; };
  const does = (selector, work) => $(selector).addEventListener("click", () => { close(); work(); });
  does(".lv-copy", () => copy(view));
  does(".lv-link", async () => {
    // A link names lines; without a selection it names the one at the top.
    if (!view.selection) view.select(view.lineAt());
    try {
      await copyText(location.href);
      view.say("The link is copied");
    } catch (err) {
      view.say(`Nothing was copied: ${err.message}`);
    }
  });
  does(".lv-foldall", () => view.outline.foldAll(true));
  does(".lv-openall", () => view.outline.foldAll(false));
  does(".lv-help", () => $(".lv-keys").showModal());
  const plain = $(".lv-plain");
  if (view.hasAttribute("plain")) plain.href = view.getAttribute("plain");
  // The page says where the plain log is; a viewer elsewhere may have none.
  else plain.hidden = true;
  const take = $(".lv-take");
  take.hidden = !view.hasAttribute("console");
  take.addEventListener("click", async () => {
    // It is asked for by the few who may and do: import() keeps it out of what every page with a log loads.
    const { takeOver } = await import("./log-console.js");
    takeOver(view);
  });
}

// most is how many lines are copied at once.
// Some ten megabytes of text: more than a clipboard is good for.
const most = 100_000;

// copy copies the selected lines as text.
// It may take seconds, as lines are fetched; browsers let a page write to the clipboard only a few seconds after a key or a click.
export async function copy(view) {
  const s = view.selection;
  if (!s) return view.say("Select lines first: click a line's number, then another with Shift");
  if (s.to - s.from >= most) return view.say(`At most ${most.toLocaleString("en")} lines are copied at once; the plain log has them all`);
  try {
    await copyText(await view.text(s.from, s.to));
    view.say(`${(s.to - s.from + 1).toLocaleString("en")} lines copied`);
  } catch (err) {
    view.say(`Nothing was copied: ${err.message}`);
  }
}
