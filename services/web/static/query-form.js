// The form of a query: operators and words follow the field, and a further row needs no round trip.

const form = document.querySelector(".query-form");

// fit makes a row agree with its field: operators that it does not have go, words that it knows are offered, and the key shows
// for metadata alone. Options are disabled too, as some browsers show hidden ones.
// The words come from the server as data-operators and data-words of each option: what a field takes is said in one place.
const fit = (row) => {
  const field = row.querySelector("[name=field]");
  const chosen = field.selectedOptions[0];
  const operators = (chosen?.dataset.operators ?? "").split(" ").filter(Boolean);
  const operator = row.querySelector("[name=operator]");
  for (const o of operator.options) o.hidden = o.disabled = operators.length > 0 && !operators.includes(o.value);
  if (operator.selectedOptions[0]?.disabled) operator.value = operators[0];
  row.querySelector("[name=key]").hidden = field.value !== "metadata";
  // A list is made anew each time: a row that was cloned would share that of its model.
  const words = (chosen?.dataset.words ?? "").split("|").filter(Boolean);
  const value = row.querySelector("[name=value]");
  let list = row.querySelector("datalist");
  list?.remove();
  value.removeAttribute("list");
  if (words.length) {
    list = document.createElement("datalist");
    // An input names its list by id, which must be no other row's.
    list.id = `words-${Math.random().toString(36).slice(2)}`;
    for (const w of words) list.append(new Option(w, w));
    value.after(list);
    value.setAttribute("list", list.id);
  }
};

if (form) {
  const body = form.querySelector(".conditions tbody");
  for (const row of body.rows) fit(row);
  // One listener for all rows, also those that come later.
  body.addEventListener("change", (e) => e.target.name === "field" && fit(e.target.closest("tr")));
  // Without scripts the button asks the server for a page with one more row.
  form.querySelector("[name=do][value=more]").addEventListener("click", (e) => {
    e.preventDefault();
    // The last row is the model, as it has what the server offers; its values go.
    const row = body.rows[body.rows.length - 1].cloneNode(true);
    for (const el of row.querySelectorAll("input")) el.value = "";
    row.querySelector("[name=field]").value = "";
    row.querySelector("[name=join]").value = "all";
    body.append(row);
    fit(row);
    row.querySelector("[name=field]").focus();
  });
}
