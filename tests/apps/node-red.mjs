// Node-RED alone and behind the gate: the editor with its WebSocket `/comms`, a deployment, uploads,
// ranges, an event stream that must not be held back, and WebSockets of a flow.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import WebSocket from 'ws';
import { ask, check, differences, digest, fern, freePort, logIn, newVisitor, openGate, start } from './house.mjs';

const flow = [
  { id: 'tab', type: 'tab', label: 'Compared' },
  { id: 'inject', type: 'inject', z: 'tab', name: 'press', props: [{ p: 'payload' }], payload: 'hello from a flow',
    payloadType: 'str', topic: '', repeat: '', once: false, x: 150, y: 80, wires: [['debug']] },
  { id: 'debug', type: 'debug', z: 'tab', name: 'shown', active: true, tosidebar: true, complete: 'payload',
    targetType: 'msg', x: 350, y: 80, wires: [] },
  { id: 'uploadIn', type: 'http in', z: 'tab', url: '/upload', method: 'post', upload: true, x: 150, y: 140, wires: [['uploadFn']] },
  { id: 'uploadFn', type: 'function', z: 'tab', outputs: 1, x: 350, y: 140, wires: [['out']], func:
    `const c = global.get('crypto'); msg.payload = { fields: msg.payload, files: msg.req.files.map((f) => ({ name: f.originalname,
     size: f.size, sha: c.createHash('sha256').update(f.buffer).digest('hex').slice(0, 16) })) }; return msg;` },
  { id: 'echoIn', type: 'http in', z: 'tab', url: '/echo', method: 'put', x: 150, y: 180, wires: [['echoFn']] },
  { id: 'echoFn', type: 'function', z: 'tab', outputs: 1, x: 350, y: 180, wires: [['out']],
    func: `msg.headers = { 'content-type': msg.req.headers['content-type'] }; return msg;` },
  { id: 'whoIn', type: 'http in', z: 'tab', url: '/who', method: 'get', x: 150, y: 220, wires: [['whoFn']] },
  { id: 'whoFn', type: 'function', z: 'tab', outputs: 1, x: 350, y: 220, wires: [['out']],
    func: `msg.payload = msg.req.headers; msg.cookies = { theirs: 'a', odd: 'b c;\u00eb' }; return msg;` },
  { id: 'out', type: 'http response', z: 'tab', x: 550, y: 180, wires: [] },
  { id: 'sseIn', type: 'http in', z: 'tab', url: '/events', method: 'get', x: 150, y: 260, wires: [['sseFn']] },
  { id: 'sseFn', type: 'function', z: 'tab', outputs: 0, x: 350, y: 260, wires: [], func:
    `const r = msg.res._res; r.set({'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache'}); r.flushHeaders();
     r.write('data: one\\n\\n'); flow.set('listener', r);` },
  { id: 'goIn', type: 'http in', z: 'tab', url: '/go', method: 'post', x: 150, y: 300, wires: [['goFn']] },
  { id: 'goFn', type: 'function', z: 'tab', outputs: 1, x: 350, y: 300, wires: [['out']], func:
    `const r = flow.get('listener'); r.write('data: ' + msg.payload.say + '\\n\\n'); if (msg.payload.end) r.end(); msg.payload = 'ok'; return msg;` },
  { id: 'listener', type: 'websocket-listener', path: '/ws/echo', wholemsg: 'false' },
  { id: 'wsIn', type: 'websocket in', z: 'tab', server: 'listener', client: '', x: 150, y: 340, wires: [['wsOut']] },
  { id: 'wsOut', type: 'websocket out', z: 'tab', server: 'listener', client: '', x: 350, y: 340, wires: [] },
];

export async function startNodeRed(home, modules, name, settings = '') {
  const folder = path.join(home, name);
  mkdirSync(path.join(folder, 'static'), { recursive: true });
  writeFileSync(path.join(folder, 'static', 'big.bin'), Buffer.alloc(3_000_000, 'Cordgate. '));
  writeFileSync(path.join(folder, 'flows.json'), JSON.stringify(flow));
  const port = await freePort();
  writeFileSync(path.join(folder, 'settings.js'), `module.exports = { uiHost: '127.0.0.1', uiPort: ${port},
    flowFile: 'flows.json', credentialSecret: false, httpStatic: '${folder}/static', httpStaticRoot: '/static',
    apiMaxLength: '20mb', functionExternalModules: false, functionGlobalContext: { crypto: require('crypto') },
    telemetry: { enabled: false }, editorTheme: { tours: false }, logging: { console: { level: 'info' } }, ${settings} };`);
  const url = `http://127.0.0.1:${port}`;
  await start(folder, 'node-red', `${url}/who`, process.execPath,
    [path.join(modules, 'node-red', 'red.js'), '--userDir', folder, '--settings', path.join(folder, 'settings.js')],
    { env: { ...process.env, HOME: folder } });
  for (;;) if ((await ask(url, '/who')).status === 200) return { url, port };
}

