#include "tests/support/manual_upstream.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace cordgate::test {
namespace {

bool readable(int fd, std::chrono::milliseconds limit) {
    pollfd wait{fd, POLLIN, 0};
    return ::poll(&wait, 1, static_cast<int>(limit.count())) > 0;
}

}  // namespace

ManualUpstream::ManualUpstream() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* where = reinterpret_cast<sockaddr*>(&address);
    if (::bind(fd_, where, size) != 0 || ::listen(fd_, SOMAXCONN) != 0) {
        throw std::runtime_error("the upstream cannot listen");
    }
    ::getsockname(fd_, where, &size);
    port_ = ntohs(address.sin_port);
}

ManualUpstream::~ManualUpstream() {
    ::close(fd_);
}

Wire ManualUpstream::accept() {
    if (!readable(fd_, patience)) throw std::runtime_error("the gate never came");
    return Wire::adopt(::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC));
}

bool ManualUpstream::has_another() {
    return readable(fd_, std::chrono::milliseconds(0));
}

}  // namespace cordgate::test
