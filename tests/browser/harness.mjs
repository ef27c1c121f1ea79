// What every story of the browser needs: the demo as a process of its own, a visitor in
// headless Chromium, and a list of what went wrong on the way.

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';

const patience = 15_000;

// `cordgate demo`: simulator, sample application and gate. It says which URL to open.
export async function startDemo(programs) {
  const home = await mkdtemp(path.join(tmpdir(), 'cordgate-demo-'));
  const child = spawn(path.resolve(programs, 'cordgate'), ['demo', '--port', '0'], {
    cwd: home,
    env: { ...process.env, TMPDIR: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve(code ?? signal)));
  const url = await new Promise((resolve, reject) => {
    const failed = (why) => reject(new Error(`cordgate demo ${why}:\n${output}`));
    const timer = setTimeout(() => failed('printed no URL in time'), patience);
    const read = (chunk) => {
      output += chunk;
      const found = output.match(/^Open\s+(\S+)[^]*^Discord\s+\S+/m);
      if (found) { clearTimeout(timer); resolve(new URL(found[1]).origin); }
    };
    child.stdout.on('data', read);
    child.stderr.on('data', (chunk) => { output += chunk; });
    child.on('error', (error) => failed(error.message));
    ended.then((code) => failed(`ended with ${code}`));
  });
  return {
    url,
    output: () => output,
    async stop() {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), patience);
      const code = await ended;
      clearTimeout(timer);
      await rm(home, { recursive: true, force: true });
      return code;
    },
  };
}

export async function startBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    // The sandbox of Chromium needs rights that root in a container lacks; it only sees our own
    // pages. The rest keeps it from calling home.
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
           '--disable-background-networking', '--disable-component-update', '--force-color-profile=srgb'],
  });
}

// A visitor with a browser profile of their own. `complaints` holds what a person would not
// notice but must not happen: errors and policy violations on the console, requests to hosts
// other than this machine.
export async function newVisitor(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 720 }, locale: 'en-US', ...options });
  context.setDefaultTimeout(patience);
  const page = await context.newPage();
  const complaints = [];
  const answered = new Map();
  page.on('response', (response) => {
    if (response.request().isNavigationRequest()) answered.set(response.url(), response.status());
  });
  page.on('console', (message) => {
    if (message.type() !== 'error' && message.type() !== 'warning') return;
    // Chromium reports a page of ours with status 403 as an error, too: that one is meant.
    const refused = /status of 4\d\d/.test(message.text()) && answered.get(message.location().url) >= 400;
    if (!refused) complaints.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => complaints.push(`script: ${error.message}`));
  page.on('request', (request) => {
    const { hostname, protocol } = new URL(request.url());
    if (protocol !== 'data:' && !['localhost', '127.0.0.1'].includes(hostname)) {
      complaints.push(`third party: ${request.url()}`);
    }
  });
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText ?? '';
    // Left behind by a navigation: an event stream, or an image not needed any more.
    if (why !== 'net::ERR_ABORTED') complaints.push(`failed: ${request.url()}: ${why}`);
  });
  return { page, context, complaints };
}
