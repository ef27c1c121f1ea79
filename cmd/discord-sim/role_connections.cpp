#include <algorithm>

#include "cmd/discord-sim/objects.hpp"
#include "cmd/discord-sim/service.hpp"
#include "core/ascii.hpp"

// Role connections: what the application tells Discord about a user.

namespace cordgate::sim {
namespace {

using nlohmann::json;

bool is_text(const json& value, std::size_t most) {
    return value.is_string() && value.get_ref<const std::string&>().size() <= most;
}

// The name of the first field that is wrong.
const char* wrong_field(const json& body) {
    if (!is_text(body.value("platform_name", json("")), 50)) return "platform_name";
    if (!is_text(body.value("platform_username", json("")), 100)) return "platform_username";
    const auto metadata = body.value("metadata", json::object());
    if (!metadata.is_object() || metadata.size() > 5) return "metadata";
    for (const auto& [key, value] : metadata.items()) {
        if (!is_text(value, 100) || value.get_ref<const std::string&>().empty()) return "metadata";
    }
    return nullptr;
}

bool is_key(const json& value) {
    if (!is_text(value, 50)) return false;
    const auto& key = value.get_ref<const std::string&>();
    return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
        return is_lower(c) || is_digit(c) || c == '_';
    });
}

bool is_record(const json& value) {
    if (!value.is_object()) return false;
    const auto type = value.value("type", json());
    return type.is_number_integer() && type >= 1 && type <= 8 &&
           is_key(value.value("key", json())) && is_text(value.value("name", json()), 100) &&
           is_text(value.value("description", json()), 200);
}

Reply unknown_application() {
    return api_error(404, 10002, "Unknown Application");
}

}  // namespace

Reply Service::role_connection(const Call& call, const Parameters& parameters,
                               const Caller& caller) {
    if (parameters[0] != application.client_id) return unknown_application();
    auto& stored = role_connections[caller.grant->user];
    if (stored.empty()) stored = R"({"platform_name":null,"platform_username":null,"metadata":{}})";
    if (call.method == "GET") return json_reply(without_nulls(json::parse(stored)));
    if (call.method == "DELETE") {
        role_connections.erase(caller.grant->user);
        return {204, "", "", {}};
    }
    const auto body = json::parse(call.body, nullptr, false);
    if (!body.is_object()) return api_error(400, 50109, "The request body contains invalid JSON.");
    if (const auto* const field = wrong_field(body)) {
        return invalid_form(field, "BASE_TYPE_BAD_LENGTH", "Must be of another type or length.");
    }
    json next = json::parse(stored);
    for (const auto* const key : {"platform_name", "platform_username", "metadata"}) {
        if (body.contains(key)) next[key] = body[key];
    }
    stored = next.dump();
    return json_reply(without_nulls(std::move(next)));
}

Reply Service::role_metadata(const Call& call, const Parameters& parameters, const Caller&) {
    if (parameters[0] != application.client_id) return unknown_application();
    if (call.method == "GET") return {200, "application/json", role_records, {}};
    const auto body = json::parse(call.body, nullptr, false);
    if (!body.is_array() || body.size() > 5 || !std::all_of(body.begin(), body.end(), is_record)) {
        return invalid_form("0", "BASE_TYPE_BAD_LENGTH", "Must be 5 or fewer good records.");
    }
    role_records = body.dump();
    return {200, "application/json", role_records, {}};
}

}  // namespace cordgate::sim
