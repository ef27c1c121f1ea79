#include "proxy/discord_events.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>

#include "core/discord/webhook_json.hpp"
#include "proxy/pages.hpp"

namespace cordgate::proxy {
namespace {

using namespace std::chrono_literals;

/// Ample for an event, which may hold a whole guild; anybody may send as much.
constexpr std::size_t max_event_bytes = 512 * 1024;
/// What all events together may take, but for the beginning of each: one that ends
/// sessions needs no more than that, so nobody can keep it out.
constexpr std::size_t max_all_event_bytes = 8 << 20;
constexpr std::size_t free_event_bytes = 4096;
/// Discord gives up on an answer after three seconds.
constexpr auto longest_event = 5s;

/// What one event takes of the memory for all.
class Share {
public:
    explicit Share(std::atomic<std::size_t>& taken) : taken_(taken) {}
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share() { taken_ -= mine_; }

    bool grow_to(std::size_t size) {
        if (size <= free_event_bytes + mine_) return true;
        const auto more = size - free_event_bytes - mine_;
        mine_ += more;
        return (taken_ += more) <= max_all_event_bytes;
    }

private:
    std::atomic<std::size_t>& taken_;
    std::size_t mine_ = 0;
};

Task<Result<std::string>> read_event(Exchange& exchange, Share& share) {
    const Error too_large{ErrorKind::too_large, ErrorSource::client, "event too large"};
    if (exchange.head.content_length > max_event_bytes) co_return too_large;
    const auto end = EventLoop::current()->now() + longest_event;
    std::string bytes;
    while (!exchange.body.done()) {
        const auto piece = co_await exchange.body.next();
        if (!piece) co_return piece.error();
        const auto size = bytes.size() + piece->size();
        if (size > max_event_bytes) co_return too_large;
        if (!share.grow_to(size)) {
            co_return Error{ErrorKind::unavailable, ErrorSource::gate, "too many large events"};
        }
        if (EventLoop::current()->now() > end) {
            co_return Error{ErrorKind::timed_out, ErrorSource::client, "event too slow"};
        }
        if (size > bytes.capacity()) bytes.reserve(std::min(2 * size, max_event_bytes));
        bytes += *piece;
    }
    co_return bytes;
}

/// Sessions that began after the event stay, says our clock; Discord's may be behind it.
/// Whether the grant of each lives, Discord knows.
Result<void> check_newer(Gate& gate, Snowflake user) {
    std::string cursor;
    do {
        auto page = gate.sessions.list(user, cursor, 100, gate.now());
        if (!page) return page.error();
        for (auto& known : page->sessions) {
            gate.keeper_calls.run(
                [&gate, known = std::move(known)] { gate.keeper.check_grant(known); });
        }
        cursor = page->next;
    } while (!cursor.empty());
    return {};
}

/// What the header says that the signature covers: seconds since 1970.
std::optional<TimePoint> sent_at(std::string_view timestamp) {
    std::int64_t seconds = 0;
    const auto end = timestamp.data() + timestamp.size();
    const auto [rest, problem] = std::from_chars(timestamp.data(), end, seconds);
    constexpr std::int64_t last = 9'000'000'000;  // within the clock's range
    if (problem != std::errc() || rest != end || seconds < 0 || seconds > last) return std::nullopt;
    return TimePoint(std::chrono::seconds(seconds));
}

enum class Verdict { ignored, not_signed, taken };

/// Blocks: a signature takes a while, and the store may.
Result<Verdict> take(Gate& gate, std::string_view signature, std::string_view timestamp,
                     std::string_view bytes) {
    if (!discord::is_signed_by(gate.settings.discord.public_key, signature, timestamp, bytes)) {
        return Verdict::not_signed;
    }
    const auto event = discord::parse_webhook_event(bytes);
    if (!event) {
        // Signed, so Discord would only send it again.
        log_warn("discord event", describe_error(event.error()));
        return Verdict::ignored;
    }
    if (event->type != "APPLICATION_DEAUTHORIZED" || !event->user) return Verdict::ignored;
    const auto at = event->at ? *event->at : sent_at(timestamp).value_or(gate.now());
    const auto ended = gate.sessions.end_user(*event->user, at);
    if (!ended) return ended.error();
    gate.keeper.forget(*event->user);
    log_info("deauthorized",
             "user_id=" + event->user->to_string() + " sessions=" + std::to_string(ended->size()));
    if (const auto checked = check_newer(gate, *event->user); !checked) return checked.error();
    return Verdict::taken;
}

Reply not_signed(Exchange& exchange) {
    exchange.record.error = "unauthorized client: not signed by Discord";
    return reply::problem(
        401, problem_json(401, "unauthorized", "Not signed by Discord",
                          "Only Discord can send events here: the signature is missing or wrong."));
}

}  // namespace

Task<Reply> receive_discord_event(Exchange& exchange) {
    auto& gate = exchange.gate;
    // What cannot be signed is not read at all.
    const auto signature = exchange.head.value("x-signature-ed25519");
    const auto timestamp = exchange.head.value("x-signature-timestamp");
    if (signature.size() != 128 || timestamp.empty()) co_return not_signed(exchange);
    Share share(gate.event_bytes);
    const auto bytes = co_await read_event(exchange, share);
    if (!bytes) co_return failed(exchange, bytes.error());
    const auto taken = co_await offload(gate.store_changes,
                                        [&] { return take(gate, signature, timestamp, *bytes); });
    if (!taken) co_return failed(exchange, taken.error());
    if (*taken == Verdict::not_signed) co_return not_signed(exchange);
    Reply out;
    out.status = 204;
    co_return out;
}

}  // namespace cordgate::proxy
