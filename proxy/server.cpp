#include "proxy/server.hpp"

#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <list>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <unordered_map>

#include "proxy/acceptor.hpp"
#include "proxy/access_log.hpp"
#include "proxy/connection.hpp"
#include "proxy/internal_api.hpp"
#include "proxy/io/tls.hpp"

namespace cordgate::proxy {
namespace {

/// How many connections each client has, where that is limited. Thread-safe.
class ClientCounts {
public:
    explicit ClientCounts(std::size_t limit) : limit_(limit) {}

    bool enter(const std::string& client) {
        if (limit_ == 0 || client.empty()) return true;
        const std::lock_guard lock(mutex_);
        auto& count = counts_[client];
        if (count >= limit_) return false;
        ++count;
        return true;
    }
    void leave(const std::string& client) {
        if (limit_ == 0 || client.empty()) return;
        const std::lock_guard lock(mutex_);
        const auto found = counts_.find(client);
        if (found != counts_.end() && --found->second == 0) counts_.erase(found);
    }

private:
    std::size_t limit_;
    std::mutex mutex_;
    std::unordered_map<std::string, std::size_t> counts_;
};

std::optional<IpAddress> address_of(const sockaddr_storage& from) {
    IpAddress address;
    if (from.ss_family == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(from).sin6_addr;
        std::memcpy(address.bytes.data(), &v6, sizeof v6);
        return address;
    }
    if (from.ss_family != AF_INET) return std::nullopt;
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(from).sin_addr;
    address.bytes[10] = address.bytes[11] = 0xff;
    std::memcpy(address.bytes.data() + 12, &v4, sizeof v4);
    return address;
}

/// Raises the limit of descriptors as far as we may; returns it.
std::size_t raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::numeric_limits<std::size_t>::max();
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < 4096) {
        log_warn("limits", "only " + std::to_string(limit.rlim_max) +
                               " file descriptors are allowed; each request may need two");
    }
    return limit.rlim_max;
}

/// How many clients there may be so that those who ask find an upstream connection, and the
/// store, Discord and the internal API what they need. Of many clients most are idle. To be
/// asked once all else is open.
std::size_t clients_within(std::size_t descriptors) {
    // The kernel gives the lowest number that is free: so many are in use.
    const Descriptor probe(::eventfd(0, EFD_CLOEXEC));
    const auto used = static_cast<std::size_t>(std::max(probe.get(), 0));
    const auto spare = std::min<std::size_t>(descriptors / 8, 64);
    constexpr std::size_t for_upstreams = 1024;
    const auto left = std::max<std::size_t>(descriptors - std::min(descriptors, used + spare), 4);
    return left - std::min(left / 2, for_upstreams);
}

constexpr std::chrono::seconds complaint_pause{5};

/// One event loop on one thread, with its own listeners and upstream pool.
class Worker {
public:
    Worker(Gate& gate, ClientCounts& clients, TlsContext tls)
        : gate_(gate),
          clients_(clients),
          tls_(std::move(tls)),
          upstreams_(loop_, gate.name_calls, gate.settings.upstreams, gate.upstream_tls,
                     gate.settings.server.timeouts.connect),
          running_(gate, loop_),
          context_{gate, loop_, upstreams_, running_} {}

    /// Coroutines that were cut short end here: they refer to every other member.
    ~Worker() { loop_.end_tasks(); }
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    void add(ListeningSocket socket);
    void start() {
        thread_ = std::thread([this] { loop_.run(); });
    }
    /// A client of a retired server; any thread.
    void adopt(IdleClient client);
    /// `done` is called once nobody new is let in.
    void retire(const HandOver& hand_over, const std::function<void()>& done);
    void drain();
    void stop();
    void join() {
        if (thread_.joinable()) thread_.join();
    }

private:
    /// A new client: served, or closed at once when there are too many.
    void admit(Descriptor socket, const sockaddr_storage& from);
    Task<void> serve(IdleClient client, TlsContext tls, std::optional<IpAddress> peer,
                     std::string key);
    /// Counts who is refused.
    bool has_room_for(const std::string& client);
    /// By what it is counted; empty: not at all.
    std::string key_of(const std::optional<IpAddress>& peer) const;
    /// Ends some of the idle clients, the oldest first, so that others are served.
    void shed();
    void refuse(const Descriptor& socket);

    Gate& gate_;
    ClientCounts& clients_;
    TlsContext tls_;  ///< null: plain HTTP
    EventLoop loop_;
    UpstreamPool upstreams_;
    RunningExchanges running_;
    WorkerContext context_;
    std::list<Connection> connections_;
    std::list<Acceptor> acceptors_;
    SteadyClock::time_point last_refusal_{};
    std::thread thread_;
};

void Worker::add(ListeningSocket socket) {
    const auto admit_it = [this](Descriptor client, const sockaddr_storage& from) {
        admit(std::move(client), from);
    };
    // Whether a further client would leave each of them a descriptor for its upstream.
    const auto has_room = [this] { return gate_.connections.load() < gate_.most_connections; };
    acceptors_.emplace_back(loop_, std::move(socket), admit_it, has_room, [this] { shed(); });
}

