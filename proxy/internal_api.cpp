#include "proxy/internal_api.hpp"

#include <unistd.h>

#include <algorithm>
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
    Impl(Gate& gate, ListeningSocket socket);
    ~Impl();
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    void admit(Descriptor socket);
    bool has_room();
    Task<void> serve(Descriptor socket);

    const config::Endpoint bound;
    EventLoop loop;
    InternalContext context;
    std::list<InternalConnection> connections;  ///< the newest first
    std::optional<Acceptor> acceptor;
    std::thread thread;
};

InternalApi::Impl::Impl(Gate& gate, ListeningSocket socket)
    : bound(socket.endpoint()), context{gate, loop} {
    const auto admit_it = [this](Descriptor client, const sockaddr_storage&) {
        admit(std::move(client));
    };
    acceptor.emplace(loop, std::move(socket), admit_it);
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
    if (!bound.unix_path.empty()) ::unlink(bound.unix_path.c_str());
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
    struct Leave {  // however the connection ends
        std::list<InternalConnection>& connections;
        std::list<InternalConnection>::iterator self;
        ~Leave() { connections.erase(self); }
    };
    const Leave leave{connections, self};
    try {
        co_await self->run();
    } catch (const std::exception& bug) {
        log_error("bug", std::string("escaped the internal API: ") + bug.what());
    }
}

InternalApi::InternalApi(Gate& gate) : gate_(gate) {}

InternalApi::~InternalApi() = default;

void InternalApi::start() {
    try {
        impl_ = std::make_unique<Impl>(gate_, ListeningSocket(gate_.settings.internal.listen));
    } catch (const std::exception& error) {
        throw std::runtime_error(std::string("internal.listen: ") + error.what());
    }
}

std::string InternalApi::address() const {
    return impl_->bound.to_string();
}

void InternalApi::stop() {
    impl_.reset();
}

}  // namespace cordgate::proxy
