#include "proxy/server.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <list>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "proxy/access_log.hpp"
#include "proxy/connection.hpp"
#include "proxy/internal_api.hpp"
#include "proxy/listener.hpp"
#include "proxy/tls.hpp"

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

std::optional<IpAddress> address_of(const asio::ip::tcp::endpoint& endpoint) {
    return IpAddress::parse(endpoint.address().to_string());
}
std::optional<IpAddress> address_of(const asio::local::stream_protocol::endpoint&) {
    return std::nullopt;
}

void configure(asio::basic_stream_socket<asio::ip::tcp, Executor>& socket) {
    configure_tcp(socket.native_handle());
}
void configure(asio::basic_stream_socket<asio::local::stream_protocol, Executor>&) {}

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

/// Lets its owner end what still waits in it while all else is there.
class Loop : public asio::io_context {
public:
    using asio::execution_context::shutdown;
    using asio::io_context::io_context;
};

/// One event loop on one thread, with its own listeners and upstream pool.
class Worker {
public:
    Worker(Gate& gate, ClientCounts& clients, asio::ssl::context* tls)
        : gate_(gate),
          clients_(clients),
          tls_(tls),
          deadlines_(io_.get_executor()),
          upstreams_(io_.get_executor(), deadlines_, gate.store_calls, gate.settings.upstreams,
                     gate.upstream_tls, gate.settings.server.timeouts.connect) {}

    /// Coroutines that were cut short end here: they refer to every other member.
    ~Worker() { io_.shutdown(); }
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    void add(ListeningSocket socket);
    void start() {
        deadlines_.start();
        thread_ = std::thread([this] { io_.run(); });
    }
    void drain();
    void stop();
    void join() {
        if (thread_.joinable()) thread_.join();
    }

private:
    template <class Protocol>
    using Acceptor = asio::basic_socket_acceptor<Protocol, Executor>;

    template <class Protocol>
    void listen(ListeningSocket socket, const Protocol& protocol);
    template <class Protocol>
    Awaitable<void> accept_loop(Acceptor<Protocol>& acceptor);
    Awaitable<void> pause_accepting(error_code error);
    Awaitable<void> serve(Socket socket, std::optional<IpAddress> peer, std::string client);
    bool admit(const std::string& client);

    Gate& gate_;
    ClientCounts& clients_;
    asio::ssl::context* tls_;
    Loop io_{1};
    Deadlines deadlines_;
    UpstreamPool upstreams_;
    std::list<Connection> connections_;
    std::list<Acceptor<asio::ip::tcp>> tcp_;
    std::list<Acceptor<asio::local::stream_protocol>> unix_;
    SteadyClock::time_point last_complaint_{};
    std::thread thread_;
};

template <class Protocol>
void Worker::listen(ListeningSocket socket, const Protocol& protocol) {
    auto& acceptors = [this]() -> auto& {
        if constexpr (std::is_same_v<Protocol, asio::ip::tcp>) {
            return tcp_;
        } else {
            return unix_;
        }
    }
    ();
    auto& acceptor = acceptors.emplace_back(io_.get_executor());
    acceptor.assign(protocol, socket.release());
    asio::co_spawn(io_, accept_loop(acceptor), asio::detached);
}

void Worker::add(ListeningSocket socket) {
    const int family = socket.family();
    if (family == AF_UNIX) {
        listen(std::move(socket), asio::local::stream_protocol());
    } else {
        listen(std::move(socket), family == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4());
    }
}

/// Out of descriptors or memory: what is served goes on, new clients wait in the
/// kernel's queue, and the log says so once in a while instead of at full speed.
Awaitable<void> Worker::pause_accepting(error_code error) {
    const auto now = SteadyClock::now();
    if (now - last_complaint_ > std::chrono::seconds(5)) {
        last_complaint_ = now;
        log_error("accept", error.message() + "; new clients wait until others have gone");
    }
    Timer timer(io_.get_executor());
    timer.expires_after(std::chrono::milliseconds(100));
    co_await timer.async_wait(as_result);
}

bool Worker::admit(const std::string& client) {
    const auto limit = gate_.settings.server.limits.connections;
    if (limit > 0 && gate_.connections.load() >= limit) return false;
    return clients_.enter(client);
}

template <class Protocol>
Awaitable<void> Worker::accept_loop(Acceptor<Protocol>& acceptor) {
    for (;;) {
        typename Protocol::endpoint from;
        auto [error, socket] = co_await acceptor.async_accept(from, as_result);
        if (error == asio::error::operation_aborted || !acceptor.is_open()) co_return;
        if (error == asio::error::connection_aborted) continue;
        if (error) {
            co_await pause_accepting(error);
            continue;
        }
        const auto peer = address_of(from);
        auto client = peer ? peer->limit_key() : std::string("unix");
        if (!admit(client)) continue;  // closed at once: cheaper than any answer
        gate_.connections.fetch_add(1);
        configure(socket);
        asio::co_spawn(io_, serve(Socket(std::move(socket)), peer, std::move(client)),
                       [](const std::exception_ptr& escaped) {
                           if (!escaped) return;
                           try {
                               std::rethrow_exception(escaped);
                           } catch (const std::exception& bug) {
                               log_error("bug", std::string("escaped a connection: ") + bug.what());
                           }
                       });
    }
}

Awaitable<void> Worker::serve(Socket socket, std::optional<IpAddress> peer, std::string client) {
    connections_.emplace_front(gate_, upstreams_, deadlines_, std::move(socket), peer);
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
    co_await self->run(tls_);
}

void Worker::drain() {
    asio::post(io_, [this] {
        error_code ignored;
        for (auto& acceptor : tcp_) acceptor.close(ignored);
        for (auto& acceptor : unix_) acceptor.close(ignored);
        for (auto& connection : connections_) connection.drain();
    });
}

void Worker::stop() {
    asio::post(io_, [this] {
        error_code ignored;
        for (auto& acceptor : tcp_) acceptor.close(ignored);
        for (auto& acceptor : unix_) acceptor.close(ignored);
        for (auto& connection : connections_) connection.cut();
        upstreams_.close_idle();
        deadlines_.stop();
        io_.stop();
    });
}

}  // namespace

struct Server::Impl {
    explicit Impl(const Parts& parts)
        : gate(parts),
          clients(parts.settings.server.limits.connections_per_client),
          internal(gate) {
        if (parts.settings.server.tls.enabled()) tls = make_server_tls(parts.settings.server.tls);
    }

    Gate gate;
    ClientCounts clients;
    InternalApi internal;
    std::shared_ptr<asio::ssl::context> tls;
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
    impl_->internal.stop();
    impl_->gate.store_calls.join();
    impl_->gate.discord_calls.join();
    for (const auto& path : impl_->unix_paths) ::unlink(path.c_str());
}

}  // namespace cordgate::proxy