bool Worker::has_room_for(const std::string& client) {
    const auto limit = gate_.settings.server.limits.connections;
    if (limit > 0 && gate_.connections.load() >= limit) {
        ++gate_.refused_connections;
        return false;
    }
    if (clients_.enter(client)) return true;
    ++gate_.refused_client_connections;
    return false;
}

/// One address of a trusted proxy stands for all of its clients.
std::string Worker::key_of(const std::optional<IpAddress>& peer) const {
    if (gate_.trusted.know(peer).is_trusted) return {};
    return peer ? peer->limit_key() : "unix";
}

void Worker::admit(Descriptor socket, const sockaddr_storage& from) {
    const auto peer = address_of(from);
    auto client = key_of(peer);
    if (!has_room_for(client)) return refuse(socket);
    gate_.connections.fetch_add(1);
    loop_.spawn(serve({std::move(socket), nullptr}, tls_, peer, std::move(client)));
}

void Worker::adopt(IdleClient client) {
    loop_.post([this, shared = std::make_shared<IdleClient>(std::move(client))] {
        sockaddr_storage from{};
        socklen_t size = sizeof from;
        ::getpeername(shared->socket.get(), reinterpret_cast<sockaddr*>(&from), &size);
        const auto peer = address_of(from);
        auto key = key_of(peer);
        if (!has_room_for(key)) return;
        gate_.connections.fetch_add(1);
        loop_.spawn(serve(std::move(*shared), nullptr, peer, std::move(key)));
    });
}

/// One too many: told so as far as that costs nothing, and closed at once.
void Worker::refuse(const Descriptor& socket) {
    static constexpr std::string_view answer =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
        "Content-Length: 98\r\nCache-Control: no-store\r\nRetry-After: 5\r\nConnection: "
        "close\r\n\r\n"
        R"({"status":503,"title":"Service Unavailable","code":"unavailable","detail":"Too many connections"})"
        "\n";
    if (!tls_) ::send(socket.get(), answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    gate_.requests.add(503);
    gate_.refusals.add(503);
    if (loop_.now() - last_refusal_ < complaint_pause) return;
    last_refusal_ = loop_.now();
    log_warn("limits", "more clients than server.limits allow; further ones are refused");
}

Task<void> Worker::serve(IdleClient client, TlsContext tls, std::optional<IpAddress> peer,
                         std::string key) {
    connections_.emplace_front(context_, std::move(client), peer);
    const auto self = connections_.begin();
    struct Leave {  // however the connection ends
        Worker& worker;
        std::list<Connection>::iterator self;
        const std::string& key;
        ~Leave() {
            worker.connections_.erase(self);
            worker.clients_.leave(key);
            worker.gate_.connections.fetch_sub(1);
        }
    };
    const Leave leave{*this, self, key};
    try {
        co_await self->run(std::move(tls));
    } catch (const std::exception& bug) {
        log_error("bug", std::string("escaped a connection: ") + bug.what());
    }
}

void Worker::shed() {
    auto left = std::clamp<std::size_t>(connections_.size() / 8, 1, 32);
    for (auto it = connections_.rbegin(); left > 0 && it != connections_.rend(); ++it) {
        if (it->end_if_idle()) --left;
    }
}

void Worker::retire(const HandOver& hand_over, const std::function<void()>& done) {
    loop_.post([this, hand_over, done] {
        acceptors_.clear();
        context_.hand_over = hand_over;
        for (auto& connection : connections_) connection.retire();
        upstreams_.close_idle();
        done();
    });
}

void Worker::drain() {
    loop_.post([this] {
        acceptors_.clear();
        for (auto& connection : connections_) connection.drain();
    });
}

void Worker::stop() {
    loop_.post([this] {
        acceptors_.clear();
        for (auto& connection : connections_) connection.cut();
        upstreams_.close_idle();
    });
    loop_.stop();
}

/// One address, and a socket for each worker.
struct Listening {
    std::string configured;
    std::vector<ListeningSocket> sockets;
};

/// `workers` sockets or more: as many as clients may already wait at.
std::vector<ListeningSocket> listen_on(const config::Endpoint& endpoint, std::size_t workers,
                                       const Listening* inherited) {
    std::vector<ListeningSocket> sockets;
    if (inherited) {
        for (const auto& socket : inherited->sockets) sockets.push_back(socket.share());
    } else {
        sockets.emplace_back(endpoint);
    }
    while (sockets.size() < workers) sockets.push_back(sockets.front().for_another_worker());
    return sockets;
}

}  // namespace

struct Server::Impl {
    explicit Impl(const Parts& parts)
        : gate(parts),
          clients(parts.settings.server.limits.connections_per_client),
          internal(gate) {
        const auto& files = parts.settings.server.tls;
        if (files.enabled()) tls = make_server_tls(files);
    }

