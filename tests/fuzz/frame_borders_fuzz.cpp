// Where a WebSocket frame ends does not depend on how its bytes come.

#include "proxy/tunnel.hpp"
#include "support.hpp"

using cordgate::fuzz::require;
using cordgate::proxy::FrameBorders;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = cordgate::fuzz::as_text(data, size);
    FrameBorders whole;
    whole.feed(bytes);
    FrameBorders slowly;
    require(slowly.at_border(), "no border at the beginning");
    for (std::size_t i = 0; i < size; ++i) slowly.feed(bytes.substr(i, 1));
    require(slowly.at_border() == whole.at_border(), "byte by byte is another border");
    for (std::size_t cut = 0; cut < size; cut += cordgate::fuzz::cut_step(size)) {
        FrameBorders halves;
        halves.feed(bytes.substr(0, cut));
        halves.feed(bytes.substr(cut));
        require(halves.at_border() == whole.at_border(), "a cut moves the border");
    }
    return 0;
}
