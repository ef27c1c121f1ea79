#include "proxy/exchange.hpp"

#include <array>

namespace cordgate::proxy {

Reply failed(Exchange& exchange, const Error& error) {
    exchange.record.error = describe_error(error);
    exchange.record.is_told = error.source == ErrorSource::store;
    return reply::from_error(exchange.page_context(), error);
}

Task<void> send_reply(Exchange& exchange, Reply reply) {
    // A body that is still to come would be taken for the next request.
    if (reply.close || exchange.body.needs_reading() || exchange.gate.draining) {
        exchange.keep_alive = false;
    }
    exchange.out.clear();
    append_head(exchange.out, reply, exchange.head, exchange.request_id, exchange.keep_alive);
    const bool bodiless = exchange.head.method == "HEAD" || reply.status == 204;
    const std::array<std::string_view, 2> parts{
        exchange.out.view(), bodiless ? std::string_view{} : std::string_view(reply.body)};
    exchange.record.status = reply.status;
    exchange.gate.refusals.add(reply.status);
    exchange.record.response_bytes = parts[1].size();
    exchange.head_sent = true;
    exchange.stream.expires_after(exchange.gate.settings.server.timeouts.body);
    const auto sent = co_await exchange.stream.write(std::span<const std::string_view>(parts));
    if (!sent) exchange.cut = true;
}

}  // namespace cordgate::proxy
