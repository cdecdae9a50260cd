// What the log viewer asks the lab for: rows, the outline, a search, and what comes live.
import { chunk } from "./log-rows.js";

// atOnce is how many pieces of a log are on the way at a time.
// Of the six connections that HTTP/1.1 has to a host two may be live streams; one is left for a search.
const atOnce = 3;

// Source asks for one job's log.
export class Source {
  constructor(base, job) {
    this.at = `${base}/api/v1/jobs/${encodeURIComponent(job)}/log/`;
    // All questions carry it, so that rows mean the same in each answer.
    this.levels = ""; // that are wanted, with commas; "" is all
    this.waiting = new Map(); // number of a chunk → what ends the asking for it
  }

  // ask gets JSON. What the lab refuses is an error with its words.
  // The cookie goes along by itself: the address is of this site.
  async ask(path, parameters, signal) {
    const q = new URLSearchParams(parameters);
    if (this.levels) q.set("levels", this.levels);
    const answer = await fetch(`${this.at}${path}?${q}`, { signal, headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `the lab answers ${answer.status}`);
    return answer.json();
  }

  // some asks for the rows at the end, or around a line.
  some(where) { return this.ask("lines", { ...where, count: chunk }); }

  // want asks for chunks, the most wanted first, and gives up those that nobody wants any more.
  // Dragging the scroll bar through a long log wants hundreds of pieces for a moment each: what is behind is given up at once.
  want(numbers, rows, come, failed) {
    for (const [number, ends] of this.waiting) {
      if (!numbers.includes(number)) {
        this.waiting.delete(number);
        ends.abort();
      }
    }
    for (const number of numbers) {
      if (this.waiting.size >= atOnce) return;
      if (this.waiting.has(number) || rows.has(number)) continue;
      const ends = new AbortController();
      this.waiting.set(number, ends);
      const here = rows.chunks.get(number)?.length ?? 0; // of a chunk that is here in part, the rest
      const first = number * chunk + here;
      this.ask("lines", { row: first, count: chunk - here }, ends.signal).then(
        (answer) => { this.over(number, ends); come(answer); },
        (err) => { this.over(number, ends); if (err.name !== "AbortError") failed(err); },
      );
    }
  }

  // Only the asking that is still meant is over: the same chunk may have been asked for anew.
  over(number, ends) {
    if (this.waiting.get(number) === ends) this.waiting.delete(number);
  }

  // stop gives up everything that is on the way.
  stop() {
    for (const ends of this.waiting.values()) ends.abort();
    this.waiting.clear();
    this.searching?.abort();
    this.hush();
  }

  outline() { return this.ask("outline", {}); }

  // search hands over what is found, piece by piece. A new search ends the one before.
  // A JSON object a line (application/x-ndjson), the first with what is found near from, the last with done.
  async search(query, from, each) {
    this.searching?.abort();
    const ends = (this.searching = new AbortController());
    const q = new URLSearchParams({ q: query.text, from });
    if (query.regexp) q.set("regexp", 1);
    if (query.case) q.set("case", 1);
    if (this.levels) q.set("levels", this.levels);
    try {
      const answer = await fetch(`${this.at}search?${q}`, { signal: ends.signal });
      if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `the lab answers ${answer.status}`);
      // The decoder keeps the beginning of a letter that the network has cut.
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ""; ;) {
        const { value, done } = await reader.read();
        if (done) return;
        const lines = (rest + value).split("\n");
        rest = lines.pop();
        for (const line of lines) {
          const message = JSON.parse(line);
          if (message.error) throw new Error(message.error);
          // Lines that came with it may be waiting here when a new search has begun.
          if (ends.signal.aborted) return;
          each(message);
        }
      }
    } catch (err) {
      if (err.name !== "AbortError") throw err;
    }
  }

  // listen hands over lines as the job says them, from a line on, until it says no more. A connection that is cut comes
  // back by itself and goes on behind the last line. Browsers give up where an answer is no stream, such as the 503 of a
  // lab that is being started again: this asks anew, a tenth time after some minutes, and then it is lost.
  listen(job, from, line, end, state, tries = 0) {
    this.hush();
    const q = new URLSearchParams({ from });
    if (this.levels) q.set("level", this.levels);
    // The ids of events are job/line, which the browser sends back as Last-Event-ID when it comes again by itself.
    const events = (this.events = new EventSource(`${this.at}live?${q}`));
    events.onopen = () => { tries = 0; state("live"); };
    events.onerror = () => {
      if (events.readyState !== EventSource.CLOSED) return state("away");
      // Half a second at first, then double, a minute at most: some four minutes in all.
      if (tries === 10) return state("lost");
      state("away");
      this.again = setTimeout(() => this.listen(job, from, line, end, state, tries + 1), Math.min(60_000, 500 * 2 ** tries));
    };
    events.onmessage = (e) => {
      const [of, n] = e.lastEventId.split("/");
      if (of !== String(job)) { // a further attempt: it has a log of its own
        this.hush();
        end();
        return;
      }
      const record = JSON.parse(e.data);
      record.n = Number(n);
      from = record.n + 1;
      line(record);
    };
    events.addEventListener("end", () => { this.hush(); end(); });
  }

  // close() also ends what an EventSource would try by itself.
  hush() {
    clearTimeout(this.again);
    this.events?.close();
    this.events = null;
  }
}
