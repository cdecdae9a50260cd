// The hand of package browser: a Chromium that a Go test tells, line by line, what to do.
//
//   node driver.mjs MODULES CHROMIUM
//
// Each line of standard input is {id, page, on, do, with}: call the method `do` of page `page` with the
// arguments `with`, or of the element that the selector `on` finds on it. Each line of standard output
// is {id, value} or {id, error}. Pages are independent of each other: a context, so cookies and storage,
// of their own. The end of standard input is the end of the browser.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { readFileSync } from 'node:fs';

const [modules, executablePath] = process.argv.slice(2);
// The modules lie in a cache of the user's and not beside this file, so a plain import would not find them.
const require = createRequire(modules + '/');
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

// No sandbox, as containers of CI lack what it is made of: it only sees pages of this lab. No hinting of fonts, so that pictures are
// the same on all machines.
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--font-render-hinting=none'],
});

const pages = new Map();

// leaving is what playwright and Chromium say of a question to a page that is on its way to another one.
const leaving = /context was destroyed|navigat|promise was collected|cannot find context|target closed|session closed/i;

// own are the verbs beside those of playwright's Page and Locator.
const own = {
  async open(options) {
    const { patience, ...context } = options;
    // Reduced motion, or a picture could show something half-way.
    const scene = await browser.newContext({ reducedMotion: 'reduce', ...context });
    scene.setDefaultTimeout(patience);
    const page = await scene.newPage();
    const entry = { page, scene, patience, complaints: [] };
    // A refused script or a broken link is said on the console only, where nobody looks.
    page.on('console', m => m.type() === 'error' && entry.complaints.push(`${page.url()}: ${m.text()} (${m.location().url})`));
    page.on('pageerror', e => entry.complaints.push(`${page.url()}: ${e.message}`));
    // Pages ask before they cancel or remove; the tests mean it.
    page.on('dialog', d => d.accept());
    const id = String(pages.size + 1);
    pages.set(id, entry);
    return id;
  },

  // go returns the status of the document: 200, 404.
  async go({ page }, url) {
    if (url.includes('#')) await page.goto('about:blank'); // or the same document would only be scrolled
    const reply = await page.goto(url, { waitUntil: 'load' });
    return reply ? reply.status() : 0;
  },

  // see waits until an element with the text is visible, or with wanted false until there is none.
  async see({ page }, text, wanted = true) {
    // Invisible doubles, such as words for narrow windows, do not count.
    const found = page.getByText(text).filter({ visible: true });
    await found.first().waitFor({ state: wanted ? 'visible' : 'hidden' });
  },

  // until waits until an expression is true. It is asked from outside: what playwright would put into the page
  // for that, the page's content security policy refuses.
  async until({ page, patience }, expression) {
    const end = Date.now() + patience;
    for (;;) {
      const value = await page.evaluate(expression).catch(e => {
        if (leaving.test(e.message)) return false;
        throw e;
      });
      if (value) return;
      if (Date.now() > end) throw new Error(`not true within ${patience} ms`);
      await new Promise(done => setTimeout(done, 40));
    }
  },

  // evaluate asks for an expression's value once more where the page was being replaced.
  async evaluate({ page, patience }, expression) {
    const end = Date.now() + patience;
    for (;;) {
      try {
        return await page.evaluate(expression);
      } catch (e) {
        if (!leaving.test(e.message) || Date.now() > end) throw e;
        await new Promise(done => setTimeout(done, 40));
      }
    }
  },

  // complaints returns what the browser complained of since it was last asked.
  async complaints(entry) {
    return entry.complaints.splice(0);
  },

  // examine returns what axe finds against WCAG 2.2 A and AA, or against one rule alone, a line each. It comes in through the
  // debugger, which a page's content security policy does not bind. A form that was sent may still be on its way: then the page
  // that comes of it is examined. What axe itself stumbles on in a document that is just being replaced it does not meet again.
  async examine({ page, scene, patience }, rule) {
    const end = Date.now() + patience;
    for (;;) {
      await page.waitForLoadState('load');
      try {
        return await own.look(page, scene, rule);
      } catch (e) {
        if (Date.now() > end) throw e;
        await new Promise(done => setTimeout(done, 40));
      }
    }
  },

  // look is one examination.
  async look(page, scene, rule) {
    const session = await scene.newCDPSession(page);
    const rules = rule ? { type: 'rule', values: [rule] } : ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
    // What stands in a line of a log or a listing is as high as the line, and is not the only way to where it leads.
    // The page keeps axe, some 500 KB, for the next examination.
    const run = `window.axe || (() => { ${axe} })(); axe.run(document, { runOnly: ${JSON.stringify(rules)} })
      .then(r => r.violations.flatMap(v => v.nodes.filter(n => !(v.id === 'target-size' && (/aria-label="line \\d+"/i.test(n.html) || document.querySelector(n.target[0])?.closest('pre, log-view .row')))).map(n => v.id + ': ' + v.help + ': ' + n.html.slice(0, 160) + ' (' + n.failureSummary.split('\\n').slice(1).join(' ').trim().slice(0, 200) + ')')))`;
    const answer = await session.send('Runtime.evaluate', { expression: run, awaitPromise: true, returnByValue: true })
      .finally(() => session.detach().catch(() => {})); // with its page
    if (answer.exceptionDetails) throw new Error('axe: ' + JSON.stringify(answer.exceptionDetails.exception));
    return answer.result.value;
  },

  // forget takes the page's cookies away.
  async forget({ scene }) {
    await scene.clearCookies();
  },

  async close(entry, id) {
    pages.delete(id);
    await entry.scene.close();
  },
};

async function obey({ page: id, on, do: verb, with: args = [] }) {
  if (verb === 'open') return own.open(...args);
  const entry = pages.get(id);
  if (!entry) throw new Error(`there is no page ${id}`);
  if (!on && own[verb]) return own[verb](entry, ...args);
  const target = on ? entry.page.locator(on) : entry.page;
  const path = verb.split('.');
  const method = path.pop();
  const owner = path.reduce((o, name) => o[name], target);
  const value = await owner[method](...args);
  return Buffer.isBuffer(value) ? value.toString('base64') : value;
}

// Handles and responses of playwright cannot be written as JSON; an order wants none of them.
const plain = value => (value === null || ['string', 'number', 'boolean'].includes(typeof value) || Array.isArray(value) ||
  Object.getPrototypeOf(value) === Object.prototype ? value : undefined);

// Orders of different pages run beside each other; the answers carry their numbers.
const busy = new Set();
createInterface({ input: process.stdin }).on('line', line => {
  const order = JSON.parse(line);
  const work = obey(order).then(
    value => ({ id: order.id, value: value === undefined ? undefined : plain(value) }),
    error => ({ id: order.id, error: String(error.message ?? error).replace(/\x1b\[[0-9;]*m/g, '') }),
  ).then(answer => process.stdout.write(JSON.stringify(answer) + '\n'));
  busy.add(work);
  work.finally(() => busy.delete(work));
}).on('close', async () => {
  await browser.close();
  process.exit(0);
});
process.stdout.write(JSON.stringify({ id: 0, value: browser.version() }) + '\n');
