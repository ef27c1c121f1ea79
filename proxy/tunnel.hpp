#pragma once

#include "proxy/exchange.hpp"

namespace cordgate::proxy {

/// Bytes both ways between the client and `exchange.upgraded`, until either side ends, the gate
/// drains, or the session ends; then WebSockets get a close frame (1001 or 1008, RFC 6455, 7.4.1),
/// on a frame's border so that no frame is torn. Returns how many bytes went to the client.
Task<std::uint64_t> run_tunnel(Exchange& exchange);

/// Follows WebSocket frames as they go by, to know where one ends (RFC 6455, 5.2).
class FrameBorders {
public:
    void feed(std::string_view bytes);
    /// Nothing of a frame is half-way, so a frame of ours may be put in.
    bool at_border() const { return header_size_ == 0 && payload_left_ == 0; }

private:
    unsigned char header_[14] = {};
    std::size_t header_size_ = 0;
    std::uint64_t payload_left_ = 0;
};

}  // namespace cordgate::proxy
