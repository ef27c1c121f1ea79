// The arrangements of docs/recipes.md: nginx and Caddy ending TLS in front of the gate, several
// applications by path and by host, a prefix that is removed, a unix socket.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { startDatasette } from './datasette.mjs';
import { ask, check, fern, freePort, logIn, newVisitor, openGate, start, stopAll } from './house.mjs';
import { converse, edit, hearEvents, startNodeRed } from './node-red.mjs';

const fronts = {
  nginx: (port, gate) => ({
    file: 'nginx.conf',
    text: `daemon off;
pid nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    map $http_upgrade $connection_upgrade { default upgrade; "" ""; }
    server {
        listen 127.0.0.1:${port} ssl;
        ssl_certificate cert.pem;
        ssl_certificate_key key.pem;
        client_max_body_size 0;
        location / {
            proxy_pass http://127.0.0.1:${gate};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-Port $server_port;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_buffering off;
            proxy_request_buffering off;
            proxy_read_timeout 1h;
        }
    }
}
`,
    command: 'nginx', args: (folder) => ['-p', folder, '-c', path.join(folder, 'nginx.conf'), '-e', 'stderr'],
  }),
  caddy: (port, gate) => ({
    file: 'Caddyfile',
    text: `{
    admin off
    auto_https off
}
https://app.example.test:${port}, https://data.example.test:${port} {
    bind 127.0.0.1
    tls cert.pem key.pem
    reverse_proxy 127.0.0.1:${gate}
}
`,
    command: 'caddy', args: () => ['run', '--config', 'Caddyfile', '--adapter', 'caddyfile'],
  }),
};

async function behind(front, programs, home, browser, modules, bin) {
  const port = await freePort();
  const app = await startNodeRed(home, modules, `node-red-${front}`);
  const data = await startDatasette(home, bin, `datasette-${front}`);
  const url = `https://app.example.test:${port}`;
  const dataUrl = `https://data.example.test:${port}`;
  const gate = await openGate(programs, home, `gate-${front}`, {
    publicUrl: url, server: '  trusted_proxies: [127.0.0.1/32]\n',
    upstreams: `  - url: ${app.url}\n  - {url: "${data.url}", host: data.example.test}\n`,
    session: ', cookie: {domain: example.test}',
    more: `login: {allowed_redirect_hosts: ["data.example.test:${port}"]}\n`,
  });
  const folder = path.join(home, front);
  mkdirSync(folder, { recursive: true });
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-keyout', path.join(folder, 'key.pem'), '-out', path.join(folder, 'cert.pem'), '-subj', '/CN=app.example.test',
    '-addext', 'subjectAltName=DNS:app.example.test,DNS:data.example.test'], { stdio: 'ignore' });
  const { file, text, command, args } = fronts[front](port, gate.port);
  writeFileSync(path.join(folder, file), text);
  await start(folder, front, url, command, args(folder), { env: { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder } },
    () => ask(url, '/_cordgate/ping').then(({ status }) => status === 200, () => false));

  const visitor = await newVisitor(browser, url);
  await logIn(visitor, url);
  const cookie = await visitor.cookie();
  await check(`${front}: the session's cookie is Secure, HttpOnly and Lax`, async () => {
    const ours = (await visitor.context.cookies(url)).filter(({ name }) => name.includes('cordgate'));
    assert.ok(ours.length > 0);
    for (const { name, secure, httpOnly, sameSite } of ours) {
      assert.deepEqual({ secure, httpOnly, sameSite }, { secure: true, httpOnly: true, sameSite: 'Lax' }, name);
    }
    return ours.map(({ name, domain }) => `${name} of ${domain}`).join(', ');
  });
  await check(`${front}: the application hears of https, the public host and the client, not of what a client claims`, async () => {
    const told = JSON.parse((await ask(url, '/who', { cookie, headers: { 'X-Forwarded-For': '203.0.113.9', 'X-Forwarded-Proto': 'gopher',
      'X-Forwarded-Host': 'evil.example', Forwarded: 'for=203.0.113.9', 'X-Discord-User-Id': '1' } })).bytes);
    const forwarded = Object.fromEntries(['for', 'proto', 'host', 'port'].map((name) => [name, told[`x-forwarded-${name}`]]));
    assert.deepEqual(forwarded, { for: forwarded.for, proto: 'https', host: `app.example.test:${port}`, port: String(port) });
    assert.ok(!/203\.0\.113\.9/.test(JSON.stringify(told)), JSON.stringify(told));
    assert.equal(told.host, `app.example.test:${port}`);
    assert.equal(told['x-discord-user-id'], fern);
    return JSON.stringify(forwarded);
  });
  await check(`${front}: events and WebSockets pass`, async () => {
    assert.deepEqual((await hearEvents(url, cookie)).heard, ['data: one', 'data: two', 'data: three']);
    const spoken = await converse(url, cookie);
    assert.deepEqual([spoken.heard?.length, spoken.code], [4, 4001]);
    assert.deepEqual(await converse(url, cookie, { origin: url }), spoken);
    assert.deepEqual(await converse(url, cookie, { origin: 'https://evil.example' }), { refused: 403 });
  });
  await check(`${front}: the editor of Node-RED works`, async () => {
    const { shown, comms, deployed } = await edit(visitor, url);
    assert.match(shown, /hello from a flow/);
    assert.ok(comms.sent > 0 && comms.received > 0 && !comms.closed, JSON.stringify(comms));
    assert.ok(deployed === 200 || deployed === 204);
    assert.deepEqual(visitor.seen.complaints, []);
  });
  await check(`${front}: a large upload and a range pass`, async () => {
    const body = Buffer.alloc(5_000_000, 'a');
    const sent = await ask(url, '/echo', { method: 'PUT', cookie, body, headers: { 'Content-Type': 'text/plain' } });
    assert.equal(sent.bytes.length, body.length);
    const part = await ask(url, '/static/big.bin', { cookie, headers: { Range: 'bytes=10-19' } });
    assert.deepEqual([part.status, String(part.bytes)], [206, 'Cordgate. ']);
  });
  await check(`${front}: another host is another application with the same login`, async () => {
    await visitor.page.goto(`${dataUrl}/garden`);
    await visitor.page.getByRole('link', { name: 'plants' }).first().waitFor();
    const { next_url: next } = JSON.parse((await ask(dataUrl, '/garden/plants.json?_size=10', { cookie })).bytes);
    assert.ok(next.startsWith(`${dataUrl}/garden`), next);
  });
  await check(`${front}: a login that names the other host in full leads back there`, async () => {
    const stranger = await newVisitor(browser, dataUrl);
    await stranger.page.goto(`${url}/login?rd=${encodeURIComponent(`${dataUrl}/garden`)}`);
    assert.equal(stranger.page.url(), `${dataUrl}/garden`);
    await stranger.context.close();
  });
  await check(`${front}: a stranger who opens the other host is there again after the login`, async () => {
    const stranger = await newVisitor(browser, dataUrl);
    await stranger.page.goto(`${dataUrl}/garden`);
    assert.equal(stranger.page.url(), `${dataUrl}/garden`);
    await stranger.context.close();
  });
  await visitor.context.close();
  await stopAll();
}

