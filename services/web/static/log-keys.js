// How a log is moved: by keys, wheel, finger, and clicks on its lines; and what copying from it gives.
import { copy } from "./log-bars.js";

// keys has a view listen.
// They work while the view or a row in it has the focus, and nowhere else, as WCAG 2.1.4 asks of keys that are letters.
export function keys(view) {
  const el = view.$(".lv-view");
  el.addEventListener("keydown", (e) => press(view, e));
  // Not passive: what the log takes the page must not scroll by too.
  el.addEventListener("wheel", (e) => wheel(view, e), { passive: false });
  touch(view, el);
  el.addEventListener("click", (e) => click(view, e));
}

const times = ["none", "absolute", "relative", "delta"];

// Control and Meta are the browser's, but for Home and End, which mean the same with them.
function press(view, e) {
  if (e.altKey || (e.ctrlKey || e.metaKey) && e.key !== "Home" && e.key !== "End") return;
  // Two lines of a screen are seen again on the next.
  const page = Math.max(1, view.seen - 2);
  // From the selection, if that is what was moved to last; else from a third below the top, which is where a line that is gone to stands.
  const step = (kind, by) => {
    const base = view.selection && view.current >= 0 ? view.selection.from : view.lineAt(Math.floor(view.seen / 3));
    const to = view.outline.step(kind, base, by);
    if (to === undefined) return view.say(by > 0 ? `no further ${kind}` : `no ${kind} before`);
    view.select(to);
    view.toLine(to);
  };
  const act = {
    ArrowDown: () => view.scrollRows(1), j: () => view.scrollRows(1), ArrowUp: () => view.scrollRows(-1), k: () => view.scrollRows(-1),
    PageDown: () => view.scrollRows(page), " ": () => view.scrollRows(e.shiftKey ? -page : page), PageUp: () => view.scrollRows(-page),
    Home: () => view.toFraction(0), End: () => view.toEnd(), G: () => view.toEnd(),
    "/": () => { const f = view.$(".lv-search input"); f.focus(); f.select(); },
    n: () => view.next(1), N: () => view.next(-1),
    l: () => view.$(".lv-goto input").focus(), ":": () => view.$(".lv-goto input").focus(),
    "]": () => step("finding", 1), "[": () => step("finding", -1), "}": () => step("action", 1), "{": () => step("action", -1),
    z: () => { if (view.outline.inside) view.fold(view.outline.inside); },
    f: () => { if (!view.done) (view.follow ? view.setFollow(false) : view.toEnd(true)); },
    w: () => view.$(".lv-wrap").click(), o: () => view.$(".lv-toggle").click(),
    t: () => {
      const to = times[(times.indexOf(view.marks.time) + 1) % times.length];
      view.$(".lv-time select").value = to;
      view.setTime(to);
    },
    c: () => copy(view), "?": () => view.$(".lv-keys").showModal(),
    // replaceState takes the line out of the address and adds nothing to what Back goes through.
    Escape: () => {
      if (view.query) {
        view.$(".lv-search input").value = "";
        view.search((view.asked = null));
      } else if (view.selection) {
        view.selection = null;
        history.replaceState(history.state, "", location.pathname + location.search);
        view.say("");
        view.marked();
        view.changed();
      // Then the key is not used here, and closes what is open around.
      } else return false;
    },
  }[e.key];
  if (act && act() !== false) e.preventDefault();
}

// deltaMode 1 counts lines and 2 pages, as Firefox may send; 18 px is a row (log-view.js).
function wheel(view, e) {
  if (e.ctrlKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) return; // zoom; a long line
  const by = e.deltaMode === 1 ? e.deltaY * 18 : e.deltaMode === 2 ? e.deltaY * view.room : e.deltaY;
  // At its ends the page goes on.
  const top = view.first === 0 && view.shift <= 0;
  // Where rows wrap, the bottom is not known by a number; then the page does not go on.
  const bottom = view.first * 18 + view.shift >= view.places * 18 - view.room - 1;
  if ((by < 0 && top) || (by > 0 && bottom && !view.marks.wrap)) return;
  e.preventDefault();
  view.scrollPixels(by);
}

