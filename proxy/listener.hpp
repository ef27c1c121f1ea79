#pragma once

#include <string>

#include "config/settings.hpp"

namespace cordgate::proxy {

/// A bound, listening socket; closed when it dies unless released.
class ListeningSocket {
public:
    /// Throws std::runtime_error: which address, why, what to do. With a TCP port
    /// 0, the kernel chooses. A unix socket that nobody listens on any more is
    /// replaced; one that is in use is an error.
    explicit ListeningSocket(const config::Endpoint& endpoint);
    ListeningSocket(ListeningSocket&& other) noexcept;
    ListeningSocket(const ListeningSocket&) = delete;
    ListeningSocket& operator=(const ListeningSocket&) = delete;
    ~ListeningSocket();

    /// Another socket for the same address, for another worker: TCP ones share
    /// the port (SO_REUSEPORT), unix ones the socket.
    ListeningSocket for_another_worker() const;
    /// The very same socket once more: clients that wait in its queue are anybody's who
    /// has it, and it closes with the last one.
    ListeningSocket share() const;

    int release();
    int family() const;
    bool is_unix() const { return !endpoint_.unix_path.empty(); }
    /// With the port that the kernel chose.
    const config::Endpoint& endpoint() const { return endpoint_; }

private:
    ListeningSocket(config::Endpoint endpoint, int fd) : endpoint_(std::move(endpoint)), fd_(fd) {}

    config::Endpoint endpoint_;
    int fd_ = -1;
};

/// Removes a unix socket that a process left behind when it died. One that somebody
/// listens on, or may, stays.
void remove_stale_socket(const std::string& path);

}  // namespace cordgate::proxy
