// Choosing many: a box for all in the head, and a stretch with shift.
// Without scripts each box is ticked by itself; the one in the head would do nothing there, so it is made here.
for (const form of document.querySelectorAll("[data-bulk]")) {
  const boxes = [...form.querySelectorAll("[name=chosen]")];
  const head = form.querySelector("thead th");
  if (!boxes.length || !head) continue;
  const all = document.createElement("input");
  all.type = "checkbox";
  // In place of the words that the head has for screen readers.
  all.setAttribute("aria-label", "All");
  head.replaceChildren(all);
  all.addEventListener("change", () => boxes.forEach((b) => (b.checked = all.checked)));
  let last = 0;
  // click and not change: only it says whether Shift is held. By then the box has its new state, which the stretch gets.
  boxes.forEach((box, i) => box.addEventListener("click", (e) => {
    if (e.shiftKey) for (let k = Math.min(i, last); k <= Math.max(i, last); k++) boxes[k].checked = box.checked;
    last = i;
    all.checked = boxes.every((b) => b.checked);
  }));
}
