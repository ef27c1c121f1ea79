// Sends a message over each of COUNT WebSockets, waits for its echo, sends the next.
//
//   websockets PORT COUNT SECONDS BYTES COOKIE      BYTES < 65536
//
// Prints JSON: how many echoes in how many seconds, and their latency.

#include <algorithm>
#include <chrono>
#include <vector>

#include "bench/websocket.hpp"

namespace {

using Clock = std::chrono::steady_clock;

struct Socket {
    int fd = -1;
    std::size_t got = 0;  ///< of the echo that is on its way
    Clock::time_point sent;
};

double milliseconds(Clock::duration d) {
    return std::chrono::duration<double, std::milli>(d).count();
}

double percentile(std::vector<float>& sorted, double part) {
    return static_cast<double>(
        sorted[static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1))]);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 6) return 2;
    const int port = std::atoi(argv[1]);
    const auto size = static_cast<std::size_t>(std::atoi(argv[4]));
    const auto message = bench::client_frame(size);
    const auto expected = bench::echoed_size(size);

    const int poll = ::epoll_create1(0);
    std::vector<Socket> sockets(static_cast<std::size_t>(std::atoi(argv[2])));
    for (auto& socket : sockets) {
        socket.fd = bench::connect_to(port);
        if (socket.fd < 0) bench::give_up("connect");
        if (!bench::open_websocket(socket.fd, port, argv[5])) bench::give_up("upgrade");
        bench::watch(poll, socket.fd, EPOLLIN, &socket);
    }
    const auto begin = Clock::now();
    const auto end = begin + std::chrono::seconds(std::atoi(argv[3]));
    for (auto& socket : sockets) {
        socket.sent = Clock::now();
        if (!bench::send_all(socket.fd, message)) bench::give_up("send");
    }
    std::vector<float> latencies;
    latencies.reserve(4'000'000);
    std::vector<char> buffer(65536 + 16);
    auto now = begin;
    while (now < end) {
        epoll_event events[256];
        const int count = ::epoll_wait(poll, events, 256, 1000);
        now = Clock::now();
        for (int i = 0; i < count; ++i) {
            auto& socket = *static_cast<Socket*>(events[i].data.ptr);
            const auto got = ::recv(socket.fd, buffer.data(), buffer.size(), 0);
            if (got <= 0) bench::give_up("a WebSocket ended");
            socket.got += static_cast<std::size_t>(got);
            if (socket.got < expected) continue;
            latencies.push_back(static_cast<float>(milliseconds(now - socket.sent)));
            socket.got = 0;
            socket.sent = now;
            if (!bench::send_all(socket.fd, message)) bench::give_up("send");
        }
    }
    if (latencies.empty()) return 1;
    std::sort(latencies.begin(), latencies.end());
    std::printf("{\"count\": %zu, \"seconds\": %.6f, \"p50_ms\": %.4f, \"p99_ms\": %.4f}\n",
                latencies.size(), milliseconds(now - begin) / 1000, percentile(latencies, 0.5),
                percentile(latencies, 0.99));
}
