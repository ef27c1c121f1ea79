#include "proxy/io/stream.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "proxy/io/socket_calls.hpp"

namespace cordgate::proxy {
namespace {

/// All of `parts` in one piece, at the beginning of `space`.
char* gather(std::span<const iovec> parts, std::span<char> space) {
    auto* end = space.data();
    for (const auto& part : parts) {
        std::memcpy(end, part.iov_base, part.iov_len);
        end += part.iov_len;
    }
    return space.data();
}

}  // namespace

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

Stream::Stream(EventLoop& loop, Descriptor socket, ErrorSource source,
               std::unique_ptr<TlsSession> tls)
    : Deadline(loop.deadlines()),
      loop_(loop),
      socket_(std::move(socket)),
      tls_(std::move(tls)),
      source_(source) {
    if (socket_.is_open() && !start_watching()) closed_ = true;
}

Stream::~Stream() {
    loop_.forget(*this);
}

bool Stream::start_watching() {
    if (loop_.watch(socket_.get(), *this)) return true;
    error_ = errno;
    return false;
}

// --- what happens to it --------------------------------------------------------

void Stream::on_events(std::uint32_t events) {
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) peer_finished_ = true;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        readable_ = true;
        drained_maybe_ = false;
    }
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) writable_ = true;
    if (resting_ && readable_ && !has_nothing_to_read()) return close();
    // TLS may have to write in order to read, and the other way round.
    if (reading_ && (readable_ || tls_)) attempt(reading_);
    if (writing_ && (writable_ || tls_)) attempt(writing_);
    if (!peer_gone_) return;
    if (events & (EPOLLHUP | EPOLLERR)) return tell_gone();
    if (peer_finished_) set_ticking(true);
}

void Stream::on_round_end() {
    if (reading_) attempt(reading_);
    if (writing_) attempt(writing_);
}

void Stream::attempt(Operation*& slot) {
    if (!slot->attempt()) return;
    loop_.resume_soon(std::exchange(slot, nullptr)->caller_);
}

void Stream::wait(Operation*& slot, Operation& operation) {
    // Two at once would overwrite each other: better no process than that.
    if (slot) std::abort();
    slot = &operation;
}

void Stream::end_waiting(ErrorKind kind) {
    const auto* const why = kind == ErrorKind::timed_out ? "timed out" : "closed";
    for (auto* slot : {&reading_, &writing_}) {
        if (!*slot) continue;
        auto* const operation = std::exchange(*slot, nullptr);
        operation->fail({kind, source_, why});
        loop_.resume_soon(operation->caller_);
    }
}

void Stream::on_expiry() {
    if (resting_) return close();
    if (!reading_ && !writing_) return;
    expired_ = true;
    end_waiting(ErrorKind::timed_out);
}

void Stream::cancel_waiting() {
    end_waiting(ErrorKind::closed);
}

void Stream::close() {
    closed_ = true;
    loop_.forget(*this);
    socket_.close();
    end_waiting(ErrorKind::closed);
}

std::pair<Descriptor, std::unique_ptr<TlsSession>> Stream::release() {
    loop_.unwatch(socket_.get());
    loop_.forget(*this);
    closed_ = true;
    return {std::move(socket_), std::move(tls_)};
}

