#pragma once

#include <sys/uio.h>

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/result.hpp"
#include "proxy/asio.hpp"
#include "proxy/deadlines.hpp"

namespace boost::asio::ssl {
class context;
template <typename Stream>
class stream;
}  // namespace boost::asio::ssl

namespace cordgate::proxy {

/// No delay for small writes, and keep-alive probes.
void configure_tcp(int descriptor);

/// A byte stream to a client or an upstream: TCP or unix, plain or TLS.
///
/// Lives on one worker's thread. At most one read and one write may be waiting
/// at a time. Errors carry the source given at construction and the kinds
/// timed_out (the deadline passed), closed (aborted by us) or unavailable (the
/// peer is gone). After an error the stream is of no further use.
class Stream final : private Deadline {
public:
    Stream(Socket socket, Deadlines& deadlines, ErrorSource source);
    ~Stream() override;

    Socket& socket() { return socket_; }
    bool is_tls() const { return tls_ != nullptr; }

    /// Opens the socket and connects it.
    Awaitable<Result<void>> connect(const asio::generic::stream_protocol::endpoint& endpoint);
    /// TLS from here on. `server_name` for SNI and verification (RFC 9525).
    Awaitable<Result<void>> accept_tls(asio::ssl::context& context);
    Awaitable<Result<void>> connect_tls(asio::ssl::context& context, const std::string& server_name,
                                        bool verify);

    /// Resolves with at least one byte; 0 means that the peer has finished.
    Awaitable<Result<std::size_t>> read_some(std::span<char> into);
    /// Returns when a plain stream has something to read, or was closed.
    Awaitable<Result<void>> wait_readable();
    /// Writes all of the parts, in order.
    Awaitable<Result<void>> write(std::span<const std::string_view> parts);
    Awaitable<Result<void>> write(std::string_view bytes);

    /// An operation that still waits when this passes fails with timed_out; a
    /// deadline that passes while nothing waits is forgotten.
    using Deadline::expires_after;
    using Deadline::expires_never;

    /// No more from us; the peer sees the end (TLS: close_notify first).
    Awaitable<void> shutdown_send();
    /// Ends whatever is waiting, with `closed`; the stream can still be written.
    void cancel_waiting();
    /// Ends whatever is waiting, with `closed`, and closes.
    void close();
    /// Like close, but the peer sees a reset: what it got is not complete.
    void abort();
    bool is_open() const { return socket_.is_open() && !broken_; }

    /// While nothing is read from the peer: `gone` is called, once, when it has reset
    /// the connection, or finished sending for longer than `half_close_grace`. Nothing
    /// else would notice before the next write. A client that closes its sending side
    /// on purpose keeps that long to get its answer.
    void watch_peer(std::function<void()> gone);
    void unwatch_peer();
    static constexpr std::chrono::seconds half_close_grace{1};

    /// Nothing to read and not closed by the peer: fit for another request.
    bool is_quiet();

private:
    void on_expiry() override;
    void on_tick() override;
    Error failure(std::string_view what, error_code error) const;
    Awaitable<Result<void>> wait(Socket::wait_type what);
    Awaitable<Result<void>> write_plain(std::span<iovec> vectors);
    Awaitable<Result<void>> write_tls(std::span<const std::string_view> parts);

    /// Counts the operations that wait, for on_expiry.
    struct Waiting {
        explicit Waiting(int& count) : count_(count) { ++count_; }
        Waiting(const Waiting&) = delete;
        Waiting& operator=(const Waiting&) = delete;
        ~Waiting() { --count_; }
        int& count_;
    };

    using TlsStream = asio::ssl::stream<Socket&>;

    Socket socket_;
    std::unique_ptr<TlsStream> tls_;
    ErrorSource source_;
    std::function<void()> peer_gone_;
    std::chrono::milliseconds finished_for_{0};
    int waiting_ = 0;
    bool expired_ = false;
    bool broken_ = false;
};

}  // namespace cordgate::proxy
