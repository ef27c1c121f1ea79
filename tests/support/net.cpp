#include "tests/support/net.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "core/ascii.hpp"

namespace cordgate::test {
namespace {

sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    return address;
}

[[noreturn]] void fail(const std::string& what) {
    throw std::runtime_error(what + ": " + std::strerror(errno));
}

}  // namespace

ReservedPort::ReservedPort() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::setsockopt(fd_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    auto address = loopback(0);
    socklen_t size = sizeof address;
    auto* where = reinterpret_cast<sockaddr*>(&address);
    if (::bind(fd_, where, size) != 0) fail("bind");
    ::getsockname(fd_, where, &size);
    number_ = ntohs(address.sin_port);
}

ReservedPort::~ReservedPort() {
    ::close(fd_);
}

// --- messages ------------------------------------------------------------------

int Message::status() const {
    if (!start_line.starts_with("HTTP/") || start_line.size() < 12) return 0;
    return std::atoi(start_line.c_str() + 9);
}

std::string Message::target() const {
    const auto one = start_line.find(' ');
    const auto two = start_line.rfind(' ');
    return one < two ? start_line.substr(one + 1, two - one - 1) : "";
}

std::size_t Message::count(std::string_view name) const {
    return all(name).size();
}

std::string Message::field(std::string_view name) const {
    const auto found = all(name);
    return found.empty() ? "" : found.front();
}

std::vector<std::string> Message::all(std::string_view name) const {
    std::vector<std::string> out;
    for (const auto& [key, value] : fields) {
        if (iequals(key, name)) out.push_back(value);
    }
    return out;
}

Message parse_head(std::string head) {
    Message out;
    out.head = std::move(head);
    std::string_view rest = out.head;
    for (bool first = true; !rest.empty(); first = false) {
        const auto end = rest.find("\r\n");
        const auto line = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 2);
        if (line.empty()) break;
        const auto colon = line.find(':');
        if (first) {
            out.start_line = line;
        } else if (colon != std::string_view::npos) {
            out.fields.emplace_back(line.substr(0, colon), trim(line.substr(colon + 1)));
        } else {
            out.fields.emplace_back(line, "");
        }
    }
    return out;
}

// --- the wire ------------------------------------------------------------------

Wire::Wire(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const auto address = loopback(port);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        const int error = errno;
        ::close(fd_);
        errno = error;
        fail("connect to port " + std::to_string(port));
    }
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Wire::~Wire() {
    if (fd_ >= 0) ::close(fd_);
}

Wire::Wire(Wire&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      ended_(other.ended_),
      reset_(other.reset_),
      buffer_(std::move(other.buffer_)) {}

Wire& Wire::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0) {
            // The other side may answer and close before it has read everything.
            if (errno == EPIPE || errno == ECONNRESET) return *this;
            fail("send");
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return *this;
}

void Wire::finish_sending() {
    ::shutdown(fd_, SHUT_WR);
}

void Wire::shut_down() {
    ::shutdown(fd_, SHUT_RDWR);
}

void Wire::reset() {
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(std::exchange(fd_, -1));
    ended_ = true;
}

bool Wire::fill() {
    if (ended_) return false;
    pollfd wait{fd_, POLLIN, 0};
    const auto limit = std::chrono::milliseconds(patience).count();
    if (::poll(&wait, 1, static_cast<int>(limit)) == 0) {
        throw std::runtime_error("nothing came in time; so far: " + buffer_);
    }
    char piece[16 * 1024];
    const auto size = ::recv(fd_, piece, sizeof piece, 0);
    if (size <= 0) {
        ended_ = true;
        reset_ = size < 0 && errno == ECONNRESET;
        return false;
    }
    buffer_.append(piece, static_cast<std::size_t>(size));
    return true;
}

std::string Wire::read_head() {
    for (;;) {
        const auto end = buffer_.find("\r\n\r\n");
        if (end != std::string::npos) {
            auto head = buffer_.substr(0, end + 4);
            buffer_.erase(0, end + 4);
            return head;
        }
        if (!fill()) return "";
    }
}

void Wire::read_length(Message& message, std::size_t length) {
    message.body = read_bytes(length);
    message.complete = message.body.size() == length;
}

void Wire::read_chunked(Message& message) {
    for (;;) {
        auto end = buffer_.find("\r\n");
        while (end == std::string::npos) {
            if (!fill()) return;
            end = buffer_.find("\r\n");
        }
        const auto size = std::strtoul(buffer_.c_str(), nullptr, 16);
        buffer_.erase(0, end + 2);
        if (size == 0) break;
        const auto data = read_bytes(size + 2);
        message.body += data.substr(0, size);
        if (data.size() < size + 2) return;
    }
    // Trailers, if any: kept where a test can see them.
    for (;;) {
        auto end = buffer_.find("\r\n");
        while (end == std::string::npos) {
            if (!fill()) return;
            end = buffer_.find("\r\n");
        }
        if (end > 0) message.fields.emplace_back("(trailer)", buffer_.substr(0, end));
        buffer_.erase(0, end + 2);
        if (end == 0) break;
    }
    message.complete = true;
}

Message Wire::read_response(std::string_view method) {
    auto message = parse_head(read_head());
    const int status = message.status();
    if (status == 0) return message;
    if (method == "HEAD" || status == 204 || status == 304 || status < 200) {
        message.complete = true;
    } else if (message.has("Transfer-Encoding")) {
        read_chunked(message);
    } else if (message.has("Content-Length")) {
        read_length(message, std::strtoul(message.field("Content-Length").c_str(), nullptr, 10));
    } else {
        message.body = read_until_close();
        message.complete = !reset_;
    }
    return message;
}

Message Wire::read_request() {
    auto message = parse_head(read_head());
    if (message.has("Transfer-Encoding")) {
        read_chunked(message);
    } else {
        read_length(message, std::strtoul(message.field("Content-Length").c_str(), nullptr, 10));
    }
    return message;
}

std::string Wire::read_until_close() {
    while (fill()) continue;
    return std::exchange(buffer_, {});
}

std::string Wire::read_bytes(std::size_t size) {
    while (buffer_.size() < size && fill()) continue;
    auto out = buffer_.substr(0, size);
    buffer_.erase(0, out.size());
    return out;
}

std::string Wire::read_some() {
    if (buffer_.empty()) fill();
    return std::exchange(buffer_, {});
}

bool Wire::is_closed() {
    return buffer_.empty() && !fill();
}

bool refuses(int port) {
    try {
        const Wire wire(port);
        return false;
    } catch (const std::runtime_error&) {
        return true;
    }
}

Message ask(int port, std::string_view bytes, std::string_view method) {
    return Wire(port).send(bytes).read_response(method);
}

}  // namespace cordgate::test
