#ifndef BENCH_WEBSOCKET_HPP
#define BENCH_WEBSOCKET_HPP

// The client's half of a WebSocket, as far as a benchmark needs it.

#include <cstring>
#include <string>

#include "bench/sockets.hpp"

namespace bench {

/// Reads until `size` bytes are there, or, with 0, until a head ends; empty on failure.
inline std::string read_some(int fd, std::size_t size) {
    std::string text;
    char buffer[4096];
    while (size > 0 ? text.size() < size : text.find("\r\n\r\n") == std::string::npos) {
        const auto got = ::recv(fd, buffer, sizeof buffer, 0);
        if (got <= 0) return {};
        text.append(buffer, static_cast<std::size_t>(got));
    }
    return text;
}

/// Turns a connection to `port` into a WebSocket; false when the answer is not 101.
inline bool open_websocket(int fd, int port, const char* cookie) {
    const auto request = "GET /socket HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
                         "\r\nCookie: " + cookie +
                         "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Version: 13\r\n"
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    return send_all(fd, request) && read_some(fd, 0).compare(0, 12, "HTTP/1.1 101") == 0;
}

/// A binary frame of `size` bytes under the mask 0, which leaves them as they are.
inline std::string client_frame(std::size_t size) {
    std::string frame = "\x82";
    if (size < 126) {
        frame.push_back(static_cast<char>(0x80 | size));
    } else {
        frame.push_back(static_cast<char>(0x80 | 126));
        frame.push_back(static_cast<char>(size >> 8 & 0xff));
        frame.push_back(static_cast<char>(size & 0xff));
    }
    return frame.append(4, '\0').append(size, 'm');
}

/// How long the frame is that comes back: the same without a mask.
inline std::size_t echoed_size(std::size_t size) {
    return size + (size < 126 ? 2 : 4);
}

}  // namespace bench

#endif
