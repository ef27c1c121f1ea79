#pragma once

#include <cstddef>
#include <mutex>
#include <string_view>
#include <unordered_set>

namespace cordgate::proxy {

struct Exchange;
struct LiveSession;

/// Which uses of sessions from elsewhere the log has told of, so that it tells each once.
/// Bounded: what is forgotten is told again. Thread-safe.
class SessionMoves {
public:
    /// Whether it is new that the session is used from there.
    bool is_new(std::string_view digest, std::string_view address, std::string_view agent);

private:
    static constexpr std::size_t most = 20'000;

    std::mutex mutex_;
    std::unordered_set<std::size_t> told_;
};

/// Logs a session that is used from another address, or by another browser, than those
/// that it was made with. Nothing is refused: phones change their address all day.
void note_move(Exchange& exchange, const LiveSession& live);

}  // namespace cordgate::proxy
