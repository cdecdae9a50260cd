// Measures pages in a real Chromium, for services/cmd/bench.
//
//   node measure.mjs MODULES SCENARIO SETTINGS
//
// The answer is one JSON object on standard output: numbers by name.
import { createRequire } from 'node:module';

const [modules, scenario, text] = process.argv.slice(2);
const settings = JSON.parse(text);
const require = createRequire(modules + '/');
const { chromium } = require('playwright-core');

// As driver.mjs has it, and with exact figures of memory, which Chromium rounds otherwise.
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--enable-precise-memory-info'],
});

// visit opens a page as the administrator of the lab.
// A context of its own, so nothing is in its cache but what the scenario put there.
async function visit() {
  const scene = await browser.newContext({ viewport: { width: 1280, height: 800 }, extraHTTPHeaders: settings.token ? { Authorization: `Token ${settings.token}` } : {} });
  const page = await scene.newPage();
  page.setDefaultTimeout(120_000);
  return page;
}

const sorted = (numbers) => [...numbers].sort((a, b) => a - b);
// The nearest rank: of 40 numbers the 95th percentile is the 38th.
const percentile = (numbers, p) => sorted(numbers)[Math.max(0, Math.ceil((numbers.length * p) / 100) - 1)];
const median = (numbers) => percentile(numbers, 50);

// 'commit' ends waiting when the answer begins, as the page then is what is measured.
const log = (page) => page.goto(`${settings.url}/scheduler/job/${settings.job}/log`, { waitUntil: 'commit' });

// drawn waits, in the page, until a line is drawn, and returns when that was.
// The next frame after the row is there: only then it has been painted.
const drawn = (page, line) => page.evaluate((n) => new Promise((done) => {
  const look = () => {
    const view = document.querySelector('log-view');
    const there = view?.slots?.some((s) => s.record?.n === n && !s.el.hidden && s.el.getBoundingClientRect().top < innerHeight);
    if (there) requestAnimationFrame(() => done(performance.now()));
    else requestAnimationFrame(look);
  };
  look();
}), line);

