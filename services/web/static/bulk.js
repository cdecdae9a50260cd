// Choosing many: a box for all in the head, and a stretch with shift.
for (const form of document.querySelectorAll("[data-bulk]")) {
  const boxes = [...form.querySelectorAll("[name=chosen]")];
  const head = form.querySelector("thead th");
  if (!boxes.length || !head) continue;
  const all = document.createElement("input");
  all.type = "checkbox";
  all.setAttribute("aria-label", "All");
  head.replaceChildren(all);
  all.addEventListener("change", () => boxes.forEach((b) => (b.checked = all.checked)));
  let last = 0;
  boxes.forEach((box, i) => box.addEventListener("click", (e) => {
    if (e.shiftKey) for (let k = Math.min(i, last); k <= Math.max(i, last); k++) boxes[k].checked = box.checked;
    last = i;
    all.checked = boxes.every((b) => b.checked);
  }));
}
