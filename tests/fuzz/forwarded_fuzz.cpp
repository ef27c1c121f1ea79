// What X-Forwarded-* and friends say is believed from trusted proxies alone, and
// whatever they hold, what comes out is an address, a port and a clean list.

#include <string>

#include "proxy/client_address.hpp"
#include "support.hpp"

using namespace cordgate;
using namespace cordgate::proxy;
using fuzz::require;

namespace {

bool is_clean(std::string_view text) {
    for (const char c : text) {
        if (static_cast<unsigned char>(c) < 0x20 && c != '\t') return false;
        if (c == 0x7f) return false;
    }
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // The input is a head's field lines; only heads that a client could send count.
    std::string bytes = "GET / HTTP/1.1\r\nHost: app.example.com\r\n";
    bytes += fuzz::as_text(data, size);
    bytes += "\r\n\r\n";
    http::HeadScanner scanner;
    const auto found = scanner.scan(bytes, {});
    if (found.refusal || found.size == 0) return 0;
    http::RequestHead head;
    const auto whole = std::string_view(bytes).substr(0, found.size);
    if (http::parse_request_head(whole, {}, head)) return 0;

    static const TrustedProxies nobody;
    static const TrustedProxies some({"10.0.0.0/8", "2001:db8::/32"});
    const auto proxy = IpAddress::parse("10.1.2.3");
    const auto stranger = IpAddress::parse("203.0.113.9");
    for (const auto* trust : {&nobody, &some}) {
        const auto info = trust->resolve(trust->know(stranger), head, true);
        require(info.address == "203.0.113.9", "B24: a stranger is whom the socket says");
        require(info.forwarded_for == "203.0.113.9", "B24: a stranger's list is not passed on");
        require(info.secure && info.host == head.host, "B26: a stranger moves neither");
        require(info.request_id.empty(), "P14: a stranger's id is not taken");
    }
    const auto info = some.resolve(some.know(proxy), head, false);
    const auto address = IpAddress::parse(info.address);
    require(address.has_value(), "B25: the client is an address");
    require(address->to_string() == info.address, "B25: in its one spelling");
    require(is_clean(info.forwarded_for), "B25: the list holds no control character");
    require(info.forwarded_for.ends_with("10.1.2.3"), "B25: and ends with the peer");
    require(http::is_valid_authority(info.host), "B27: the host is one");
    return 0;
}
