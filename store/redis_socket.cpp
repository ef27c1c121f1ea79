#include "store/redis_socket.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

#include "core/resolver.hpp"

namespace cordgate::redis {
namespace {

std::string error_text(int number) {
    return std::generic_category().message(number);
}

Error time_is_up() {
    return store_error(ErrorKind::timed_out, "Redis did not answer in time");
}

struct FreeAddresses {
    void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

/// One for all connections: a look-up that hangs hangs once.
Resolver& resolver() {
    static Resolver names(resolve_host, ErrorSource::store);
    return names;
}

Result<std::vector<std::string>> look_up(const std::string& host, Deadline deadline) {
    if (Resolver::is_address(host)) return std::vector{host};
    resolver().forget(host);
    auto found = resolver().find(host, deadline);
    if (found) return found;
    return store_error(found.error().kind, "Redis: looking up " + found.error().detail);
}

/// Of an address in digits, which nobody is asked about.
Result<Addresses> parse_address(const std::string& address, unsigned port) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    addrinfo* parsed = nullptr;
    const int code = ::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &parsed);
    if (code == 0) return Addresses(parsed);
    return store_error(ErrorKind::unavailable, "Redis: " + address + ": " + ::gai_strerror(code));
}

int wait_time(Deadline deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyClock::now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
}

}  // namespace

Error store_error(ErrorKind kind, std::string detail) {
    return Error{kind, ErrorSource::store, std::move(detail)};
}

Socket::~Socket() {
    ::close(fd_);
}

Result<std::unique_ptr<Socket>> Socket::connect(const RedisUrl& url, Deadline deadline) {
    const auto attempt = [&](const sockaddr* address,
                             socklen_t size) -> Result<std::unique_ptr<Socket>> {
        const int fd = ::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0) return store_error(ErrorKind::unavailable, "Redis: " + error_text(errno));
        std::unique_ptr<Socket> made(new Socket(fd));
        int code = ::connect(fd, address, size) == 0 ? 0 : errno;
        if (code == EINPROGRESS) {
            if (auto ready = made->wait_for(POLLOUT, deadline); !ready) return ready.error();
            socklen_t length = sizeof code;
            if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length) != 0) code = errno;
        }
        if (code != 0) {
            return store_error(ErrorKind::unavailable, "Redis: connecting: " + error_text(code));
        }
        const int on = 1;  // Fails for unix sockets, which need neither.
        (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        return made;
    };
    if (!url.unix_path.empty()) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, url.unix_path.data(),
                    std::min(url.unix_path.size(), sizeof address.sun_path - 1));
        return attempt(reinterpret_cast<const sockaddr*>(&address), sizeof address);
    }
    const auto addresses = look_up(url.host, deadline);
    if (!addresses) return addresses.error();
    Error failure = store_error(ErrorKind::unavailable, "Redis: " + url.host + " has no address");
    for (const auto& address : *addresses) {
        const auto parsed = parse_address(address, url.port);
        if (!parsed) return parsed.error();
        auto made = attempt((*parsed)->ai_addr, (*parsed)->ai_addrlen);
        if (made) return made;
        failure = made.error();
    }
    return failure;
}

Result<void> Socket::wait_for(short events, Deadline deadline) const {
    pollfd waiting{fd_, events, 0};
    for (;;) {
        const int ready = ::poll(&waiting, 1, wait_time(deadline));
        if (ready > 0) return {};
        if (ready < 0 && errno != EINTR) {
            return store_error(ErrorKind::unavailable, "Redis: " + error_text(errno));
        }
        if (SteadyClock::now() >= deadline) return time_is_up();
    }
}

Result<void> Socket::write(std::string_view bytes, Deadline deadline) {
    while (!bytes.empty()) {
        const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (auto ready = wait_for(POLLOUT, deadline); !ready) return ready.error();
        } else if (errno != EINTR) {
            return store_error(ErrorKind::closed, "Redis: sending: " + error_text(errno));
        }
    }
    return {};
}

Result<std::size_t> Socket::read(char* buffer, std::size_t size, Deadline deadline) {
    for (;;) {
        const auto got = ::recv(fd_, buffer, size, 0);
        if (got > 0) return static_cast<std::size_t>(got);
        if (got == 0) {
            return store_error(ErrorKind::closed, "Redis closed the connection");
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (auto ready = wait_for(POLLIN, deadline); !ready) return ready.error();
        } else if (errno != EINTR) {
            return store_error(ErrorKind::closed, "Redis: receiving: " + error_text(errno));
        }
    }
}

bool Socket::is_quiet() const {
    pollfd waiting{fd_, POLLIN, 0};
    return ::poll(&waiting, 1, 0) == 0;
}

}  // namespace cordgate::redis
