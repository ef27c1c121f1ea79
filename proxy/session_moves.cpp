#include "proxy/session_moves.hpp"

#include <functional>
#include <string>

#include "proxy/access_log.hpp"
#include "proxy/exchange.hpp"

namespace cordgate::proxy {

bool SessionMoves::is_new(std::string_view digest, std::string_view address,
                          std::string_view agent) {
    std::string where(digest);
    where.append(address).append(1, '\0').append(agent);
    const std::lock_guard lock(mutex_);
    if (told_.size() == most) told_.clear();
    return told_.insert(std::hash<std::string>()(where)).second;
}

void note_move(Exchange& exchange, const LiveSession& live) {
    const auto& session = live.session;
    const auto& address = exchange.client.address;
    const auto agent = exchange.head.value("user-agent").substr(0, Session::max_user_agent);
    const bool is_same_agent = agent == session.user_agent;
    if (is_same_agent && address == session.client_address) return;
    if (!exchange.gate.moves.is_new(live.digest, address, agent)) return;
    log_info("session used from elsewhere",
             "user_id=" + session.identity.user.id.to_string() + " session=" + session.handle +
                 " client=" + address + " login=" + session.client_address +
                 (is_same_agent ? "" : " by another browser"));
}

}  // namespace cordgate::proxy
