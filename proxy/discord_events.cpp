#include "proxy/discord_events.hpp"

#include "core/discord/webhook_json.hpp"

namespace cordgate::proxy {
namespace {

/// Ample for an event, which may hold a whole guild; anybody may send as much.
constexpr std::size_t max_event_bytes = 512 * 1024;

Task<Result<std::string>> read_event(Exchange& exchange) {
    const Error too_large{ErrorKind::too_large, ErrorSource::client, "event too large"};
    if (exchange.head.content_length > max_event_bytes) co_return too_large;
    std::string bytes;
    bytes.reserve(exchange.head.content_length);
    while (!exchange.body.done()) {
        const auto piece = co_await exchange.body.next();
        if (!piece) co_return piece.error();
        if (bytes.size() + piece->size() > max_event_bytes) co_return too_large;
        bytes += *piece;
    }
    co_return bytes;
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
    const auto ended = gate.sessions.end_user(*event->user, event->at);
    if (!ended) return ended.error();
    gate.keeper.forget(*event->user);
    log_info("deauthorized",
             "user_id=" + event->user->to_string() + " sessions=" + std::to_string(ended->size()));
    return Verdict::taken;
}

Reply not_signed(Exchange& exchange) {
    exchange.record.error = "unauthorized client: not signed by Discord";
    return reply::refusal(exchange.page_context(), 401);
}

}  // namespace

Task<Reply> receive_discord_event(Exchange& exchange) {
    auto& gate = exchange.gate;
    // What cannot be signed is not read at all.
    const auto signature = exchange.head.value("x-signature-ed25519");
    const auto timestamp = exchange.head.value("x-signature-timestamp");
    if (signature.size() != 128 || timestamp.empty()) co_return not_signed(exchange);
    const auto bytes = co_await read_event(exchange);
    if (!bytes) {
        exchange.record.error = describe_error(bytes.error());
        co_return reply::from_error(exchange.page_context(), bytes.error());
    }
    const auto taken = co_await offload(gate.store_calls,
                                        [&] { return take(gate, signature, timestamp, *bytes); });
    if (!taken) {
        exchange.record.error = describe_error(taken.error());
        co_return reply::from_error(exchange.page_context(), taken.error());
    }
    if (*taken == Verdict::not_signed) co_return not_signed(exchange);
    Reply out;
    out.status = 204;
    co_return out;
}

}  // namespace cordgate::proxy
