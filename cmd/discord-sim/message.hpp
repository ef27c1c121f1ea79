#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cordgate::sim {

/// One request, free of the HTTP library.
struct Call {
    std::string method{};
    std::string path{};   ///< still percent-encoded, without the query
    std::string query{};  ///< without "?"
    std::string body{};
    std::string authorization{};
    std::string content_type{};
    std::string user_agent{};
    std::string origin{};  ///< of the page that asks, where a browser does
    std::string cookie{};
    std::string client = "127.0.0.1";  ///< address of the peer
};

/// One answer, free of the HTTP library.
struct Reply {
    int status = 200;
    std::string content_type{};
    std::string body{};
    std::vector<std::pair<std::string, std::string>> headers{};
};

/// How an answer travels: the ways in which a connection can be bad.
struct Delivery {
    std::chrono::milliseconds delay{0};           ///< before the first byte
    std::optional<std::size_t> cut_after{};       ///< bytes of head and body, then the end
    std::optional<std::size_t> cut_body_after{};  ///< bytes of the body, then the end
    std::optional<std::size_t> content_length{};  ///< what the head says instead of the truth
    std::optional<std::string> raw{};             ///< these bytes instead of an answer
    std::chrono::milliseconds drip{0};            ///< between single bytes of the body
    std::chrono::milliseconds drip_head{0};       ///< between single bytes of the head
    bool chunked = false;

    /// Whether it must go around the HTTP library.
    bool is_special() const {
        return cut_after || cut_body_after || content_length || raw || drip.count() ||
               drip_head.count() || chunked;
    }
};

struct Answer {
    Reply reply{};
    Delivery delivery{};
};

}  // namespace cordgate::sim
