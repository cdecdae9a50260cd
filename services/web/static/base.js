// What every page does beside showing itself: times that stay true, keys, menus that close.

// refreshTimes keeps what the server wrote true: "3 min ago" is so for a minute. A text is only touched where it differs.
// A write that changes nothing would still be a mutation, which screen readers and observers hear of.
const refreshTimes = () => {
  const now = Date.now();
  for (const el of document.querySelectorAll("time[datetime]")) {
    const text = ago(now - Date.parse(el.dateTime));
    if (el.textContent !== text) el.textContent = text;
  }
  for (const el of document.querySelectorAll("[data-since]")) {
    const text = length(now - Date.parse(el.dataset.since));
    if (el.textContent !== text) el.textContent = text;
  }
};

// The same words as format.go has.
// Where the two differ, a text jumps a second after the page has been drawn.
const coarse = (ms) => {
  const s = Math.floor(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 48 * 3600) return `${Math.floor(s / 3600)} h`;
  const d = Math.floor(s / 86400);
  if (d < 60) return `${d} days`;
  if (d < 730) return `${Math.floor(d / 30)} months`;
  return `${Math.floor(d / 365)} years`;
};

// Half an hour is added as format.go does: two hours less a minute are not one.
const ago = (ms) => {
  if (ms < -3600_000) return `in ${coarse(-ms + 1800_000)}`;
  if (ms < -1000) return `in ${coarse(-ms)}`;
  return ms < 10_000 ? "just now" : `${coarse(ms)} ago`;
};

const two = (n) => String(n).padStart(2, "0");

// length is the same for what goes on, so without the parts of a second that format.go shows of what is over.
const length = (ms) => {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  const m = Math.round(s / 60);
  if (m < 48 * 60) return `${Math.floor(m / 60)} h ${two(m % 60)} min`;
  const h = Math.round(s / 3600);
  return `${Math.floor(h / 24)} days ${h % 24} h`;
};

// A second, as what runs counts seconds. Browsers slow this down in tabs that nobody sees, by themselves.
setInterval(refreshTimes, 1000);

// A menu is a <details>: it closes when something else is clicked, or by Escape.
// A <details> alone stays open until its summary is clicked again. Listening on the document also serves menus that live.js has
// put in place later.
document.addEventListener("click", (e) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(e.target)) menu.open = false;
  }
});

// The second letter after g; the dialog "_keys" of the layout lists them.
const places = { h: "/", j: "/scheduler/alljobs", q: "/scheduler/queue", d: "/scheduler/alldevices/active",
  w: "/scheduler/allworkers", r: "/results/", s: "/scheduler/jobsubmit" };
let going = 0; // when g was pressed

// A modal dialog keeps the focus within and gives it back when it closes (WCAG 2.4.3).
const showKeys = () => document.getElementById("_keys")?.showModal();

// Keys of one letter are pressed by who speaks to the machine, and by a hand that slips: they can be turned off where they are
// listed (WCAG 2.1.4). It holds for this browser. The keys of a log only work in it, and are no part of this.
const letters = document.getElementById("_letters");
try {
  letters.checked = localStorage.getItem("strata-letters") !== "off";
} catch { /* storage is off: they are on again with the next page */ }
letters?.addEventListener("change", () => {
  try {
    localStorage.setItem("strata-letters", letters.checked ? "on" : "off");
  } catch { /* as above */ }
});

// typing tells whether a key belongs to a field or to an element with keys of its own.
// data-own-keys is on the view of a log, whose j, k and / mean something else.
const typing = (el) => el.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(el.tagName) || el.closest("[data-own-keys]");

// move goes to the next or previous row of the table that was used last.
// offsetParent is null of what is not shown, such as rows of a part that is folded.
const move = (by) => {
  const rows = [...document.querySelectorAll("table.rows > tbody > tr")].filter((r) => r.offsetParent);
  if (!rows.length) return;
  const at = rows.findIndex((r) => r.classList.contains("at"));
  const to = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by))];
  for (const r of rows) r.classList.toggle("at", r === to);
  // The focus goes along, so that Enter opens the row and Tab goes on from it; preventScroll, as the next line scrolls less.
  (to.querySelector("a[href], button") ?? to).focus({ preventScroll: true });
  to.scrollIntoView({ block: "nearest" });
};

document.addEventListener("keydown", (e) => {
  if (e.key === "Escape") {
    const menu = document.querySelector("details.menu[open]");
    if (menu) {
      menu.open = false;
      // Else the focus would be on nothing once its element is hidden.
      menu.querySelector("summary").focus();
    }
  }
  // Combinations are the browser's or the system's; defaultPrevented is a key that an element has used already.
  if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented || typing(e.target) || letters?.checked === false) return;
  // One and a half seconds: a g that was pressed long ago belongs to no letter that is pressed now.
  if (Date.now() - going < 1500 && places[e.key]) {
    going = 0;
    location.assign(places[e.key]);
  } else if (e.key === "g") {
    going = Date.now();
    return;
  } else if (e.key === "/") {
    const field = document.querySelector(".find input");
    if (!field) return;
    field.focus();
    field.select();
  } else if (e.key === "?") {
    showKeys();
  } else if (e.key === "j") {
    move(1);
  } else if (e.key === "k") {
    move(-1);
  } else {
    return;
  }
  e.preventDefault();
});

for (const el of document.querySelectorAll(".show-keys")) {
  el.addEventListener("click", (e) => { e.preventDefault(); showKeys(); });
}

// A form that asks before it does what cannot be taken back, or what ends jobs: <form data-ask="Cancel the job?">.
// A button may ask another question than its form, and so may what is chosen in it, as only one of the healths retires a device.
// Without scripts the form is sent at once.
document.addEventListener("submit", (e) => {
  const chosen = e.target.querySelector("option[data-ask]:checked");
  const question = e.submitter?.dataset.ask ?? chosen?.dataset.ask ?? e.target.dataset.ask;
  if (question && !confirm(question)) e.preventDefault();
});

// Buttons that copy the text of another element: <button data-copy="#id">.
// The button says what came of it, as the clipboard shows nothing by itself.
document.addEventListener("click", async (e) => {
  const button = e.target.closest?.("[data-copy]");
  if (!button) return;
  const from = document.querySelector(button.dataset.copy);
  const words = [...button.childNodes]; // with the icon
  try {
    const { copyText } = await import("./clipboard.js");
    await copyText(from.value ?? from.textContent);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not copied";
  }
  setTimeout(() => { button.replaceChildren(...words); }, 1500);
});

// Last, once all above works: style sheets show by it what needs scripts (.script-only).
document.documentElement.classList.add("scripted");
