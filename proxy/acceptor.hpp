#pragma once

#include <sys/socket.h>

#include <functional>

#include "proxy/io/deadlines.hpp"
#include "proxy/io/descriptor.hpp"
#include "proxy/io/event_loop.hpp"
#include "proxy/listener.hpp"

namespace cordgate::proxy {

/// Takes the clients of one listening socket in, on one event loop's thread. Without
/// descriptors or memory it pauses: new clients wait in the kernel's queue, and the log
/// says so.
class Acceptor final : private Watcher, private Deadline {
public:
    /// Is given each client's socket, non-blocking, and where it comes from.
    using Admit = std::function<void(Descriptor, const sockaddr_storage&)>;

    /// `has_room`: whether descriptors suffice for a further client; `shed` is called
    /// while they do not, and may end some. Throws std::runtime_error when the socket
    /// cannot be watched.
    Acceptor(
        EventLoop& loop, ListeningSocket socket, Admit admit,
        std::function<bool()> has_room = [] { return true; }, std::function<void()> shed = [] {});
    ~Acceptor() override { close(); }

    /// No new clients.
    void close();

private:
    void on_events(std::uint32_t events) override;
    void on_expiry() override;
    void pause(int error);
    void say_recovered();

    static constexpr std::chrono::seconds complaint_pause{5};

    EventLoop& loop_;
    Descriptor socket_;
    Admit admit_;
    std::function<bool()> has_room_;
    std::function<void()> shed_;
    SteadyClock::time_point last_pause_{};
    SteadyClock::time_point last_complaint_{};
    bool complained_ = false;
};

}  // namespace cordgate::proxy