// --- questions -----------------------------------------------------------------

function multipart() {
  const file = randomBytes(2_500_000);
  const mark = '----cordgate';
  const body = Buffer.concat([
    Buffer.from(`--${mark}\r\nContent-Disposition: form-data; name="note"\r\n\r\nZo\u00eb\r\n--${mark}\r\n` +
      'Content-Disposition: form-data; name="file"; filename="a b.bin"\r\nContent-Type: application/octet-stream\r\n\r\n'),
    file, Buffer.from(`\r\n--${mark}--\r\n`)]);
  return { body, headers: { 'Content-Type': `multipart/form-data; boundary=${mark}` } };
}

const questions = (etag) => [
  ['a folder of plain files, whole', '/static/big.bin'],
  ['HEAD', '/static/big.bin', { method: 'HEAD' }],
  ['a range', '/static/big.bin', { headers: { Range: 'bytes=1000-1999' } }],
  ['the last bytes', '/static/big.bin', { headers: { Range: 'bytes=-7' } }],
  ['two ranges', '/static/big.bin', { headers: { Range: 'bytes=0-9,20-29' } }],
  ['a range that does not exist', '/static/big.bin', { headers: { Range: 'bytes=9000000-' } }],
  ['If-Range that holds', '/static/big.bin', { headers: { Range: 'bytes=5-9', 'If-Range': etag } }],
  ['If-Range that does not', '/static/big.bin', { headers: { Range: 'bytes=5-9', 'If-Range': '"old"' } }],
  ['If-None-Match', '/static/big.bin', { headers: { 'If-None-Match': etag } }],
  ['gzip', '/vendor/vendor.js', { headers: { 'Accept-Encoding': 'gzip' } }],
  ['an upload of a form', '/upload', { method: 'POST', ...multipart() }],
  ['a chunked PUT', '/echo', { method: 'PUT', body: Buffer.from('{"a": [1, 2]}'),
    headers: { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' } }],
  ['JSON that is wrong', '/echo', { method: 'PUT', body: '{', headers: { 'Content-Type': 'application/json' } }],
  ['OPTIONS', '/who', { method: 'OPTIONS' }],
  ['a method that is not served', '/who', { method: 'DELETE' }],
  ['a page that is not there', '/nothing/here?x=1&x=2'],
  ['a folder without its slash', '/static'],
  ['a percent sign in a path', '/static/100%25.txt'],
  ['letters of no alphabet of ours', '/%D9%86%D9%88%D8%B1/%F0%9F%8C%99'],
  ['flows, with their version', '/flows', { headers: { 'Node-RED-API-Version': 'v2' } }],
  ['the list of nodes', '/nodes', { headers: { Accept: 'application/json' } }],
  ['the nodes, as HTML', '/nodes', { headers: { Accept: 'text/html' } }],
];

// The name for TLS; an address is none.
const named = (hostname) => (net.isIP(hostname) ? {} : { servername: hostname });

// Hears an event before the stream says the next: nothing on the way may wait for the end.
export function hearEvents(base, cookie) {
  return new Promise((done, fail) => {
    const { protocol, port, host, hostname } = new URL(base);
    const heard = [];
    const say = (word, end) => ask(base, '/go', { method: 'POST', cookie, body: JSON.stringify({ say: word, end }),
      headers: { 'Content-Type': 'application/json' } }).catch(fail);
    const { get } = protocol === 'https:' ? https : http;
    const call = get({ host: '127.0.0.1', port, path: '/events', agent: false, rejectUnauthorized: false, ...named(hostname),
      headers: { Host: host, Accept: 'text/event-stream', ...(cookie ? { Cookie: cookie } : {}) } }, (answer) => {
      answer.setEncoding('utf8');
      answer.on('data', (text) => {
        heard.push(text.trim());
        if (heard.length === 1) say('two', false);
        if (heard.length === 2) say('three', true);
      });
      answer.on('end', () => done({ status: answer.statusCode, type: answer.headers['content-type'], heard }));
      answer.on('error', fail);
    });
    call.on('error', fail);
  });
}

// What comes back from the flow that sends everything back.
export function converse(base, cookie, options = {}) {
  return new Promise((done, fail) => {
    const { protocol, port, host, hostname } = new URL(base);
    const socket = new WebSocket(`${protocol.replace('http', 'ws')}//127.0.0.1:${port}/ws/echo`,
      { headers: { Host: host, ...(cookie ? { Cookie: cookie } : {}) }, rejectUnauthorized: false, ...named(hostname), ...options });
    const messages = ['text', 'Zo\u00eb \u{1F319}', Buffer.from([0, 255, 1]), 'x'.repeat(1_000_000)];
    const heard = [];
    socket.on('open', () => { socket.send(messages[0]); socket.ping('p'); });
    socket.on('message', (data, binary) => {
      heard.push(`${binary ? 'binary' : 'text'} ${data.length} ${digest(data)}`);
      if (heard.length < messages.length) socket.send(messages[heard.length]);
      else socket.close(4001, 'enough');
    });
    let pong = false;
    socket.on('pong', () => { pong = true; });
    socket.on('close', (code, why) => done({ heard, code, why: String(why), pong, extensions: socket.extensions }));
    socket.on('unexpected-response', (request, answer) => done({ refused: answer.statusCode }));
    socket.on('error', fail);
  });
}

// --- a person at the editor ----------------------------------------------------

export async function edit(visitor, base, at = '/') {
  const { page, seen } = visitor;
  // The editor asks for a catalogue on the Internet; it gets an empty one from here.
  await page.route('https://catalogue.nodered.org/**', (route) => route.fulfill({ json: { modules: [] },
    headers: { 'Access-Control-Allow-Origin': '*' } }));
  await page.goto(`${base}${at}`);
  await page.locator('#red-ui-header-button-deploy').waitFor();
  await page.waitForFunction(() => globalThis.RED?.nodes?.node('debug'));
  await page.locator('.red-ui-loading-overlay, #red-ui-loading-progress').first().waitFor({ state: 'hidden' });
  await page.evaluate(() => globalThis.RED.actions.invoke('core:show-debug-tab'));
  // Press the inject node's button through the editor's own call; its message comes back by /comms.
  await page.evaluate(() => fetch('inject/inject', { method: 'POST' }));
  await page.locator('.red-ui-debug-msg').first().waitFor();
  const shown = await page.locator('.red-ui-debug-msg .red-ui-debug-msg-payload').first().innerText();
  // Change something and deploy: a POST of the flows, and a notice by /comms to all editors.
  await page.evaluate(() => {
    const node = globalThis.RED.nodes.node('inject');
    node.name = 'pressed'; node.dirty = true; node.changed = true;
    globalThis.RED.nodes.dirty(true);
  });
  const [deployed] = await Promise.all([
    page.waitForResponse((response) => response.request().method() === 'POST' && response.url().endsWith('/flows')),
    page.locator('#red-ui-header-button-deploy').click(),
  ]);
  await page.waitForFunction(() => !globalThis.RED.nodes.dirty());
  await visitor.settled();
  return { shown, deployed: deployed.status(), comms: { ...seen.sockets.find(({ url }) => url.includes('comms')) } };
}

// --- the comparison ------------------------------------------------------------

// Identifiers that Node-RED invents for each answer or each run of a flow.
const unstable = /^(GET \/(comms|flows)|POST \/(flows|inject)|GET \/debug\/view)/;

export async function compareNodeRed(programs, home, modules, browser) {
  const app = await startNodeRed(home, modules, 'node-red');
  const gate = await openGate(programs, home, 'gate-of-node-red', { upstreams: `  - url: ${app.url}\n` });
  const alone = await newVisitor(browser, app.url);
  const gated = await newVisitor(browser, gate.url);
  await logIn(gated, gate.url);
  const cookie = await gated.cookie();

  await check('Node-RED: who is not logged in gets nothing of it', async () => {
    assert.equal((await ask(gate.url, '/flows')).status, 401);
    assert.deepEqual(await converse(gate.url, ''), { refused: 401 });
  });

  const etag = (await ask(app.url, '/static/big.bin')).headers.etag;
  for (const [name, target, options = {}] of questions(etag)) {
    await check(`Node-RED: the same answer to ${name}`, async () => {
      const before = await ask(app.url, target, options);
      const after = await ask(gate.url, target, { ...options, cookie });
      // No Content-Length may come with a 204 (RFC 9110, 8.6); Node-RED sends one, the gate does not.
      assert.deepEqual(differences(before, after, { vary: before.status === 204 ? ['content-length'] : [] }), []);
      return `${before.status}, ${before.bytes.length} bytes`;
    });
  }

  await check('Node-RED: a flow reads the visitor, and no cookie of the gate', async () => {
    const told = JSON.parse((await ask(gate.url, '/who', { cookie: `${cookie}; theirs=a`, headers: { 'X-Discord-User-Id': '1', X_Discord_User_Id: '2' } })).bytes);
    assert.equal(told['x-discord-user-id'], fern);
    assert.equal(told.x_discord_user_id, undefined);
    assert.equal(told.cookie, 'theirs=a');
    assert.equal(JSON.parse(told['x-discord-user']).id, fern);
    assert.equal(told.host, new URL(gate.url).host);
  });

  await check('Node-RED: its own cookies arrive as it set them', async () => {
    const [before, after] = [await ask(app.url, '/who'), await ask(gate.url, '/who', { cookie })];
    assert.equal(before.headers['set-cookie'].length, 2);
    assert.deepEqual(after.headers['set-cookie'], before.headers['set-cookie']);
  });

  await check('Node-RED: events arrive one by one, not at the end', async () => {
    const before = await hearEvents(app.url);
    assert.deepEqual(before.heard, ['data: one', 'data: two', 'data: three']);
    assert.deepEqual(await hearEvents(gate.url, cookie), before);
  });

  for (const [name, options] of [['plain', { perMessageDeflate: false }], ['compressed', { perMessageDeflate: true }]]) {
    await check(`Node-RED: a WebSocket of a flow says the same (${name})`, async () => {
      const before = await converse(app.url, '', options);
      assert.equal(before.heard.length, 4);
      assert.equal(before.pong, true);
      assert.deepEqual(await converse(gate.url, cookie, options), before);
      return `${before.heard.length} messages each way, closed ${before.code}, "${before.extensions}"`;
    });
  }

  await check('Node-RED: a WebSocket from a page of another origin is refused', async () => {
    assert.deepEqual(await converse(gate.url, cookie, { origin: 'https://evil.example' }), { refused: 403 });
  });

  // Node-RED remembers an editor's settings and what was deployed: a first visit makes the settings,
  // and the flows are put back, so that both visits begin alike.
  const putBack = () => ask(app.url, '/flows', { method: 'POST', body: JSON.stringify(flow), headers: { 'Content-Type': 'application/json' } });
  const first = await newVisitor(browser, app.url);
  await edit(first, app.url);
  await first.context.close();
  await putBack();
  const before = await edit(alone, app.url);
  await alone.page.close();
  await putBack();
  const after = await edit(gated, gate.url);

  await check('Node-RED: the editor loads the same things', () => {
    const left = (answers) => [...answers].filter(([key]) => !unstable.test(key)).map(([key, value]) => [key.replace(/([?&])_=\d+/, '$1'), value]).sort();
    const [mine, theirs] = [left(alone.seen.answers), left(gated.seen.answers)];
    assert.ok(mine.length > 20, `only ${mine.length} answers were seen`);
    assert.deepEqual(theirs, mine);
    return `${mine.length} answers, ${mine.reduce((sum, [, { size }]) => sum + size, 0)} bytes`;
  });
  await check('Node-RED: the console says nothing that it does not say alone', () => {
    assert.deepEqual(gated.seen.complaints, alone.seen.complaints);
    return `${alone.seen.complaints.length} lines alone`;
  });
  await check('Node-RED: /comms stays open and speaks in both directions', () => {
    for (const { comms } of [before, after]) {
      assert.ok(comms.url, 'no WebSocket was opened');
      assert.ok(comms.sent > 0 && comms.received > 0 && !comms.closed && comms.errors.length === 0, JSON.stringify(comms));
    }
    assert.equal(gated.seen.sockets.length, alone.seen.sockets.length);
    return `alone ${before.comms.sent} sent ${before.comms.received} received, gated ${after.comms.sent} and ${after.comms.received}`;
  });
  await check('Node-RED: a message of a flow shows up in the editor, and a deployment succeeds', () => {
    assert.deepEqual({ shown: after.shown, deployed: after.deployed }, { shown: before.shown, deployed: before.deployed });
    assert.match(after.shown, /hello from a flow/);
  });
  await alone.context.close();
  await gated.context.close();

  // Identity: Node-RED takes the visitor's id from the header as its own user.
  const known = await startNodeRed(home, modules, 'node-red-with-users', `adminAuth: { tokenHeader: 'x-discord-user-id',
    tokens: async (id) => id === '${fern}' ? { username: id, permissions: '*' } : null },`);
  const guarded = await openGate(programs, home, 'gate-of-node-red-with-users', { upstreams: `  - url: ${known.url}\n` });
  const person = await newVisitor(browser, guarded.url);
  await logIn(person, guarded.url);
  await check('Node-RED: tokenHeader makes the visitor its user, WebSocket included', async () => {
    assert.equal((await ask(known.url, '/flows')).status, 401);
    const told = JSON.parse((await ask(guarded.url, '/settings', { cookie: await person.cookie() })).bytes);
    assert.equal(told.user.username, fern);
    const { comms, shown } = await edit(person, guarded.url);
    assert.match(shown, /hello from a flow/);
    assert.ok(comms.received > 0 && !comms.closed, JSON.stringify(comms));
    assert.deepEqual(person.seen.complaints, []);
  });
  await person.context.close();
}