const scenarios = {
  // copy waits until the lab has all of the log.
  // It is no figure: the others shall not measure a log that is still being copied.
  async copy() {
    const page = await visit();
    await log(page);
    await page.waitForFunction((n) => document.querySelector('log-view')?.lines === n && document.querySelector('log-view').done && !document.querySelector('log-view').copy.of, settings.lines, { timeout: 560_000 });
    return { lines: settings.lines };
  },

  async log() {
    const warm = await visit(); // the browser's own start is not ours
    await warm.goto(`${settings.url}/static/base.css`);
    const out = {};
    const opens = [];
    let page = warm;
    for (let i = 0; i < 5; i++) {
      if (page !== warm) await page.context().close();
      page = await visit();
      await page.goto(`${settings.url}/static/base.css`); // the connection is there, the page is not
      await page.goto(`${settings.url}/scheduler/job/${settings.job}/log#L${settings.lines - 1}`, { waitUntil: 'commit' });
      // Milliseconds since the navigation began, which is where performance.now() counts from.
      opens.push(await drawn(page, settings.lines - 1));
    }
    out.open = median(opens);

    // JSHeapUsedSize as the debugger has it, in megabytes of a million bytes, without asking for a collection of garbage.
    const heaps = [];
    const meter = await page.context().newCDPSession(page);
    await meter.send('Performance.enable');
    const weigh = async () => {
      const { metrics } = await meter.send('Performance.getMetrics');
      heaps.push(metrics.find((m) => m.name === 'JSHeapUsedSize').value / 1e6);
    };
    await weigh();

    // jump goes to a line as a person does, and returns how long it took until the line was drawn.
    const jump = (line) => page.evaluate((n) => new Promise((done) => {
      const view = document.querySelector('log-view');
      const began = performance.now();
      const look = () => (view.slots.some((s) => s.record?.n === n && !s.el.hidden) ? requestAnimationFrame(() => done(performance.now() - began)) : requestAnimationFrame(look));
      view.toLine(n);
      look();
    }), line);
    // Steps of the golden section reach all parts of the log, and no two jumps are near each other.
    const jumps = [];
    for (let i = 0; i < 40; i++) jumps.push(await jump(Math.floor(((i * 0.6180339887) % 1) * settings.lines)));
    out.jump = percentile(jumps, 95);
    process.stderr.write(`jumps: median ${median(jumps).toFixed(0)} ms, worst ${Math.max(...jumps).toFixed(0)} ms\n`);
    await weigh();

    // search is over when its first hit is drawn and all of the log has been gone through, whichever comes last.
    // Two times: when the first hit is drawn, and when all of the log has been gone through.
    const search = (text, line) => page.evaluate(([words, n]) => new Promise((done) => {
      const view = document.querySelector('log-view');
      const began = performance.now();
      let first = 0, all = 0;
      view.search({ text: words });
      const look = () => {
        const at = n ?? view.hit?.line;
        if (!first && view.hit && view.slots.some((s) => s.record?.n === at && !s.el.hidden)) first = performance.now() - began;
        if (!all && view.hits.done) all = performance.now() - began;
        if (first && all) done({ first, all, count: view.hits.count });
        else requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    }), [text, line]);
    const firsts = [];
    for (let i = 0; i < 5; i++) {
      await jump(0);
      const found = await search('wombat', settings.rare);
      if (found.count !== 1) throw new Error(`the rare word was found ${found.count} times`);
      firsts.push(found.first);
    }
    // Of five that is the slowest.
    out.first = percentile(firsts, 95);
    await jump(0);
    const common = await search('Started Session', null);
    if (!(common.count > settings.lines / 120)) throw new Error(`the common word was found ${common.count} times`);
    out.all = common.all;
    await weigh(); // the marks of all hits are there
    await page.evaluate(() => document.querySelector('log-view').search(null));

    out.frames = await frames(page);
    await weigh();
    const held = await page.evaluate(() => { const v = document.querySelector('log-view'); return { rows: v.rows.count, chunks: v.rows.chunks.size }; });
    if (held.rows !== settings.lines || held.chunks < 3) throw new Error(`the heap was weighed with ${held.chunks} pieces of a log of ${held.rows} lines`);
    process.stderr.write(`heap: ${heaps.map((h) => h.toFixed(0)).join(', ')} MB, with ${held.chunks} pieces of the log\n`);
    out.heap = Math.max(...heaps);
    return out;
  },

  // watch follows a job whose lines say when they were said ("at <milliseconds> …").
  async watch() {
    const page = await visit();
    await log(page);
    await page.waitForFunction(() => document.querySelector('log-view')?.dataset.live === 'live');
    const took = await page.evaluate((wanted) => new Promise((done) => {
      const view = document.querySelector('log-view');
      // The last line is what somebody who follows looks at.
      view.toEnd(true);
      let waiting = [];
      const took = [];
      // The lines carry the clock of this machine, so browser and job have to run on the same one.
      const from = Date.now() + 500; // what was said before was waiting for us
      view.addEventListener('log-line', (e) => {
        const at = Number(/^at ([\d.]+)/.exec(e.detail.msg)?.[1]);
        if (at > from) waiting.push(at);
      });
      view.painted = () => {
        const drawn = waiting;
        waiting = [];
        requestAnimationFrame(() => {
          const now = performance.timeOrigin + performance.now();
          for (const at of drawn) took.push(now - at);
          if (took.length >= wanted) done(took);
        });
      };
    }), settings.lines);
    return { p99: percentile(took, 99), p50: median(took), lines: took.length };
  },

  // pages visits each page several times, each time with nothing kept.
  // transferSize counts headers and bodies as they came, compressed; live streams are left out.
  async pages() {
    let paint = 0, kilobytes = 0;
    const each = {};
    const warm = await visit();
    await warm.goto(settings.url + settings.pages[0]);
    for (const path of settings.pages) {
      const paints = [];
      for (let i = 0; i < settings.visits; i++) {
        const page = await visit();
        await page.goto(settings.url + path, { waitUntil: 'load' });
        await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length);
        const { first, bytes } = await page.evaluate(() => ({
          first: performance.getEntriesByName('first-contentful-paint')[0].startTime,
          bytes: [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource').filter((r) => /static/.test(r.name))].reduce((n, r) => n + r.transferSize, 0),
        }));
        paints.push(first);
        kilobytes = Math.max(kilobytes, bytes / 1000);
        await page.context().close();
      }
      each[`paint of ${path}`] = median(paints);
      paint = Math.max(paint, median(paints));
    }
    return { ...each, paint, kilobytes };
  },
};

// onTime is the longest gap, in milliseconds, between two frames that came in their turns. A turn is 16.7 ms; the stamps
// that the browser gives frames lie up to 0.2 ms beside their turns, and a turn that was missed makes 33 ms.
// Of a screen of 60 Hz.
const onTime = 17.0;

// frames scrolls through a log and returns the share of frames, in percent, that came later than in their turn.
async function frames(page) {
  const box = await page.locator('.lv-view').boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.evaluate(() => {
    const view = document.querySelector('log-view');
    view.toFraction(0);
    window.turns = [];
    let before = 0;
    const turn = (now) => {
      if (before) window.turns.push(now - before);
      before = now;
      if (window.turns) requestAnimationFrame(turn);
    };
    requestAnimationFrame(turn);
  });
  const seconds = settings.quick ? 1 : 5;
  // Pixels a turn of the wheel: from reading to rushing through. Then the scroll bar is dragged from top to bottom.
  for (const by of [40, 120, 900, 20000]) {
    const until = Date.now() + (seconds * 1000) / 2;
    while (Date.now() < until) await page.mouse.wheel(0, by);
  }
  // 7 is the middle of the rail, which is 14 px wide.
  const rail = await page.locator('.lv-rail').boundingBox();
  await page.mouse.move(rail.x + 7, rail.y + 4);
  await page.mouse.down();
  for (const until = Date.now() + seconds * 1000, began = Date.now(); Date.now() < until;) {
    await page.mouse.move(rail.x + 7, rail.y + 4 + (rail.height - 8) * ((Date.now() - began) / (seconds * 1000)));
  }
  await page.mouse.up();
  const turns = await page.evaluate(() => { const t = window.turns; window.turns = null; return t; });
  const late = turns.reduce((n, t) => n + (t > onTime ? 1 : 0), 0);
  process.stderr.write(`frames: ${turns.length}, late ${late}, worst ${Math.max(...turns).toFixed(1)} ms, median ${median(turns).toFixed(1)} ms\n`);
  return (100 * late) / turns.length;
}

try {
  process.stdout.write(JSON.stringify(await scenarios[scenario]()) + '\n');
} finally {
  await browser.close();
}
