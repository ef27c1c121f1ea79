#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/crypto.hpp"

namespace cordgate::sim {

/// How an event is signed: as Discord does, or in one of the wrong ways that
/// it tries itself on an application, or that somebody else might.
enum class Signing { good, wrong, other_key, other_body, malformed, missing, no_timestamp };
std::optional<Signing> signing_by_name(std::string_view name);

/// One POST to the application, and what became of it.
struct EventPost {
    enum class State { waiting, sending, accepted, given_up };
    int id = 0;
    std::string event{};  ///< "PING", "APPLICATION_DEAUTHORIZED"
    std::string url{};
    std::string body{};
    std::string timestamp{};  ///< X-Signature-Timestamp; empty: not sent
    std::string signature{};  ///< X-Signature-Ed25519; empty: not sent
    int expected = 204;       ///< a probe with a wrong signature expects 401
    bool is_probe = false;    ///< the wrong answer costs the application its URL
    State state = State::waiting;
    TimePoint due{};
    TimePoint first_try{};
    std::vector<int> statuses{};  ///< one for each attempt; 0: no answer
};

/// Where Discord sends its events, and those that wait or went. Signatures are
/// made once and repeated with each attempt. Not thread-safe: the Service
/// holds its lock.
class WebhookEvents {
public:
    enum class Status { disabled = 1, enabled = 2, disabled_by_discord = 3 };

    std::string url{};
    Status status = Status::disabled;
    std::vector<std::string> types = {"APPLICATION_AUTHORIZED", "APPLICATION_DEAUTHORIZED"};
    bool held = false;  ///< nothing leaves until release()

    /// Discord's own, invented where nothing is published: the first pause, doubled
    /// each time, and how many lost events switch them off.
    std::chrono::milliseconds first_pause{1000};
    std::chrono::minutes give_up_after{10};
    int tolerated_losses = 5;

    /// Sets the URL and enables; an empty one disables.
    void subscribe(std::string new_url);
    bool wants(std::string_view event) const;
    /// Queues `body`, signed at `now`; nothing without a URL.
    void add(std::string event, std::string body, Signing signing, const Ed25519Key& key,
             TimePoint now);
    /// PINGs with a right and with a wrong signature, as when a URL is saved.
    void probe(const std::string& application_id, const Ed25519Key& key, TimePoint now);
    void release(bool reversed);
    /// Forgets what waits: Discord does not promise that events arrive.
    void drop();

    /// The next that is due, now being sent; nullopt when there is none.
    std::optional<EventPost> take(TimePoint now);
    /// `status` is what came back, 0 for nothing in time.
    void finished(int id, int status, TimePoint now);
    /// Nothing is being sent and nothing is due.
    bool settled(TimePoint now) const;
    bool waits() const;
    const std::deque<EventPost>& posts() const { return posts_; }

private:
    std::deque<EventPost> posts_;
    int next_id_ = 1;
    int losses_ = 0;
};

const char* name_of(EventPost::State state);

}  // namespace cordgate::sim
