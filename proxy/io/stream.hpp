#pragma once

#include <sys/socket.h>

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/result.hpp"
#include "proxy/io/buffer.hpp"
#include "proxy/io/event_loop.hpp"
#include "proxy/io/tls.hpp"

namespace cordgate::proxy {

/// Where to connect to: TCP or unix.
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;

    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
    bool is_unix() const { return storage.ss_family == AF_UNIX; }
};

/// No delay for small writes, and keep-alive probes. A listener hands both on to
/// the connections that it accepts.
void configure_tcp(int descriptor);

/// A byte stream to a client or an upstream: TCP or unix, plain or TLS.
///
/// Lives on one event loop's thread. What it offers is awaited where it is called
/// (`co_await stream.read_some(...)`): without a coroutine of its own, and without
/// suspending when it need not wait. At most one reading and one writing operation
/// may be under way. Errors carry the source given at construction and the kinds
/// timed_out (the deadline passed), closed (ended by us) or unavailable (the peer
/// is gone). After an error the stream is of no further use.
class Stream final : private Watcher, private Deadline {
public:
    class Operation;
    template <class T>
    class Resulting;
    class ReadSome;
    class ReadInto;
    class WaitReadable;
    class Write;
    class Connect;
    class Handshake;

    /// `socket` is connected and non-blocking; or not open yet, for `connect`. `tls`:
    /// what `release` gave, with the socket.
    Stream(EventLoop& loop, Descriptor socket, ErrorSource source,
           std::unique_ptr<TlsSession> tls = nullptr);
    ~Stream();

    bool is_tls() const { return tls_ != nullptr; }

    /// Opens a socket and connects it.
    Connect connect(const SocketAddress& address);
    /// TLS from here on. `server_name` for SNI and verification (RFC 9525).
    Handshake accept_tls(const TlsContext& context);
    Handshake connect_tls(const TlsContext& context, const std::string& server_name, bool verify);
    /// After a handshake that failed because the peer speaks HTTP without TLS: true, and
    /// what is written from now on is not encrypted, so that it can be told.
    bool give_up_tls();

    /// Resolves with at least one byte; 0 means that the peer has finished.
    ReadSome read_some(std::span<char> into);
    /// The same into a buffer, which is asked for room once there is something to
    /// read: what waits holds no memory.
    ReadInto read_into(Buffer& buffer, std::size_t room);
    /// Resolves when there is something to read, or the end.
    WaitReadable wait_readable();
    /// Writes all of the parts, in order; they and the span must outlive it. Where other
    /// events wait to be dealt with, what comes of them is written at the same time:
    /// whoever reads it is woken up once, and finds more to do.
    /// `More::follows`: the caller has more to write at once, so the kernel may keep what
    /// does not fill a packet, for as long as others are under way.
    enum class More { comes_later, follows };
    Write write(std::span<const std::string_view> parts, More more = More::comes_later);
    Write write(std::string_view bytes);

    /// An operation that still waits when this passes fails with timed_out; a
    /// deadline that passes while nothing waits is forgotten.
    using Deadline::expires_after;
    using Deadline::expires_never;

    /// No more from us; the peer sees the end (TLS: close_notify first).
    void shutdown_send();
    /// Ends whatever is waiting, with `closed`; the stream can still be written.
    void cancel_waiting();
    /// Ends whatever is waiting, with `closed`, and closes.
    void close();
    /// Like close, but the peer sees a reset: what it got is not complete.
    void abort();
    bool is_open() const { return socket_.is_open() && !closed_; }
    /// Gives the connection away, for a stream of another loop. Nothing may wait.
    std::pair<Descriptor, std::unique_ptr<TlsSession>> release();

    /// While nothing is read from the peer: `gone` is called, once, when it has reset
    /// the connection, or finished sending for longer than `half_close_grace`. Nothing
    /// else would notice before the next write. A client that closes its sending side
    /// on purpose keeps that long to get its answer.
    void watch_peer(std::function<void()> gone);
    void unwatch_peer();
    static constexpr std::chrono::seconds half_close_grace{1};

    /// While a stream rests, whatever comes over it closes it, since nobody asked,
    /// and so does its deadline.
    void set_resting(bool resting) { resting_ = resting; }
    /// Nothing to read and not closed by the peer, as far as the last poll told:
    /// fit for another request.
    bool is_quiet();
    /// The same, asking the kernel.
    bool is_quiet_now();
    /// The last read took all that it had room for, so there is probably more.
    bool has_probably_more() const { return drained_maybe_ && !tls_; }

private:
    enum class Io { done, again, ended, failed };

    void on_events(std::uint32_t events) override;
    void on_round_end() override;
    /// Counts what is asked of it. Who never has to wait, like a client that sends requests
    /// without a pause, would keep its thread from everybody else.
    bool has_share_left() {
        constexpr std::uint32_t share = 16;
        const auto round = static_cast<std::uint32_t>(loop_.passes());
        if (std::exchange(round_, round) != round) operations_ = 0;
        return ++operations_ <= share;
    }
    void on_expiry() override;
    void on_tick() override;

