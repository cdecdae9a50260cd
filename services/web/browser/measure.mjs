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

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--enable-precise-memory-info'],
});

// visit opens a page as the administrator of the lab.
async function visit() {
  const scene = await browser.newContext({ viewport: { width: 1280, height: 800 }, extraHTTPHeaders: settings.token ? { Authorization: `Token ${settings.token}` } : {} });
  const page = await scene.newPage();
  page.setDefaultTimeout(120_000);
  return page;
}

const sorted = (numbers) => [...numbers].sort((a, b) => a - b);
const percentile = (numbers, p) => sorted(numbers)[Math.max(0, Math.ceil((numbers.length * p) / 100) - 1)];
const median = (numbers) => percentile(numbers, 50);

const log = (page) => page.goto(`${settings.url}/scheduler/job/${settings.job}/log`, { waitUntil: 'commit' });

// drawn waits, in the page, until a line is drawn, and returns when that was.
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
  async copy() {
    const page = await visit();
    await log(page);
    await page.waitForFunction((n) => document.querySelector('log-view')?.lines === n && document.querySelector('log-view').done, settings.lines, { timeout: 560_000 });
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
      opens.push(await drawn(page, settings.lines - 1));
    }
    out.open = median(opens);

    const jumps = [];
    for (let i = 0; i < 40; i++) {
      const line = Math.floor(((i * 0.6180339887) % 1) * settings.lines);
      jumps.push(await page.evaluate((n) => new Promise((done) => {
        const view = document.querySelector('log-view');
        const began = performance.now();
        const look = () => (view.slots.some((s) => s.record?.n === n) ? requestAnimationFrame(() => done(performance.now() - began)) : requestAnimationFrame(look));
        view.toLine(n);
        look();
      }), line));
    }
    out.jump = percentile(jumps, 95);

    const search = (text, line) => page.evaluate(([words, n]) => new Promise((done) => {
      const view = document.querySelector('log-view');
      const began = performance.now();
      let first = 0;
      const look = () => {
        if (!first && (n === null ? view.hit : view.hit && view.slots.some((s) => s.record?.n === n))) first = performance.now() - began;
        if (view.hits.done) done({ first, all: performance.now() - began, count: view.hits.count });
        else requestAnimationFrame(look);
      };
      view.search({ text: words });
      requestAnimationFrame(look);
    }), [text, line]);
    const firsts = [];
    for (let i = 0; i < 5; i++) {
      await page.evaluate(() => document.querySelector('log-view').toLine(0));
      const found = await search('wombat', settings.rare);
      if (found.count !== 1) throw new Error(`the rare word was found ${found.count} times`);
      firsts.push(found.first);
    }
    out.first = percentile(firsts, 95);
    const common = await search('Started Session', null);
    if (!(common.count > settings.lines / 120)) throw new Error(`the common word was found ${common.count} times`);
    out.all = common.all;
    await page.evaluate(() => document.querySelector('log-view').search(null));

    out.frames = await frames(page);
    const session = await page.context().newCDPSession(page);
    const { metrics } = await session.send('Performance.enable').then(() => session.send('Performance.getMetrics'));
    out.heap = metrics.find((m) => m.name === 'JSHeapUsedSize').value / 1e6;
    return out;
  },

  // watch follows a job whose lines say when they were said ("at <milliseconds> …").
  async watch() {
    const page = await visit();
    await log(page);
    await page.waitForFunction(() => document.querySelector('log-view')?.dataset.live === 'live');
    const took = await page.evaluate((wanted) => new Promise((done) => {
      const view = document.querySelector('log-view');
      view.toEnd(true);
      let waiting = [];
      const took = [];
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

  // pages visits each page three times, each time with nothing kept.
  async pages() {
    let paint = 0, kilobytes = 0;
    const warm = await visit();
    await warm.goto(settings.url + settings.pages[0]);
    for (const path of settings.pages) {
      const paints = [];
      for (let i = 0; i < 3; i++) {
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
      process.stderr.write(`${path}: first paint ${median(paints).toFixed(0)} ms, largest so far ${kilobytes.toFixed(0)} KB\n`);
      paint = Math.max(paint, median(paints));
    }
    return { paint, kilobytes };
  },
};

// frames scrolls through a log and returns the share of frames, in percent, that came later than in their turn: a turn
// is 16.7 ms, and one that was missed is seen as a gap of two turns.
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
  for (const by of [40, 120, 900, 20000]) {
    const until = Date.now() + (seconds * 1000) / 2;
    while (Date.now() < until) await page.mouse.wheel(0, by);
  }
  const rail = await page.locator('.lv-rail').boundingBox();
  await page.mouse.move(rail.x + 7, rail.y + 4);
  await page.mouse.down();
  for (const until = Date.now() + seconds * 1000, began = Date.now(); Date.now() < until;) {
    await page.mouse.move(rail.x + 7, rail.y + 4 + (rail.height - 8) * ((Date.now() - began) / (seconds * 1000)));
  }
  await page.mouse.up();
  const turns = await page.evaluate(() => { const t = window.turns; window.turns = null; return t; });
  const late = turns.reduce((n, t) => n + (t > 16.7 * 1.25 ? 1 : 0), 0);
  process.stderr.write(`frames: ${turns.length}, late ${late}, worst ${Math.max(...turns).toFixed(1)} ms, median ${median(turns).toFixed(1)} ms\n`);
  return (100 * late) / turns.length;
}

try {
  process.stdout.write(JSON.stringify(await scenarios[scenario]()) + '\n');
} finally {
  await browser.close();
}