async function severalByPath(programs, home, browser, modules, bin) {
  const app = await startNodeRed(home, modules, 'node-red-below');
  const socket = path.join(home, 'datasette.sock');
  const kept = await startDatasette(home, bin, 'datasette-kept', { args: ['--setting', 'base_url', '/data/'] });
  const gone = await startDatasette(home, bin, 'datasette-socket',
    { args: ['--setting', 'base_url', '/tables/', '--uds', socket], socket });
  const gate = await openGate(programs, home, 'gate-by-path', { upstreams: `  - {url: "${kept.url}", path: /data}
  - {url: "unix:${gone.socket}", path: /tables, strip_prefix: true}
  - {url: "${app.url}", path: /red, strip_prefix: true}
  - {url: "${app.url}", path: /}
` });
  const visitor = await newVisitor(browser, gate.url);
  await logIn(visitor, gate.url);
  const cookie = await visitor.cookie();
  await check('by path: Datasette below a path that it knows answers as it does alone', async () => {
    const [alone, gated] = [await ask(kept.url, '/data/garden/plants/7.json'), await ask(gate.url, '/data/garden/plants/7.json', { cookie })];
    assert.deepEqual([gated.status, alone.status], [200, 200]);
    assert.equal(JSON.parse(gated.bytes).rows[0][1], JSON.parse(alone.bytes).rows[0][1]);
    const actor = JSON.parse((await ask(gate.url, '/data/-/actor.json', { cookie })).bytes);
    assert.deepEqual(actor, { actor: { id: fern } });
  });
  await check('by path: Datasette below a prefix that is removed, over a unix socket', async () => {
    visitor.seen.answers.clear();
    await visitor.page.goto(`${gate.url}/tables/garden/plants`);
    await visitor.page.getByRole('link', { name: 'height', exact: true }).first().click();
    await visitor.page.waitForURL(/\/tables\/garden\/plants\?_sort=height/);
    await visitor.settled();
    // Browsers ask for /favicon.ico of the origin, which is Node-RED's and not there.
    const answers = [...visitor.seen.answers].filter(([key]) => key !== 'GET /favicon.ico');
    assert.deepEqual(answers.filter(([, { status }]) => status !== 200), []);
    const actor = JSON.parse((await ask(gate.url, '/tables/-/actor.json', { cookie })).bytes);
    assert.deepEqual(actor, { actor: { id: fern } });
    return `${answers.length} answers`;
  });
  await check('by path: Node-RED below a prefix that is removed, with its WebSocket', async () => {
    visitor.seen.complaints.length = 0;
    visitor.seen.sockets.length = 0;
    const { shown, comms } = await edit(visitor, gate.url, '/red/');
    assert.match(shown, /hello from a flow/);
    assert.equal(comms.url, '/red/comms');
    assert.ok(comms.received > 0 && !comms.closed, JSON.stringify(comms));
    assert.deepEqual(visitor.seen.complaints, []);
  });
  await check('by path: a prefix ends at a slash', async () => {
    const answer = await ask(gate.url, '/database', { cookie });   // not /data
    assert.match(String(answer.bytes), /Cannot GET \/database/);   // as Node-RED says it
  });
  await visitor.context.close();
  await stopAll();
}

export async function followRecipes(programs, home, installed, browser) {
  const modules = path.join(installed, 'node_modules');
  const bin = path.join(installed, 'venv', 'bin');
  await severalByPath(programs, home, browser, modules, bin);
  for (const front of Object.keys(fronts)) await behind(front, programs, home, browser, modules, bin);
}
