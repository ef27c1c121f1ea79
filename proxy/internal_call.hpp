#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/discord/route.hpp"
#include "core/url.hpp"
#include "proxy/gate.hpp"
#include "proxy/reply.hpp"

namespace cordgate::proxy {

/// A call of the internal API, as it came. Nothing here is trusted but its form.
struct InternalRequest {
    std::string method;  ///< in capitals; HEAD counts as GET
    std::string path;    ///< as sent, without the query
    std::string query;   ///< as sent, without "?"
    std::string body;
    std::string content_type;
    std::string audit_log_reason;

    /// What stood for "{...}" of the route, in order.
    std::vector<std::string> parameters = {};
};

/// What a call may have to wait for decides on whose thread it runs: those that wait
/// for Discord are bounded, and none of the others waits for them.
enum class Waits { for_nothing, for_ping, for_store, for_discord };

struct InternalCall {
    std::string_view methods;  ///< "GET", "GET, PUT"
    std::string_view path;     ///< "/v1/sessions/{handle}"; "{route}" takes all the rest
    Reply (*answer)(Gate&, const InternalRequest&);  ///< any thread
    Waits waits = Waits::for_store;
};

/// Every call there is.
const std::vector<InternalCall>& internal_calls();

/// The one that `request` is for, whose parameters are set; nullptr with `refusal` set
/// when there is none.
const InternalCall* find_call(InternalRequest& request, Reply& refusal);

// --- for those who answer ------------------------------------------------------

/// The parameters of a query, each at most once and only those that are known.
class InternalQuery {
public:
    /// `problem` is set when the query is not one of these.
    InternalQuery(const InternalRequest& request, std::vector<std::string_view> known);

    std::string text(std::string_view name) const { return query_.get(name).value_or(""); }
    bool has(std::string_view name) const { return query_.get(name).has_value(); }
    /// 1 or true, 0 or false.
    bool flag(std::string_view name);
    std::size_t number(std::string_view name, std::size_t fallback, std::size_t least,
                       std::size_t most);
    /// Any number of seconds; more than `most`, and "inf", count as that.
    std::chrono::seconds age(std::string_view name, std::chrono::seconds fallback,
                             std::chrono::seconds most);
    std::optional<Snowflake> id(std::string_view name);

    /// What was wrong; empty: nothing.
    const std::string& problem() const { return problem_; }

private:
    Query query_;
    std::string problem_;
};

Reply list_sessions(Gate& gate, const InternalRequest& request);
Reply show_session(Gate& gate, const InternalRequest& request);
Reply end_session(Gate& gate, const InternalRequest& request);
Reply end_sessions_of_user(Gate& gate, const InternalRequest& request);
Reply show_token(Gate& gate, const InternalRequest& request);

Reply fetch_user(Gate& gate, const InternalRequest& request);
Reply fetch_guilds(Gate& gate, const InternalRequest& request);
Reply fetch_connections(Gate& gate, const InternalRequest& request);
Reply fetch_member(Gate& gate, const InternalRequest& request);
Reply join_guild(Gate& gate, const InternalRequest& request);
Reply pass_as_user(Gate& gate, const InternalRequest& request);
Reply pass_as_bot(Gate& gate, const InternalRequest& request);

}  // namespace cordgate::proxy
