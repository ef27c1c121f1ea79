// What the comparisons need: programs that are started and ended, a gate in front of an
// application, and the same question asked of both. Every port is one that the kernel chose.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import { chromium } from 'playwright-core';

export const fern = '301000000000000001';   // who the simulator signs in
const patience = 40_000;

// --- the count -----------------------------------------------------------------

let passed = 0;
let failed = 0;
export async function check(name, tell) {
  try {
    const note = await tell();
    passed += 1;
    console.log(`ok: ${name}${typeof note === 'string' ? ` (${note})` : ''}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED: ${name}\n    ${String(error.message).split('\n').slice(0, 30).join('\n    ')}`);
  }
}
export function finish() {
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

// --- programs ------------------------------------------------------------------

const running = [];

export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

// Runs a program until `url` answers, or until `ready`; what it says is in HOME/NAME.log.
export async function start(home, name, url, command, args, options = {},
  ready = () => fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(3000) }).then(() => true, () => false)) {
  let output = '';
  const child = spawn(command, args, { cwd: home, ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const keep = (chunk) => { output += chunk; };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const ended = new Promise((done) => child.once('exit', done));
  running.push({ child, ended, save: () => writeFileSync(path.join(home, `${name}.log`), output) });
  for (const until = Date.now() + patience; Date.now() < until; await pause(100)) {
    if (child.exitCode !== null) break;
    if (await ready()) return { child, log: () => output };
  }
  throw new Error(`${name} does not answer at ${url}:\n${output}`);
}

export async function stopAll() {
  for (const { child, ended, save } of running.splice(0).reverse()) {
    if (child.exitCode === null) child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(timer);
    save();
  }
}

// A simulator that signs everybody in as Fern, and a gate in front of `upstreams` (YAML, a list).
// `more` is further YAML; with `publicUrl` something else ends TLS in front of the gate.
export async function openGate(programs, home, name, { upstreams, more = '', server = '', session = '', publicUrl }) {
  const [gatePort, simPort, internalPort] = [await freePort(), await freePort(), await freePort()];
  const url = `http://127.0.0.1:${gatePort}`;
  const sim = `http://127.0.0.1:${simPort}`;
  const folder = path.join(home, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'cordgate.yaml'), `server:
  listen: ["127.0.0.1:${gatePort}"]
  public_url: ${publicUrl ?? url}
${server}discord:
  client_id: "1100000000000000001"
  client_secret: demo-secret-of-the-simulator
  api_url: ${sim}/api/v10
  authorize_url: ${sim}/oauth2/authorize
  cdn_url: ${sim}
upstreams:
${upstreams}
session: {store: "sqlite:${folder}/sessions.db"${session}}
internal: {listen: "127.0.0.1:${internalPort}"}
${more}`);
  await start(folder, 'simulator', sim, path.resolve(programs, 'discord-sim'),
    ['--listen', `127.0.0.1:${simPort}`, '--redirect-uri', `${publicUrl ?? url}/callback`,
     '--auto-approve', fern, '--no-rate-limits']);
  const gate = await start(folder, 'gate', `${url}/_cordgate/ping`, path.resolve(programs, 'cordgate'),
    ['serve', '--config', path.join(folder, 'cordgate.yaml')]);
  return { url, port: gatePort, sim, log: gate.log };
}

// --- the same question twice ---------------------------------------------------

export const digest = (bytes) => createHash('sha256').update(bytes).digest('hex').slice(0, 16);

// One request on a connection of its own, nothing decoded, redirects not followed.
export function ask(base, target, { method = 'GET', headers = {}, body, cookie } = {}) {
  const { protocol, hostname, port, host } = new URL(base);
  const { request } = protocol === 'https:' ? https : http;
  return new Promise((done, fail) => {
    const call = request({ host: '127.0.0.1', servername: net.isIP(hostname) ? '' : hostname, port, path: target, method,
      agent: false, rejectUnauthorized: false, headers: { Host: host, ...(cookie ? { Cookie: cookie } : {}), ...headers } }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('error', fail);
      answer.on('end', () => {
        const bytes = Buffer.concat(parts);
        done({ status: answer.statusCode, headers: answer.headers, raw: answer.rawHeaders, bytes, digest: digest(bytes) });
      });
    });
    call.on('error', fail);
    call.setTimeout(15_000, () => call.destroy(new Error(`no answer to ${method} ${target}`)));
    call.end(body);
  });
}