    bool start_watching();
    void attempt(Operation*& slot);
    void wait(Operation*& slot, Operation& operation);
    void end_waiting(ErrorKind kind);
    /// A read would find nothing; TLS may hold something of its own.
    bool is_known_empty() const { return !closed_ && !tls_ && !readable_; }
    Io receive(std::span<char> into, std::size_t& size);
    Io send(std::span<const std::string_view> parts, std::size_t offset, More more,
            std::size_t& size);
    Io send_tls(std::span<const std::string_view> parts, std::size_t offset, std::size_t& size);
    bool has_nothing_to_read();
    void tell_gone();
    Error failure(std::string_view what) const;

    EventLoop& loop_;
    Descriptor socket_;
    std::unique_ptr<TlsSession> tls_;
    Operation* reading_ = nullptr;
    Operation* writing_ = nullptr;
    std::function<void()> peer_gone_;
    std::chrono::milliseconds finished_for_{0};
    int error_ = 0;  ///< errno of what failed
    std::uint32_t round_ = 0;
    std::uint32_t operations_ = 0;  ///< in that round
    ErrorSource source_;
    bool readable_ = false;
    bool drained_maybe_ = false;  ///< readable_ is a guess: the last read was a full one
    bool writable_ = true;
    bool peer_finished_ = false;  ///< or has reset: an end is to be read
    bool expired_ = false;
    bool closed_ = false;
    bool resting_ = false;
};

/// What a stream is asked to do and may have to wait for. Lives in the frame of
/// the coroutine that awaits it.
class Stream::Operation {
public:
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;

    bool await_ready() { return stream_.has_share_left() ? attempt() : put_off(); }
    void await_suspend(std::coroutine_handle<> caller) {
        caller_ = caller;
        stream_.wait(slot_, *this);
    }

protected:
    Operation(Stream& stream, Operation* Stream::*slot) : stream_(stream), slot_(stream.*slot) {}
    virtual ~Operation() = default;

    /// Tries once. True: it is over, and has its result.
    virtual bool attempt() = 0;
    virtual void fail(Error error) = 0;
    bool fail_with(std::string_view what) {
        fail(stream_.failure(what));
        return true;
    }
    /// Waits for the next round although it need not. False: it is not over.
    bool put_off() {
        stream_.loop_.at_next_round_end(stream_);
        return false;
    }
    bool must_not_wait() const { return stream_.closed_ || stream_.expired_; }

    Stream& stream_;

private:
    friend class Stream;

    Operation*& slot_;
    std::coroutine_handle<> caller_;
};

/// An operation whose outcome is a Result<T>.
template <class T>
class Stream::Resulting : public Operation {
public:
    Result<T> await_resume() { return std::move(result_); }

protected:
    Resulting(Stream& stream, Operation* Stream::*slot, Result<T> outcome)
        : Operation(stream, slot), result_(std::move(outcome)) {}
    ~Resulting() override = default;

    Result<T> result_;

private:
    void fail(Error error) final { result_ = std::move(error); }
};

class Stream::ReadSome final : public Resulting<std::size_t> {
public:
    ReadSome(Stream& stream, std::span<char> into)
        : Resulting(stream, &Stream::reading_, 0), into_(into) {}

private:
    bool attempt() override;

    std::span<char> into_;
};

class Stream::ReadInto final : public Resulting<std::size_t> {
public:
    ReadInto(Stream& stream, Buffer& buffer, std::size_t room)
        : Resulting(stream, &Stream::reading_, 0), buffer_(buffer), room_(room) {}

private:
    bool attempt() override;

    Buffer& buffer_;
    std::size_t room_;
};

class Stream::WaitReadable final : public Resulting<void> {
public:
    explicit WaitReadable(Stream& stream) : Resulting(stream, &Stream::reading_, {}) {}

private:
    bool attempt() override;
};

class Stream::Write final : public Resulting<void> {
public:
    Write(Stream& stream, std::span<const std::string_view> parts, More more)
        : Resulting(stream, &Stream::writing_, {}), parts_(parts), more_(more) {}
    Write(Stream& stream, std::string_view bytes)
        : Resulting(stream, &Stream::writing_, {}), only_(bytes), parts_(&only_, 1) {}

    bool await_ready() { return attempt_now_or_with_others(); }

private:
    bool attempt_now_or_with_others();
    bool attempt() override;

    std::string_view only_;
    std::span<const std::string_view> parts_;
    More more_ = More::comes_later;
    std::size_t offset_ = 0;  ///< sent of the first part
};

class Stream::Connect final : public Resulting<void> {
public:
    Connect(Stream& stream, const SocketAddress& address)
        : Resulting(stream, &Stream::writing_, {}), address_(address) {}

private:
    bool attempt() override;
    bool begin();

    const SocketAddress& address_;
    bool begun_ = false;
};

class Stream::Handshake final : public Resulting<void> {
public:
    explicit Handshake(Stream& stream) : Resulting(stream, &Stream::reading_, {}) {}

private:
    bool attempt() override;
};

}  // namespace cordgate::proxy
