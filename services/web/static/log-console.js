// Taking over the console of a running job: what is typed here goes to the device, what the device says is the log
// above. While a person has it the job types nothing; its timeouts go on. The log records who had it and what was typed.

// sent is what keys of no letter send, as a VT100 has it.
// Backspace sends DEL, as terminals of Linux do; what a board wants else is typed with Control (Ctrl-H).
const sent = { Enter: "\r", Backspace: "\x7f", Tab: "\t", Escape: "\x1b", ArrowUp: "\x1b[A", ArrowDown: "\x1b[B", ArrowRight: "\x1b[C", ArrowLeft: "\x1b[D",
  Home: "\x1b[H", End: "\x1b[F", Delete: "\x1b[3~", PageUp: "\x1b[5~", PageDown: "\x1b[6~" };

// keyed returns what a key sends, or "" where it is the browser's.
// Alt and Meta are the browser's and the system's. isComposing: what an input method composes comes when it is done.
export function keyed(e) {
  if (e.altKey || e.metaKey || e.isComposing) return "";
  if (e.ctrlKey) {
    // The control characters of ASCII: the letter's code without its upper bits, so that Ctrl-C is 3 and Ctrl-[ is Escape.
    if (/^[a-z@[\\\]^_]$/i.test(e.key)) return String.fromCharCode(e.key.toUpperCase().charCodeAt(0) & 0x1f);
    return "";
  }
  // By code points: a letter beyond 16 bits is one key and two units of a string.
  return sent[e.key] ?? ([...e.key].length === 1 ? e.key : "");
}

// fields are what a person types with, at a job's console and at that of a device alike; give is what the button says that ends it.
export const fields = (give) => `<div class="lv-typed">
  <label class="sr" for="lv-line">Line to type</label>
  <input id="lv-line" class="mono" autocomplete="off" autocapitalize="off" spellcheck="false" placeholder="A line; Enter sends it" data-own-keys>
  <label><input type="checkbox" class="lv-raw"> each key at once</label>
  <button type="button" class="lv-break">Ctrl-C</button>
  <button type="button" class="primary lv-give">${give}</button>
</div>`;

const markup = `
<p><strong>You have the console.</strong> The job types nothing meanwhile; its timeouts go on. All that is typed is recorded in the log.</p>
${fields("Give it back")}`;

// typist hands on what is typed in the fields of a panel: hand is asked for each piece, in order, and failed hears of the first that
// did not arrive, after which nothing more is sent of what was waiting. It returns the field of the line.
export function typist(panel, hand, failed) {
  const line = panel.querySelector("#lv-line");
  const raw = panel.querySelector(".lv-raw");
  // What is typed goes in its order, one request after the other.
  // Two requests on the way at once could arrive the other way round, and "reboot" would be typed as it pleases the network.
  let waiting = "", busy = false;
  const type = async (text) => {
    waiting += text;
    if (busy) return;
    busy = true;
    try {
      while (waiting) {
        // The api takes 4 KiB at once, and a unit of a string is up to three bytes of UTF-8.
        const now = waiting.slice(0, 1300);
        waiting = waiting.slice(now.length);
        await hand(now);
      }
    } catch (err) {
      waiting = "";
      failed(err);
    } finally {
      busy = false;
    }
  };
  panel.querySelector(".lv-break").addEventListener("click", () => { type("\x03"); line.focus(); });
  line.addEventListener("keydown", (e) => {
    if (raw.checked) {
      const text = keyed(e);
      // A field that keeps Tab is a trap for who has a keyboard alone (WCAG 2.1.2).
      if (!text || e.key === "Tab") return; // Tab leaves the field, as everywhere
      e.preventDefault();
      type(text);
      return;
    }
    if (e.key === "Enter") {
      e.preventDefault();
      type(line.value + "\r");
      line.value = "";
    }
  });
  // Consoles end lines with CR; in the other way the field takes what is pasted, as a field does, on one line.
  line.addEventListener("paste", (e) => {
    if (!raw.checked) return;
    e.preventDefault();
    type(e.clipboardData.getData("text").replace(/\r?\n/g, "\r"));
  });
  return line;
}

// takeOver begins a session for a view, and ends one that it has.
// The session is the lab's: it ends a minute after the last sign of life, whatever becomes of this page (docs/live.md).
export async function takeOver(view) {
  const ask = async (what) => {
    // keepalive lets the last request outlive its page.
    const answer = await fetch(`${view.source.at}console`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(what), keepalive: what.do === "give" });
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(said.error ?? `the lab answers ${answer.status}`);
    return said;
  };
  const button = view.$(".lv-take");
  button.disabled = true;
  let session;
  try {
    ({ session } = await ask({ do: "take" }));
  } catch (err) {
    button.disabled = false;
    return view.say(err.message);
  }
  const panel = document.createElement("section");
  panel.className = "lv-console";
  // A section with a name is a landmark, so that somebody who hears the page finds the console again.
  panel.setAttribute("aria-label", "Console");
  panel.innerHTML = markup;
  view.$(".lv-foot").before(panel);
  // Rows are laid out anew, as the panel takes some of their height.
  view.setWrap(view.marks.wrap); // there is less room
  view.toEnd(true);
  const line = typist(panel, (text) => ask({ do: "type", session, text }), (err) => end(err.message));
  // Four times as often as the lab asks for a sign.
  const beat = setInterval(() => ask({ do: "keep", session }).catch((err) => end(err.message)), 15_000);
  // The ends may come together: the job's, the session's and the person's.
  let over = false;
  const end = (why) => {
    if (over) return;
    over = true;
    clearInterval(beat);
    panel.remove();
    button.disabled = false;
    removeEventListener("pagehide", give);
    view.removeEventListener("log-end", ended);
    view.say(why);
    view.$(".lv-view").focus();
  };
  // The answer is not waited for: it is over for who gives it back, also when the lab is away.
  const give = () => {
    ask({ do: "give", session }).catch(() => {}); // it ends by itself soon
    end("The job has its console back");
  };
  const ended = () => end("The job is over");
  // pagehide comes when a tab is closed on a phone, too; unload does not.
  addEventListener("pagehide", give);
  view.addEventListener("log-end", ended);
  panel.querySelector(".lv-give").addEventListener("click", give);
  line.focus();
}
