// Taking over the console of a running job: what is typed here goes to the device, what the device says is the log
// above. While a person has it the job types nothing; its timeouts go on. The log records who had it and what was typed.

// sent is what keys of no letter send, as a VT100 has it.
const sent = { Enter: "\r", Backspace: "\x7f", Tab: "\t", Escape: "\x1b", ArrowUp: "\x1b[A", ArrowDown: "\x1b[B", ArrowRight: "\x1b[C", ArrowLeft: "\x1b[D",
  Home: "\x1b[H", End: "\x1b[F", Delete: "\x1b[3~", PageUp: "\x1b[5~", PageDown: "\x1b[6~" };

// keyed returns what a key sends, or "" where it is the browser's.
export function keyed(e) {
  if (e.altKey || e.metaKey || e.isComposing) return "";
  if (e.ctrlKey) {
    if (/^[a-z@[\\\]^_]$/i.test(e.key)) return String.fromCharCode(e.key.toUpperCase().charCodeAt(0) & 0x1f);
    return "";
  }
  return sent[e.key] ?? ([...e.key].length === 1 ? e.key : "");
}

const markup = `
<p><strong>You have the console.</strong> The job types nothing meanwhile; its timeouts go on. All that is typed is recorded in the log.</p>
<div class="lv-typed">
  <label class="sr" for="lv-line">Line to type</label>
  <input id="lv-line" class="mono" autocomplete="off" autocapitalize="off" spellcheck="false" placeholder="A line; Enter sends it" data-own-keys>
  <label><input type="checkbox" class="lv-raw"> each key at once</label>
  <button type="button" class="lv-break">Ctrl-C</button>
  <button type="button" class="primary lv-give">Give it back</button>
</div>`;

// takeOver begins a session for a view, and ends one that it has.
export async function takeOver(view) {
  const ask = async (what) => {
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
  panel.setAttribute("aria-label", "Console");
  panel.innerHTML = markup;
  view.$(".lv-foot").before(panel);
  view.setWrap(view.marks.wrap); // there is less room
  view.toEnd(true);
  const line = panel.querySelector("#lv-line");
  const raw = panel.querySelector(".lv-raw");

  // What is typed goes in its order, one request after the other.
  let waiting = "", busy = false;
  const type = async (text) => {
    waiting += text;
    if (busy) return;
    busy = true;
    try {
      while (waiting) {
        const now = waiting.slice(0, 1300);
        waiting = waiting.slice(now.length);
        await ask({ do: "type", session, text: now });
      }
    } catch (err) {
      waiting = "";
      end(err.message);
    } finally {
      busy = false;
    }
  };
  const beat = setInterval(() => ask({ do: "keep", session }).catch((err) => end(err.message)), 15_000);
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
  const give = () => {
    ask({ do: "give", session }).catch(() => {}); // it ends by itself soon
    end("The job has its console back");
  };
  const ended = () => end("The job is over");
  addEventListener("pagehide", give);
  view.addEventListener("log-end", ended);
  panel.querySelector(".lv-give").addEventListener("click", give);
  panel.querySelector(".lv-break").addEventListener("click", () => { type("\x03"); line.focus(); });
  line.addEventListener("keydown", (e) => {
    if (raw.checked) {
      const text = keyed(e);
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
  line.addEventListener("paste", (e) => {
    if (!raw.checked) return;
    e.preventDefault();
    type(e.clipboardData.getData("text").replace(/\r?\n/g, "\r"));
  });
  line.focus();
}
