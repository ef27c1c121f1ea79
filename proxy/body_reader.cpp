#include "proxy/body_reader.hpp"

#include <algorithm>

namespace cordgate::proxy {

BodyReader::BodyReader(Stream& stream, Buffer& buffer, const http::MessageFields& head,
                       ErrorSource source, std::chrono::milliseconds idle, std::uint64_t limit)
    : stream_(stream),
      buffer_(buffer),
      framing_(head.framing),
      left_(head.content_length),
      source_(source),
      idle_(idle),
      limit_(limit) {
    done_ = framing_ == http::Framing::none || (framing_ == http::Framing::length && left_ == 0);
}

Error BodyReader::failure(ErrorKind kind, std::string_view what) const {
    return {kind, source_, "body: " + std::string(what)};
}

Result<std::string_view> BodyReader::counted(std::string_view piece) {
    total_ += piece.size();
    if (limit_ > 0 && total_ > limit_) return failure(ErrorKind::too_large, "larger than allowed");
    return piece;
}

std::optional<Result<std::string_view>> BodyReader::next_known() {
    if (buffer_.empty()) return std::nullopt;
    auto piece = buffer_.view();
    if (framing_ == http::Framing::length) {
        piece =
            piece.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, piece.size())));
        left_ -= piece.size();
        done_ = left_ == 0;
    }
    lent_ = piece.size();
    return counted(piece);
}

std::optional<Result<std::string_view>> BodyReader::next_chunked() {
    for (;;) {
        const auto step = decoder_.next(buffer_.view());
        if (step.refusal) return failure(ErrorKind::bad_request, step.refusal->reason);
        if (!step.data.empty()) {
            lent_ = step.consumed;
            return counted(step.data);
        }
        if (policy_ && policy_->may_be_trailer(step.trailer.name)) {
            trailers_.append(step.trailer.name).append(": ").append(step.trailer.value);
            trailers_.append("\r\n");
        }
        buffer_.consume(step.consumed);
        if (step.done) {
            done_ = true;
            return std::string_view{};
        }
        if (step.consumed == 0) return std::nullopt;
    }
}

std::optional<Result<std::string_view>> BodyReader::next_buffered() {
    buffer_.consume(std::exchange(lent_, 0));
    if (done_) return std::string_view{};
    return framing_ == http::Framing::chunked ? next_chunked() : next_known();
}

bool BodyReader::needs_reading() const {
    if (done_) return false;
    return framing_ != http::Framing::length || left_ > buffer_.size() - lent_;
}

Task<Result<std::string_view>> BodyReader::next() {
    for (;;) {
        if (auto piece = next_buffered()) co_return std::move(*piece);
        stream_.expires_after(idle_);
        const auto size = co_await stream_.read_into(buffer_, room_);
        if (!size) co_return size.error();
        if (grows_ && *size >= room_) room_ = std::min(2 * room_, max_room);
        if (*size == 0) {
            if (framing_ == http::Framing::until_close) {
                done_ = true;
                co_return std::string_view{};
            }
            co_return failure(ErrorKind::closed, "ended before its end");
        }
    }
}

}  // namespace cordgate::proxy
