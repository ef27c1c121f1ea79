#include "proxy/server.hpp"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
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
        if (limit_ == 0) return true;
        const std::lock_guard lock(mutex_);
        auto& count = counts_[client];
        if (count >= limit_) return false;
        ++count;
        return true;
    }
    void leave(const std::string& client) {
        if (limit_ == 0) return;
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

/// Everything a connection needs a descriptor for: itself and an upstream's.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < 4096) {
        log_warn("limits", "only " + std::to_string(limit.rlim_max) +
                               " file descriptors are allowed; each request may need two");
    }
}

/// One event loop on one thread, with its own listeners and upstream pool.
class Worker {
public:
    Worker(Gate& gate, ClientCounts& clients, const ServerTls* tls)
        : gate_(gate),
          clients_(clients),
          tls_(tls),
          upstreams_(loop_, gate.store_calls, gate.settings.upstreams, gate.upstream_tls,
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
    void drain();
    void stop();
    void join() {
        if (thread_.joinable()) thread_.join();
    }

private:
    /// A new client: served, or closed at once when there are too many.
    void admit(Descriptor socket, const sockaddr_storage& from);
    Task<void> serve(Descriptor socket, std::optional<IpAddress> peer, std::string client);
    bool has_room_for(const std::string& client);

    Gate& gate_;
    ClientCounts& clients_;
    const ServerTls* tls_;
    EventLoop loop_;
    UpstreamPool upstreams_;
    RunningExchanges running_;
    WorkerContext context_;
    std::list<Connection> connections_;
    std::list<Acceptor> acceptors_;
    std::thread thread_;
};

void Worker::add(ListeningSocket socket) {
    const auto admit_it = [this](Descriptor client, const sockaddr_storage& from) {
        admit(std::move(client), from);
    };
    acceptors_.emplace_back(loop_, std::move(socket), admit_it);
}

bool Worker::has_room_for(const std::string& client) {
    const auto limit = gate_.settings.server.limits.connections;
    if (limit > 0 && gate_.connections.load() >= limit) return false;
    return clients_.enter(client);
}

void Worker::admit(Descriptor socket, const sockaddr_storage& from) {
    const auto peer = address_of(from);
    auto client = peer ? peer->limit_key() : std::string("unix");
    if (!has_room_for(client)) return;  // closed at once: cheaper than any answer
    gate_.connections.fetch_add(1);
    loop_.spawn(serve(std::move(socket), peer, std::move(client)));
}

Task<void> Worker::serve(Descriptor socket, std::optional<IpAddress> peer, std::string client) {
    connections_.emplace_front(context_, std::move(socket), peer);
    const auto self = connections_.begin();
    struct Leave {  // however the connection ends
        Worker& worker;
        std::list<Connection>::iterator self;
        const std::string& client;
        ~Leave() {
            worker.connections_.erase(self);
            worker.clients_.leave(client);
            worker.gate_.connections.fetch_sub(1);
        }
    };
    const Leave leave{*this, self, client};
    // Named first: GCC 12 destroys a conditional's temporary twice inside co_await.
    auto tls = tls_ ? tls_->get() : nullptr;
    try {
        co_await self->run(std::move(tls));
    } catch (const std::exception& bug) {
        log_error("bug", std::string("escaped a connection: ") + bug.what());
    }
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

}  // namespace

struct Server::Impl {
    explicit Impl(const Parts& parts)
        : gate(parts),
          clients(parts.settings.server.limits.connections_per_client),
          internal(gate) {
        const auto& files = parts.settings.server.tls;
        if (files.enabled()) tls = std::make_unique<ServerTls>(files);
    }

    Gate gate;
    ClientCounts clients;
    InternalApi internal;
    std::unique_ptr<ServerTls> tls;
    std::list<Worker> workers;
    std::vector<std::string> addresses;
    std::vector<std::string> unix_paths;
    bool running = false;
};

Server::Server(const Parts& parts) : impl_(std::make_unique<Impl>(parts)) {}

Server::~Server() {
    stop();
}

void Server::start() {
    raise_descriptor_limit();
    const auto& server = impl_->gate.settings.server;
    const auto count = server.workers > 0
                           ? server.workers
                           : std::max<std::size_t>(1, std::thread::hardware_concurrency());
    for (std::size_t i = 0; i < count; ++i) {
        impl_->workers.emplace_back(impl_->gate, impl_->clients, impl_->tls.get());
    }
    for (const auto& endpoint : server.listen) {
        ListeningSocket socket(endpoint);
        impl_->addresses.push_back(socket.endpoint().to_string());
        if (socket.is_unix()) impl_->unix_paths.push_back(endpoint.unix_path);
        for (auto worker = std::next(impl_->workers.begin()); worker != impl_->workers.end();
             ++worker) {
            worker->add(socket.for_another_worker());
        }
        impl_->workers.front().add(std::move(socket));
    }
    impl_->internal.start();
    for (auto& worker : impl_->workers) worker.start();
    impl_->running = true;
}

std::vector<std::string> Server::addresses() const {
    return impl_->addresses;
}
std::string Server::internal_address() const {
    return impl_->internal.address();
}

void Server::reload_certificates() {
    if (impl_->tls) impl_->tls->reload();
}

void Server::upkeep() {
    impl_->gate.keeper_calls.run([&gate = impl_->gate] { gate.keeper.upkeep(); });
}

void Server::drain() {
    impl_->gate.draining = true;
    for (auto& worker : impl_->workers) worker.drain();
}

bool Server::drained() const {
    return impl_->gate.draining && impl_->gate.connections == 0;
}

void Server::stop() {
    if (!impl_->running) return;
    impl_->running = false;
    impl_->gate.draining = true;
    for (auto& worker : impl_->workers) worker.stop();
    for (auto& worker : impl_->workers) worker.join();
    impl_->gate.keeper.stop();
    impl_->internal.stop();
    impl_->gate.keeper_calls.join();
    impl_->gate.store_calls.join();
    impl_->gate.discord_calls.join();
    for (const auto& path : impl_->unix_paths) ::unlink(path.c_str());
}

}  // namespace cordgate::proxy
