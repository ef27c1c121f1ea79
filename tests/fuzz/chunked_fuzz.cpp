// However a chunked body is cut it decodes to the same, and what was decoded can
// be coded and decoded again.

#include <algorithm>
#include <string>

#include "proxy/http/chunked.hpp"
#include "support.hpp"

namespace {

using cordgate::fuzz::require;
using cordgate::proxy::http::ChunkedDecoder;

struct Outcome {
    std::string data;
    std::size_t consumed = 0;
    bool done = false, refused = false;

    // How much was decoded before a refusal depends on what had come.
    bool operator==(const Outcome& other) const {
        if (refused || other.refused) return refused == other.refused;
        return data == other.data && consumed == other.consumed && done == other.done;
    }
};

/// In two pieces, or byte by byte.
Outcome decode(std::string_view bytes, std::size_t first, std::size_t step) {
    ChunkedDecoder decoder;
    Outcome out;
    for (std::size_t end = first;; end = std::min(end + step, bytes.size())) {
        for (;;) {
            const auto left = bytes.substr(out.consumed, end - out.consumed);
            const auto got = decoder.next(left);
            require(got.consumed <= left.size(), "consumed more than there is");
            if (got.refusal) {
                out.refused = true;
                return out;
            }
            out.data += got.data;
            out.consumed += got.consumed;
            out.done = got.done;
            if (got.done) return out;
            if (got.consumed == 0) break;
        }
        if (end == bytes.size()) return out;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = cordgate::fuzz::as_text(data, size);
    const auto whole = decode(bytes, size, 1);
    require(decode(bytes, 0, 1) == whole, "byte by byte is another body");
    for (std::size_t cut = 0; cut < size; cut += cordgate::fuzz::cut_step(size)) {
        require(decode(bytes, cut, size) == whole, "a cut changes the body");
    }
    require(whole.data.size() <= size, "more data than bytes");
    if (!whole.done) return 0;

    std::string coded;
    if (!whole.data.empty()) {
        cordgate::proxy::http::append_chunk_header(coded, whole.data.size());
        coded += whole.data + "\r\n";
    }
    coded += "0\r\n\r\n";
    const auto again = decode(coded, coded.size(), 1);
    require(again.done && again.data == whole.data && again.consumed == coded.size(),
            "coded anew, it is another body");
    return 0;
}
