#pragma once

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include "proxy/http/chunked.hpp"
#include "proxy/http/head.hpp"
#include "proxy/io/deadlines.hpp"
#include "proxy/io/stream.hpp"
#include "tests/support/net.hpp"

namespace cordgate::proxy::test {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using cordgate::test::patience;

// --- parsers -----------------------------------------------------------------

/// What became of bytes: refused with a status, accepted, or still waiting.
constexpr int accepted = 0;
constexpr int incomplete = -1;

struct Outcome {
    int status = incomplete;
    std::size_t size = 0;  ///< of the head, or of the coded body
    std::string data;      ///< of a decoded body
    std::string reason;    ///< of a refusal

    bool operator==(const Outcome& other) const {
        return status == other.status && size == other.size && data == other.data;
    }
};

/// Scans `bytes` as they come, `step` at a time, and parses the head found.
template <class Parse>
Outcome scan_and_parse(std::string_view bytes, std::size_t step, const http::HeadLimits& limits,
                       Parse parse) {
    http::HeadScanner scanner;
    Outcome out;
    for (std::size_t end = std::min(step, bytes.size());;
         end = std::min(end + step, bytes.size())) {
        const auto found = scanner.scan(bytes.substr(0, end), limits);
        auto refusal = found.refusal;
        if (!refusal && found.size > 0) {
            refusal = parse(bytes.substr(0, found.size));
            out.size = found.size;
            out.status = accepted;
        }
        if (refusal) return {refusal->status, 0, {}, std::string(refusal->reason)};
        if (out.status == accepted || end == bytes.size()) return out;
    }
}

inline Outcome feed_request(std::string_view bytes, std::size_t step,
                            const http::HeadLimits& limits = {}) {
    return scan_and_parse(bytes, step, limits, [&](std::string_view head) {
        http::RequestHead out;
        return http::parse_request_head(head, limits, out);
    });
}

inline Outcome feed_response(std::string_view bytes, std::size_t step,
                             const http::HeadLimits& limits = {}) {
    return scan_and_parse(bytes, step, limits, [&](std::string_view head) {
        http::ResponseHead out;
        return http::parse_response_head(head, limits, "GET", out);
    });
}

/// Decodes `bytes` as they come, `step` at a time; keeps what was not consumed.
inline Outcome feed_chunked(std::string_view bytes, std::size_t step) {
    http::ChunkedDecoder decoder;
    Outcome out;
    std::size_t end = 0;
    do {
        end = std::min(end + step, bytes.size());
        for (;;) {
            const auto got = decoder.next(bytes.substr(out.size, end - out.size));
            if (got.refusal) return {got.refusal->status, 0, {}, std::string(got.refusal->reason)};
            out.data += got.data;
            out.size += got.consumed;
            if (got.done) {
                out.status = accepted;
                return out;
            }
            if (got.consumed == 0) break;
        }
    } while (end < bytes.size());
    return out;
}

/// A head that owns its bytes, for what is judged behind the parser.
struct OwnedRequest {
    explicit OwnedRequest(std::string_view lines, std::string_view start = "GET / HTTP/1.1")
        : bytes(std::string(start) + "\r\nHost: app.example.com\r\n" + std::string(lines) +
                "\r\n") {
        const auto refusal = http::parse_request_head(bytes, {}, head);
        REQUIRE_MESSAGE(!refusal, (refusal ? refusal->reason : ""));
    }
    OwnedRequest(const OwnedRequest&) = delete;
    OwnedRequest& operator=(const OwnedRequest&) = delete;

