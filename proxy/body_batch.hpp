#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "proxy/body_reader.hpp"

namespace cordgate::proxy {

/// As much of a body as is here already, framed for the other side, so that one
/// write takes it there: however small its chunks are, and with the head in front.
class BodyBatch {
public:
    using Piece = Result<std::string_view>;

    /// `chunked`: the other side gets chunks (RFC 9112, 7.1); else the bytes alone.
    explicit BodyBatch(bool chunked) : chunked_(chunked) {}

    /// Takes `piece`, where there is one, and what `body` holds behind it. `head`
    /// goes first. Everything must live until the batch is filled again.
    void fill(std::string_view head, std::optional<Piece> piece, BodyReader& body);

    std::span<const std::string_view> parts() const { return {parts_.data(), count_}; }
    /// Bytes of the body in it.
    std::size_t size() const { return size_; }
    /// The body's end is in it, or it broke off here.
    bool ended() const { return ended_; }
    const std::optional<Error>& failure() const { return failure_; }

private:
    static constexpr std::size_t max_parts = 20;

    bool chunked_;
    std::array<std::string_view, max_parts> parts_;
    std::size_t count_ = 0;
    std::size_t size_ = 0;
    bool ended_ = false;
    std::optional<Error> failure_;
    std::string chunk_header_;
};

}  // namespace cordgate::proxy
