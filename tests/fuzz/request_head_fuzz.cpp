// However a request's head is cut it means the same, and whatever is accepted
// means the same when it is written anew, as the gate writes it for upstreams.

#include <string>

#include "core/ascii.hpp"
#include "proxy/http/head.hpp"
#include "support.hpp"

namespace {

using namespace cordgate::proxy::http;
using cordgate::fuzz::require;

struct Outcome {
    int status = 0;
    std::size_t size = 0;
    bool operator==(const Outcome&) const = default;
};

Outcome scan(std::string_view bytes, std::size_t first, const HeadLimits& limits) {
    HeadScanner scanner;
    for (const auto end : {first, bytes.size()}) {
        const auto found = scanner.scan(bytes.substr(0, end), limits);
        if (found.refusal) return {found.refusal->status, 0};
        if (found.size > 0) return {0, found.size};
    }
    return {-1, 0};
}

std::string rendered(const RequestHead& head) {
    std::string out;
    out.append(head.method).append(" ").append(head.path).append(head.query);
    out.append(" HTTP/1.").append(std::to_string(head.minor_version)).append("\r\n");
    for (const auto& field : head.fields) {
        out.append(field.name).append(": ").append(field.value).append("\r\n");
    }
    return out + "\r\n";
}

void check_accepted(const RequestHead& head, const HeadLimits& limits) {
    require(is_token(head.method) && head.method != "CONNECT", "method");
    require(head.path == "*" ? head.method == "OPTIONS" : head.path.starts_with('/'), "path");
    require(head.path.find_first_of("?# \r\n") == std::string_view::npos, "bytes of the path");
    require(head.query.empty() || head.query.front() == '?', "query");
    require(head.fields.size() <= limits.headers, "number of fields");
    std::size_t lengths = 0, encodings = 0, hosts = 0;
    for (const auto& field : head.fields) {
        require(is_token(field.name), "field name");
        require(cordgate::trim(field.value) == field.value, "white space around a value");
        for (const char c : field.value) {
            const auto byte = static_cast<unsigned char>(c);
            require(c == '\t' || (byte >= 0x20 && byte != 0x7f), "control in a value");
        }
        lengths += cordgate::iequals(field.name, "content-length") ? 1 : 0;
        encodings += cordgate::iequals(field.name, "transfer-encoding") ? 1 : 0;
        hosts += cordgate::iequals(field.name, "host") ? 1 : 0;
    }
    require(lengths + encodings <= 1, "A32: more than one framing");
    require(head.framing == (encodings ? Framing::chunked
                             : lengths ? Framing::length
                                       : Framing::none),
            "framing");
    require(hosts == 1 || (hosts == 0 && head.minor_version == 0), "A20: Host");
    require(head.host.empty() ? hosts == 0 : is_valid_authority(head.host), "host");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = cordgate::fuzz::as_text(data, size);
    const HeadLimits limits{2048, 16, 512};
    const auto whole = scan(bytes, bytes.size(), limits);
    for (std::size_t cut = 0; cut < size; cut += cordgate::fuzz::cut_step(size)) {
        require(scan(bytes, cut, limits) == whole, "a cut changes the outcome");
    }
    RequestHead at_once;
    const auto taken = parse_request_at_once(bytes, limits, at_once);
    if (whole.size == 0) {
        require(taken == 0, "what the scanner does not take is taken at once");
        return 0;
    }

    RequestHead head;
    const auto refusal = parse_request_head(bytes.substr(0, whole.size), limits, head);
    if (refusal) require(taken == 0 && refusal->status >= 400, "what is refused is taken at once");
    if (refusal) return 0;
    const bool is_usual = whole.size <= std::min(limits.header_bytes, limits.target_bytes);
    require(taken == (is_usual ? whole.size : 0), "taken at once, it ends elsewhere");
    require(taken == 0 || rendered(at_once) == rendered(head), "taken at once, it differs");
    check_accepted(head, limits);

    const auto again = rendered(head);
    HeadLimits roomy = limits;
    roomy.header_bytes = again.size();
    RequestHead second;
    require(scan(again, 0, roomy).size == again.size(), "written anew, it ends elsewhere");
    require(!parse_request_head(again, roomy, second), "written anew, it is refused");
    require(second.method == head.method && second.path == head.path &&
                second.query == head.query && second.minor_version == head.minor_version,
            "written anew, its first line differs");
    require(second.framing == head.framing && second.content_length == head.content_length,
            "written anew, its framing differs");
    require(second.keep_alive() == head.keep_alive() &&
                second.wants_upgrade() == head.wants_upgrade() &&
                second.nominated == head.nominated,
            "written anew, its connection differs");
    require(second.fields.size() == head.fields.size(), "written anew, fields differ");
    for (std::size_t i = 0; i < head.fields.size(); ++i) {
        require(second.fields[i].name == head.fields[i].name &&
                    second.fields[i].value == head.fields[i].value,
                "written anew, a field differs");
    }
    return 0;
}