    std::string bytes;
    http::RequestHead head;
};

// --- streams -----------------------------------------------------------------

/// What a coroutine returned, or nothing yet.
template <class T>
struct Pending {
    std::optional<T> value;
    std::exception_ptr thrown;
};

template <class T>
Task<void> keep(Task<T> work, Pending<T>& pending) {
    try {
        pending.value.emplace(co_await work);
    } catch (...) {
        pending.thrown = std::current_exception();
    }
}

/// Lets the loop run until `done`, for as long as patience lasts.
template <class Done>
bool run_until(EventLoop& loop, Done done) {
    for (const auto end = SteadyClock::now() + patience; !done();) {
        if (SteadyClock::now() > end) return false;
        loop.run_once(100ms);
    }
    return true;
}

/// So many sweeps of the deadlines.
inline void run_for_ticks(EventLoop& loop, int ticks) {
    const auto end = SteadyClock::now() + ticks * Deadlines::tick;
    while (SteadyClock::now() < end) loop.run_once(Deadlines::tick);
}

/// Starts `work` and lets it come to where it waits. `pending` must outlive it.
template <class T>
void start(EventLoop& loop, Task<T> work, Pending<T>& pending) {
    loop.spawn(keep(std::move(work), pending));
    loop.run_once(0ms);
}

/// Lets it come to its end, and returns what it returned.
template <class T>
T finish(EventLoop& loop, Pending<T>& pending) {
    const bool ended = run_until(loop, [&] { return pending.value || pending.thrown; });
    REQUIRE_MESSAGE(ended, "the coroutine never ended");
    if (pending.thrown) std::rethrow_exception(pending.thrown);
    return std::move(*pending.value);
}

template <class T>
T run(EventLoop& loop, Task<T> work) {
    Pending<T> pending;
    start(loop, std::move(work), pending);
    return finish(loop, pending);
}

/// The far end of a TCP connection, used directly: what it does has happened
/// when the call returns.
class Peer {
public:
    explicit Peer(int handle) : handle_(handle) {
        const timeval limit{patience.count(), 0};
        ::setsockopt(handle_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    ~Peer() { close(); }

    void send(std::string_view bytes) const {
        if (bytes.empty()) return;
        REQUIRE(::send(handle_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(bytes.size()));
    }
    /// Exactly so many bytes, or fewer at the end of the stream.
    std::string receive(std::size_t size) const {
        std::string all(size, '\0');
        std::size_t got = 0;
        while (got < size) {
            const auto more = ::recv(handle_, all.data() + got, size - got, 0);
            if (more <= 0) break;
            got += static_cast<std::size_t>(more);
        }
        all.resize(got);
        return all;
    }
    /// How the stream ends after what was received: 0, or an errno.
    int ending() const {
        char byte = 0;
        const auto size = ::recv(handle_, &byte, 1, 0);
        return size < 0 ? errno : size == 0 ? 0 : -1;
    }
    /// An orderly end: the other side reads 0 bytes.
    void finish() const { ::shutdown(handle_, SHUT_WR); }
    /// The other side's next operation fails.
    void reset() {
        const linger none{1, 0};
        ::setsockopt(handle_, SOL_SOCKET, SO_LINGER, &none, sizeof none);
        close();
    }
    void close() {
        if (handle_ >= 0) ::close(handle_);
        handle_ = -1;
    }

private:
    int handle_;
};

struct TcpHandles {
    int near, far;
};

/// Two ends of a connection on loopback, by way of a port that the kernel chose.
inline TcpHandles connect_tcp() {
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(listener, any, size) == 0);
    REQUIRE(::listen(listener, 1) == 0);
    REQUIRE(::getsockname(listener, any, &size) == 0);
    const int far = ::socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(::connect(far, any, size) == 0);
    const int near = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    REQUIRE(near >= 0);
    ::close(listener);
    return {near, far};
}

/// An event loop with a Stream on it, and the stream's peer.
struct Pair {
    explicit Pair(ErrorSource source = ErrorSource::client) : Pair(source, connect_tcp()) {}

    EventLoop loop;
    Peer peer;
    Stream stream;

private:
    Pair(ErrorSource source, TcpHandles handles)
        : peer(handles.far), stream(loop, Descriptor(handles.near), source) {
        loop.run_once(0ms);  // what is ready at the start is known
    }
};

}  // namespace cordgate::proxy::test
