#include "proxy/internal_api.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <list>
#include <optional>
#include <stdexcept>
#include <thread>

#include "proxy/acceptor.hpp"
#include "proxy/access_log.hpp"
#include "proxy/internal_connection.hpp"

namespace cordgate::proxy {
namespace {

constexpr std::size_t max_connections = 256;

}  // namespace

struct InternalApi::Impl {
    Impl(Gate& gate, ListeningSocket listening);
    ~Impl();
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    void admit(Descriptor socket);
    bool has_room();
    Task<void> serve(Descriptor socket);

    const config::Endpoint bound;
    std::optional<ListeningSocket> shared;  ///< the same that the acceptor has
    bool owns_path = true;                  ///< of a unix socket
    std::atomic<std::size_t> open{0};
    std::atomic<bool> retired{false};  ///< nobody new is let in
    EventLoop loop;
    InternalContext context;
    std::list<InternalConnection> connections;  ///< the newest first
    std::optional<Acceptor> acceptor;
    std::thread thread;
};

InternalApi::Impl::Impl(Gate& gate, ListeningSocket listening)
    : bound(listening.endpoint()), shared(listening.share()), context{gate, loop} {
    const auto admit_it = [this](Descriptor client, const sockaddr_storage&) {
        admit(std::move(client));
    };
    acceptor.emplace(loop, std::move(listening), admit_it);
    thread = std::thread([this] { loop.run(); });
}

/// Calls that are under way refer to the coroutines that wait for them.
InternalApi::Impl::~Impl() {
    loop.post([this] {
        acceptor.reset();
        for (auto& connection : connections) connection.cut();
    });
    loop.stop();
    thread.join();
    for (auto* pool : {&context.pings, &context.store, &context.discord}) pool->join();
    loop.end_tasks();
    if (owns_path && !bound.unix_path.empty()) ::unlink(bound.unix_path.c_str());
}

/// Whoever is being answered keeps its place; of the others the oldest gives way, so
/// that connections which say nothing, or drip, keep nobody out.
bool InternalApi::Impl::has_room() {
    if (connections.size() < max_connections) return true;
    const auto oldest = std::find_if(connections.rbegin(), connections.rend(),
                                     [](const auto& each) { return each.is_waiting(); });
    if (oldest == connections.rend()) return false;
    oldest->cut();
    return true;
}

void InternalApi::Impl::admit(Descriptor socket) {
    if (has_room()) loop.spawn(serve(std::move(socket)));
}

Task<void> InternalApi::Impl::serve(Descriptor socket) {
    connections.emplace_front(context, std::move(socket));
    const auto self = connections.begin();
    ++open;
    struct Leave {  // however the connection ends
        Impl& api;
        std::list<InternalConnection>::iterator self;
        ~Leave() {
            api.connections.erase(self);
            --api.open;
        }
    };
    const Leave leave{*this, self};
    try {
        co_await self->run();
    } catch (const std::exception& bug) {
        log_error("bug", std::string("escaped the internal API: ") + bug.what());
    }
}

InternalApi::InternalApi(Gate& gate) : gate_(gate) {}

InternalApi::~InternalApi() = default;

void InternalApi::start(const InternalApi* predecessor) {
    const auto& wanted = gate_.settings.internal.listen;
    try {
        const bool inherits =
            predecessor &&
            predecessor->gate_.settings.internal.listen.to_string() == wanted.to_string();
        impl_ = std::make_unique<Impl>(
            gate_, inherits ? predecessor->impl_->shared->share() : ListeningSocket(wanted));
    } catch (const std::exception& error) {
        throw std::runtime_error(std::string("internal.listen: ") + error.what());
    }
}

std::string InternalApi::address() const {
    return impl_->bound.to_string();
}

void InternalApi::retire(const InternalApi& successor) {
    impl_->owns_path = impl_->bound.to_string() != successor.impl_->bound.to_string();
    impl_->shared.reset();
    impl_->loop.post([impl = impl_.get()] {
        impl->acceptor.reset();
        impl->context.retired = true;
        for (auto& connection : impl->connections) connection.end_if_idle();
        impl->retired = true;
    });
}

bool InternalApi::has_ended() const {
    return impl_->retired && impl_->open == 0;
}

void InternalApi::stop() {
    impl_.reset();
}

}  // namespace cordgate::proxy
