// The least that a proxy can do: for each request one read and one write on
// either side, and a poll. Takes no HTTP apart: it relies on requests and
// responses that fit into one segment, which is what the benchmark sends.
//
//   bare_relay LISTEN_PORT UPSTREAM_PORT      (127.0.0.1, one thread)

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

namespace {

sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    return address;
}

int listen_on(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const auto address = loopback(port);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -1;
    return ::listen(fd, 1024) == 0 ? fd : -1;
}

int connect_to(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const auto address = loopback(port);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -1;
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/// Either half of a pair: what it reads goes to the other.
struct Half {
    int fd = -1;
    Half* other = nullptr;
    bool closed = false;
};

void watch(int poll, Half& half) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &half;
    ::epoll_ctl(poll, EPOLL_CTL_ADD, half.fd, &event);
}

void close_pair(Half& half) {
    for (auto* side : {&half, half.other}) {
        if (!side->closed) ::close(side->fd);
        side->closed = true;
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const int listener = listen_on(std::atoi(argv[1]));
    const int upstream_port = std::atoi(argv[2]);
    if (listener < 0) return 1;
    const int poll = ::epoll_create1(0);
    Half accepting{listener, nullptr, false};
    watch(poll, accepting);

    std::vector<std::unique_ptr<Half>> halves;
    std::vector<char> buffer(256 * 1024);
    for (;;) {
        epoll_event events[256];
        const int count = ::epoll_wait(poll, events, 256, -1);
        for (int i = 0; i < count; ++i) {
            auto& half = *static_cast<Half*>(events[i].data.ptr);
            if (&half == &accepting) {
                const int client = ::accept(listener, nullptr, nullptr);
                const int upstream = connect_to(upstream_port);
                if (client < 0 || upstream < 0) continue;
                const int on = 1;
                ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                auto& a =
                    *halves.emplace_back(std::make_unique<Half>(Half{client, nullptr, false}));
                auto& b = *halves.emplace_back(std::make_unique<Half>(Half{upstream, &a, false}));
                a.other = &b;
                watch(poll, a);
                watch(poll, b);
                continue;
            }
            if (half.closed) continue;
            const auto size = ::read(half.fd, buffer.data(), buffer.size());
            if (size <= 0) {
                close_pair(half);
                continue;
            }
            for (ssize_t sent = 0; sent < size;) {
                const auto now = ::send(half.other->fd, buffer.data() + sent,
                                        static_cast<std::size_t>(size - sent), MSG_NOSIGNAL);
                if (now <= 0) break;
                sent += now;
            }
        }
    }
}
