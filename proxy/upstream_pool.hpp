#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <vector>

#include "config/settings.hpp"
#include "proxy/buffer.hpp"
#include "proxy/offload.hpp"
#include "proxy/stream.hpp"

namespace cordgate::proxy {

/// One connection to an application.
struct UpstreamConnection {
    UpstreamConnection(Socket socket, Deadlines& deadlines)
        : stream(std::move(socket), deadlines, ErrorSource::upstream) {}

    Stream stream;
    Buffer buffer;        ///< what was read and not yet used
    bool reused = false;  ///< came out of the pool: may have died meanwhile
    SteadyClock::time_point idle_since;
};

using UpstreamPtr = std::unique_ptr<UpstreamConnection>;

/// TLS contexts for the upstreams that need one, by index; shared by workers.
using UpstreamTlsContexts = std::vector<std::shared_ptr<asio::ssl::context>>;
UpstreamTlsContexts make_upstream_tls(const std::vector<config::Upstream>& upstreams);

/// The connections of one worker to all upstreams. Not thread-safe; what it is
/// given must outlive it. Connections come back only after a complete and clean
/// exchange: nobody may ever get somebody else's answer.
class UpstreamPool {
public:
    UpstreamPool(Executor executor, Deadlines& deadlines, BlockingPool& resolver,
                 const std::vector<config::Upstream>& upstreams, const UpstreamTlsContexts& tls,
                 config::Duration connect_timeout);

    /// An idle connection that is still quiet, or null.
    UpstreamPtr take_idle(std::size_t upstream);
    /// A new one. Unavailable or timed_out when no address answers.
    Awaitable<Result<UpstreamPtr>> connect(std::size_t upstream);
    void put_back(std::size_t upstream, UpstreamPtr connection);
    void close_idle() {
        for (auto& idle : idle_) idle.clear();
    }

private:
    using Endpoint = asio::generic::stream_protocol::endpoint;
    using Endpoints = std::vector<Endpoint>;

    Awaitable<Result<Endpoints>> resolve(const config::Upstream& upstream);

    static constexpr std::size_t max_idle = 128;
    static constexpr std::chrono::seconds max_idle_time{50};

    Executor executor_;
    Deadlines& deadlines_;
    BlockingPool& resolver_;
    const std::vector<config::Upstream>& upstreams_;
    const UpstreamTlsContexts& tls_;
    config::Duration connect_timeout_;
    std::vector<std::vector<UpstreamPtr>> idle_;
};

}  // namespace cordgate::proxy
