// The least that a proxy can do: for each request one read and one write on
// either side, and a poll. It takes no HTTP apart: bytes go over as they come.
// A write that blocks holds up every connection, which costs nothing here: the
// load and the origin always read.
//
//   bare_relay LISTEN_PORT UPSTREAM_PORT      (127.0.0.1, one thread)

#include <memory>
#include <vector>

#include "bench/sockets.hpp"

namespace {

/// Either half of a pair: what it reads goes to the other.
struct Half {
    int fd = -1;
    Half* other = nullptr;
    bool closed = false;
};

void close_pair(Half& half) {
    for (auto* side : {&half, half.other}) {
        if (!side->closed) ::close(side->fd);
        side->closed = true;
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const int listener = bench::listen_on(std::atoi(argv[1]));
    const int upstream_port = std::atoi(argv[2]);
    if (listener < 0) bench::give_up("listen");
    const int poll = ::epoll_create1(0);
    Half accepting{listener, nullptr, false};
    bench::watch(poll, listener, EPOLLIN, &accepting);

    std::vector<std::unique_ptr<Half>> halves;
    std::vector<char> buffer(256 * 1024);
    for (;;) {
        epoll_event events[256];
        const int count = ::epoll_wait(poll, events, 256, -1);
        for (int i = 0; i < count; ++i) {
            auto& half = *static_cast<Half*>(events[i].data.ptr);
            if (&half == &accepting) {
                const int client = ::accept(listener, nullptr, nullptr);
                const int upstream = bench::connect_to(upstream_port);
                if (client < 0 || upstream < 0) continue;
                bench::no_delay(client);
                auto& a =
                    *halves.emplace_back(std::make_unique<Half>(Half{client, nullptr, false}));
                auto& b = *halves.emplace_back(std::make_unique<Half>(Half{upstream, &a, false}));
                a.other = &b;
                bench::watch(poll, a.fd, EPOLLIN, &a);
                bench::watch(poll, b.fd, EPOLLIN, &b);
                continue;
            }
            if (half.closed) continue;
            const auto size = ::read(half.fd, buffer.data(), buffer.size());
            if (size <= 0) {
                close_pair(half);
                continue;
            }
            bench::send_all(half.other->fd, {buffer.data(), static_cast<std::size_t>(size)});
        }
    }
}
