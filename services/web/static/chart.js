// A chart under the pointer: what a point is, a series away and back, a closer look at a time.

// Titles of points become a box beside the pointer at once; a browser's own takes a second.
// The SVG is drawn by projections/chart, which gives each point a <title>: that is all there is without scripts.
const describe = (plot) => {
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  plot.append(tip);
  for (const title of plot.querySelectorAll("svg title")) {
    const point = title.parentElement;
    const text = title.textContent;
    // The title goes, or the browser would show its own box over this one; the label keeps the words for screen readers.
    point.setAttribute("aria-label", text);
    title.remove();
    const show = () => {
      const at = point.getBoundingClientRect();
      const around = plot.getBoundingClientRect();
      tip.textContent = text;
      tip.hidden = false;
      // A style that a script sets is none that the policy looks at.
      tip.style.left = `${Math.max(0, Math.min(around.width - tip.offsetWidth - 8, at.left - around.left + 12))}px`;
      tip.style.top = `${Math.max(0, at.top - around.top - tip.offsetHeight - 8)}px`;
    };
    // The focus shows the same as the pointer (WCAG 2.1.1): what is only hovered is out of reach for keys.
    const holder = point.closest("a") ?? point;
    holder.addEventListener("pointerenter", show);
    holder.addEventListener("focus", show);
    holder.addEventListener("pointerleave", () => (tip.hidden = true));
    holder.addEventListener("blur", () => (tip.hidden = true));
  }
};

// The legend's squares switch their series. More series than colours share one, and then go together.
// Class f-s3 is the fill of series 3; chart.css hides what belongs to it while the plot is no-s3. A square of the legend is at most
// 12 wide, which tells it from a bar of a chart in the same colour.
const legend = (plot) => {
  for (const square of plot.querySelectorAll("svg > rect[class^=f-s]")) {
    const series = square.getAttribute("class").slice(2).split(" ")[0];
    if (!/^s\d$/.test(series) || Number(square.getAttribute("width")) > 12) continue;
    const name = square.nextElementSibling;
    for (const el of [square, name]) {
      if (!el || (el === name && el.tagName !== "text")) continue;
      el.style.cursor = "pointer";
      el.addEventListener("click", () => {
        const away = plot.classList.toggle(`no-${series}`);
        square.style.opacity = away ? ".3" : "";
        if (name) name.style.opacity = away ? ".5" : "";
      });
    }
  }
};

for (const plot of document.querySelectorAll("[data-plot]")) {
  describe(plot);
  legend(plot);
}