    const Listening* find_listening(const std::string& configured) const {
        const auto found = std::ranges::find(listening, configured, &Listening::configured);
        return found == listening.end() ? nullptr : &*found;
    }

    Gate gate;
    ClientCounts clients;
    InternalApi internal;
    TlsContext tls;
    std::list<Worker> workers;
    std::vector<Listening> listening;
    std::vector<std::string> addresses;
    std::vector<std::string> unix_paths;
    std::atomic<std::size_t> next_worker{0};
    std::atomic<std::size_t> retired_workers{0};
    bool running = false;
};

Server::Server(const Parts& parts) : impl_(std::make_unique<Impl>(parts)) {}

Server::~Server() {
    stop();
}

void Server::start(const Server* predecessor) {
    const auto descriptors = raise_descriptor_limit();
    const auto& server = impl_->gate.settings.server;
    const auto count = server.workers > 0
                           ? server.workers
                           : std::max<std::size_t>(1, std::thread::hardware_concurrency());
    for (std::size_t i = 0; i < count; ++i) {
        impl_->workers.emplace_back(impl_->gate, impl_->clients, impl_->tls);
    }
    const auto* const old = predecessor ? predecessor->impl_.get() : nullptr;
    for (const auto& endpoint : server.listen) {
        const auto configured = endpoint.to_string();
        Listening listening{configured, listen_on(endpoint, count,
                                                  old ? old->find_listening(configured) : nullptr)};
        auto worker = impl_->workers.begin();
        for (const auto& socket : listening.sockets) {
            worker->add(socket.share());
            if (++worker == impl_->workers.end()) worker = impl_->workers.begin();
        }
        impl_->addresses.push_back(listening.sockets.front().endpoint().to_string());
        impl_->listening.push_back(std::move(listening));
    }
    impl_->internal.start(old ? &old->internal : nullptr);
    // Nothing can fail from here on: paths of sockets are ours to remove.
    for (const auto& endpoint : server.listen) {
        if (!endpoint.unix_path.empty()) impl_->unix_paths.push_back(endpoint.unix_path);
    }
    impl_->gate.most_connections = old ? old->gate.most_connections : clients_within(descriptors);
    for (auto& worker : impl_->workers) worker.start();
    impl_->running = true;
}

std::vector<std::string> Server::addresses() const {
    return impl_->addresses;
}
std::string Server::internal_address() const {
    return impl_->internal.address();
}

void Server::retire(const Server& successor, Succession& succession) {
    std::erase_if(impl_->unix_paths, [&](const std::string& path) {
        return std::ranges::count(successor.impl_->unix_paths, path) > 0;
    });
    impl_->listening.clear();
    impl_->internal.retire(successor.impl_->internal);
    const auto hand_over = [&](IdleClient client) { succession.hand_over(std::move(client)); };
    for (auto& worker : impl_->workers) {
        worker.retire(hand_over, [impl = impl_.get()] { ++impl->retired_workers; });
    }
}

void Server::note_failed_reload() {
    impl_->gate.reload_failed = true;
}

bool Server::has_ended() const {
    // A worker that has not heard yet may still let somebody in.
    return impl_->retired_workers == impl_->workers.size() && impl_->gate.connections == 0 &&
           impl_->internal.has_ended();
}

void Server::adopt(IdleClient client) {
    const auto number = impl_->next_worker++ % impl_->workers.size();
    std::next(impl_->workers.begin(), static_cast<std::ptrdiff_t>(number))
        ->adopt(std::move(client));
}

void Succession::pass_to(Server* server) {
    const std::lock_guard lock(mutex_);
    current_ = server;
}

void Succession::hand_over(IdleClient client) {
    const std::lock_guard lock(mutex_);
    if (current_) current_->adopt(std::move(client));
}

void Server::upkeep() {
    impl_->gate.keeper_calls.run([&gate = impl_->gate] { gate.keeper.upkeep(); });
}

void Server::drain() {
    impl_->gate.draining = true;
    impl_->listening.clear();
    for (auto& worker : impl_->workers) worker.drain();
}

bool Server::drained() const {
    return impl_->gate.draining && impl_->gate.connections == 0;
}

void Server::stop() {
    if (!impl_->running) return;
    impl_->running = false;
    impl_->gate.draining = true;
    impl_->listening.clear();
    for (auto& worker : impl_->workers) worker.stop();
    for (auto& worker : impl_->workers) worker.join();
    impl_->gate.keeper.stop();
    impl_->internal.stop();
    impl_->gate.keeper_calls.join();
    impl_->gate.store_calls.join();
    impl_->gate.store_changes.join();
    impl_->gate.name_calls.join();
    impl_->gate.uses.join();
    impl_->gate.discord_calls.join();
    for (const auto& path : impl_->unix_paths) ::unlink(path.c_str());
}

}  // namespace cordgate::proxy
