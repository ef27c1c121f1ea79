// The application behind every proxy of the benchmark, cheap enough never to be
// what is measured: one thread, no disk, nothing allocated for a request.
//
//   origin PORT          (127.0.0.1)
//
//   GET /small           "hello, world"
//   GET /auth            200 without a body: the verdict of an auth service
//   GET /bytes/N         N bytes
//   POST (any path)      reads Content-Length bytes, then answers as /small
//   an upgrade           WebSocket; every frame comes back unmasked
//
// The answer to an upgrade is that to the sample key of RFC 6455, section 1.3,
// which is the only key our clients send.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "bench/sockets.hpp"

namespace {

const std::string hello =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nhello, world\n";
const std::string verdict = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const std::string upgraded =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzhZRbK+xOo=\r\n\r\n";
const std::string refused =
    "HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const std::string block(256 * 1024, 'x');

struct Connection {
    int fd = -1;
    bool websocket = false;
    bool waits_to_write = false;
    std::uint64_t to_discard = 0;  ///< of a request's body
    std::uint64_t to_send = 0;     ///< of a response's body, after `out`
    std::string in;                ///< an unfinished head or frame
    std::string out;               ///< what the socket did not take yet
};

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

/// The value of the field `name` (lower case, as in "\r\nupgrade:"), or empty.
std::string_view field(std::string_view head, std::string_view name) {
    const auto found = std::search(head.begin(), head.end(), name.begin(), name.end(),
                                   [](char a, char b) { return lower(a) == b; });
    if (found == head.end()) return {};
    auto value = head.substr(static_cast<std::size_t>(found - head.begin()) + name.size());
    value = value.substr(0, value.find('\r'));
    value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
    return value;
}

std::uint64_t number(std::string_view digits) {
    std::uint64_t n = 0;
    for (const char c : digits) {
        if (c < '0' || c > '9') break;
        n = n * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return n;
}

/// Sends what it can; the rest waits in the connection until the socket takes more.
bool flush(int poll, Connection& c, std::string_view now = {}) {
    const auto send_some = [&](std::string_view data) {
        return ::send(c.fd, data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    };
    bool full = false;
    if (c.out.empty() && !now.empty()) {
        const auto sent = send_some(now);
        if (sent < 0 && errno != EAGAIN) return false;
        const auto done = static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
        full = done < now.size();
        if (full) c.out.assign(now.substr(done));
    } else {
        c.out.append(now);
    }
    while (!full && (!c.out.empty() || c.to_send > 0)) {
        const auto data =
            !c.out.empty() ? std::string_view(c.out) : std::string_view(block).substr(0, c.to_send);
        const auto sent = send_some(data);
        if (sent < 0 && errno != EAGAIN) return false;
        full = sent < static_cast<ssize_t>(data.size());
        if (sent <= 0) continue;
        if (!c.out.empty()) {
            c.out.erase(0, static_cast<std::size_t>(sent));
        } else {
            c.to_send -= static_cast<std::uint64_t>(sent);
        }
    }
    if (full != c.waits_to_write) {
        bench::watch(poll, c.fd, full ? EPOLLOUT : EPOLLIN, &c, EPOLL_CTL_MOD);
        c.waits_to_write = full;
    }
    return true;
}

/// Answers the request of `head`, which ends in an empty line.
bool answer(int poll, Connection& c, std::string_view head) {
    const auto target = head.substr(head.find(' ') + 1);
    if (!field(head, "\r\nupgrade:").empty()) {
        c.websocket = true;
        return flush(poll, c, upgraded);
    }
    if (!field(head, "\r\ntransfer-encoding:").empty()) {
        return flush(poll, c, refused);
    }
    c.to_discard = number(field(head, "\r\ncontent-length:"));
    if (c.to_discard > 0) return true;
    if (target.substr(0, 7) != "/bytes/") {
        return flush(poll, c, target.substr(0, 6) == "/auth " ? verdict : hello);
    }
    c.to_send = number(target.substr(7));
    char line[96];
    const int size =
        std::snprintf(line, sizeof line, "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n",
                      static_cast<unsigned long long>(c.to_send));
    // Head and body in one segment, as an application would.
    c.out.assign(line, static_cast<std::size_t>(size));
    const auto together = std::min<std::uint64_t>(c.to_send, block.size());
    c.out.append(block, 0, together);
    c.to_send -= together;
    return flush(poll, c);
}

/// Echoes the whole frames at the beginning of `data`; returns how much they are.
std::size_t echo(std::string_view data, std::string& out) {
    std::size_t used = 0;
    for (;;) {
        const auto rest = data.substr(used);
        const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(rest[i]); };
        if (rest.size() < 2) return used;
        std::size_t size = byte(1) & 0x7f, head = 2;
        const std::size_t wide = size == 126 ? 2 : size == 127 ? 8 : 0;
        const bool masked = (byte(1) & 0x80) != 0;
        if (rest.size() < head + wide + (masked ? 4 : 0)) return used;
        if (wide > 0) size = 0;
        for (std::size_t i = 0; i < wide; ++i) size = size << 8 | byte(2 + i);
        head += wide;
        const auto mask = masked ? rest.substr(head, 4) : std::string_view("\0\0\0\0", 4);
        if (masked) head += 4;
        if (rest.size() < head + size) return used;
        out.push_back(rest[0]);
        out.push_back(static_cast<char>(byte(1) & 0x7f));
        out.append(rest.substr(2, wide));
        const auto start = out.size();
        out.append(rest.substr(head, size));
        if (mask != std::string_view("\0\0\0\0", 4)) {
            for (std::size_t i = 0; i < size; ++i) {
                out[start + i] = static_cast<char>(out[start + i] ^ mask[i % 4]);
            }
        }
        used += head + size;
    }
}

/// Takes what was read; false ends the connection.
bool take(int poll, Connection& c, std::string_view data) {
    static std::string frames;
    if (!c.in.empty()) {
        c.in.append(data);
        data = c.in;
    }
    while (!data.empty()) {
        if (c.to_discard > 0) {
            const auto now = std::min<std::uint64_t>(c.to_discard, data.size());
            c.to_discard -= now;
            data.remove_prefix(now);
            if (c.to_discard == 0 && !flush(poll, c, hello)) return false;
        } else if (c.websocket) {
            frames.clear();
            const auto used = echo(data, frames);
            if (used == 0) break;
            data.remove_prefix(used);
            if (!flush(poll, c, frames)) return false;
        } else {
            const auto end = data.find("\r\n\r\n");
            if (end == std::string_view::npos) break;
            if (!answer(poll, c, data.substr(0, end + 4))) return false;
            data.remove_prefix(end + 4);
        }
    }
    if (data.empty()) {
        c.in.clear();
    } else {
        c.in = std::string(data);
    }
    return true;
}

bool serve(int poll, Connection& c, std::vector<char>& buffer) {
    if (c.waits_to_write) return flush(poll, c);
    if (c.to_discard > buffer.size()) {
        // The kernel drops these bytes without copying them.
        const auto size = ::recv(c.fd, buffer.data(), buffer.size(), MSG_DONTWAIT | MSG_TRUNC);
        if (size > 0) c.to_discard -= static_cast<std::uint64_t>(size);
        return size > 0 || (size < 0 && errno == EAGAIN);
    }
    const auto size = ::recv(c.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0) return errno == EAGAIN;
    return size > 0 && take(poll, c, {buffer.data(), static_cast<std::size_t>(size)});
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const int listener = bench::listen_on(std::atoi(argv[1]));
    if (listener < 0) bench::give_up("listen");
    const int poll = ::epoll_create1(0);
    bench::watch(poll, listener, EPOLLIN, nullptr);

    // By descriptor, and used again: a connection that ended leaves its memory to the next.
    std::vector<std::unique_ptr<Connection>> connections;
    std::vector<char> buffer(256 * 1024);
    for (;;) {
        epoll_event events[256];
        const int count = ::epoll_wait(poll, events, 256, -1);
        for (int i = 0; i < count; ++i) {
            if (events[i].data.ptr == nullptr) {
                const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
                if (fd < 0) continue;
                bench::no_delay(fd);
                const auto at = static_cast<std::size_t>(fd);
                if (connections.size() <= at) connections.resize(at + 1);
                if (!connections[at]) connections[at] = std::make_unique<Connection>();
                *connections[at] = Connection{};
                connections[at]->fd = fd;
                bench::watch(poll, fd, EPOLLIN, connections[at].get());
                continue;
            }
            auto& c = *static_cast<Connection*>(events[i].data.ptr);
            if (!serve(poll, c, buffer)) ::close(c.fd);
        }
    }
}
