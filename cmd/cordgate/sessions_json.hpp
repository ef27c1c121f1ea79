#pragma once

#include <optional>
#include <string>
#include <vector>

// What the internal API says about sessions, read for people.

namespace cordgate {

struct ListedSession {
    std::string handle;
    std::string user_id;
    std::string name;
    std::string state;
    std::string created_at;
    std::string last_seen_at;
    std::string client_address;
    std::string user_agent;
};

struct ListedPage {
    std::vector<ListedSession> rows;
    std::string next;  ///< cursor; empty: that was all
};
/// nullopt when this is no list of sessions.
std::optional<ListedPage> read_session_page(const std::string& json);
/// Indented, for people.
std::string pretty_json(const std::string& json);
/// What a problem document says; the text itself when it is none.
std::string problem_text(const std::string& json);
/// {"ended": 3}; 0 for anything else.
std::size_t read_ended(const std::string& json);

}  // namespace cordgate
