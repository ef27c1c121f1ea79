#include "cmd/discord-sim/webhook_events.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/hex.hpp"

namespace cordgate::sim {
namespace {

struct SigningName {
    Signing signing;
    std::string_view name;
};
constexpr SigningName signing_names[] = {
    {Signing::good,         "good"        },
    {Signing::wrong,        "wrong"       },
    {Signing::other_key,    "other_key"   },
    {Signing::other_body,   "other_body"  },
    {Signing::malformed,    "malformed"   },
    {Signing::missing,      "missing"     },
    {Signing::no_timestamp, "no_timestamp"},
};

std::string signature_of(const std::string& message, Signing signing, const Ed25519Key& key) {
    switch (signing) {
        case Signing::wrong: return std::string(128, '0');
        case Signing::other_key: return hex_encode(ed25519_sign(ed25519_generate(), message));
        case Signing::other_body: return hex_encode(ed25519_sign(key, message + " "));
        case Signing::malformed: return "no-hex-and-too-short";
        case Signing::missing: return "";
        case Signing::good:
        case Signing::no_timestamp: break;
    }
    return hex_encode(ed25519_sign(key, message));
}

}  // namespace

std::optional<Signing> signing_by_name(std::string_view name) {
    for (const auto& row : signing_names) {
        if (row.name == name) return row.signing;
    }
    return std::nullopt;
}

const char* name_of(EventPost::State state) {
    switch (state) {
        case EventPost::State::sending: return "sending";
        case EventPost::State::accepted: return "accepted";
        case EventPost::State::given_up: return "given_up";
        case EventPost::State::waiting: break;
    }
    return "waiting";
}

void WebhookEvents::subscribe(std::string new_url) {
    url = std::move(new_url);
    status = url.empty() ? Status::disabled : Status::enabled;
    losses_ = 0;
}

bool WebhookEvents::wants(std::string_view event) const {
    return status == Status::enabled && std::find(types.begin(), types.end(), event) != types.end();
}

void WebhookEvents::add(std::string event, std::string body, Signing signing, const Ed25519Key& key,
                        TimePoint now) {
    if (url.empty()) return;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch());
    const auto timestamp = std::to_string(seconds.count());
    EventPost post{.id = next_id_++, .event = std::move(event), .url = url, .due = now};
    post.signature = signature_of(timestamp + body, signing, key);
    post.timestamp = signing == Signing::no_timestamp ? "" : timestamp;
    post.expected = signing == Signing::good ? 204 : 401;
    post.body = std::move(body);
    posts_.push_back(std::move(post));
    constexpr std::size_t remembered = 1000;
    if (posts_.size() > remembered) posts_.pop_front();
}

void WebhookEvents::probe(const std::string& application_id, const Ed25519Key& key, TimePoint now) {
    const nlohmann::json ping = {
        {"version",        1             },
        {"application_id", application_id},
        {"type",           0             }
    };
    for (const auto signing : {Signing::good, Signing::wrong}) {
        add("PING", ping.dump(), signing, key, now);
        if (!posts_.empty()) posts_.back().is_probe = true;
    }
}

void WebhookEvents::release(bool reversed) {
    held = false;
    if (reversed) std::reverse(posts_.begin(), posts_.end());
}

void WebhookEvents::drop() {
    std::erase_if(posts_,
                  [](const EventPost& post) { return post.state == EventPost::State::waiting; });
}

std::optional<EventPost> WebhookEvents::take(TimePoint now) {
    if (held) return std::nullopt;
    for (auto& post : posts_) {
        if (post.state != EventPost::State::waiting || post.due > now) continue;
        if (post.statuses.empty()) post.first_try = now;
        post.state = EventPost::State::sending;
        return post;
    }
    return std::nullopt;
}

void WebhookEvents::finished(int id, int status_code, TimePoint now) {
    const auto is_it = [&](const EventPost& post) { return post.id == id; };
    const auto post = std::find_if(posts_.begin(), posts_.end(), is_it);
    if (post == posts_.end()) return;
    post->statuses.push_back(status_code);
    if (status_code == post->expected) {
        post->state = EventPost::State::accepted;
        return;
    }
    // A failed probe is not repeated: the URL goes.
    if (post->is_probe) {
        post->state = EventPost::State::given_up;
        if (url == post->url) subscribe("");
        return;
    }
    const auto doublings = std::min<std::size_t>(post->statuses.size() - 1, 20);
    post->due = now + first_pause * (1LL << doublings);
    post->state = EventPost::State::waiting;
    if (post->due < post->first_try + give_up_after && post->expected == 204) return;
    post->state = EventPost::State::given_up;
    if (post->expected == 204 && ++losses_ >= tolerated_losses) {
        status = Status::disabled_by_discord;
    }
}

bool WebhookEvents::settled(TimePoint now) const {
    return std::none_of(posts_.begin(), posts_.end(), [&](const EventPost& post) {
        return post.state == EventPost::State::sending ||
               (post.state == EventPost::State::waiting && post.due <= now && !held);
    });
}

bool WebhookEvents::waits() const {
    return !held && std::any_of(posts_.begin(), posts_.end(), [](const EventPost& post) {
        return post.state == EventPost::State::waiting;
    });
}

}  // namespace cordgate::sim
