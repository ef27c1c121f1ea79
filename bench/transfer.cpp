// One long body over one connection.
//
//   transfer PORT download|upload BYTES COOKIE
//
// Prints the seconds it took, answer included; fails unless all of it went over.

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "bench/sockets.hpp"

namespace {

using bench::give_up;

/// Reads a head; returns how many bytes of the body came with it.
std::size_t read_head(int fd) {
    std::string head;
    char buffer[65536];
    std::size_t end = std::string::npos;
    while (end == std::string::npos) {
        const auto got = ::recv(fd, buffer, sizeof buffer, 0);
        if (got <= 0) give_up("no answer");
        head.append(buffer, static_cast<std::size_t>(got));
        end = head.find("\r\n\r\n");
    }
    if (head.compare(0, 12, "HTTP/1.1 200") != 0) give_up(head.substr(0, 40).c_str());
    return head.size() - end - 4;
}

void download(int fd, std::uint64_t bytes) {
    std::vector<char> buffer(1024 * 1024);
    std::uint64_t got = read_head(fd);
    while (got < bytes) {
        // The kernel drops what arrives without copying it: reading costs this side nothing.
        const auto now = ::recv(fd, buffer.data(), buffer.size(), MSG_TRUNC);
        if (now <= 0) give_up("the download ended early");
        got += static_cast<std::uint64_t>(now);
    }
}

void upload(int fd, std::uint64_t bytes) {
    const std::string block(256 * 1024, 'x');
    for (auto left = bytes; left > 0;) {
        const auto now = std::min<std::uint64_t>(left, block.size());
        if (!bench::send_all(fd, std::string_view(block).substr(0, now))) give_up("upload");
        left -= now;
    }
    read_head(fd);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) return 2;
    const bool down = std::string_view(argv[2]) == "download";
    const std::string bytes = argv[3];
    const auto begin = std::chrono::steady_clock::now();
    const int fd = bench::connect_to(std::atoi(argv[1]));
    if (fd < 0) give_up("connect");
    const auto request = (down ? "GET /bytes/" + bytes : std::string("POST /upload")) +
                         " HTTP/1.1\r\nHost: 127.0.0.1:" + argv[1] + "\r\nCookie: " + argv[4] +
                         (down ? "" : "\r\nContent-Length: " + bytes) + "\r\n\r\n";
    if (!bench::send_all(fd, request)) give_up("request");
    (down ? download : upload)(fd, std::strtoull(bytes.c_str(), nullptr, 10));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::printf("%.6f\n", took.count());
}
