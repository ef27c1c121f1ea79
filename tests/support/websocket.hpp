#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "tests/support/stage.hpp"

namespace cordgate::test {

/// What a request has besides, to open a WebSocket (RFC 6455, 4.1).
inline const std::string websocket_handshake =
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// The gate's own close frames: 1001 and 1008.
inline constexpr std::string_view going_away("\x88\x02\x03\xe9", 4);
inline constexpr std::string_view not_allowed("\x88\x02\x03\xf0", 4);

/// An open WebSocket at `path` of whoever `fields` (lines) tells; `port`: of another gate.
/// Throws std::runtime_error when it is refused.
inline Wire open_socket(const Stage& stage, const std::string& path, const std::string& fields = "",
                        int port = 0) {
    Wire wire(port > 0 ? port : stage.port());
    wire.send(stage.request("GET " + path, fields + websocket_handshake));
    const auto answer = wire.read_response();
    if (answer.status() != 101) throw std::runtime_error("no socket: " + answer.head + answer.body);
    return wire;
}

/// Whether what is sent into it comes back, when the application echoes.
inline bool echoes(Wire& socket) {
    socket.send("\x81\x01x");
    return socket.read_bytes(3) == "\x81\x01x";
}

}  // namespace cordgate::test
