// What may stand at a place of a job definition, by its JSON Schema. The text is read by its indentation: half-written
// YAML is no YAML, and completion is wanted just then.

// lineage returns the way to a line: keys and list items around it, outermost first, with the values of their
// neighbours, and what is written at the caret.
// Blanks before a key, and a dash with the blank behind it counting as two, are its column: by that YAML's nesting is read, without
// a parser. Tabs, flow style ({a: 1}) and block scalars are not understood; then nothing fitting is offered, and nothing breaks.
export function lineage(lines, at, column) {
  const before = (lines[at] ?? "").slice(0, column);
  const way = [];
  const dash = /^(\s*)((?:- +)*)/.exec(before);
  const typed = before.slice(dash[0].length);
  const colon = /^([\w.-]+):\s*(.*)$/.exec(typed);
  // With a colon on the line a value is being written, else a key or a plain entry of a list.
  const own = { key: colon ? colon[1] : "", word: colon ? colon[2] : typed, value: !!colon };
  const limit = dash[1].length + dash[2].length;
  const items = dash[2].length / 2; // dashes on the line itself
  for (let i = 0; i < items; i++) way.unshift({ item: true, column: dash[1].length + 2 * (items - 1 - i), line: at });
  // Only a line that begins farther to the left can be around what was found so far; upwards the first such line is the one.
  let edge = dash[1].length;
  for (let i = at - 1; i >= 0 && edge >= 0; i--) {
    const line = lines[i];
    if (!line.trim() || line.trim().startsWith("#")) continue;
    const m = /^(\s*)((?:- +)*)(?:([\w./-]+):(.*))?/.exec(line);
    const start = m[1].length;
    const inner = start + m[2].length;
    // A key with a value on its own line holds nothing below it.
    if (m[3] !== undefined && !m[4].trim().replace(/^#.*/, "") && (inner < edge || (inner === edge && way[0]?.item))) {
      way.unshift({ key: m[3], column: inner, line: i });
      edge = inner;
      if (m[2]) {
        for (let d = m[2].length - 2; d >= 0; d -= 2) way.unshift({ item: true, column: start + d, line: i });
        edge = start;
      }
    } else if (m[2] && start < edge) {
      for (let d = m[2].length - 2; d >= 0; d -= 2) way.unshift({ item: true, column: start + d, line: i });
      edge = start;
    }
    if (edge === 0 && !way[0]?.item) break;
  }
  return { way, own, column: limit };
}

// indentOf is how many blanks a line begins with.
const indentOf = (text) => /^\s*/.exec(text)[0].length;

// siblings reads the plain values that stand beside a place: keys of the same mapping with their scalars.
// They decide between forms: method: qemu makes other keys of a boot action good than method: u-boot.
export function siblings(lines, at, column) {
  const found = {};
  // "end" is a line that is around the mapping, "first" one that begins it behind a dash.
  const look = (i) => {
    const m = /^(\s*)((?:- +)*)([\w./-]+):\s*(.*)$/.exec(lines[i]);
    if (!m) return lines[i].trim() && !lines[i].trim().startsWith("#") && indentOf(lines[i]) < column ? "end" : "";
    const inner = m[1].length + m[2].length;
    if (inner < column) return "end";
    if (inner === column) {
      found[m[3]] ??= m[4].replace(/\s+#.*$/, "").replace(/^['"]|['"]$/g, "");
      if (m[2]) return "first";
    }
    return "";
  };
  for (let i = at; i >= 0; i--) {
    const what = look(i);
    if (what === "end" || what === "first") break;
  }
  for (let i = at + 1; i < lines.length; i++) {
    const m = /^(\s*)((?:- +)+)/.exec(lines[i]);
    if (m && m[1].length + m[2].length === column) break;
    if (look(i) === "end") break;
  }
  return found;
}

// Schema answers what may stand at a caret. It reads the parts of JSON Schema that services/web/submit.go writes: properties,
// items, $ref, allOf, anyOf, oneOf, if, const and enum.
// It is lenient: what cannot be decided is offered, as the check says what is wrong anyway.
export class Schema {
  constructor(root) { this.root = root; }

  // parts returns every schema that holds at once or as a choice for a value, with what decides between them.
  // seen ends circles: actions hold actions.
  parts(schema, values, seen = new Set()) {
    if (!schema || typeof schema !== "object" || seen.has(schema)) return [];
    seen.add(schema);
    const out = [schema];
    const add = (s) => out.push(...this.parts(s, values, seen));
    if (schema.$ref) add(this.at(schema.$ref));
    for (const list of [schema.allOf, schema.anyOf, schema.oneOf]) list?.forEach(add);
    if (schema.if) {
      const wanted = Object.entries(schema.if.properties ?? {});
      const needed = schema.if.required ?? [];
      // An if that asks for nothing holds always in JSON Schema; here it is taken for one that is not known.
      const met = wanted.length + needed.length > 0 && needed.every((k) => k in values) &&
        wanted.every(([k, v]) => (v.const !== undefined ? String(v.const) === values[k] : k in values || v === true));
      if (met) add(schema.then);
      else if (schema.else) add(schema.else);
    }
    return out;
  }

  // at follows a reference within the schema: "#/$defs/name", with ~1 for / as in JSON Pointer.
  at(ref) {
    return ref.replace(/^#\//, "").split("/").reduce((s, k) => s?.[k.replaceAll("~1", "/").replaceAll("~0", "~")], this.root);
  }

  // below walks a way down and returns the schemas of its end.
  // Several schemas may hold at a place, and each is followed.
  below(way, valuesAt) {
    let here = [this.root];
    way.forEach((step, i) => {
      const next = [];
      const values = valuesAt(step, i);
      for (const s of here.flatMap((one) => this.parts(one, values))) {
        if (step.item) {
          if (s.items) next.push(s.items);
          s.prefixItems?.forEach((p) => next.push(p));
        } else if (s.properties?.[step.key] !== undefined) {
          next.push(s.properties[step.key]);
        } else if (typeof s.additionalProperties === "object") {
          next.push(s.additionalProperties);
        }
      }
      here = next;
    });
    return here;
  }

  // offers lists what may be written at a caret: {text, about}.
  // Keys that are there already are left out, unless it is the one that is being written.
  offers(text, caret) {
    const head = text.slice(0, caret);
    const lines = text.split("\n");
    const at = head.split("\n").length - 1;
    const { way, own, column } = lineage(lines, at, head.length - head.lastIndexOf("\n") - 1);
    const valuesOf = (i) => (i < way.length && !way[i].item ? siblings(lines, way[i].line, way[i].column) : {});
    const beside = siblings(lines, at, column);
    const here = this.below(way, (step, i) => valuesOf(i));
    // By their text, in the order of the schema: required and common keys stand first in it.
    const found = new Map();
    const keep = (t, about) => {
      if (t.startsWith(own.word) && t !== own.word && !found.has(t)) found.set(t, about ?? "");
    };
    const parts = here.flatMap((one) => this.parts(one, beside));
    if (own.value) {
      const values = parts.flatMap((s) => (s.properties?.[own.key] !== undefined ? this.parts(s.properties[own.key], {}) : []));
      for (const v of values) {
        if (v.const !== undefined) keep(String(v.const), v.description);
        v.enum?.forEach((e) => keep(String(e), v.description));
        if (v.type === "boolean") ["true", "false"].forEach((t) => keep(t));
      }
    } else {
      for (const s of parts) {
        for (const [key, v] of Object.entries(s.properties ?? {})) {
          if (beside[key] === undefined || key === own.word) keep(key, this.parts(v, {}).find((p) => p.description)?.description);
        }
        s.required?.forEach((key) => { if (beside[key] === undefined) keep(key); });
        if (s.const !== undefined) keep(String(s.const), s.description);
        s.enum?.forEach((e) => keep(String(e), s.description));
      }
    }
    return { word: own.word, value: own.value, list: [...found].map(([t, about]) => ({ text: t, about })) };
  }
}
