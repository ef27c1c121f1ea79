#include "core/discord/webhook_json.hpp"

#include "core/crypto.hpp"
#include "core/discord/json_reader.hpp"
#include "core/hex.hpp"
#include "core/timestamp.hpp"

namespace cordgate::discord {
namespace {

constexpr std::size_t public_key_bytes = 32;
constexpr std::size_t signature_bytes = 64;
constexpr std::size_t max_timestamp_bytes = 64;
constexpr std::int64_t ping = 0;
constexpr std::int64_t event = 1;

Error malformed(const char* what) {
    return {ErrorKind::malformed_reply, ErrorSource::discord,
            std::string("webhook event: ") + what};
}

}  // namespace

bool is_signed_by(std::string_view public_key, std::string_view signature,
                  std::string_view timestamp, std::string_view body) {
    const auto key = hex_decode(public_key);
    const auto sign = hex_decode(signature);
    if (!key || key->size() != public_key_bytes) return false;
    if (!sign || sign->size() != signature_bytes) return false;
    if (timestamp.empty() || timestamp.size() > max_timestamp_bytes) return false;
    return ed25519_verify(*key, std::string(timestamp).append(body), *sign);
}

Result<WebhookEvent> parse_webhook_event(std::string_view json) {
    const auto whole = parse_object_strictly(json);
    if (!whole) return malformed("no JSON object");
    const JsonReader outer(*whole);
    const auto kind = outer.any_integer("type");
    WebhookEvent out;
    out.is_ping = kind == ping;
    if (out.is_ping) return out;
    if (kind != event) return malformed("type");

    const auto* const inner = outer.find("event");
    if (!inner || !inner->is_object()) return malformed("event");
    const JsonReader reader(*inner);
    out.type = reader.any_text("type").value_or("");
    if (out.type.empty()) return malformed("event.type");
    out.at = parse_timestamp(reader.any_text("timestamp").value_or(""));
    const auto* const data = reader.find("data");
    if (!data || !data->is_object()) return out;
    const JsonReader about(*data);
    const auto* const user = about.find("user");
    if (!user || !user->is_object()) return out;
    out.user = Snowflake::parse(JsonReader(*user).any_text("id").value_or(""));
    return out;
}

}  // namespace cordgate::discord
