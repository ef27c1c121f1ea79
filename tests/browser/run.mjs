// run.mjs FOLDER-OF-PROGRAMS [WORD]: the stories a visitor lives through, in headless Chromium
// against `cordgate demo`; with WORD only those whose name holds it. Ends with
// 'N passed, N failed'. With UPDATE_SCREENSHOTS=1 it renews docs/screenshots/*.png.

import assert from 'node:assert/strict';
import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { newVisitor, startBrowser, startDemo } from './harness.mjs';

const [programs = 'build/release', only = ''] = process.argv.slice(2);
const screenshots = fileURLToPath(new URL('../../docs/screenshots/', import.meta.url));
const stories = [];
const story = (name, options, tell) => stories.push(tell ? { name, options, tell } : { name, options: {}, tell: options });

// --- what visitors do ----------------------------------------------------------

const atDiscord = (page) => page.waitForURL(/\/oauth2\/authorize\?/);

// On the consent page: be this person, then agree.
async function consent(page, person) {
  await atDiscord(page);
  await page.getByRole('radio', { name: person }).check();
  await page.getByRole('button', { name: 'Authorize' }).click();
}

async function logIn(page, person, at = '/members') {
  await page.goto(`${gate}/login?rd=${encodeURIComponent(at)}`);
  await consent(page, person);
  await page.waitForURL(`${gate}${at}`);
}

async function shoot(page, name) {
  if (!process.env.UPDATE_SCREENSHOTS) return;
  await mkdir(screenshots, { recursive: true });
  const file = path.join(screenshots, `${name}.png`);
  await page.screenshot({ path: file });
  assert.ok((await stat(file)).size < 200_000, `${name}.png is too large`);
}

// Nothing is cut off at the side, and there is one heading to begin with.
async function isWellLaidOut(page) {
  const { wide, headings, language } = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    headings: document.querySelectorAll('h1').length,
    language: document.documentElement.lang,
  }));
  assert.equal(wide, 0, 'the page is wider than the window');
  assert.equal(headings, 1, 'a page has one heading of the first level');
  assert.equal(language, 'en');
}

// Presses Tab until `locator` has the focus; it must be seen to have it.
async function tabTo(page, locator) {
  for (let presses = 0; presses < 40; presses += 1) {
    await page.keyboard.press('Tab');
    if (await locator.evaluate((element) => element === document.activeElement)) {
      const outline = await locator.evaluate((element) => getComputedStyle(element).outlineStyle);
      assert.notEqual(outline, 'none', 'the focus cannot be seen');
      return;
    }
  }
  assert.fail(`Tab never reached ${locator}`);
}

// --- the stories ---------------------------------------------------------------

story('a visitor logs in and is called by name', async ({ page, context }) => {
  await page.goto(`${gate}/`);
  await isWellLaidOut(page);
  await shoot(page, 'welcome');
  await page.getByRole('link', { name: 'Log in with Discord' }).click();
  await atDiscord(page);
  await shoot(page, 'consent');
  await consent(page, 'Fern');
  await page.waitForURL(`${gate}/`);
  await page.getByText('Hello, Fern').waitFor();
  const session = (await context.cookies(gate)).filter((cookie) => cookie.name.includes('cordgate') && cookie.httpOnly);
  assert.ok(session.length > 0, 'the session cookie is out of reach for scripts');
  assert.ok(session.every((cookie) => cookie.sameSite === 'Lax'));
  assert.equal(await page.evaluate(() => document.cookie), '', 'scripts see no cookie of ours');
});

story('the members page shows the guilds, and pictures load', async ({ page }) => {
  await logIn(page, 'Fern');
  await page.getByRole('heading', { name: 'The Walled Garden' }).waitFor();
  await page.getByText('Fern of the hedge').waitFor();
  await isWellLaidOut(page);
  const broken = await page.evaluate(() =>
    [...document.images].filter((image) => !image.complete || image.naturalWidth === 0).map((image) => image.src));
  assert.deepEqual(broken, []);
  await shoot(page, 'members');
});

story('a deep link comes back with its query', async ({ page }) => {
  await page.goto(`${gate}/members?page=2&q=a%20b%26c`);
  await consent(page, 'Fern');
  await page.waitForURL(`${gate}/members?page=2&q=a%20b%26c`);
});

story('names with emoji and right-to-left letters arrive whole', async ({ page }) => {
  await logIn(page, '\u{1F319} \u0646\u0648\u0631 \u{1F3B2}');
  await page.getByText('\u{1F319} \u0646\u0648\u0631 \u{1F3B2}').first().waitFor();
  await isWellLaidOut(page);
});

story('an account of old, with a space in its name, logs in', async ({ page }) => {
  await logIn(page, 'Old Timer');
  await page.getByText('Old Timer').first().waitFor();
});

story('who logs out is a stranger again, and back shows nothing', async ({ page }) => {
  await logIn(page, 'Fern');
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.waitForURL(`${gate}/`);
  await page.getByRole('link', { name: 'Log in with Discord' }).waitFor();
  await page.goto(`${gate}/members`);
  await atDiscord(page);
});

story('GET /logout asks before it logs out', async ({ page }) => {
  await logIn(page, 'Fern');
  await page.goto(`${gate}/logout`);
  await isWellLaidOut(page);
  await shoot(page, 'logout');
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.waitForURL(`${gate}/`);
  await page.getByRole('link', { name: 'Log in with Discord' }).waitFor();
});

