// Keeps a page true. The lab's facts say when it is stale; then the same page is asked for again, and the parts
// that differ are put in place: elements with an id and data-live. What is scrolled, open or focused stays so.

// Written by page.go (live): "job/42", "device/" for any device, "*" for all.
const wanted = document.body.dataset.facts.split(" ");
// Two seconds of slack: the page was drawn while facts came, and the clocks of two processes may differ a little.
const drawn = Date.parse(document.body.dataset.drawn) - 2000;
const state = document.querySelector(".live-state");
const atMost = 1500; // ms between two looks: a busy lab must not keep its watchers busy

let source = null;
let timer = 0;
let last = 0;
let asking = false;
let again = false;
let held = false; // a part could not be replaced: somebody was typing in it

// The api has left out what the visitor may not see.
const concerns = (fact) => wanted.some((w) => w === "*" || fact.entity === w || (w.endsWith("/") && fact.entity.startsWith(w)));

// role="status" has it read out once, and only where it differs (WCAG 4.1.3).
const say = (text) => { if (state && state.textContent !== text) state.textContent = text; };

// listen reads the facts as they come. It is no EventSource, whose listeners need the name of each kind of fact.
// It ends when stop() puts another in its place: mine is then no longer the source. Waits double up to half a minute.
const listen = async () => {
  if (source || document.hidden) return;
  const mine = (source = new AbortController());
  // One entity alone is asked for, so that the lab does not send the others' facts to a page that throws them away.
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
        // It comes back when the stream ends, as a lab that is stopped ends it; then the loop asks again, behind the newest.
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

// The id of the last event, which Last-Event-ID takes up again, as an EventSource would by itself.
let newest = "";

// hear takes server-sent events apart until the stream ends.
// What has neither id nor data, such as a comment that keeps the connection open, passes by.
const hear = async (reader) => {
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + decoder.decode(value, { stream: true })).split("\n\n");
    // An event may be cut anywhere by the network; its beginning waits for the rest.
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

// Many facts come together, such as those of one batch: 150 ms gathers them.
const look = () => {
  if (timer) return;
  timer = setTimeout(refresh, Math.max(150, last + atMost - Date.now()));
};

// One question at a time; what came meanwhile is asked for once more behind it. A lab that is being started again, or that
// has too much to do, is asked again: nothing else would tell the page that it is stale.
const refresh = async () => {
  timer = 0;
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  let missed = false;
  last = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { "X-Strata-Live": "1" }, cache: "no-store" });
    // An error page is not put in place: what is shown stays until there is something better.
    if (answer.ok) put(new DOMParser().parseFromString(await answer.text(), "text/html"));
    missed = answer.status >= 500 || answer.status === 429;
  } catch {
    say("not connected; trying again");
    missed = true;
  }
  asking = false;
  if (missed && !timer) timer = setTimeout(refresh, 2 * atMost);
  if (again) {
    again = false;
    look();
  }
};

// writing tells whether somebody is about to say something in a part: its form would be gone with it.
// A field that has the focus and is as it was may go: it is found again by its id below.
const writing = (el) => {
  const field = document.activeElement;
  return el.contains(field) && field.matches("input:not([type=checkbox], [type=radio]), textarea, select") && field.value !== field.defaultValue;
};

// What somebody has ticked, chosen or typed, and not sent yet, stays as it is when its part is replaced.
// A field without a name is not sent with its form, so nothing is lost with it.
const fields = (el) => [...el.querySelectorAll("input[name], select[name], textarea[name]")];

const ticked = (f) => f.matches("[type=checkbox], [type=radio]");

// name tells a field from all others of a part: a list has a box of the same name in each row.
const name = (f) => [f.form?.getAttribute("action"), f.name, ticked(f) ? f.value : ""].join(" ");

// default… is what the server has sent, so the comparison needs no memory of its own.
const changed = (f) => {
  if (ticked(f)) return f.checked !== f.defaultChecked;
  return f.options ? [...f.options].some((o) => o.selected !== o.defaultSelected) : f.value !== f.defaultValue;
};

// A choice that the new part does not offer any more cannot be kept.
const keep = (was, now) => {
  if (!now) return; // its row is gone
  if (ticked(was)) now.checked = was.checked;
  else if (!now.options || [...now.options].some((o) => o.value === was.value)) now.value = was.value;
};

// homeless finds a part that the page has no place for, such as the log of a job that waited when the page was drawn.
// A part within one that is here comes with that.
const homeless = (fresh) => [...fresh.querySelectorAll("[data-live][id]")].some((part) => {
  const around = part.parentElement.closest("[data-live][id]");
  return !document.getElementById(part.id) && !(around && document.getElementById(around.id));
});

// put replaces what differs. Replacing an outer part covers its inner ones.
const put = (fresh) => {
  // Reloading would lose what is being typed, so it waits until the field is left.
  held = [...document.querySelectorAll("[data-live][id]")].some(writing);
  if (!held && homeless(fresh)) { // it also needs the scripts and styles that come with it
    location.reload();
    return;
  }
  // The list is as of now: a part within one that was replaced is still in it, and no longer connected.
  for (const el of document.querySelectorAll("[data-live][id]")) {
    if (!el.isConnected) continue;
    const now = fresh.getElementById(el.id);
    // The page has no such part any more, such as the button of a job that is over.
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
    // Nodes belong to the document that parsed them; scripts in them do not run, and there are none.
    const news = document.importNode(now, true);
    for (const was of chosen) keep(was, fields(news).find((f) => name(f) === name(was)));
    el.replaceWith(news);
    for (const id of open) news.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
    for (const id of closed) news.querySelector(`#${CSS.escape(id)}`)?.removeAttribute("open");
    // By their place: what has no id is a menu, and those keep their order.
    news.querySelectorAll("details:not([id])").forEach((d, i) => { if (nameless[i]) d.open = true; });
    for (const row of news.querySelectorAll("tr[id]")) {
      if (known.size && !known.has(row.id)) row.classList.add("fresh");
      if (row.id === at) row.classList.add("at");
    }
    // Else the focus would be at the top of the document, and a keyboard's user lost (WCAG 2.4.3).
    if (focused) news.querySelector(focused)?.focus({ preventScroll: true });
    // For modules that keep something about a part; strata:page, below, hands over the whole new document.
    news.dispatchEvent(new CustomEvent("strata:live", { bubbles: true }));
  }
  if (document.title !== fresh.title) document.title = fresh.title;
  document.dispatchEvent(new CustomEvent("strata:page", { detail: fresh }));
};

// same compares without what only time changed.
// Two parts that differ by a second are the same: replacing them each time would close menus and lose selections.
const same = (a, b) => still(a) === still(b);

// Its own marks (fresh, at) and what people have opened are no difference either.
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
// CSS.escape, as names of devices may hold what a selector means something by.
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

// A tab in the background takes one of the six connections that HTTP/1.1 has to a host, so it gives it up.
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
