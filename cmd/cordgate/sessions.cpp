#include <cstdio>
#include <iostream>

#include "cmd/cordgate/commands.hpp"
#include "cmd/cordgate/internal_client.hpp"
#include "cmd/cordgate/sessions_json.hpp"
#include "cmd/cordgate/sources.hpp"
#include "core/printable.hpp"
#include "core/url.hpp"

// `cordgate sessions`: who is signed in, and who no longer is. Asks a running daemon, so
// that its caches and those of other replicas hear of it.

namespace cordgate {
namespace {

int fail(const std::string& why) {
    std::cerr << "cordgate sessions: " << why << '\n';
    return exit_failure;
}

/// Calls `take` with each page of the sessions asked for, until it has enough.
template <class Take>
std::optional<std::string> each_page(InternalClient& daemon, const SessionsWish& wish, Take take) {
    std::string cursor;
    do {
        QueryBuilder query;
        query.add("limit", std::to_string(wish.limit));
        if (!wish.user.empty()) query.add("user_id", wish.user);
        if (!wish.guild.empty()) query.add("guild_id", wish.guild);
        if (!cursor.empty()) query.add("cursor", cursor);
        const auto answer = daemon.get("/v1/sessions?" + query.str());
        if (!answer) return answer.error().detail;
        if (answer->status != 200) return problem_text(answer->body);
        auto page = read_session_page(answer->body);
        if (!page) return "the daemon's answer is no list of sessions";
        if (auto problem = take(*page, answer->body)) return problem;
        cursor = page->next;
    } while (!cursor.empty());
    return std::nullopt;
}

int list(InternalClient& daemon, const SessionsWish& wish) {
    bool titled = wish.json;
    const auto problem =
        each_page(daemon, wish, [&](const ListedPage& page, const std::string& body) {
            if (wish.json) std::cout << body << '\n';
            if (!titled) {
                std::printf("%-24s %-20s %-20s %-8s %-19s %-19s %-15s %s\n", "HANDLE", "USER",
                            "NAME", "STATE", "SINCE (UTC)", "LAST SEEN (UTC)", "FROM", "BROWSER");
                titled = true;
            }
            for (const auto& row : page.rows) {
                if (wish.json) break;
                std::printf("%-24s %-20s %-20s %-8s %-19.19s %-19.19s %-15s %s\n",
                            row.handle.c_str(), row.user_id.c_str(), printable(row.name).c_str(),
                            row.state.c_str(), row.created_at.c_str(), row.last_seen_at.c_str(),
                            printable(row.client_address).c_str(),
                            printable(row.user_agent).c_str());
            }
            return std::optional<std::string>();
        });
    return problem ? fail(*problem) : exit_ok;
}

int show(InternalClient& daemon, const SessionsWish& wish) {
    for (const auto& handle : wish.handles) {
        const auto answer = daemon.get("/v1/sessions/" + percent_encode(handle));
        if (!answer) return fail(answer.error().detail);
        if (answer->status != 200) return fail(handle + ": " + problem_text(answer->body));
        std::cout << pretty_json(answer->body) << '\n';
    }
    return exit_ok;
}

enum class Absent { is_an_error, is_fine };

/// Why one session could not be ended; nullopt when it has.
std::optional<std::string> end(InternalClient& daemon, const std::string& handle, bool at_discord,
                               Absent absent) {
    const auto answer = daemon.remove("/v1/sessions/" + percent_encode(handle) +
                                      (at_discord ? "?revoke=true" : ""));
    if (!answer) return answer.error().detail;
    if (answer->status == 204) return std::nullopt;
    // A revocation at Discord ends the other sessions of that user.
    if (answer->status == 404 && absent == Absent::is_fine) return std::nullopt;
    return handle + ": " + problem_text(answer->body);
}

int revoke(InternalClient& daemon, const SessionsWish& wish) {
    std::size_t ended = 0;
    std::optional<std::string> problem;
    const auto end_each = [&](const std::vector<std::string>& handles, Absent absent) {
        for (const auto& handle : handles) {
            if (auto why = end(daemon, handle, wish.at_discord, absent)) {
                std::cerr << "cordgate sessions: " << *why << '\n';
                problem = "not all sessions were ended";
            } else {
                ++ended;
            }
        }
    };
    end_each(wish.handles, Absent::is_an_error);
    if (!wish.user.empty() && wish.guild.empty() && !wish.at_discord) {
        // One step: what begins meanwhile is not missed.
        const auto answer = daemon.remove("/v1/users/" + percent_encode(wish.user) + "/sessions");
        if (!answer) return fail(answer.error().detail);
        if (answer->status != 200) return fail(problem_text(answer->body));
        ended += read_ended(answer->body);
    } else if (wish.all || !wish.user.empty() || !wish.guild.empty()) {
        std::vector<std::string> handles;
        const auto failed =
            each_page(daemon, wish, [&](const ListedPage& page, const std::string&) {
                for (const auto& row : page.rows) handles.push_back(row.handle);
                return std::optional<std::string>();
            });
        if (failed) return fail(*failed);
        end_each(handles, Absent::is_fine);
    }
    std::cout << ended << (ended == 1 ? " session ended\n" : " sessions ended\n");
    return problem ? fail(*problem) : exit_ok;
}

}  // namespace

int run_sessions(const Invocation& invocation) {
    const auto loaded = config::load_internal(find_sources(invocation));
    if (!loaded.settings) {
        for (const auto& problem : loaded.problems) std::cerr << problem.to_string() << '\n';
        return exit_failure;
    }
    InternalClient daemon(*loaded.settings);
    const auto& wish = invocation.sessions;
    switch (wish.action) {
        case SessionsWish::Action::list: return list(daemon, wish);
        case SessionsWish::Action::show: return show(daemon, wish);
        case SessionsWish::Action::revoke: return revoke(daemon, wish);
    }
    return exit_failure;
}

}  // namespace cordgate
