#include "proxy/body_batch.hpp"

namespace cordgate::proxy {

void BodyBatch::fill(std::string_view head, std::optional<Piece> piece, BodyReader& body) {
    count_ = 2;  // the head, and the chunk's header
    size_ = 0;
    failure_.reset();
    while (piece && *piece && !(*piece)->empty()) {
        size_ += (*piece)->size();
        parts_[count_++] = **piece;
        // A place stays for the end of the chunk, and some for that of the body.
        if (count_ == max_parts - 4 || (body.done() && !chunked_)) break;
        piece = body.next_buffered();
    }
    if (piece && !*piece) failure_ = piece->error();
    ended_ = failure_ || (body.done() && (!chunked_ || (*piece)->empty()));

    chunk_header_.clear();
    if (chunked_ && size_ > 0) {
        http::append_chunk_header(chunk_header_, size_);
        parts_[count_++] = "\r\n";
    }
    if (chunked_ && ended_ && !failure_) {
        parts_[count_++] = "0\r\n";
        parts_[count_++] = body.trailers();
        parts_[count_++] = "\r\n";
    }
    parts_[0] = head;
    parts_[1] = chunk_header_;
}

}  // namespace cordgate::proxy