// Fields of one connection or one moment; everything else must be the same behind the gate.
const ofTheMoment = new Set(['connection', 'keep-alive', 'transfer-encoding', 'date']);

// How two answers differ, as lines; `vary` names fields that the application itself changes,
// `same` maps a body before it is compared.
export function differences(alone, gated, { vary = [], same = (bytes) => bytes } = {}) {
  const lines = [];
  if (alone.status !== gated.status) lines.push(`status ${alone.status} became ${gated.status}`);
  if (digest(same(alone.bytes)) !== digest(same(gated.bytes))) {
    lines.push(`body ${alone.bytes.length} bytes ${alone.digest} became ${gated.bytes.length} bytes ${gated.digest}`);
  }
  const fields = new Set([...Object.keys(alone.headers), ...Object.keys(gated.headers)]);
  for (const field of fields) {
    if (ofTheMoment.has(field) || vary.includes(field)) continue;
    const [before, after] = [alone.headers[field], gated.headers[field]].map((value) => JSON.stringify(value));
    if (before !== after) lines.push(`${field}: ${before} became ${after}`);
  }
  return lines;
}

// --- a visitor -----------------------------------------------------------------

export const startBrowser = () => chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--host-resolver-rules=MAP *.example.test 127.0.0.1', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
         '--disable-background-networking', '--disable-component-update'],
});

// A browser profile that writes down what a page asked for, what came back, what the console
// said and what went over WebSockets. Origins are cut off, so that two visits can be compared.
export async function newVisitor(browser, base, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, locale: 'en-US',
    ignoreHTTPSErrors: true, acceptDownloads: true, ...options });
  context.setDefaultTimeout(patience);
  const page = await context.newPage();
  const seen = { answers: new Map(), complaints: [], sockets: [], pending: [] };
  const local = (text) => text.replaceAll(base, '').replaceAll(base.replace(/^http/, 'ws'), '');
  page.on('response', (response) => {
    if (!response.url().startsWith(base)) return;
    const key = `${response.request().method()} ${local(response.url())}`;
    seen.pending.push(response.body().catch(() => Buffer.alloc(0)).then((bytes) => {
      seen.answers.set(key, { status: response.status(), size: bytes.length, digest: digest(bytes) });
    }));
  });
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') seen.complaints.push(local(`${message.type()}: ${message.text()}`));
  });
  page.on('pageerror', (error) => seen.complaints.push(local(`script: ${error.message}`)));
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText;
    if (why !== 'net::ERR_ABORTED') seen.complaints.push(local(`failed: ${request.url()}: ${why}`));
  });
  page.on('websocket', (socket) => {
    const record = { url: local(socket.url()), sent: 0, received: 0, closed: false, errors: [] };
    seen.sockets.push(record);
    socket.on('framesent', () => { record.sent += 1; });
    socket.on('framereceived', () => { record.received += 1; });
    socket.on('socketerror', (error) => record.errors.push(error));
    socket.on('close', () => { record.closed = true; });
  });
  const cookie = async () => (await context.cookies(base)).map(({ name, value }) => `${name}=${value}`).join('; ');
  return { page, context, seen, cookie, settled: () => Promise.all(seen.pending) };
}

// Goes through the login of the gate at `base`; the simulator agrees without asking.
export async function logIn(visitor, base, at = '/robots.txt') {
  await visitor.page.goto(`${base}/login?rd=${encodeURIComponent(at)}`);
  await visitor.page.waitForURL(`${base}${at}`);
  await visitor.settled();
  visitor.seen.answers.clear();
  visitor.seen.complaints.length = 0;
  visitor.seen.sockets.length = 0;
}
