#include "tests/support/upstream.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace cordgate::test {

Upstream::Upstream() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* where = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_, where, size) != 0 || ::listen(listener_, SOMAXCONN) != 0) {
        throw std::runtime_error("the upstream cannot listen");
    }
    ::getsockname(listener_, where, &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { accept_all(); });
}

Upstream::~Upstream() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        for (auto& visit : visits_) visit.wire.shut_down();
    }
    changed_.notify_all();
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    for (auto& visit : visits_) visit.thread.join();
    ::close(listener_);
}

void Upstream::accept_all() {
    for (;;) {
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) return;
        const std::lock_guard lock(mutex_);
        if (stopping_) {
            ::close(fd);
            return;
        }
        ++accepted_;
        auto& visit = visits_.emplace_back(Wire::adopt(fd));
        visit.thread = std::thread([this, &visit] {
            serve(visit.wire);
            visit.wire.shut_down();
        });
    }
}

void Upstream::serve(Wire& wire) try {
    for (;;) {
        auto request = wire.read_request();
        if (request.start_line.empty()) return;
        const auto target = request.target();
        const auto path = target.substr(0, target.find('?'));
        Behaviour behaviour;
        {
            std::unique_lock lock(mutex_);
            requests_.push_back(request);
            changed_.notify_all();
            if (const auto found = behaviours_.find(path); found != behaviours_.end()) {
                behaviour = found->second;
            }
            if (behaviour.habit == Habit::hold) {
                changed_.wait(lock, [this] { return released_ || stopping_; });
                if (stopping_) return;
            }
        }
        if (behaviour.habit == Habit::echo && request.has("Upgrade")) {
            wire.send(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Accept: as-it-came\r\n\r\n");
            for (auto piece = wire.read_some(); !piece.empty(); piece = wire.read_some()) {
                wire.send(piece);
            }
            return;
        }
        if (!behaviour.bytes.empty()) {
            wire.send(behaviour.bytes);
            if (!behaviour.bytes.starts_with("HTTP/1.1 ")) return;
            continue;
        }
        const auto body = std::string(marker) + " for " + target + "\n";
        wire.send(response("200 OK", "", request.start_line.starts_with("HEAD ") ? "" : body));
    }
} catch (const std::runtime_error&) {
    // The test is over, or the gate took too long: the test sees what is missing.
}

Upstream& Upstream::answers(const std::string& path, std::string bytes) {
    const std::lock_guard lock(mutex_);
    behaviours_[path] = {Habit::answer, std::move(bytes)};
    return *this;
}

Upstream& Upstream::holds(const std::string& path) {
    const std::lock_guard lock(mutex_);
    behaviours_[path] = {Habit::hold, ""};
    released_ = false;
    return *this;
}

void Upstream::release() {
    {
        const std::lock_guard lock(mutex_);
        released_ = true;
    }
    changed_.notify_all();
}

Upstream& Upstream::echoes(const std::string& path) {
    const std::lock_guard lock(mutex_);
    behaviours_[path] = {Habit::echo, ""};
    return *this;
}

std::size_t Upstream::count() const {
    const std::lock_guard lock(mutex_);
    return requests_.size();
}

Message Upstream::last() const {
    const std::lock_guard lock(mutex_);
    return requests_.empty() ? Message{} : requests_.back();
}

std::vector<Message> Upstream::requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
}

void Upstream::wait_for(std::size_t requests) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, patience, [&] { return requests_.size() >= requests; })) {
        throw std::runtime_error("the upstream waited for a request in vain");
    }
}

void Upstream::forget() {
    const std::lock_guard lock(mutex_);
    requests_.clear();
}

std::string response(std::string_view status_line, std::string_view fields, std::string_view body) {
    std::string out = "HTTP/1.1 " + std::string(status_line) + "\r\n" + std::string(fields);
    out += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    return out += body;
}

}  // namespace cordgate::test
