// The console of a device that runs no job, on its page "by hand": what the board says is shown as a terminal shows it, what is typed
// goes to it, and the power is switched beside it. The session is this page's: it ends when the page goes.
import { fields, typist } from "./log-console.js";
import { part, pieces } from "./log-paint.js";
import { read } from "./log-text.js";

// mostLines bounds what is kept: a board that floods its console must not fill the memory.
const mostLines = 5000;

const root = document.querySelector("[data-console]");
const button = root.querySelector(".take");
const said = root.querySelector(".said-state");
const say = (text) => { said.textContent = text; };

// screen shows text as it comes. Lines that are over are elements that stay; the last one is drawn anew with each piece, as a prompt
// has no end and a progress bar is drawn over.
const screen = (on) => {
  let last = "";
  let tail = null;
  const line = () => on.appendChild(document.createElement("div"));
  const draw = (el, text) => {
    const shown = read(text);
    el.replaceChildren(...pieces(shown.text, shown.runs, []).map(part));
  };
  return (text) => {
    // Who has scrolled up reads, and is left where he is.
    const follow = on.scrollHeight - on.scrollTop - on.clientHeight < 40;
    const lines = (last + text).split("\n");
    last = lines.pop();
    for (const whole of lines) {
      draw(tail ?? line(), whole);
      tail = null;
    }
    // A board that never ends a line would have it drawn over and over.
    last = last.slice(-8192);
    draw(tail ??= line(), last);
    while (on.childElementCount > mostLines) on.firstElementChild.remove();
    if (follow) on.scrollTop = on.scrollHeight;
  };
};

// hear takes the events of a session apart until it ends; each is one message, and an event with a name is the end of all.
const hear = async (reader, each) => {
  const decoder = new TextDecoder();
  for (let rest = ""; ;) {
    const { value, done } = await reader.read();
    if (done) throw new Error("the connection was lost");
    const events = (rest + decoder.decode(value, { stream: true })).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const data = /^data: (.*)$/m.exec(event);
      if (!data) continue; // says that the stream lives
      const name = /^event: (.*)$/m.exec(event)?.[1];
      const message = JSON.parse(data[1]);
      if (name === "error") throw new Error(message.message ?? message.error);
      if (name === "end") return;
      each(message);
    }
  }
};

const ask = async (what, signal) => {
  const answer = await fetch(root.dataset.console, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(what), signal });
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `the lab answers ${answer.status}`);
  return answer;
};

// powers are the forms that switch the power. They load the page anew, which would end the session: while it lasts the same form
// is sent behind the page, and what came of it is put where it would stand.
const powers = document.querySelector(".powers");
let open = false;
powers.addEventListener("submit", async (e) => {
  if (!open) return;
  e.preventDefault();
  const buttons = [...powers.querySelectorAll("button")].filter((b) => !b.disabled);
  for (const b of buttons) b.disabled = true; // one after the other, as without a console
  try {
    const answer = await fetch(powers.action, { method: "POST", body: new URLSearchParams({ [e.submitter.name]: e.submitter.value }) });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("came-of-it");
    if (!fresh) throw new Error(`the lab answers ${answer.status}`);
    document.getElementById("came-of-it").replaceWith(document.importNode(fresh, true));
  } catch (err) {
    say(err.message);
  }
  for (const b of buttons) b.disabled = false;
});

button.addEventListener("click", async () => {
  const leaving = new AbortController();
  const panel = document.createElement("div");
  const shown = document.createElement("div");
  shown.className = "said screen";
  shown.tabIndex = 0;
  shown.setAttribute("role", "log");
  shown.setAttribute("aria-label", "What the console says");
  panel.append(shown);
  const write = screen(shown);
  const check = powers.querySelector("[value=check]");
  const begin = (session) => {
    const typed = document.createElement("div");
    typed.innerHTML = fields("Leave it");
    panel.append(typed);
    const line = typist(typed, (text) => ask({ do: "type", session, text }), (err) => say(err.message));
    typed.querySelector(".lv-give").addEventListener("click", () => leaving.abort());
    check.disabled = true; // it takes the console for itself
    open = true;
    say("You have the console. No job is given to the device meanwhile.");
    line.focus();
  };
  button.disabled = true;
  say("Opening …");
  root.append(panel);
  let end = "The console is closed.";
  try {
    const connection = root.querySelector("[name=connection]")?.value;
    const answer = await ask({ do: "take", ...(connection && { connection }) }, leaving.signal);
    await hear(answer.body.getReader(), (m) => {
      if (m.session) begin(m.session);
      if (m.lost) write(`\n[${m.lost} bytes were lost here]\n`);
      if (m.text) write(m.text);
      if (m.job) location.assign(`/scheduler/job/${m.job_display || m.job}`); // its log is the console until it is over
    });
  } catch (err) {
    if (err.name !== "AbortError") end = err.message;
  }
  open = false;
  check.disabled = false;
  button.disabled = false;
  // What was said stays to be read; a session that never began has said nothing.
  panel.querySelector(".lv-typed")?.parentElement.remove();
  if (!shown.textContent) panel.remove();
  else panel.replaceWith(shown);
  for (const old of [...root.querySelectorAll(".screen")].slice(0, -1)) old.remove();
  say(end);
  button.focus();
});
