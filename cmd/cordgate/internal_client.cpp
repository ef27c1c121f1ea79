#include "cmd/cordgate/internal_client.hpp"

#include <httplib.h>

namespace cordgate {
namespace {

/// An address to connect to, for one to listen on.
std::string reachable(const std::string& host) {
    if (host.empty() || host == "0.0.0.0") return "127.0.0.1";
    if (host == "::") return "::1";
    return host;
}

std::string host_of(const config::Endpoint& listen) {
    return listen.unix_path.empty() ? reachable(listen.host) : listen.unix_path;
}

}  // namespace

struct InternalClient::Impl {
    explicit Impl(const config::Internal& settings)
        : where(settings.listen.to_string()),
          client(host_of(settings.listen),
                 settings.listen.unix_path.empty() ? settings.listen.port : 80) {
        if (!settings.listen.unix_path.empty()) client.set_address_family(AF_UNIX);
        client.set_connection_timeout(2, 0);
        // A call may wait for Discord.
        client.set_read_timeout(30, 0);
        client.set_url_encode(false);
        headers.emplace("Host", "localhost");
        if (!settings.token.empty()) {
            headers.emplace("Authorization", "Bearer " + settings.token.reveal());
        }
    }

    Result<InternalAnswer> read(const std::string& target, const httplib::Result& answer) const {
        if (answer) return InternalAnswer{answer->status, answer->body};
        return Error{ErrorKind::unavailable, ErrorSource::gate,
                     where + target + ": no answer: " + httplib::to_string(answer.error())};
    }

    std::string where;
    httplib::Client client;
    httplib::Headers headers;
};

InternalClient::InternalClient(const config::Internal& settings)
    : impl_(std::make_unique<Impl>(settings)) {}

InternalClient::~InternalClient() = default;

Result<InternalAnswer> InternalClient::get(const std::string& target) {
    return impl_->read(target, impl_->client.Get(target, impl_->headers));
}

Result<InternalAnswer> InternalClient::remove(const std::string& target) {
    return impl_->read(target, impl_->client.Delete(target, impl_->headers));
}

}  // namespace cordgate
