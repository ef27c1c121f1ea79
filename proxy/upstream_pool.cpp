#include "proxy/upstream_pool.hpp"

#include <netdb.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "proxy/tls.hpp"

namespace cordgate::proxy {
namespace {

using Endpoints = std::vector<asio::generic::stream_protocol::endpoint>;

/// Blocks; runs on the pool.
Result<Endpoints> look_up(const config::Upstream& upstream) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* list = nullptr;
    const auto port = std::to_string(upstream.port);
    const int code = ::getaddrinfo(upstream.host.c_str(), port.c_str(), &hints, &list);
    if (code != 0) {
        return Error{ErrorKind::unavailable, ErrorSource::upstream,
                     "cannot resolve " + upstream.host + ": " + ::gai_strerror(code)};
    }
    Endpoints endpoints;
    for (const auto* item = list; item; item = item->ai_next) {
        endpoints.emplace_back(item->ai_addr, item->ai_addrlen);
    }
    ::freeaddrinfo(list);
    return endpoints;
}

}  // namespace

UpstreamTlsContexts make_upstream_tls(const std::vector<config::Upstream>& upstreams) {
    UpstreamTlsContexts contexts;
    for (const auto& upstream : upstreams) {
        contexts.push_back(upstream.tls ? make_client_tls(upstream.tls_options.ca_file) : nullptr);
    }
    return contexts;
}

UpstreamPool::UpstreamPool(Executor executor, Deadlines& deadlines, BlockingPool& resolver,
                           const std::vector<config::Upstream>& upstreams,
                           const UpstreamTlsContexts& tls, config::Duration connect_timeout)
    : executor_(executor),
      deadlines_(deadlines),
      resolver_(resolver),
      upstreams_(upstreams),
      tls_(tls),
      connect_timeout_(connect_timeout),
      idle_(upstreams.size()) {}

UpstreamPtr UpstreamPool::take_idle(std::size_t upstream) {
    auto& idle = idle_[upstream];
    while (!idle.empty()) {
        auto connection = std::move(idle.back());
        idle.pop_back();
        if (deadlines_.now() - connection->idle_since > max_idle_time) {
            idle.clear();  // those below have waited longer
            return nullptr;
        }
        // Closed by the upstream, or bytes that nobody asked for: not reusable.
        if (connection->stream.is_quiet()) return connection;
    }
    return nullptr;
}

void UpstreamPool::put_back(std::size_t upstream, UpstreamPtr connection) {
    auto& idle = idle_[upstream];
    if (idle.size() >= max_idle) return;
    connection->stream.expires_never();
    connection->buffer.release();
    connection->reused = true;
    connection->idle_since = deadlines_.now();
    idle.push_back(std::move(connection));
}

Awaitable<Result<UpstreamPool::Endpoints>> UpstreamPool::resolve(const config::Upstream& upstream) {
    Endpoints endpoints;
    if (!upstream.unix_path.empty()) {
        endpoints.emplace_back(asio::local::stream_protocol::endpoint(upstream.unix_path));
        co_return endpoints;
    }
    error_code not_an_address;
    const auto address = asio::ip::make_address(upstream.host, not_an_address);
    if (!not_an_address) {
        endpoints.emplace_back(asio::ip::tcp::endpoint(address, upstream.port));
        co_return endpoints;
    }
    co_return co_await offload(resolver_, [&] { return look_up(upstream); });
}

Awaitable<Result<UpstreamPtr>> UpstreamPool::connect(std::size_t index) {
    const auto& upstream = upstreams_[index];
    const auto endpoints = co_await resolve(upstream);
    if (!endpoints) co_return endpoints.error();

    Error last{ErrorKind::unavailable, ErrorSource::upstream, "no address"};
    // Every address gets a share of the time, so a dead first one does not eat it.
    const auto share = connect_timeout_ / std::max<std::size_t>(1, endpoints->size());
    for (const auto& endpoint : *endpoints) {
        auto connection = std::make_unique<UpstreamConnection>(Socket(executor_), deadlines_);
        connection->stream.expires_after(share);
        const auto connected = co_await connection->stream.connect(endpoint);
        if (!connected) {
            last = connected.error();
            continue;
        }
        if (upstream.tls) {
            const auto& name = upstream.tls_options.server_name.empty()
                                   ? upstream.host
                                   : upstream.tls_options.server_name;
            const bool verify = !upstream.tls_options.insecure_skip_verify;
            const auto secured =
                co_await connection->stream.connect_tls(*tls_[index], name, verify);
            if (!secured) {
                last = secured.error();
                continue;
            }
        }
        co_return std::move(connection);
    }
    last.detail = upstream.url + ": " + last.detail;
    co_return last;
}

}  // namespace cordgate::proxy
