// npm's ws and undici through the gate: clients.mjs PORT COOKIE
import {createHash} from "node:crypto";
import {once} from "node:events";
import {Readable} from "node:stream";
import {Client, Pool, request} from "undici";
import WebSocket from "ws";

const [port, cookie] = process.argv.slice(2);
const origin = `http://127.0.0.1:${port}`;
const user = {cookie};

async function check(name, test) {
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error("takes too long")), 30_000).unref());
    try {
        await Promise.race([test(), late]);
        console.log(`ok: ${name}`);
    } catch (error) {
        console.log(`FAILED: ${name}: ${error.stack}`);
    }
}
function equal(actual, expected) {
    if (actual !== expected) throw new Error(`${actual} is not ${expected}`);
}
const sum = (data) => createHash("sha256").update(data).digest("hex");
async function open(path, options = {}, protocols = []) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, options);
    await once(socket, "open");
    return socket;
}
async function said(socket, data, options) {
    const answer = once(socket, "message");
    socket.send(data, options);
    return await answer;
}

await check("undici: pipelined requests are answered in order", async () => {
    const client = new Client(origin, {pipelining: 10});
    const answers = await Promise.all(Array.from({length: 100}, (_, i) =>
        client.request({path: `/public/?${i}`, method: "GET"}).then(async (r) => (await r.body.text(), r.headers["x-seen-url"]))));
    answers.forEach((url, i) => equal(url, `/public/?${i}`));
    await client.close();
});
await check("undici: a pool of connections, with a session", async () => {
    const pool = new Pool(origin, {connections: 16});
    const answers = await Promise.all(Array.from({length: 500}, () =>
        pool.request({path: "/private/", method: "GET", headers: user}).then(async (r) => (await r.body.text(), `${r.statusCode} ${r.headers["x-seen-user"]}`))));
    for (const answer of answers) equal(answer, "200 301000000000000001");
    await pool.close();
});
await check("undici: a body of unknown length comes back as it went", async () => {
    const pieces = Array.from({length: 64}, (_, i) => Buffer.alloc(65536, i));
    const answer = await request(`${origin}/private/echo`, {method: "POST", headers: user, body: Readable.from(pieces)});
    equal(answer.headers["x-seen-framing"], "chunked");
    equal(sum(Buffer.from(await answer.body.arrayBuffer())), sum(Buffer.concat(pieces)));
});
await check("undici: an aborted download leaves the gate well", async () => {
    for (let i = 0; i < 20; ++i) {
        const stop = new AbortController();
        const answer = await request(`${origin}/public/bytes/100000000`, {signal: stop.signal});
        answer.body.on("error", () => {});
        stop.abort();
    }
    equal((await request(`${origin}/public/`)).statusCode, 200);
});
await check("undici: an upgrade that nobody wants is an answer", async () => {
    const answer = await request(`${origin}/public/`, {headers: {"sec-websocket-version": "13"}});
    equal(answer.statusCode, 200);
    await answer.body.dump();
});

await check("ws: text, binary and large messages come back", async () => {
    const socket = await open("/private/ws", {headers: user});
    equal((await said(socket, "Zo\u00eb \u2713"))[0].toString(), "Zo\u00eb \u2713");
    for (const size of [0, 1, 125, 126, 65535, 65536, 8 << 20]) {
        const data = Buffer.alloc(size, size % 251);
        const [back, binary] = await said(socket, data);
        equal(binary, true);
        equal(sum(back), sum(data));
    }
    socket.close();
});
await check("ws: fragments, compressed and not", async () => {
    for (const perMessageDeflate of [true, false]) {
        const socket = await open("/private/ws", {headers: user, perMessageDeflate});
        equal(socket.extensions, perMessageDeflate ? "permessage-deflate" : "");
        const answer = once(socket, "message");
        for (let i = 0; i < 100; ++i) socket.send(`${i},`, {fin: i === 99, compress: perMessageDeflate});
        equal((await answer)[0].toString(), Array.from({length: 100}, (_, i) => `${i},`).join(""));
        socket.close();
    }
});
await check("ws: ping, subprotocol and close codes pass", async () => {
    const socket = await open("/private/ws", {headers: user}, ["other", "chat"]);
    equal(socket.protocol, "chat");
    const pong = once(socket, "pong");
    socket.ping("are you there");
    equal((await pong)[0].toString(), "are you there");
    const closed = once(socket, "close");
    socket.send("close me");
    const [code, reason] = await closed;
    equal(`${code} ${reason}`, "4999 as you like");
});
await check("ws: without a session there is no socket, and from elsewhere neither", async () => {
    for (const [headers, status] of [[{}, 401], [{...user, origin: "https://evil.example"}, 403]]) {
        const socket = new WebSocket(`ws://127.0.0.1:${port}/private/ws`, {headers});
        socket.on("error", () => {});
        const [, answer] = await once(socket, "unexpected-response");
        equal(answer.statusCode, status);
    }
});
await check("ws: two hundred sockets at once", async () => {
    const sockets = await Promise.all(Array.from({length: 200}, () => open("/public/ws")));
    const answers = await Promise.all(sockets.map((socket, i) => said(socket, String(i))));
    answers.forEach(([data], i) => equal(data.toString(), String(i)));
    for (const socket of sockets) socket.terminate();
});
process.exit(0);
