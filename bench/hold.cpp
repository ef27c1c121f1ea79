// Opens connections one after the other, uses each once, and keeps them all open.
//
//   hold PORT COUNT http|websocket COOKIE
//
// Each asks for /small, or echoes one message. Prints "held" when all are open, waits
// until its input ends, then prints how many the server has closed meanwhile.

#include <string>
#include <vector>

#include "bench/websocket.hpp"

namespace {

bool use_http(int fd, int port, const char* cookie) {
    const auto request = "GET /small HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
                         "\r\nCookie: " + cookie + "\r\n\r\n";
    if (!bench::send_all(fd, request)) return false;
    std::string answer;
    const std::string_view ending = "hello, world\n";
    while (answer.size() < ending.size() ||
           answer.compare(answer.size() - ending.size(), ending.size(), ending) != 0) {
        const auto more = bench::read_some(fd, 1);
        if (more.empty()) return false;
        answer += more;
    }
    return answer.compare(0, 12, "HTTP/1.1 200") == 0;
}

bool use_websocket(int fd, int port, const char* cookie) {
    return bench::open_websocket(fd, port, cookie) &&
           bench::send_all(fd, bench::client_frame(100)) &&
           bench::read_some(fd, bench::echoed_size(100)).size() == bench::echoed_size(100);
}

bool closed(int fd) {
    char byte;
    return ::recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) return 2;
    const int port = std::atoi(argv[1]);
    const bool websocket = std::string_view(argv[3]) == "websocket";
    std::vector<int> held(static_cast<std::size_t>(std::atoi(argv[2])));
    for (auto& fd : held) {
        fd = bench::connect_to(port);
        if (fd < 0) bench::give_up("connect");
        const bool used =
            websocket ? use_websocket(fd, port, argv[4]) : use_http(fd, port, argv[4]);
        if (!used) bench::give_up("a connection could not be used");
    }
    std::puts("held");
    std::fflush(stdout);
    char byte;
    while (::read(STDIN_FILENO, &byte, 1) > 0) continue;
    int gone = 0;
    for (const int fd : held) gone += closed(fd) ? 1 : 0;
    std::printf("%d\n", gone);
}
