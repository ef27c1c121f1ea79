#include "proxy/acceptor.hpp"

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "proxy/access_log.hpp"

namespace cordgate::proxy {

Acceptor::Acceptor(EventLoop& loop, ListeningSocket socket, Admit admit,
                   std::function<bool()> has_room, std::function<void()> shed)
    : Deadline(loop.deadlines()),
      loop_(loop),
      socket_(socket.release()),
      admit_(std::move(admit)),
      has_room_(std::move(has_room)),
      shed_(std::move(shed)) {
    if (!loop_.watch_listener(socket_.get(), *this)) {
        throw std::runtime_error(std::string("cannot watch a listening socket: ") +
                                 std::strerror(errno));
    }
}

void Acceptor::close() {
    // Another loop may have the same socket open: closing ours does not end the watch.
    if (socket_.is_open()) loop_.unwatch(socket_.get());
    loop_.forget(*this);
    expires_never();
    socket_.close();
}

void Acceptor::on_events(std::uint32_t) {
    constexpr int batch = 64;  // then those who are served already have a turn
    for (int i = 0; i < batch; ++i) {
        if (!has_room_()) return pause(EMFILE);
        sockaddr_storage from{};
        socklen_t size = sizeof from;
        Descriptor client(::accept4(socket_.get(), reinterpret_cast<sockaddr*>(&from), &size,
                                    SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (client.is_open()) {
            admit_(std::move(client), from);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return say_recovered();
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            return pause(errno);
        }
    }
}

/// Out of descriptors or memory: what is served goes on, new clients wait in the
/// kernel's queue, and the log says so once in a while instead of at full speed.
void Acceptor::pause(int error) {
    last_pause_ = loop_.now();
    if (loop_.now() - last_complaint_ > complaint_pause) {
        last_complaint_ = loop_.now();
        complained_ = true;
        log_error("accept",
                  std::string(std::strerror(error)) + "; new clients wait until others have gone");
    }
    shed_();
    loop_.unwatch(socket_.get());
    expires_after(std::chrono::milliseconds(0));
}

void Acceptor::say_recovered() {
    if (!complained_ || loop_.now() - last_pause_ < complaint_pause) return;
    complained_ = false;
    log_info("accept", "there are descriptors again; no client has to wait");
}

void Acceptor::on_expiry() {
    if (!loop_.watch_listener(socket_.get(), *this)) pause(errno);
}

}  // namespace cordgate::proxy
