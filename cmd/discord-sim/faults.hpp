#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cmd/discord-sim/message.hpp"

namespace cordgate::sim {

/// Something that shall go wrong.
struct Fault {
    /// Which calls: a route's name ("GET /users/@me", or without the method), a
    /// path as it is called ("/users/@me/guilds/42/member"), or "*".
    std::string route = "*";
    int times = 1;  ///< how many calls; negative: until cleared
    int after = 0;  ///< how many calls pass first

    /// The call still has its effect, only the answer is replaced or lost: a
    /// refresh token rotated and nobody heard.
    bool takes_effect = false;
    std::optional<int> status{};  ///< none: the true answer, delivered as below
    std::string content_type = "application/json";
    std::string body{};
    std::vector<std::pair<std::string, std::string>> headers{};
    std::string merge{};  ///< JSON object laid over a true JSON answer (or each item of a list)
    std::vector<std::string> remove{};   ///< keys taken out of a true JSON answer
    std::vector<std::string> without{};  ///< items with these ids, out of a true list
    bool limit_headers = false;          ///< all headers of a used-up bucket
    bool gzip = false;
    /// What happens just before the call is served, for good.
    enum class Event { nothing, deauthorize, kick_user, kick_bot } event = Event::nothing;
    Delivery delivery{};
};

/// A fault by the name of what people saw ("cloudflare_1015", "lost_answer");
/// nullopt for an unknown name. docs/simulator.md lists them.
std::optional<Fault> fault_by_name(std::string_view kind);
std::vector<std::string_view> fault_names();

/// The faults that wait for their calls. Not thread-safe.
class Faults {
public:
    void add(Fault fault) { waiting_.push_back(std::move(fault)); }
    void clear() { waiting_.clear(); }
    const std::vector<Fault>& waiting() const { return waiting_; }
    /// The first that applies to a call of `route` by `method` at `path`, used up by one.
    std::optional<Fault> take(std::string_view method, std::string_view route,
                              std::string_view path);

private:
    std::vector<Fault> waiting_;
};

/// Replaces or changes `reply` as `fault` says.
void apply(const Fault& fault, Reply& reply);

}  // namespace cordgate::sim
