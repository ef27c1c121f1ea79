#include "proxy/tunnel.hpp"

#include <algorithm>

#include "core/ascii.hpp"

namespace cordgate::proxy {
namespace {

/// FIN, close, no mask, two bytes: 1001 "going away", 1008 "policy violation".
constexpr std::string_view going_away("\x88\x02\x03\xe9", 4);
constexpr std::string_view not_allowed("\x88\x02\x03\xf0", 4);

/// The state that both directions share.
struct Tunnel {
    Exchange& exchange;
    UpstreamConnection& upstream;
    bool websocket;
    FrameBorders to_client_frames;
    std::uint64_t to_client = 0;
    bool ended = false;
    bool torn = false;  ///< the client may have a part of a frame

    /// Its session may have ended while nothing of it was waiting to be told.
    bool is_over() const { return ended || exchange.session_ended; }
    /// One side is finished: the other cannot be told half of it.
    void end() {
        if (ended) return;
        ended = true;
        exchange.stream.cancel_waiting();
        upstream.stream.cancel_waiting();
    }
};

Task<void> client_to_upstream(Tunnel& tunnel, Buffer& buffer) {
    while (!tunnel.is_over()) {
        const auto size = co_await tunnel.exchange.stream.read_into(buffer, BlockCache::block_size);
        if (!size || *size == 0) break;
        const auto sent = co_await tunnel.upstream.stream.write(buffer.view());
        if (!sent) break;
        tunnel.exchange.record.request_bytes += buffer.size();
        buffer.release();  // a tunnel that is silent holds no memory
    }
    tunnel.end();
}

Task<void> upstream_to_client(Tunnel& tunnel) {
    auto& buffer = tunnel.upstream.buffer;
    while (!tunnel.is_over()) {
        if (!buffer.empty()) {
            const auto sent = co_await tunnel.exchange.stream.write(buffer.view());
            tunnel.torn = !sent;
            if (!sent) break;
            if (tunnel.websocket) tunnel.to_client_frames.feed(buffer.view());
            tunnel.to_client += buffer.size();
        }
        buffer.release();
        if (tunnel.is_over()) break;
        const auto size = co_await tunnel.upstream.stream.read_into(buffer, BlockCache::block_size);
        if (!size || *size == 0) break;
    }
    tunnel.end();
}

}  // namespace

void FrameBorders::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        if (payload_left_ > 0) {
            const auto skipped = std::min<std::uint64_t>(payload_left_, bytes.size());
            payload_left_ -= skipped;
            bytes.remove_prefix(static_cast<std::size_t>(skipped));
            continue;
        }
        header_[header_size_++] = static_cast<unsigned char>(bytes.front());
        bytes.remove_prefix(1);
        if (header_size_ < 2) continue;
        const auto code = header_[1] & 0x7f;
        const std::size_t extended = code == 126 ? 2 : code == 127 ? 8 : 0;
        const std::size_t mask = (header_[1] & 0x80) ? 4 : 0;
        if (header_size_ < 2 + extended + mask) continue;
        payload_left_ = extended == 0 ? static_cast<std::uint64_t>(code) : 0;
        for (std::size_t i = 0; i < extended; ++i)
            payload_left_ = payload_left_ << 8 | header_[2 + i];
        header_size_ = 0;
    }
}

Task<std::uint64_t> run_tunnel(Exchange& exchange) {
    auto& upstream = *exchange.upgraded;
    const bool websocket = iequals(exchange.head.upgrade, "websocket");
    exchange.workspace.shrink();
    exchange.tunnel = &upstream.stream;
    // A tunnel may be silent for as long as its ends like.
    exchange.stream.expires_never();
    upstream.stream.expires_never();
    Tunnel tunnel{exchange, upstream, websocket, {}, 0, false, false};
    auto& early = exchange.body.leftover();
    if (!early.empty()) {
        const auto sent = co_await upstream.stream.write(early.view());
        if (!sent) co_return 0;
    }
    early.release();
    // One that was made while the gate drains begins with its end.
    if (exchange.gate.draining) tunnel.ended = true;
    co_await both(client_to_upstream(tunnel, early), upstream_to_client(tunnel));
    const bool is_ours = exchange.session_ended || exchange.gate.draining;
    if (is_ours && websocket && !tunnel.torn && tunnel.to_client_frames.at_border()) {
        exchange.stream.expires_after(std::chrono::seconds(1));
        const auto frame = exchange.session_ended ? not_allowed : going_away;
        (void)co_await exchange.stream.write(frame);
    }
    upstream.stream.close();
    co_return tunnel.to_client;
}

}  // namespace cordgate::proxy
