#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <optional>
#include <string>

#include "proxy/buffer.hpp"
#include "proxy/exchange.hpp"
#include "proxy/gate.hpp"
#include "proxy/http/head.hpp"
#include "proxy/stream.hpp"
#include "proxy/upstream_pool.hpp"

namespace cordgate::proxy {

/// One client's connection: request after request until either side has enough.
/// Lives on its worker's thread, for as long as `run` does.
class Connection {
public:
    Connection(Gate& gate, UpstreamPool& upstreams, Deadlines& deadlines, Socket socket,
               std::optional<IpAddress> peer);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// `tls` may be null: plain HTTP. Returns when the connection is closed.
    Awaitable<void> run(asio::ssl::context* tls);

    /// No further request: an idle connection ends now, a tunnel gets its close
    /// frame, a request under way is finished.
    void drain();
    /// Ends it, whatever is under way.
    void cut() { stream_.abort(); }

private:
    enum class Next { again, close, linger, abort };

    Awaitable<Next> serve_one(bool first);
    Awaitable<std::optional<http::Refusal>> read_head(bool first, bool& gone);
    Awaitable<Next> refuse(http::Refusal refusal);
    Awaitable<void> linger();
    Next after(const Exchange& exchange) const;
    std::string make_request_id(const ClientInfo& client) const;

    Gate& gate_;
    UpstreamPool& upstreams_;
    Stream stream_;
    std::optional<IpAddress> peer_;
    std::string limit_key_;
    Buffer head_bytes_;  ///< the head that the views of head_ point into
    Buffer input_;       ///< what came behind it
    http::RequestHead head_;
    std::string out_;
    Exchange* exchange_ = nullptr;  ///< the one under way
    bool idle_ = true;
};

}  // namespace cordgate::proxy
