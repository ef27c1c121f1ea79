#pragma once

#include <sys/socket.h>

#include <functional>

#include "proxy/io/deadlines.hpp"
#include "proxy/io/descriptor.hpp"
#include "proxy/io/event_loop.hpp"
#include "proxy/listener.hpp"

namespace cordgate::proxy {

/// Takes the clients of one listening socket in, on one event loop's thread. Without
/// descriptors or memory it pauses, and says so in the log.
class Acceptor final : private Watcher, private Deadline {
public:
    /// Is given each client's socket, non-blocking, and where it comes from.
    using Admit = std::function<void(Descriptor, const sockaddr_storage&)>;

    /// Throws std::runtime_error when the socket cannot be watched.
    Acceptor(EventLoop& loop, ListeningSocket socket, Admit admit);
    ~Acceptor() override { close(); }

    /// No new clients.
    void close();

private:
    void on_events(std::uint32_t events) override;
    void on_expiry() override;
    void pause(int error);

    EventLoop& loop_;
    Descriptor socket_;
    Admit admit_;
    SteadyClock::time_point last_complaint_{};
};

}  // namespace cordgate::proxy
