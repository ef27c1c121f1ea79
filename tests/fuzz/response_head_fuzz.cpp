// An upstream's head is accepted only when its framing has one reading, and
// however it is cut it means the same.

#include "core/ascii.hpp"
#include "proxy/http/head.hpp"
#include "support.hpp"

using namespace cordgate::proxy::http;
using cordgate::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = cordgate::fuzz::as_text(data, size);
    const HeadLimits limits{2048, 16, 512};
    HeadScanner at_once;
    const auto whole = at_once.scan(bytes, limits);
    HeadScanner slowly;
    ParseResult last;
    for (std::size_t end = 0; end <= size && !last.refusal && last.size == 0; ++end) {
        last = slowly.scan(bytes.substr(0, end), limits);
    }
    require(last.size == whole.size && last.refusal.has_value() == whole.refusal.has_value(),
            "a cut changes the outcome");
    const bool is_usual = whole.size <= std::min(limits.header_bytes, limits.target_bytes);
    for (const std::string_view method : {"GET", "HEAD"}) {
        ResponseHead head;
        const auto taken = parse_response_at_once(bytes, limits, method, head);
        if (whole.size == 0) {
            require(taken == 0, "what the scanner does not take is taken at once");
            return 0;
        }
        const auto fields = head.fields.size();
        const auto refusal = parse_response_head(bytes.substr(0, whole.size), limits, method, head);
        require(!refusal || refusal->status >= 400, "a refusal without a status");
        require(taken == (is_usual && !refusal ? whole.size : 0), "taken at once, it differs");
        if (refusal) continue;
        require(taken == 0 || fields == head.fields.size(), "taken at once, fields differ");
        require(head.status >= 100 && head.status <= 999, "status");
        require(head.reason.find_first_of("\r\n") == std::string_view::npos, "reason");
        const bool bodiless = method == "HEAD" || head.status < 200 || head.status == 204 ||
                              head.status == 205 || head.status == 304;
        require((head.framing == Framing::none) == bodiless, "whether a body follows");
        std::size_t framings = 0;
        for (const auto& field : head.fields) {
            require(is_token(field.name), "field name");
            require(
                field.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos,
                "A63: line end in a value");
            framings += cordgate::iequals(field.name, "content-length") ||
                                cordgate::iequals(field.name, "transfer-encoding")
                            ? 1
                            : 0;
        }
        require(framings <= 1, "A61: more than one framing");
    }
    return 0;
}
