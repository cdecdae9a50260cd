// Keeps a page true. The lab's facts say when it is stale; then the same page is asked for again, and the parts
// that differ are put in place: elements with an id and data-live. What is scrolled, open or focused stays so.

const wanted = document.body.dataset.facts.split(" ");
const drawn = Date.parse(document.body.dataset.drawn) - 2000;
const state = document.querySelector(".live-state");
const atMost = 1500; // ms between two looks: a busy lab must not keep its watchers busy

let source = null;
let timer = 0;
let last = 0;
let asking = false;
let again = false;
let held = false; // a part could not be replaced: somebody was typing in it

const concerns = (fact) => wanted.some((w) => w === "*" || fact.entity === w || (w.endsWith("/") && fact.entity.startsWith(w)));

const say = (text) => { if (state && state.textContent !== text) state.textContent = text; };

// listen reads the facts as they come. It is no EventSource, whose listeners need the name of each kind of fact.
const listen = async () => {
  if (source || document.hidden) return;
  const mine = (source = new AbortController());
  const only = wanted.length === 1 && wanted[0] !== "*" && !wanted[0].endsWith("/");
  const address = "/api/v1/events/live" + (only ? "?entity=" + encodeURIComponent(wanted[0]) : "");
  for (let wait = 1000; source === mine; wait = Math.min(30_000, wait * 2)) {
    try {
      const answer = await fetch(address, { signal: mine.signal, headers: newest ? { "Last-Event-ID": newest } : {}, cache: "no-store" });
      if (answer.status === 401 || answer.status === 403) { // the session is over: asking again would not help
        say("no longer live: sign in again");
        return;
      }
      if (answer.ok) {
        say("live");
        wait = 1000;
        await hear(answer.body.getReader());
      }
    } catch {
      if (source !== mine) return;
    }
    say("not connected; trying again");
    // Not all at once: a lab that has just started again has many watchers.
    await new Promise((done) => { setTimeout(done, wait * (0.5 + Math.random())); });
  }
};

let newest = "";

// hear takes server-sent events apart until the stream ends.
const hear = async (reader) => {
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + decoder.decode(value, { stream: true })).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const id = /^id: (.*)$/m.exec(event);
      const data = /^data: (.*)$/m.exec(event);
      if (id) newest = id[1];
      if (data) heard(JSON.parse(data[1]));
    }
  }
};

const heard = (fact) => {
  if (fact.time && Date.parse(fact.time) >= drawn && concerns(fact)) look();
};

const look = () => {
  if (timer) return;
  timer = setTimeout(refresh, Math.max(150, last + atMost - Date.now()));
};

const refresh = async () => {
  timer = 0;
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  last = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { "X-Strata-Live": "1" }, cache: "no-store" });
    if (answer.ok) put(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    say("not connected; trying again");
  }
  asking = false;
  if (again) {
    again = false;
    look();
  }
};

// writing tells whether somebody is about to say something in a part: its form would be gone with it.
const writing = (el) => {
  const field = document.activeElement;
  return el.contains(field) && field.matches("input:not([type=checkbox], [type=radio]), textarea, select") && field.value !== field.defaultValue;
};

// What somebody has ticked, chosen or typed, and not sent yet, stays as it is when its part is replaced.
const fields = (el) => [...el.querySelectorAll("input[name], select[name], textarea[name]")];

const ticked = (f) => f.matches("[type=checkbox], [type=radio]");

// name tells a field from all others of a part: a list has a box of the same name in each row.
const name = (f) => [f.form?.getAttribute("action"), f.name, ticked(f) ? f.value : ""].join(" ");

const changed = (f) => {
  if (ticked(f)) return f.checked !== f.defaultChecked;
  return f.options ? [...f.options].some((o) => o.selected !== o.defaultSelected) : f.value !== f.defaultValue;
};