story('who cancels at Discord reads why, and can try again', async ({ page }) => {
  await page.goto(`${gate}/members`);
  await atDiscord(page);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('heading', { name: 'You cancelled the login' }).waitFor();
  await isWellLaidOut(page);
  await shoot(page, 'cancelled');
  await page.getByRole('link', { name: 'Log in again' }).click();
  await consent(page, 'Fern');
  await page.waitForURL(`${gate}/members`);
});

story('who lacks the role reads what is missing, and can change the account', async ({ page }) => {
  await page.goto(`${gate}/staff`);
  await consent(page, 'Fern');
  await page.getByRole('heading', { name: 'This account has no access' }).waitFor();
  const missing = page.locator('ul.missing li');
  assert.ok((await missing.count()) > 0, 'the page names what is missing');
  assert.match(await missing.first().innerText(), /role/i);
  await page.getByText('Fern').first().waitFor();
  await isWellLaidOut(page);
  await shoot(page, 'denied');
  await page.getByRole('link', { name: 'Use another account' }).click();
  await consent(page, 'Robin');
  await page.getByRole('heading', { name: 'Staff room' }).waitFor();
});

story('the WebSocket knows the name and echoes, events arrive', async ({ page }) => {
  await logIn(page, 'Fern', '/live');
  await page.getByText('Connected', { exact: true }).waitFor();
  const log = page.locator('#log');
  await log.getByText('Hello, Fern!').waitFor();
  await page.getByLabel('Say something').fill('is anybody <b>here</b>?');
  await page.getByRole('button', { name: 'Send' }).click();
  await log.getByText('Fern: is anybody <b>here</b>?').waitFor();
  await page.locator('#tick', { hasText: /tick 2/ }).waitFor();
  await isWellLaidOut(page);
  await shoot(page, 'live');
});

story('all of it works by keyboard', async ({ page }) => {
  await page.goto(`${gate}/`);
  await tabTo(page, page.getByRole('link', { name: 'Log in with Discord' }));
  await page.keyboard.press('Enter');
  await atDiscord(page);
  await tabTo(page, page.getByRole('radio').first());
  await page.keyboard.press('ArrowDown');
  assert.ok(await page.getByRole('radio', { name: 'Robin' }).isChecked());
  await tabTo(page, page.getByRole('button', { name: 'Authorize' }));
  await page.keyboard.press('Enter');
  await page.getByText('Hello, Robin').waitFor();
  await tabTo(page, page.getByRole('button', { name: 'Log out' }));
  await page.keyboard.press('Enter');
  await page.getByRole('link', { name: 'Log in with Discord' }).waitFor();
});

story('it fits a phone, in the dark', { viewport: { width: 320, height: 640 }, colorScheme: 'dark' }, async ({ page }) => {
  await page.goto(`${gate}/staff`);
  await atDiscord(page);
  await isWellLaidOut(page);
  await consent(page, 'Fern');
  await page.getByRole('heading', { name: 'This account has no access' }).waitFor();
  await isWellLaidOut(page);
  await shoot(page, 'denied-phone-dark');
  await page.goto(`${gate}/members`);
  await isWellLaidOut(page);
  await page.goto(`${gate}/logout`);
  await isWellLaidOut(page);
});

story('pages of the gate work without scripts', { javaScriptEnabled: false }, async ({ page }) => {
  await logIn(page, 'Pip'.toLowerCase());
  await page.goto(`${gate}/logout`);
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.waitForURL(`${gate}/`);
});

story('two tabs can log in at once', async ({ page, context }) => {
  const other = await context.newPage();
  await page.goto(`${gate}/members`);
  await other.goto(`${gate}/headers`);
  await consent(page, 'Fern');
  await page.waitForURL(`${gate}/members`);
  await consent(other, 'Fern');
  await other.waitForURL(`${gate}/headers`);
});

story('a visitor asks for their profile from a script of the page', async ({ page }) => {
  await logIn(page, 'Fern', '/');
  const me = await page.evaluate(async () => (await fetch('/_cordgate/me')).json());
  assert.equal(me.display_name, 'Fern');
});

// --- telling them --------------------------------------------------------------

// Each story has a demo of its own, so that no limit on logins is reached by them together.
let gate;
const browser = await startBrowser();
let passed = 0;
let failed = 0;
for (const { name, options, tell } of stories.filter((each) => each.name.includes(only))) {
  let demo;
  let visitor;
  try {
    demo = await startDemo(programs);
    gate = demo.url;
    visitor = await newVisitor(browser, options);
    await tell(visitor);
    assert.deepEqual(visitor.complaints, [], "nothing happens behind the visitor's back");
    await visitor.context.close();
    assert.equal(await demo.stop(), 0, 'the demo ends with 0 when asked to stop');
    passed += 1;
    console.log(`ok: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED: ${name}\n${error.stack ?? error}`);
    if (visitor) {
      const shown = await visitor.page.evaluate(() => document.body?.innerText ?? '').catch(() => '');
      console.log(`  at ${visitor.page.url()}\n  ${shown.slice(0, 600)}`);
      for (const complaint of visitor.complaints) console.log(`  ${complaint}`);
      await visitor.context.close();
    }
    if (demo) {
      await demo.stop();
      console.log(demo.output().slice(-4000));
    }
  }
}
await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
