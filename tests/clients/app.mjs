// The application behind the gate: app.mjs PORT
//   any /echo        the body, as it comes; who asked in X-Seen-*
//   GET /bytes/N     N bytes of a pattern, with Range
//   GET /events      three server-sent events
//   GET /slow        an answer in pieces
//   WebSocket /ws    says everything back
import {createServer} from "node:http";
import {WebSocketServer} from "ws";

const pattern = Buffer.alloc(1 << 20, Buffer.from(Array.from({length: 256}, (_, i) => i)));

const server = createServer((request, response) => {
    const {pathname} = new URL(request.url, "http://app");
    const path = pathname.replace(/^\/(public|private)/, "");
    response.setHeader("X-Seen-Method", request.method);
    response.setHeader("X-Seen-Url", request.url);
    response.setHeader("X-Seen-User", request.headers["x-discord-user-id"] ?? "nobody");
    response.setHeader("X-Seen-Framing", request.headers["transfer-encoding"] ?? request.headers["content-length"] ?? "none");
    const bytes = path.match(/^\/bytes\/(\d+)$/);
    if (path === "/echo") {
        if (request.headers["content-length"]) response.setHeader("Content-Length", request.headers["content-length"]);
        request.pipe(response);
    } else if (bytes) {
        const size = Number(bytes[1]);
        const range = (request.headers.range ?? "").match(/^bytes=(\d+)-(\d*)$/);
        const first = range ? Number(range[1]) : 0;
        const last = range && range[2] ? Number(range[2]) : size - 1;
        response.statusCode = range ? 206 : 200;
        if (range) response.setHeader("Content-Range", `bytes ${first}-${last}/${size}`);
        response.setHeader("Content-Length", last - first + 1);
        let at = first;
        const more = () => {
            while (at <= last) {
                const piece = pattern.subarray(at % 256, at % 256 + Math.min(last - at + 1, pattern.length - 256));
                at += piece.length;
                if (!response.write(piece)) return response.once("drain", more);
            }
            response.end();
        };
        request.method === "HEAD" ? response.end() : more();
    } else if (path === "/events") {
        response.setHeader("Content-Type", "text/event-stream");
        let n = 0;
        const timer = setInterval(() => {
            response.write(`data: ${++n}\n\n`);
            if (n === 3) clearInterval(timer), response.end();
        }, 50);
    } else if (path === "/early") {
        response.statusCode = 413;
        response.setHeader("Connection", "close");
        response.end("too much");
    } else {
        response.end("hello\n");
    }
});
const sockets = new WebSocketServer({server, path: undefined, maxPayload: 1 << 26, perMessageDeflate: true,
    handleProtocols: (offered) => offered.has("chat") ? "chat" : false});
sockets.on("connection", (socket) => {
    socket.on("message", (data, binary) => data.toString() === "close me" ? socket.close(4999, "as you like") : socket.send(data, {binary}));
});
server.listen(Number(process.argv[2]), "127.0.0.1");
