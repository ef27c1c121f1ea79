#include "proxy/upstream_pool.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

namespace cordgate::proxy {
namespace {

template <class Address>
SocketAddress as_socket_address(const Address& address, std::size_t size) {
    SocketAddress out;
    std::memcpy(&out.storage, &address, size);
    out.size = static_cast<socklen_t>(size);
    return out;
}

/// Blocks; runs on the pool.
Result<std::vector<SocketAddress>> ask_system(const config::Upstream& upstream) {
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
    std::vector<SocketAddress> addresses;
    for (const auto* item = list; item; item = item->ai_next) {
        addresses.push_back(as_socket_address(*item->ai_addr, item->ai_addrlen));
    }
    ::freeaddrinfo(list);
    return addresses;
}

SocketAddress unix_address(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return as_socket_address(address, sizeof address);
}

/// "192.0.2.1" or "2001:db8::1"; nullopt for a name.
std::optional<SocketAddress> numeric_address(const std::string& host, std::uint16_t port) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
        return as_socket_address(v4, sizeof v4);
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
        return as_socket_address(v6, sizeof v6);
    }
    return std::nullopt;
}

}  // namespace

UpstreamTlsContexts make_upstream_tls(const std::vector<config::Upstream>& upstreams) {
    UpstreamTlsContexts contexts;
    for (const auto& upstream : upstreams) {
        contexts.push_back(upstream.tls ? make_client_tls(upstream.tls_options.ca_file) : nullptr);
    }
    return contexts;
}

UpstreamPool::UpstreamPool(EventLoop& loop, BlockingPool& resolver,
                           const std::vector<config::Upstream>& upstreams,
                           const UpstreamTlsContexts& tls, config::Duration connect_timeout,
                           LookUp look_up)
    : loop_(loop),
      resolver_(resolver),
      upstreams_(upstreams),
      tls_(tls),
      connect_timeout_(connect_timeout),
      look_up_(look_up ? std::move(look_up) : ask_system),
      idle_(upstreams.size()) {}

/// What came to rest before the last poll has rested.
void UpstreamPool::settle(Idle& idle) {
    if (idle.pass == loop_.passes()) return;
    idle.pass = loop_.passes();
    std::ranges::move(idle.resting, std::back_inserter(idle.rested));
    idle.resting.clear();
}

UpstreamPtr UpstreamPool::take_idle(std::size_t upstream, Sure sure) {
    auto& idle = idle_[upstream];
    settle(idle);
    while (!idle.rested.empty()) {
        auto connection = std::move(idle.rested.back());
        idle.rested.pop_back();
        connection->stream.set_resting(false);
        // Closed by the upstream, or bytes that nobody asked for: not reusable.
        const bool quiet =
            sure == Sure::now ? connection->stream.is_quiet_now() : connection->stream.is_quiet();
        if (quiet) return connection;
    }
    return nullptr;
}

/// Those at the front have waited longest.
void UpstreamPool::drop_dead(std::vector<UpstreamPtr>& rested) {
    const auto alive = std::ranges::find_if(
        rested, [](const UpstreamPtr& connection) { return connection->stream.is_open(); });
    if (alive != rested.begin()) rested.erase(rested.begin(), alive);
}

void UpstreamPool::put_back(std::size_t upstream, UpstreamPtr connection) {
    auto& idle = idle_[upstream];
    settle(idle);
    drop_dead(idle.rested);
    if (idle.rested.size() + idle.resting.size() >= max_idle) return;
    connection->stream.expires_after(max_idle_time);
    connection->buffer.release();
    connection->stream.set_resting(true);
    connection->reused = true;
    idle.resting.push_back(std::move(connection));
}

Task<Result<UpstreamPool::Addresses>> UpstreamPool::resolve(const config::Upstream& upstream) {
    if (!upstream.unix_path.empty()) co_return Addresses{unix_address(upstream.unix_path)};
    if (const auto address = numeric_address(upstream.host, upstream.port)) {
        co_return Addresses{*address};
    }
    co_return co_await offload(resolver_, [&] { return look_up_(upstream); });
}

Task<Result<UpstreamPtr>> UpstreamPool::connect(std::size_t index) {
    const auto& upstream = upstreams_[index];
    const auto addresses = co_await resolve(upstream);
    if (!addresses) co_return addresses.error();

    Error last{ErrorKind::unavailable, ErrorSource::upstream, "no address"};
    // Every address gets a share of the time, so a dead first one does not eat it.
    const auto share = connect_timeout_ / std::max<std::size_t>(1, addresses->size());
    for (const auto& address : *addresses) {
        auto connection = std::make_unique<UpstreamConnection>(loop_);
        connection->stream.expires_after(share);
        auto connected = co_await connection->stream.connect(address);
        if (!connected && connected.error().source == ErrorSource::gate && close_idle()) {
            // Out of descriptors: those that rest serve nobody.
            connection = std::make_unique<UpstreamConnection>(loop_);
            connection->stream.expires_after(share);
            connected = co_await connection->stream.connect(address);
        }
        if (!connected) {
            last = connected.error();
            continue;
        }
        if (upstream.tls) {
            const auto& name = upstream.tls_options.server_name.empty()
                                   ? upstream.host
                                   : upstream.tls_options.server_name;
            const bool verify = !upstream.tls_options.insecure_skip_verify;
            const auto secured = co_await connection->stream.connect_tls(tls_[index], name, verify);
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
