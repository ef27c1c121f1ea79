// Datasette alone and behind the gate: pages, JSON, CSV streams, downloads, a form that writes
// (with a CSRF token in a cookie), and the visitor's id as its actor.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ask, check, differences, fern, freePort, logIn, newVisitor, openGate, start } from './house.mjs';

const makeDatabases = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1] + "/garden.db")
db.executescript('''
create table plants (id integer primary key, name text, bed text, height real);
create table "a/b; 50% .x" (pk text primary key, value text);
create table pictures (id integer primary key, data blob);
''')
db.executemany("insert into plants values (?, ?, ?, ?)", [(i, "plant %d \\u00e9\\u0646" % i, "bed %d" % (i % 7), i / 3) for i in range(1, 5001)])
db.executemany('insert into "a/b; 50% .x" values (?, ?)', [("x/y", "slash"), ("..", "dots"), ("a%2Fb", "percent"), ("", "empty"), ("\\u0646\\u0648\\u0631", "letters")])
db.execute("insert into pictures values (1, ?)", (bytes(range(256)) * 4000,))
db.commit()
db.execute("vacuum")
db.close()
db = sqlite3.connect(sys.argv[1] + "/notes.db")
db.execute("create table notes (id integer primary key, text text, author text)")
db.commit()
`;

export async function startDatasette(home, bin, name, { args = [], socket } = {}) {
  const folder = path.join(home, name);
  mkdirSync(folder, { recursive: true });
  execFileSync(path.join(bin, 'python'), ['-c', makeDatabases, folder]);
  writeFileSync(path.join(folder, 'metadata.json'), JSON.stringify({
    plugins: { 'datasette-auth-headers': { 'id-header-name': 'X-Discord-User-Id' } },
    databases: { notes: { queries: { add_note: {
      sql: 'insert into notes (text, author) values (:text, :_actor_id)', write: true, params: ['text'],
      on_success_message: 'Noted', on_success_redirect: '/notes/notes', allow: { id: fern } } } } },
  }));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  await start(folder, 'datasette', url, path.join(bin, 'datasette'),
    ['serve', '-i', path.join(folder, 'garden.db'), path.join(folder, 'notes.db'), '-m', path.join(folder, 'metadata.json'),
     '-h', '127.0.0.1', '-p', String(port), '--cors', '--setting', 'default_cache_ttl', '60', ...args],
    { env: { ...process.env, HOME: folder, DATASETTE_SECRET: 'a-secret-that-is-the-same-for-every-run' } },
    socket ? () => existsSync(socket) : undefined);
  return { url, port, socket };
}

const questions = [
  ['the list of databases', '/'], ['a database', '/garden'], ['a table', '/garden/plants'],
  ['a table as JSON', '/garden/plants.json?_shape=objects&_size=1000'],
  ['the next page of a table', '/garden/plants.json?_size=100&_next=100'],
  ['facets and a filter', '/garden/plants?_facet=bed&height__gt=100&_sort_desc=height'],
  ['a row', '/garden/plants/7'], ['a row as JSON', '/garden/plants/7.json'],
  ['SQL in the query', '/garden?sql=select+name%2C+height+from+plants+where+name+like+%22%2525%25%22+limit+3'],
  ['SQL that is wrong', '/garden.json?sql=select+nothing+frm'],
  ['a CSV file', '/garden/plants.csv?_size=1000'],
  ['a CSV file that streams', '/garden/plants.csv?_stream=on&_dl=1'],
  ['a table with every delimiter in its name', '/garden/a~2Fb~3B+50~25+~2Ex'],
  ['a row whose key is a path', '/garden/a~2Fb~3B+50~25+~2Ex/x~2Fy.json'],
  ['a row whose key is two dots', '/garden/a~2Fb~3B+50~25+~2Ex/~2E~2E.json'],
  ['a row whose key is empty', '/garden/a~2Fb~3B+50~25+~2Ex/.json'],
  ['a blob', '/garden/pictures/1.blob?_blob_column=data'],
  ['the database file', '/garden.db'], ['HEAD', '/garden/plants', { method: 'HEAD' }],
  ['OPTIONS', '/garden/plants.json', { method: 'OPTIONS', headers: { Origin: 'https://other.example' } }],
  ['JSON for another origin', '/garden/plants/1.json', { headers: { Origin: 'https://other.example' } }],
  ['gzip that nobody packs', '/garden/plants', { headers: { 'Accept-Encoding': 'gzip, br' } }],
  ['a range that nobody serves', '/garden.db', { headers: { Range: 'bytes=0-15' } }],
  ['a slash too many at the end', '/garden/plants/'],
  ['a page that is not there', '/garden/no-such-table'], ['a path of letters', '/%D9%86%D9%88%D8%B1'],
  ['a path as older links have it', '/garden/x%252Fy'],
  ['the versions', '/-/versions.json'], ['the settings', '/-/settings.json'],
  ['its stylesheet', '/-/static/app.css'], ['a script', '/-/static/table.js'],
  ['a POST that nobody takes', '/garden/plants', { method: 'POST', body: 'a=1', headers: { 'Content-Type': 'application/x-www-form-urlencoded' } }],
];

// What differs from answer to answer: how long a query took, and the CSRF token.
const timeless = (bytes) => Buffer.from(bytes.toString('latin1')
  .replace(/"query_ms": ?[\d.]+/g, '').replace(/Queries took [\d.]+ms/g, '')
  .replace(/name="csrftoken" value="[^"]*"/g, '').replace(/http:\/\/127\.0\.0\.1:\d+/g, ''), 'latin1');

// A page, its table sorted, SQL typed and run, the file downloaded.
async function look(visitor, base) {
  const { page, settled } = visitor;
  await page.goto(`${base}/garden/plants`);
  await page.getByRole('link', { name: 'height', exact: true }).first().click();
  await page.waitForURL(/_sort=height/);
  await page.goto(`${base}/garden?sql=select+count(*)+as+n+from+plants`);
  const count = await page.locator('table.rows-and-columns td').first().innerText();
  await page.locator('.CodeMirror, .cm-editor').first().waitFor();
  await page.goto(`${base}/garden`);
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('a[href$="garden.db"]').first().click()]);
  const size = (await (await import('node:fs/promises')).stat(await download.path())).size;
  await settled();
  return { count, size, name: download.suggestedFilename() };
}

export async function compareDatasette(programs, home, bin, browser) {
  const app = await startDatasette(home, bin, 'datasette');
  const gate = await openGate(programs, home, 'gate-of-datasette', { upstreams: `  - url: ${app.url}\n` });
  const alone = await newVisitor(browser, app.url, { extraHTTPHeaders: { 'X-Discord-User-Id': fern } });
  const gated = await newVisitor(browser, gate.url);
  await logIn(gated, gate.url);
  const cookie = await gated.cookie();

  await check('Datasette: who is not logged in gets nothing of it', async () => {
    const answer = await ask(gate.url, '/garden.json');
    assert.equal(answer.status, 401);
    assert.ok(!answer.bytes.includes('plants'));
  });

  for (const [name, target, options = {}] of questions) {
    await check(`Datasette: the same answer to ${name}`, async () => {
      // Alone, the header that the gate would add is sent by hand.
      const before = await ask(app.url, target, { ...options, headers: { ...options.headers, 'X-Discord-User-Id': fern } });
      const after = await ask(gate.url, target, { ...options, cookie });
      const strip = (answer) => {   // the token is new in each answer
        answer.headers['set-cookie'] = answer.headers['set-cookie']?.map((line) => line.replace(/^ds_csrftoken=[^;]*/, 'ds_csrftoken='));
        for (const field of ['content-length', 'link']) if (field === 'link' || after.bytes.includes('csrftoken') || after.bytes.includes('query_ms') || after.bytes.includes('Queries took')) {
          if (answer.headers[field]) answer.headers[field] = field === 'link' ? answer.headers[field].replace(/http:\/\/127\.0\.0\.1:\d+/, '') : 'varies';
        }
      };
      strip(before); strip(after);
      assert.deepEqual(differences(before, after, { same: timeless }), []);
      return `${before.status}, ${before.bytes.length} bytes`;
    });
  }

  const before = await look(alone, app.url);
  const after = await look(gated, gate.url);
  await check('Datasette: its pages load the same things', () => {
    const left = ({ answers }) => [...answers].map(([key, { status, digest }]) =>
      [key, status, /static/.test(key) ? digest : '']).sort();
    const mine = left(alone.seen);
    assert.ok(mine.length > 5, `only ${mine.length} answers were seen`);
    assert.deepEqual(left(gated.seen), mine);
    return `${mine.length} answers`;
  });
  await check('Datasette: a person sees the same rows and downloads the same file', () => {
    assert.deepEqual(after, before);
    return `${after.name}, ${after.size} bytes`;
  });
  await check('Datasette: the console says nothing that it does not say alone', () => {
    assert.deepEqual(gated.seen.complaints, alone.seen.complaints);
    return `${alone.seen.complaints.length} lines alone`;
  });

  await check('Datasette: the visitor is its actor, and nobody can claim to be another', async () => {
    const actor = async (base, options) => JSON.parse((await ask(base, '/-/actor.json', options)).bytes).actor;
    assert.equal(await actor(app.url), null);
    for (const claim of ['X-Discord-User-Id', 'x_discord_user_id', 'X-DISCORD-USER-ID']) {
      assert.deepEqual(await actor(gate.url, { cookie, headers: { [claim]: '1' } }), { id: fern });
    }
  });
  await check('Datasette: a form with a CSRF token writes, says so and names the author', async () => {
    const { page } = gated;
    await page.goto(`${gate.url}/notes/add_note`);
    await page.locator('input[name=text], textarea[name=text]').fill('Zo\u00eb & \u{1F319}; 100%');
    await page.locator('form[action*="add_note"] input[type=submit], form.sql input[type=submit]').first().click();
    await page.waitForURL(/\/notes\/notes$/);
    await page.getByText('Noted').waitFor();
    const rows = JSON.parse((await ask(gate.url, '/notes/notes.json?_shape=array', { cookie })).bytes);
    assert.deepEqual(rows.map(({ text, author }) => [text, author]), [['Zo\u00eb & \u{1F319}; 100%', fern]]);
    assert.deepEqual(gated.seen.complaints, alone.seen.complaints);
  });
  await check('Datasette: links that leave a page keep the address the browser uses', async () => {
    const { next_url: next } = JSON.parse((await ask(gate.url, '/garden/plants.json?_size=10', { cookie })).bytes);
    assert.ok(next.startsWith(`${gate.url}/garden/plants.json`), next);
  });
  await alone.context.close();
  await gated.context.close();
}
