// What a line of a console shows on a terminal: its text without control sequences, and the colours of its parts.
// services/api/logbook reads texts by the same rules for its search; its testdata/plain.json holds both to them.

// odd finds lines that need more than being shown: control characters, or a sequence that lost its escape character.
// Nearly all lines have none: this one look spares them the walk below.
const odd = /[\x00-\x08\x0a-\x1f\x7f]|\[[0-9;?]*[mKJHfrnhl]/;

// bare matches a sequence without its escape character at the beginning of a text; see logbook/escape.go.
// Consoles that lose bytes lose the escape too. Few forms are taken for sequences, as [12] or [ok] are text; (?!\]) keeps those.
const bare = /^\[(?:\?\d[\d;]*[hl](?!\])|0m|[\d;]{0,23}m(?!\])|\dK(?!\])|\dJ(?!\])|(?:\d+;\d+|;\d{2,}|\d{2,};)[Hfr](?!\])|6n(?!\]))/;

// escaped matches a sequence with it.
// After ECMA-48: CSI with parameters and a final byte, strings as of titles up to BEL or ST, charsets, and single letters. One that
// is cut off by the end of the line is taken whole.
const escaped = /^\x1b(?:\[[\x20-\x3f]*(?:[\x40-\x7e]|(?=[^\x40-\x7e])|$)|[\]P^_X](?:[^\x07\x1b]|\x1b(?!\\))*(?:\x07|\x1b\\|$)|[\x20-\x2f]+[^]?|[\x30-\x7e]|)/;

// read returns a text as it is shown, and runs of it with styles: null where it has none. With lines true it keeps
// the ends of lines; else they are spaces.
// Characters are those of Unicode and not UTF-16 units, so that a backspace takes a whole one away.
export function read(text, lines = false) {
  if (!odd.test(text)) return { text, runs: null };
  const out = []; // characters
  const styles = []; // of each
  let style = null;
  for (let at = 0; at < text.length;) {
    const c = text[at];
    let m = null;
    if (c === "\x1b") m = escaped.exec(text.slice(at));
    else if (c === "[") m = bare.exec(text.slice(at, at + 40));
    if (m) {
      at += m[0].length;
      if (m[0].endsWith("m") && m[0].includes("[")) {
        style = dye(style, m[0].slice(m[0].indexOf("[") + 1, -1));
        // grep and others send the two together, and so they are lost together.
        if (c === "[" && text.startsWith("[K", at)) at += 2;
      }
      continue;
    }
    // As a terminal does: what was typed over is not seen.
    if (c === "\b") {
      out.pop();
      styles.pop();
    } else if (c === "\r") {
      // A carriage return begins the line anew, as progress bars do, but only where something follows that is drawn over it.
      const rest = /^\r*([^\r]?)/.exec(text.slice(at))[1];
      if (rest && rest !== "\n") {
        const keep = out.lastIndexOf("\n") + 1;
        out.length = styles.length = keep;
      }
    } else if (c === "\n" || c === "\t" || (c >= " " && c !== "\x7f")) {
      const whole = String.fromCodePoint(text.codePointAt(at));
      out.push(whole);
      styles.push(style);
      at += whole.length;
      continue;
    }
    at++;
  }
  if (!lines) for (let i = 0; i < out.length; i++) if (out[i] === "\n") out[i] = " ";
  const runs = [];
  for (let i = 0, from = 0; i < out.length; i++) {
    if (i + 1 < out.length && styles[i + 1] === styles[from]) continue;
    runs.push({ text: out.slice(from, i + 1).join(""), style: styles[from] });
    from = i + 1;
  }
  // Then the whole text is one node of the page.
  const colourless = runs.every((r) => !r.style);
  return { text: out.join(""), runs: colourless ? null : runs };
}

