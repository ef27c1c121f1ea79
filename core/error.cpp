#include "core/error.hpp"

namespace cordgate {

std::string_view to_string(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::bad_request: return "bad_request";
        case ErrorKind::too_large: return "too_large";
        case ErrorKind::unauthorized: return "unauthorized";
        case ErrorKind::forbidden: return "forbidden";
        case ErrorKind::not_found: return "not_found";
        case ErrorKind::rate_limited: return "rate_limited";
        case ErrorKind::timed_out: return "timed_out";
        case ErrorKind::unavailable: return "unavailable";
        case ErrorKind::malformed_reply: return "malformed_reply";
        case ErrorKind::closed: return "closed";
        case ErrorKind::internal: return "internal";
    }
    return "internal";
}

std::string_view to_string(ErrorSource source) {
    switch (source) {
        case ErrorSource::client: return "client";
        case ErrorSource::upstream: return "upstream";
        case ErrorSource::discord: return "discord";
        case ErrorSource::store: return "store";
        case ErrorSource::gate: return "gate";
    }
    return "gate";
}

}  // namespace cordgate
