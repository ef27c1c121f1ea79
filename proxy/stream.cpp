#include "proxy/stream.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "proxy/tls.hpp"

namespace cordgate::proxy {

void configure_tcp(int descriptor) {
    const auto set = [&](int level, int option, int value) {
        ::setsockopt(descriptor, level, option, &value, sizeof value);
    };
    set(IPPROTO_TCP, TCP_NODELAY, 1);
    // A peer that vanished without a word is noticed after about two minutes, or a
    // silent tunnel would hold its descriptors for ever.
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, 60);
    set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
    set(IPPROTO_TCP, TCP_KEEPCNT, 6);
}

Stream::Stream(Socket socket, Deadlines& deadlines, ErrorSource source)
    : Deadline(deadlines), socket_(std::move(socket)), source_(source) {
    error_code ignored;
    socket_.native_non_blocking(true, ignored);
}

Stream::~Stream() = default;

Error Stream::failure(std::string_view what, error_code error) const {
    if (expired_) return {ErrorKind::timed_out, source_, std::string(what) + ": timed out"};
    if (error == asio::error::operation_aborted) {
        return {ErrorKind::closed, source_, std::string(what) + ": closed"};
    }
    return {ErrorKind::unavailable, source_, std::string(what) + ": " + error.message()};
}

void Stream::on_expiry() {
    if (waiting_ == 0) return;
    expired_ = true;
    error_code ignored;
    socket_.cancel(ignored);
}

void Stream::watch_peer(std::function<void()> gone) {
    peer_gone_ = std::move(gone);
    finished_for_ = std::chrono::milliseconds(0);
    set_ticking(true);
}

void Stream::unwatch_peer() {
    set_ticking(false);
    peer_gone_ = nullptr;
}

void Stream::on_tick() {
    char byte = 0;
    const auto size = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (size > 0) return;  // the next request; what is behind it cannot be seen
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
    finished_for_ += Deadlines::tick;
    if (size == 0 && finished_for_ <= half_close_grace) return;
    const auto gone = std::exchange(peer_gone_, nullptr);
    set_ticking(false);
    if (gone) gone();
}

Awaitable<Result<void>> Stream::wait(Socket::wait_type what) {
    if (expired_ || broken_) co_return failure("wait", asio::error::operation_aborted);
    const Waiting waiting(waiting_);
    const auto [error] = co_await socket_.async_wait(what, as_result);
    if (error || broken_) co_return failure("wait", error ? error : asio::error::operation_aborted);
    co_return Result<void>{};
}

Awaitable<Result<void>> Stream::wait_readable() {
    if (tls_) co_return Result<void>{};
    co_return co_await wait(Socket::wait_read);
}

Awaitable<Result<std::size_t>> Stream::read_some(std::span<char> into) {
    if (tls_) {
        const auto buffer = asio::buffer(into.data(), into.size());
        const Waiting waiting(waiting_);
        const auto [error, size] = co_await tls_->async_read_some(buffer, as_result);
        if (!error) co_return size;
        // Without close_notify the end may be an attacker's (RFC 9112, 9.8).
        if (error == asio::error::eof) co_return std::size_t{0};
        co_return failure("read", error);
    }
    for (;;) {
        if (broken_) co_return failure("read", asio::error::operation_aborted);
        const auto size = ::recv(socket_.native_handle(), into.data(), into.size(), 0);
        if (size >= 0) co_return static_cast<std::size_t>(size);
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            co_return failure("read", error_code(errno, boost::system::system_category()));
        }
        const auto ready = co_await wait(Socket::wait_read);
        if (!ready) co_return ready.error();
    }
}

Awaitable<Result<void>> Stream::write(std::string_view bytes) {
    const std::array<std::string_view, 1> parts{bytes};
    co_return co_await write(std::span<const std::string_view>(parts));
}

Awaitable<Result<void>> Stream::write(std::span<const std::string_view> parts) {
    if (tls_) co_return co_await write_tls(parts);
    std::array<iovec, 8> vectors{};
    std::size_t count = 0;
    for (const auto part : parts) {
        if (part.empty()) continue;
        if (count == vectors.size()) {
            const auto sent = co_await write_plain(std::span(vectors.data(), count));
            if (!sent) co_return sent.error();
            count = 0;
        }
        vectors[count++] = {const_cast<char*>(part.data()), part.size()};
    }
    co_return co_await write_plain(std::span(vectors.data(), count));
}

