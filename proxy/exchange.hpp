#pragma once

#include <string>

#include "proxy/access_log.hpp"
#include "proxy/body_reader.hpp"
#include "proxy/client_address.hpp"
#include "proxy/gate.hpp"
#include "proxy/io/stream.hpp"
#include "proxy/recent_token.hpp"
#include "proxy/reply.hpp"
#include "proxy/running.hpp"
#include "proxy/upstream_pool.hpp"
#include "proxy/workspace.hpp"

namespace cordgate::proxy {

/// One request and its response, from the checked head to the last byte. Lives
/// in its connection's frame; everything it refers to outlives it.
struct Exchange {
    Gate& gate;
    UpstreamPool& upstreams;
    RunningExchanges& others;
    Stream& stream;  ///< to the client
    Workspace& workspace;
    const http::RequestHead& head;  ///< in the workspace
    BodyReader& body;
    RecentToken& recent_token;
    http::HeadText& out;  ///< in the workspace: heads to the client
    ClientInfo client = {};
    std::string_view request_id = {};  ///< in the workspace
    AccessRecord record = {};
    bool keep_alive = true;      ///< of the connection to the client
    bool head_sent = false;      ///< a response has begun: no other can follow
    bool cut = false;            ///< the response ended before its end
    UpstreamPtr upgraded = {};   ///< after 101, no HTTP any more: the other end
    Stream* tunnel = nullptr;    ///< the same once bytes go both ways
    Stream* upstream = nullptr;  ///< the upstream that works for it, before that
    std::optional<std::chrono::seconds> stale = {};  ///< age of what Discord said, when too old
    bool tells_login_data = false;  ///< what came along with the login goes with this request
    bool session_ended = false;     ///< whoever asked may not any more: it is being cut
    Running running = {};           ///< known by its session while it is forwarded

    /// The origin that the browser asked; nullopt for a Host that makes none.
    std::optional<Origin> asked_origin() const {
        const std::string scheme = client.secure ? "https://" : "http://";
        return Origin::parse(scheme + std::string(client.host));
    }

    /// What limits per client count by.
    std::string limit_key() const {
        const auto address = IpAddress::parse(client.address);
        return address ? address->limit_key() : client.address;
    }

    PageContext page_context() const {
        return {gate.settings.paths.prefix, std::string(request_id), accepts_html(head),
                gate.settings.server.public_url.host};
    }
};

/// What is answered when something failed; noted in the record.
Reply failed(Exchange& exchange, const Error& error);

/// Sends a small response of our own and notes it in the record.
Task<void> send_reply(Exchange& exchange, Reply reply);

}  // namespace cordgate::proxy
