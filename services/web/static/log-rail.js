// The scroll bar of a log: no element can be as high as ten million rows, so it maps places by itself. Beside the
// thumb it shows where hits, findings and the selection are.

// It looks and behaves as a scroll bar does. Keys move the log by way of its view.
export class Rail {
  // go(fraction) is called with where the top shall be: 0 is the first place, 1 the last.
  constructor(el, go) {
    this.el = el;
    this.go = go;
    this.thumb = document.createElement("div");
    this.thumb.className = "thumb";
    this.canvas = document.createElement("canvas");
    el.append(this.canvas, this.thumb);
    this.height = 0;
    // Pixels; a smaller thumb would be hard to hit.
    this.size = 24;
    el.addEventListener("pointerdown", (e) => this.press(e));
  }

  // press moves the thumb under the pointer, and takes it along.
  // A press beside the thumb takes it there, with its middle under the pointer.
  press(e) {
    if (e.button) return;
    e.preventDefault();
    const box = this.el.getBoundingClientRect();
    const y = e.clientY - box.top;
    const grip = y >= this.y && y <= this.y + this.size ? y - this.y : this.size / 2;
    const move = (m) => this.go(Math.min(1, Math.max(0, (m.clientY - box.top - grip) / Math.max(1, this.height - this.size))));
    move(e);
    // From then on moves come here wherever the pointer is, also outside of the window.
    this.el.setPointerCapture(e.pointerId);
    this.el.addEventListener("pointermove", move);
    const end = () => this.el.removeEventListener("pointermove", move);
    this.el.addEventListener("pointerup", end, { once: true });
    this.el.addEventListener("pointercancel", end, { once: true });
  }

  // show puts the thumb where the top is, of so many places of which some are seen.
  // transform moves it without a layout.
  show(top, places, seen) {
    const share = places > 0 ? Math.min(1, seen / places) : 1;
    const size = Math.max(24, Math.round(this.height * share));
    const y = Math.round((this.height - size) * (places > seen ? Math.min(1, top / (places - seen)) : 0));
    if (size !== this.size) this.thumb.style.height = `${(this.size = size)}px`;
    if (y !== this.y) this.thumb.style.transform = `translateY(${(this.y = y)}px)`;
  }

  // tell says to assistive technology where the top is; not each frame.
  tell(line, lines) {
    this.el.setAttribute("aria-valuemax", String(lines));
    this.el.setAttribute("aria-valuenow", String(line));
    this.el.setAttribute("aria-valuetext", `line ${line} of ${lines}`);
  }

  // The canvas has the device's own pixels, or marks would be blurred on a dense screen; setting its size empties it.
  resize(height) {
    this.height = height;
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = 14 * scale;
    this.canvas.height = Math.max(1, height * scale);
    this.size = 0;
    this.y = -1;
  }

  // mark paints marks: lists of {at: fraction, to: fraction, kind}, kinds being colours of the style sheet, and strips
  // of hits.
  // Each mark is two pixels high at least: one line of ten million would be none.
  mark(marks, hits) {
    const c = this.canvas.getContext("2d");
    const { width, height } = this.canvas;
    const scale = window.devicePixelRatio || 1;
    c.clearRect(0, 0, width, height);
    // Colours are those of the theme, which a canvas cannot name.
    const style = getComputedStyle(this.el);
    const colour = (name) => style.getPropertyValue(`--rail-${name}`).trim() || "gray";
    if (hits) {
      c.fillStyle = colour("hit");
      for (let i = 0; i < hits.length; i++) if (hits[i]) c.fillRect(4 * scale, Math.floor((i * height) / hits.length), 6 * scale, Math.max(2 * scale, height / hits.length));
    }
    for (const { at, to = at, kind } of marks) {
      c.fillStyle = colour(kind);
      const y = Math.floor(at * (height - 2 * scale));
      c.fillRect(0, y, kind === "selected" ? width : 4 * scale, Math.max(2 * scale, (to - at) * height));
    }
  }
}
