#include "proxy/listener.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

#include "proxy/io/stream.hpp"

namespace cordgate::proxy {
namespace {

constexpr int backlog = 4096;

[[noreturn]] void refuse(const config::Endpoint& endpoint, int error) {
    std::string advice;
    if (error == EADDRINUSE) {
        advice = "; another process has it: stop that one, or choose another address";
    } else if (error == EACCES) {
        advice =
            "; ports below 1024 need CAP_NET_BIND_SERVICE, a unix socket needs a writable "
            "directory";
    } else if (error == EADDRNOTAVAIL) {
        advice = "; this machine has no such address";
    }
    throw std::runtime_error("cannot listen on " + endpoint.to_string() + ": " +
                             std::strerror(error) + advice);
}

struct Resolved {
    sockaddr_storage address{};
    socklen_t size = 0;
    int family = AF_UNSPEC;
};

Resolved resolve(const config::Endpoint& endpoint) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* list = nullptr;
    const auto port = std::to_string(endpoint.port);
    const auto* host = endpoint.host.empty() ? nullptr : endpoint.host.c_str();
    const int code = ::getaddrinfo(host, port.c_str(), &hints, &list);
    if (code != 0) {
        throw std::runtime_error("cannot listen on " + endpoint.to_string() + ": " +
                                 ::gai_strerror(code));
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> guard(list, ::freeaddrinfo);
    Resolved out;
    std::memcpy(&out.address, list->ai_addr, list->ai_addrlen);
    out.size = list->ai_addrlen;
    out.family = list->ai_family;
    return out;
}

const sockaddr* as_sockaddr(const sockaddr_storage& storage) {
    return reinterpret_cast<const sockaddr*>(&storage);
}

int bind_tcp(const config::Endpoint& endpoint, const Resolved& where, bool share) {
    Descriptor fd(::socket(where.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    if (!fd.is_open()) refuse(endpoint, errno);
    configure_tcp(fd.get());
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (share) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (::bind(fd.get(), as_sockaddr(where.address), where.size) != 0) refuse(endpoint, errno);
    if (::listen(fd.get(), backlog) != 0) refuse(endpoint, errno);
    return fd.release();
}

std::uint16_t bound_port(int fd) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size);
    char port[8] = {};
    ::getnameinfo(as_sockaddr(storage), size, nullptr, 0, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV);
    return static_cast<std::uint16_t>(std::strtoul(port, nullptr, 10));
}

/// nullopt when `path` is too long for one.
std::optional<sockaddr_un> unix_address(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return std::nullopt;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return address;
}

int bind_unix(const config::Endpoint& endpoint) {
    const auto named = unix_address(endpoint.unix_path);
    if (!named) refuse(endpoint, ENAMETOOLONG);
    const sockaddr_un& address = *named;
    const auto* where = reinterpret_cast<const sockaddr*>(&address);

    Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (fd.get() < 0) refuse(endpoint, errno);
    if (::bind(fd.get(), where, sizeof address) != 0) {
        if (errno != EADDRINUSE) refuse(endpoint, errno);
        remove_stale_socket(endpoint.unix_path);
        if (::bind(fd.get(), where, sizeof address) != 0) refuse(endpoint, errno);
    }
    if (::listen(fd.get(), backlog) != 0) refuse(endpoint, errno);
    return fd.release();
}

}  // namespace

void remove_stale_socket(const std::string& path) {
    const auto address = unix_address(path);
    const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!address || !probe.is_open()) return;
    // Left behind by a process that died, or in use? Only a connect can tell.
    const auto* where = reinterpret_cast<const sockaddr*>(&*address);
    const bool is_left =
        ::connect(probe.get(), where, sizeof *address) != 0 && errno == ECONNREFUSED;
    if (is_left) ::unlink(path.c_str());
}

ListeningSocket::ListeningSocket(const config::Endpoint& endpoint) : endpoint_(endpoint) {
    if (is_unix()) {
        fd_ = bind_unix(endpoint);
        return;
    }
    const auto where = resolve(endpoint);
    // With SO_REUSEPORT two daemons could share a port without knowing: a first
    // try without it finds the other one.
    if (endpoint.port != 0) ::close(bind_tcp(endpoint, where, false));
    fd_ = bind_tcp(endpoint, where, true);
    endpoint_.port = bound_port(fd_);
}

ListeningSocket::ListeningSocket(ListeningSocket&& other) noexcept
    : endpoint_(std::move(other.endpoint_)), fd_(std::exchange(other.fd_, -1)) {}

ListeningSocket::~ListeningSocket() {
    if (fd_ >= 0) ::close(fd_);
}

ListeningSocket ListeningSocket::for_another_worker() const {
    if (is_unix()) return share();
    return {endpoint_, bind_tcp(endpoint_, resolve(endpoint_), true)};
}

ListeningSocket ListeningSocket::share() const {
    const int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) refuse(endpoint_, errno);
    return {endpoint_, copy};
}

int ListeningSocket::release() {
    return std::exchange(fd_, -1);
}

int ListeningSocket::family() const {
    if (is_unix()) return AF_UNIX;
    return resolve(endpoint_).family;
}

}  // namespace cordgate::proxy
