#include "cmd/cordgate/sessions_json.hpp"

#include <nlohmann/json.hpp>

namespace cordgate {
namespace {

using Json = nlohmann::ordered_json;

std::string text(const Json& object, const char* name) {
    const auto it = object.is_object() ? object.find(name) : object.end();
    return object.is_object() && it != object.end() && it->is_string() ? it->get<std::string>()
                                                                       : "";
}

}  // namespace

std::optional<ListedPage> read_session_page(const std::string& json) {
    const auto page = Json::parse(json, nullptr, false);
    if (!page.is_object() || !page.contains("sessions")) return std::nullopt;
    ListedPage out;
    out.next = text(page, "next_cursor");
    for (const auto& session : page["sessions"]) {
        const auto user = session.value("user", Json::object());
        out.rows.push_back({text(session, "handle"), text(session, "user_id"),
                            text(user, "display_name"), text(session, "state"),
                            text(session, "created_at"), text(session, "last_seen_at"),
                            text(session, "client_address"), text(session, "user_agent")});
    }
    return out;
}

std::string pretty_json(const std::string& json) {
    const auto value = Json::parse(json, nullptr, false);
    return value.is_discarded() ? json : value.dump(2, ' ', true);
}

std::string problem_text(const std::string& json) {
    const auto problem = Json::parse(json, nullptr, false);
    const auto detail = text(problem, "detail");
    return detail.empty() ? json : text(problem, "code") + ": " + detail;
}

std::size_t read_ended(const std::string& json) {
    const auto value = Json::parse(json, nullptr, false);
    return value.is_object() ? value.value("ended", std::size_t{0}) : 0;
}

}  // namespace cordgate