// dye returns a style after the parameters of a colour sequence (SGR of ECMA-48, with 256 and true colours).
// A style is an object or null; ink and ground are numbers of the theme's sixteen colours, or a CSS colour. What is not known here,
// such as blinking, changes nothing. An empty parameter is 0.
function dye(before, parameters) {
  const p = parameters.split(/[;:]/).map((n) => Number(n) || 0);
  let s = { ...before };
  for (let i = 0; i < p.length; i++) {
    const n = p[i];
    if (n === 0) s = {};
    else if (n === 1) s.bold = true;
    else if (n === 2) s.dim = true;
    else if (n === 3) s.italic = true;
    else if (n === 4) s.under = true;
    else if (n === 7) s.inverse = true;
    else if (n === 9) s.struck = true;
    else if (n === 22) s.bold = s.dim = false;
    else if (n === 23) s.italic = false;
    else if (n === 24) s.under = false;
    else if (n === 27) s.inverse = false;
    else if (n === 29) s.struck = false;
    else if (n >= 30 && n <= 37) s.ink = n - 30;
    else if (n >= 40 && n <= 47) s.ground = n - 40;
    else if (n >= 90 && n <= 97) s.ink = n - 82;
    else if (n >= 100 && n <= 107) s.ground = n - 92;
    else if (n === 39) delete s.ink;
    else if (n === 49) delete s.ground;
    else if ((n === 38 || n === 48) && p[i + 1] === 5) {
      s[n === 38 ? "ink" : "ground"] = cube(p[i + 2] ?? 0);
      i += 2;
    } else if ((n === 38 || n === 48) && p[i + 1] === 2) {
      s[n === 38 ? "ink" : "ground"] = `rgb(${[2, 3, 4].map((k) => Math.min(255, p[i + k] ?? 0)).join(" ")})`;
      i += 4;
    }
  }
  for (const [key, value] of Object.entries(s)) if (value === false) delete s[key];
  return Object.keys(s).length ? s : null;
}

// cube is one of 256 colours: the first 16 are the theme's, by number.
// As xterm has it: 16 to 231 are a cube of 6×6×6, with steps 0, 95, 135, 175, 215, 255; from 232 on 24 greys.
function cube(n) {
  if (n < 16) return n;
  if (n > 255) n = 255;
  if (n >= 232) return `rgb(${Array(3).fill(8 + (n - 232) * 10).join(" ")})`;
  const part = (v) => (v ? 55 + v * 40 : 0);
  n -= 16;
  return `rgb(${part(Math.floor(n / 36))} ${part(Math.floor(n / 6) % 6)} ${part(n % 6)})`;
}

// worded returns the text of a record's message: results as a sentence, lists as their entries.
// The server's search goes through results as JSON, so a hit may be in a word that the sentence leaves out: then it is not marked.
export function worded(record) {
  const m = record.msg;
  if (typeof m === "string") return m;
  if (record.lvl === "lost") return "this line never came";
  if (Array.isArray(m)) return m.map((v) => (typeof v === "string" ? v : JSON.stringify(v))).join(" ");
  if (m && record.lvl === "results" && m.case) {
    let text = `${m.definition ? m.definition + " / " : ""}${m.set ? m.set + " / " : ""}${m.case}: ${m.result ?? ""}`;
    if (m.measurement !== undefined) text += ` (${m.measurement}${m.units ? " " + m.units : ""})`;
    else if (m.duration !== undefined) text += ` (${m.duration} s)`;
    if (m.error_msg || m.error_type) text += ` — ${[m.error_type, m.error_msg].filter(Boolean).join(": ")}`;
    return text;
  }
  return m === undefined || m === null ? "" : JSON.stringify(m);
}

// matcher returns what finds a query in a text: a function that returns [from, to] pairs; null is one that finds
// nothing. The server decides what is a hit; this only says where in a line it is.
// The server's expressions are RE2; what JavaScript reads otherwise, or not at all, is a hit without a mark.
export function matcher(query) {
  if (!query?.text) return null;
  const source = query.regexp ? query.text : query.text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  let expr;
  try {
    // u, so that a dot is a whole character; it also refuses escapes that mean nothing, which RE2 refuses as well.
    expr = new RegExp(source, query.case ? "gu" : "giu");
  } catch {
    return null;
  }
  return (text) => {
    const found = [];
    for (const m of text.matchAll(expr)) {
      if (m[0]) found.push([m.index, m.index + m[0].length]);
      // A line may be 32 KiB long, and "." be searched for.
      if (found.length > 200) break;
    }
    return found;
  };
}
