#include "proxy/http/date.hpp"

namespace cordgate::proxy::http {

std::string_view imf_fixdate(std::time_t second) {
    struct Made {
        std::time_t second = -1;
        std::size_t size = 0;
        char text[32] = {};
    };
    thread_local Made made;
    if (made.second != second) {
        std::tm parts{};
        gmtime_r(&second, &parts);
        // The process never leaves the C locale, whose names these are.
        made.size = std::strftime(made.text, sizeof made.text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        made.second = second;
    }
    return {made.text, made.size};
}

std::string_view date_now() {
    return imf_fixdate(std::time(nullptr));
}

}  // namespace cordgate::proxy::http