Awaitable<Result<void>> Stream::write_plain(std::span<iovec> vectors) {
    while (!vectors.empty()) {
        if (broken_) co_return failure("write", asio::error::operation_aborted);
        msghdr message{};
        message.msg_iov = vectors.data();
        message.msg_iovlen = vectors.size();
        const auto size = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL);
        if (size < 0) {
            if (errno == EINTR) continue;
            if (errno != EAGAIN && errno != EWOULDBLOCK) {
                co_return failure("write", error_code(errno, boost::system::system_category()));
            }
            const auto ready = co_await wait(Socket::wait_write);
            if (!ready) co_return ready.error();
            continue;
        }
        auto sent = static_cast<std::size_t>(size);
        renew();
        while (!vectors.empty() && sent >= vectors.front().iov_len) {
            sent -= vectors.front().iov_len;
            vectors = vectors.subspan(1);
        }
        if (!vectors.empty()) {
            vectors.front().iov_base = static_cast<char*>(vectors.front().iov_base) + sent;
            vectors.front().iov_len -= sent;
        }
    }
    co_return Result<void>{};
}

Awaitable<Result<void>> Stream::write_tls(std::span<const std::string_view> parts) {
    for (const auto part : parts) {
        if (part.empty()) continue;
        const auto buffer = asio::buffer(part.data(), part.size());
        const Waiting waiting(waiting_);
        const auto [error, size] = co_await asio::async_write(*tls_, buffer, as_result);
        if (error) co_return failure("write", error);
    }
    co_return Result<void>{};
}

Awaitable<Result<void>> Stream::connect(const asio::generic::stream_protocol::endpoint& endpoint) {
    error_code error;
    socket_.open(endpoint.protocol(), error);
    if (!error) socket_.native_non_blocking(true, error);
    if (error) co_return failure("socket", error);
    const Waiting waiting(waiting_);
    const auto [failed] = co_await socket_.async_connect(endpoint, as_result);
    if (failed) co_return failure("connect", failed);
    if (endpoint.protocol().family() != AF_UNIX) configure_tcp(socket_.native_handle());
    co_return Result<void>{};
}

Awaitable<Result<void>> Stream::accept_tls(asio::ssl::context& context) {
    tls_ = std::make_unique<TlsStream>(socket_, context);
    const Waiting waiting(waiting_);
    const auto [error] = co_await tls_->async_handshake(asio::ssl::stream_base::server, as_result);
    if (error) co_return failure("TLS handshake", error);
    co_return Result<void>{};
}

Awaitable<Result<void>> Stream::connect_tls(asio::ssl::context& context,
                                            const std::string& server_name, bool verify) {
    tls_ = std::make_unique<TlsStream>(socket_, context);
    set_server_name(*tls_->native_handle(), server_name);
    if (verify) {
        error_code ignored;
        tls_->set_verify_mode(asio::ssl::verify_peer, ignored);
        tls_->set_verify_callback(asio::ssl::host_name_verification(server_name), ignored);
    }
    const Waiting waiting(waiting_);
    const auto [error] = co_await tls_->async_handshake(asio::ssl::stream_base::client, as_result);
    if (error) co_return failure("TLS handshake", error);
    co_return Result<void>{};
}

Awaitable<void> Stream::shutdown_send() {
    if (tls_ && !broken_) {
        // Sends close_notify and waits for the peer's; the deadline bounds it.
        const Waiting waiting(waiting_);
        co_await tls_->async_shutdown(as_result);
    }
    error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
}

void Stream::cancel_waiting() {
    error_code ignored;
    socket_.cancel(ignored);
}

void Stream::close() {
    broken_ = true;
    error_code ignored;
    socket_.close(ignored);
}

void Stream::abort() {
    error_code ignored;
    // Zero linger: the kernel sends RST, so that a cut cannot be taken for an end.
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    close();
}

bool Stream::is_quiet() {
    if (!is_open()) return false;
    // What came in the same segment as the last answer is out of the socket already.
    if (tls_ && !is_drained(*tls_->native_handle())) return false;
    char byte = 0;
    const auto size = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace cordgate::proxy