void Stream::abort() {
    // Zero linger: the kernel sends RST, so that a cut cannot be taken for an end.
    const linger none{1, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close();
}

void Stream::shutdown_send() {
    if (closed_) return;
    if (tls_) tls_->finish();
    ::shutdown(socket_.get(), SHUT_WR);
}

Error Stream::failure(std::string_view what) const {
    if (error_ == EMFILE || error_ == ENFILE || error_ == ENOBUFS || error_ == ENOMEM) {
        // Ours, not the peer's: the same works when others have gone.
        return {ErrorKind::unavailable, ErrorSource::gate,
                std::string(what) + ": " + std::strerror(error_)};
    }
    if (closed_) return {ErrorKind::closed, source_, std::string(what) + ": closed"};
    if (expired_) return {ErrorKind::timed_out, source_, std::string(what) + ": timed out"};
    if (tls_ && !tls_->problem().empty()) {
        return {ErrorKind::unavailable, source_, tls_->problem()};
    }
    return {ErrorKind::unavailable, source_, std::string(what) + ": " + std::strerror(error_)};
}

// --- the peer while nobody reads -------------------------------------------------

void Stream::watch_peer(std::function<void()> gone) {
    peer_gone_ = std::move(gone);
    finished_for_ = std::chrono::milliseconds(0);
    set_ticking(peer_finished_);
}

void Stream::unwatch_peer() {
    set_ticking(false);
    peer_gone_ = nullptr;
}

void Stream::tell_gone() {
    set_ticking(false);
    if (const auto gone = std::exchange(peer_gone_, nullptr)) gone();
}

/// Once the peer has finished: whether it left a next request, which wants an
/// answer first, or was reset since.
void Stream::on_tick() {
    char byte = 0;
    const auto size = receive_bytes(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
    // Of TLS there is at least its own good-bye.
    if (tls_ ? tls_->peek() == TlsSession::Step::done : size > 0) return;
    finished_for_ += Deadlines::tick;
    if (size < 0 || finished_for_ > half_close_grace) tell_gone();
}

bool Stream::has_nothing_to_read() {
    // What came in the same segment as the last answer is out of the socket already.
    if (tls_) return tls_->peek() == TlsSession::Step::again;
    char byte = 0;
    const auto size = receive_bytes(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    readable_ = size >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
    return !readable_;
}

bool Stream::is_quiet() {
    if (!is_open() || peer_finished_) return false;
    return !(tls_ || readable_ || loop_.has_news_for(*this)) || has_nothing_to_read();
}

bool Stream::is_quiet_now() {
    return is_open() && has_nothing_to_read();
}

// --- reading ---------------------------------------------------------------------

Stream::Io Stream::receive(std::span<char> into, std::size_t& size) {
    if (closed_) return Io::failed;
    if (tls_) {
        switch (tls_->read(into, size)) {
            case TlsSession::Step::done: return Io::done;
            case TlsSession::Step::again: return Io::again;
            case TlsSession::Step::ended: return Io::ended;
            case TlsSession::Step::failed: return Io::failed;
        }
    }
    for (;;) {
        const auto got = receive_bytes(socket_.get(), into.data(), into.size(), 0);
        if (got > 0) {
            size = static_cast<std::size_t>(got);
            // A short read has emptied the socket; the next byte is a new event.
            if (size < into.size() && !peer_finished_) readable_ = false;
            drained_maybe_ = size == into.size();
            return Io::done;
        }
        if (got == 0) return Io::ended;
        if (errno == EINTR) continue;
        error_ = errno;
        if (error_ != EAGAIN && error_ != EWOULDBLOCK) return Io::failed;
        readable_ = false;
        return Io::again;
    }
}

bool Stream::ReadSome::attempt() {
    std::size_t size = 0;
    if (stream_.is_known_empty()) return stream_.expired_ && fail_with("read");
    switch (stream_.receive(into_, size)) {
        case Io::again: return must_not_wait() && fail_with("read");
        case Io::failed: return fail_with("read");
        case Io::ended: break;
        case Io::done: result_ = size; break;
    }
    return true;
}

bool Stream::ReadInto::attempt() {
    std::size_t size = 0;
    if (stream_.is_known_empty()) return stream_.expired_ && fail_with("read");
    switch (stream_.receive(buffer_.prepare(room_), size)) {
        case Io::again:
            if (buffer_.empty()) buffer_.release();
            return must_not_wait() && fail_with("read");
        case Io::failed: return fail_with("read");
        case Io::ended: break;
        case Io::done:
            buffer_.commit(size);
            result_ = size;
            break;
    }
    return true;
}

bool Stream::WaitReadable::attempt() {
    if (stream_.closed_) return fail_with("wait");
    const bool readable = stream_.tls_ ? stream_.tls_->peek() != TlsSession::Step::again
                                       : stream_.readable_ && !(stream_.drained_maybe_ &&
                                                                stream_.has_nothing_to_read());
    if (readable) return true;
    return stream_.expired_ && fail_with("wait");
}

// --- writing ---------------------------------------------------------------------

Stream::Io Stream::send(std::span<const std::string_view> parts, std::size_t offset, More more,
                        std::size_t& size) {
    if (closed_) return Io::failed;
    if (tls_) return send_tls(parts, offset, size);
    // What is small is cheaper to put together than to describe to the kernel.
    constexpr std::size_t small = 2048;
    std::array<iovec, 24> vectors;
    std::size_t count = 0;
    std::size_t total = 0;
    for (auto part : parts) {
        part.remove_prefix(std::exchange(offset, 0));
        if (part.empty()) continue;
        vectors[count++] = {const_cast<char*>(part.data()), part.size()};
        total += part.size();
        if (count == vectors.size()) break;
    }
    if (count > 1 && total <= small) {
        vectors[0] = {gather(std::span(vectors.data(), count), loop_.record_space()), total};
        count = 1;
    }
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    const int flags = more == More::follows ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL;
    for (;;) {
        const auto sent =
            count == 1 ? send_bytes(socket_.get(), vectors[0].iov_base, vectors[0].iov_len, flags)
                       : ::sendmsg(socket_.get(), &message, flags);
        if (sent >= 0) {
            size = static_cast<std::size_t>(sent);
            return Io::done;
        }
        if (errno == EINTR) continue;
        error_ = errno;
        if (error_ != EAGAIN && error_ != EWOULDBLOCK) return Io::failed;
        writable_ = false;
        return Io::again;
    }
}

/// One record for what fits into one: a head and its body travel together.
Stream::Io Stream::send_tls(std::span<const std::string_view> parts, std::size_t offset,
                            std::size_t& size) {
    const auto space = loop_.record_space();
    std::size_t gathered = 0;
    for (auto part : parts) {
        part.remove_prefix(std::exchange(offset, 0));
        const auto taken = std::min(part.size(), space.size() - gathered);
        if (taken > 0) std::memcpy(space.data() + gathered, part.data(), taken);
        gathered += taken;
        if (gathered == space.size()) break;
    }
    switch (tls_->write({space.data(), gathered}, size)) {
        case TlsSession::Step::done: return Io::done;
        case TlsSession::Step::again: return Io::again;
        default: return Io::failed;
    }
}

bool Stream::Write::attempt_now_or_with_others() {
    auto& loop = stream_.loop_;
    if (must_not_wait()) return attempt();
    if (!stream_.has_share_left()) return put_off();
    if (!loop.has_more_events()) return attempt();
    loop.at_round_end(stream_);
    return false;
}

bool Stream::Write::attempt() {
    for (;;) {
        while (!parts_.empty() && offset_ == parts_.front().size()) {
            parts_ = parts_.subspan(1);
            offset_ = 0;
        }
        if (parts_.empty()) return true;
        std::size_t size = 0;
        switch (stream_.send(parts_, offset_, more_, size)) {
            case Io::again: return must_not_wait() && fail_with("write");
            case Io::ended:
            case Io::failed: return fail_with("write");
            case Io::done: break;
        }
        stream_.renew();
        while (size > 0) {
            const auto sent = std::min(size, parts_.front().size() - offset_);
            size -= sent;
            offset_ += sent;
            if (offset_ < parts_.front().size()) break;
            parts_ = parts_.subspan(1);
            offset_ = 0;
        }
    }
}

// --- beginning -------------------------------------------------------------------

/// True when it failed at once.
bool Stream::Connect::begin() {
    const auto* const address = address_.get();
    auto& socket = stream_.socket_;
    socket =
        Descriptor(::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) {
        stream_.error_ = errno;
        return true;
    }
    if (!address_.is_unix()) configure_tcp(socket.get());
    if (::connect(socket.get(), address, address_.size) != 0) {
        stream_.error_ = errno;
        if (errno != EINPROGRESS) return true;
        stream_.writable_ = false;
    }
    return !stream_.start_watching();
}

bool Stream::Connect::attempt() {
    if (stream_.closed_) return fail_with("connect");
    if (!std::exchange(begun_, true) && begin()) return fail_with("connect");
    if (!stream_.writable_) return stream_.expired_ && fail_with("connect");
    socklen_t size = sizeof stream_.error_;
    ::getsockopt(stream_.socket_.get(), SOL_SOCKET, SO_ERROR, &stream_.error_, &size);
    return stream_.error_ == 0 || fail_with("connect");
}

bool Stream::Handshake::attempt() {
    if (stream_.closed_) return fail_with("TLS handshake");
    switch (stream_.tls_->handshake()) {
        case TlsSession::Step::done: return true;
        case TlsSession::Step::again: return must_not_wait() && fail_with("TLS handshake");
        default: return fail_with("TLS handshake");
    }
}

// --- what it offers ----------------------------------------------------------------

Stream::Connect Stream::connect(const SocketAddress& address) {
    return {*this, address};
}
Stream::Handshake Stream::accept_tls(const TlsContext& context) {
    tls_ = std::make_unique<TlsSession>(context, socket_.get());
    return Handshake(*this);
}
Stream::Handshake Stream::connect_tls(const TlsContext& context, const std::string& server_name,
                                      bool verify) {
    tls_ = std::make_unique<TlsSession>(context, socket_.get(), server_name, verify);
    return Handshake(*this);
}
bool Stream::give_up_tls() {
    if (!tls_ || !tls_->heard_plain_http() || !is_open()) return false;
    tls_.reset();
    return true;
}
Stream::ReadSome Stream::read_some(std::span<char> into) {
    return {*this, into};
}
Stream::ReadInto Stream::read_into(Buffer& buffer, std::size_t room) {
    return {*this, buffer, room};
}
Stream::WaitReadable Stream::wait_readable() {
    return WaitReadable(*this);
}
Stream::Write Stream::write(std::span<const std::string_view> parts, More more) {
    return {*this, parts, more};
}
Stream::Write Stream::write(std::string_view bytes) {
    return {*this, bytes};
}

}  // namespace cordgate::proxy