const keep = (was, now) => {
  if (!now) return; // its row is gone
  if (ticked(was)) now.checked = was.checked;
  else if (!now.options || [...now.options].some((o) => o.value === was.value)) now.value = was.value;
};

// homeless finds a part that the page has no place for, such as the log of a job that waited when the page was drawn.
const homeless = (fresh) => [...fresh.querySelectorAll("[data-live][id]")].some((part) => {
  const around = part.parentElement.closest("[data-live][id]");
  return !document.getElementById(part.id) && !(around && document.getElementById(around.id));
});

// put replaces what differs. Replacing an outer part covers its inner ones.
const put = (fresh) => {
  held = [...document.querySelectorAll("[data-live][id]")].some(writing);
  if (!held && homeless(fresh)) { // it also needs the scripts and styles that come with it
    location.reload();
    return;
  }
  for (const el of document.querySelectorAll("[data-live][id]")) {
    if (!el.isConnected) continue;
    const now = fresh.getElementById(el.id);
    if (!now) {
      if (!writing(el)) el.remove();
      continue;
    }
    if (same(el, now) || writing(el)) continue;
    const focused = el.contains(document.activeElement) ? selector(document.activeElement) : "";
    const open = [...el.querySelectorAll("details[id]")].filter((d) => d.open).map((d) => d.id);
    const closed = [...el.querySelectorAll("details[id]")].filter((d) => !d.open).map((d) => d.id);
    const nameless = [...el.querySelectorAll("details:not([id])")].map((d) => d.open); // menus: known by their place
    const known = new Set([...el.querySelectorAll("tr[id]")].map((r) => r.id));
    const at = el.querySelector("tr.at")?.id;
    const chosen = fields(el).filter(changed);
    const news = document.importNode(now, true);
    for (const was of chosen) keep(was, fields(news).find((f) => name(f) === name(was)));
    el.replaceWith(news);
    for (const id of open) news.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
    for (const id of closed) news.querySelector(`#${CSS.escape(id)}`)?.removeAttribute("open");
    news.querySelectorAll("details:not([id])").forEach((d, i) => { if (nameless[i]) d.open = true; });
    for (const row of news.querySelectorAll("tr[id]")) {
      if (known.size && !known.has(row.id)) row.classList.add("fresh");
      if (row.id === at) row.classList.add("at");
    }
    if (focused) news.querySelector(focused)?.focus({ preventScroll: true });
    news.dispatchEvent(new CustomEvent("strata:live", { bubbles: true }));
  }
  if (document.title !== fresh.title) document.title = fresh.title;
  document.dispatchEvent(new CustomEvent("strata:page", { detail: fresh }));
};

// same compares without what only time changed.
const same = (a, b) => still(a) === still(b);

const still = (el) => {
  const copy = el.cloneNode(true);
  for (const t of copy.querySelectorAll("time, [data-since]")) t.textContent = "";
  for (const r of copy.querySelectorAll(".fresh, .at")) {
    r.classList.remove("fresh", "at");
    if (!r.className) r.removeAttribute("class");
  }
  for (const d of copy.querySelectorAll("details")) d.removeAttribute("open");
  return copy.outerHTML;
};

// selector finds the focused element again.
const selector = (el) => {
  if (el.id) return `#${CSS.escape(el.id)}`;
  const row = el.closest("tr[id]");
  const href = el.getAttribute("href");
  return (row ? `#${CSS.escape(row.id)} ` : "") + el.tagName.toLowerCase() + (href ? `[href="${CSS.escape(href)}"]` : "");
};

// What was held back is put in place once the field is left.
document.addEventListener("focusout", () => { if (held) look(); });

const stop = () => {
  source?.abort();
  source = null;
  newest = ""; // the next look shows all that happens until then: nobody has to be told a night's facts
};

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    stop();
    say("");
  } else {
    listen();
    look(); // something may have happened while nobody looked
  }
});

addEventListener("pagehide", stop);
listen();
