#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.hpp"
#include "proxy/header_rules.hpp"
#include "proxy/http/chunked.hpp"
#include "proxy/http/head.hpp"
#include "proxy/io/buffer.hpp"
#include "proxy/io/stream.hpp"

namespace cordgate::proxy {

/// The body of one message, read piece by piece with constant memory.
///
/// `stream` and `buffer` must outlive it; the buffer may hold the beginning of
/// the body and keeps what follows its end (the next request). Errors: those of
/// Stream, `closed` when the peer stopped before the end, `bad_request` for
/// broken chunked coding, `too_large` beyond `limit` bytes.
class BodyReader {
public:
    BodyReader(Stream& stream, Buffer& buffer, const http::MessageFields& head, ErrorSource source,
               std::chrono::milliseconds idle, std::uint64_t limit = 0);

    /// The next piece; empty at the end of the body. Its view, and those that
    /// next_buffered gave since, are valid until the next call.
    Task<Result<std::string_view>> next();
    /// The next piece if it is in the buffer already; nullopt: it is not.
    std::optional<Result<std::string_view>> next_buffered();

    /// Keeps the trailer fields that may be passed on as they are (RFC 9110, 6.5.1);
    /// else they are dropped. `policy` must outlive it.
    void keep_trailers(const HeaderPolicy& policy) { policy_ = &policy; }
    /// "Name: value\r\n" lines, complete at the end of the body.
    std::string_view trailers() const { return trailers_; }

    /// Who gets the pieces does not keep up: larger ones would only take memory.
    void stop_growing() { grows_ = false; }

    /// Whether the next piece can probably be read at once, since this one filled its room.
    Stream::More more() const {
        const bool follows = !done_ && stream_.has_probably_more();
        return follows ? Stream::More::follows : Stream::More::comes_later;
    }

    bool done() const { return done_; }
    std::uint64_t size() const { return total_; }
    /// Whether any of the body, or its end, is still to come from the peer.
    bool needs_reading() const;
    /// What came behind the body: the next request, or an upgraded protocol.
    Buffer& leftover() { return buffer_; }

private:
    std::optional<Result<std::string_view>> next_known();
    std::optional<Result<std::string_view>> next_chunked();
    Result<std::string_view> counted(std::string_view piece);
    Error failure(ErrorKind kind, std::string_view what) const;

    /// Room for the next read: more where both sides are fast enough to use it, which
    /// saves system calls and wake-ups.
    static constexpr std::size_t max_room = 512 * 1024;

    Stream& stream_;
    Buffer& buffer_;
    std::size_t room_ = BlockCache::block_size;
    http::Framing framing_;
    std::uint64_t left_;
    http::ChunkedDecoder decoder_;
    ErrorSource source_;
    std::chrono::milliseconds idle_;
    std::uint64_t limit_;
    std::uint64_t total_ = 0;
    std::size_t lent_ = 0;  ///< bytes of the buffer that the caller still looks at
    bool done_ = false;
    bool grows_ = true;
    const HeaderPolicy* policy_ = nullptr;
    std::string trailers_;
};

}  // namespace cordgate::proxy
