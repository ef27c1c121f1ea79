#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/http/head.hpp"

namespace cordgate::proxy::http {

/// Takes the chunked coding off a body (RFC 9112, 7.1), however it is fed.
///
/// Strict: CRLF only, sizes of at most 15 hex digits, no white space, a bounded
/// budget for extensions, which are checked and dropped, and for trailers.
class ChunkedDecoder {
public:
    struct Step {
        std::size_t consumed = 0;  ///< bytes of the input that are done with
        std::string_view data;     ///< body bytes among them; may be empty
        bool done = false;         ///< the last chunk and its trailers are read
        Field trailer;             ///< a trailer field among them; without a name: none
        std::optional<Refusal> refusal;
    };

    /// One step over `bytes`; consumed == 0 without done or refusal: feed more.
    Step next(std::string_view bytes);

private:
    enum class State { size, data, data_end, trailer, done };

    Step read_size_line(std::string_view bytes);
    Step read_trailer_line(std::string_view bytes);

    State state_ = State::size;
    std::uint64_t left_ = 0;
    std::size_t extension_bytes_ = 0;
    std::size_t trailer_bytes_ = 0;
    std::size_t trailers_ = 0;
};

/// "1a2b\r\n": the line before a chunk of `size` bytes.
void append_chunk_header(std::string& out, std::size_t size);

}  // namespace cordgate::proxy::http
