#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "config/settings.hpp"
#include "proxy/io/buffer.hpp"
#include "proxy/io/offload.hpp"
#include "proxy/io/stream.hpp"

namespace cordgate::proxy {

/// One connection to an application.
struct UpstreamConnection {
    explicit UpstreamConnection(EventLoop& loop)
        : stream(loop, Descriptor(), ErrorSource::upstream) {}

    Stream stream;
    Buffer buffer;        ///< what was read and not yet used
    bool reused = false;  ///< came out of the pool: may have died meanwhile
};

using UpstreamPtr = std::unique_ptr<UpstreamConnection>;

/// TLS contexts for the upstreams that need one, by index; shared by workers.
using UpstreamTlsContexts = std::vector<TlsContext>;
UpstreamTlsContexts make_upstream_tls(const std::vector<config::Upstream>& upstreams);

/// The connections of one worker to all upstreams. Not thread-safe; what it is
/// given must outlive it. Connections come back only after a complete and clean
/// exchange: nobody may ever get somebody else's answer.
class UpstreamPool {
public:
    using Addresses = std::vector<SocketAddress>;
    /// Where an upstream's name leads, in the order in which it is tried; may block.
    using LookUp = std::function<Result<Addresses>(const config::Upstream&)>;

    /// `look_up`: the system's when empty. Asked anew for every connection.
    UpstreamPool(EventLoop& loop, BlockingPool& resolver,
                 const std::vector<config::Upstream>& upstreams, const UpstreamTlsContexts& tls,
                 config::Duration connect_timeout, LookUp look_up = {});

    /// How sure an idle connection has to be.
    enum class Sure {
        as_polled,  ///< quiet when the kernel was last asked, after the exchange before
        now,        ///< asks the kernel once more: for what must not be sent twice
    };

    /// An idle connection that is still quiet, or null. One never serves in the
    /// pass of the event loop in which it came to rest: what an upstream sent
    /// behind its answer would be somebody else's.
    UpstreamPtr take_idle(std::size_t upstream, Sure sure);
    /// A new one. Unavailable or timed_out when no address answers.
    Task<Result<UpstreamPtr>> connect(std::size_t upstream);
    void put_back(std::size_t upstream, UpstreamPtr connection);
    /// True when there were any.
    bool close_idle() {
        bool any = false;
        for (auto& idle : idle_) {
            any = any || !idle.rested.empty() || !idle.resting.empty();
            idle = {};
        }
        return any;
    }

private:
    /// Of one upstream, each longest idle first.
    struct Idle {
        std::vector<UpstreamPtr> rested;   ///< quiet at a poll since their last exchange
        std::vector<UpstreamPtr> resting;  ///< came back in `pass`
        std::uint64_t pass = 0;
    };

    Task<Result<Addresses>> resolve(const config::Upstream& upstream);
    void settle(Idle& idle);
    void drop_dead(std::vector<UpstreamPtr>& rested);

    static constexpr std::size_t max_idle = 1024;
    static constexpr std::chrono::seconds max_idle_time{50};

    EventLoop& loop_;
    BlockingPool& resolver_;
    const std::vector<config::Upstream>& upstreams_;
    const UpstreamTlsContexts& tls_;
    config::Duration connect_timeout_;
    LookUp look_up_;
    std::vector<Idle> idle_;  ///< per upstream
};

}  // namespace cordgate::proxy