// touch drags the rows, which go on a while when the finger is lifted.
// The rows are moved by transforms and no element scrolls, so the browser has nothing to fling by itself.
function touch(view, el) {
  let last = null, speed = 0, coasting;
  const stop = () => cancelAnimationFrame(coasting);
  el.addEventListener("touchstart", (e) => {
    stop();
    last = e.touches.length === 1 ? { y: e.touches[0].clientY, at: e.timeStamp } : null;
    speed = 0;
  }, { passive: true });
  el.addEventListener("touchmove", (e) => {
    if (!last || e.touches.length !== 1) return;
    const y = e.touches[0].clientY;
    const by = last.y - y;
    // Pixels in a millisecond, smoothed: the last few moves of a finger are uneven.
    speed = 0.7 * speed + 0.3 * (by / Math.max(1, e.timeStamp - last.at));
    last = { y, at: e.timeStamp };
    view.scrollPixels(by);
    // One that the browser has begun to scroll by cannot be taken back.
    if (e.cancelable) e.preventDefault();
  }, { passive: false });
  el.addEventListener("touchend", () => {
    last = null;
    let before = performance.now();
    const coast = (now) => {
      // It halves in 173 ms, whatever the rate of frames.
      speed *= Math.pow(0.996, now - before);
      view.scrollPixels(speed * (now - before));
      before = now;
      if (Math.abs(speed) > 0.02) coasting = requestAnimationFrame(coast);
    };
    if (Math.abs(speed) > 0.1) coasting = requestAnimationFrame(coast);
  });
}

// click selects a line by its number, more with Shift, and folds sections.
// The numbers are links (#L12), for a menu and a new tab; a plain click only marks the line.
function click(view, e) {
  if (e.ctrlKey || e.metaKey) return; // the browser's: the line in a new tab
  const fold = e.target.closest(".fold");
  const slot = view.slots.find((s) => s.el.contains(e.target));
  if (!slot?.record) return;
  const n = slot.record.n;
  if (fold && fold.textContent) {
    const section = view.outline.begins.get(slot.row);
    if (section?.end === undefined) view.say("It still runs");
    else view.fold(section);
    return;
  }
  if (!e.target.closest(".no")) return;
  e.preventDefault();
  view.current = slot.row;
  if (e.shiftKey && view.selection) view.select(view.anchor ?? view.selection.from, n);
  else view.select((view.anchor = n));
  // Shift also selects text in the browser's way, over all rows between.
  getSelection().removeAllRanges();
}

// copied has the browser copy what the lines say: no numbers, no times, each row a line.
// Without this the text would have the gutters in it, and a row that wraps as lines.
export function copied(view) {
  view.$(".lv-view").addEventListener("copy", (e) => {
    const range = getSelection().rangeCount ? getSelection().getRangeAt(0) : null;
    // Nothing is selected in the browser's way: then the lines that are marked are meant.
    if (!range || range.collapsed) {
      if (!view.selection) return;
      e.preventDefault();
      copy(view);
      return;
    }
    const out = [];
    for (const slot of view.slots) {
      if (slot.row < 0 || !range.intersectsNode(slot.text)) continue;
      const part = document.createRange();
      part.selectNodeContents(slot.text);
      if (range.compareBoundaryPoints(Range.START_TO_START, part) > 0) part.setStart(range.startContainer, range.startOffset);
      if (range.compareBoundaryPoints(Range.END_TO_END, part) < 0) part.setEnd(range.endContainer, range.endOffset);
      out.push(part.toString());
    }
    if (!out.length) return;
    e.clipboardData.setData("text/plain", out.join("\n"));
    e.preventDefault();
  });
}
