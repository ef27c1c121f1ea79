#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include "proxy/asio.hpp"
#include "proxy/deadlines.hpp"
#include "proxy/http/chunked.hpp"
#include "proxy/http/head.hpp"
#include "proxy/stream.hpp"

namespace cordgate::proxy::test {

using namespace std::chrono_literals;
using namespace std::string_view_literals;

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

/// Drives `work` to its end and returns what it returned.
template <class T>
T run(asio::io_context& io, Awaitable<T> work) {
    std::optional<T> result;
    std::exception_ptr thrown;
    asio::co_spawn(io, std::move(work), [&](std::exception_ptr failed, T value) {
        thrown = failed;
        if (!failed) result.emplace(std::move(value));
    });
    io.restart();
    while (!result && !thrown && io.run_one_for(10s) > 0) {
    }
    if (thrown) std::rethrow_exception(thrown);
    REQUIRE_MESSAGE(result.has_value(), "the coroutine never ended");
    return std::move(*result);
}

/// The far end of a socket pair, used directly: what it does has happened when
/// the call returns.
class Peer {
public:
    explicit Peer(int handle) : handle_(handle) {}
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    ~Peer() { close(); }

    void send(std::string_view bytes) const {
        REQUIRE(::send(handle_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(bytes.size()));
    }
    /// What has arrived by now.
    std::string received() const {
        std::string all;
        char buffer[4096];
        for (;;) {
            const auto size = ::recv(handle_, buffer, sizeof buffer, MSG_DONTWAIT);
            if (size <= 0) return all;
            all.append(buffer, static_cast<std::size_t>(size));
        }
    }
    /// An orderly end: the other side reads 0 bytes.
    void finish() const { ::shutdown(handle_, SHUT_WR); }
    void close() {
        if (handle_ >= 0) ::close(handle_);
        handle_ = -1;
    }
    /// A reset: the other side's next read fails. On a unix socket that is what
    /// closing with unread data does.
    void reset() { close(); }

private:
    int handle_;
};

/// An event loop with a Stream on it, and the stream's peer.
struct Pair {
    explicit Pair(ErrorSource source = ErrorSource::client) : Pair(source, make_handles()) {}

    asio::io_context io;
    Deadlines deadlines;
    Peer peer;
    Stream stream;

private:
    struct Handles {
        int near, far;
    };
    static Handles make_handles() {
        int pair[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
        return {pair[0], pair[1]};
    }
    Pair(ErrorSource source, Handles handles)
        : deadlines(io.get_executor()),
          peer(handles.far),
          stream(Socket(io, asio::generic::stream_protocol(AF_UNIX, 0), handles.near), deadlines,
                 source) {}
};

}  // namespace cordgate::proxy::test
