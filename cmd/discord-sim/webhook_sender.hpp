#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "cmd/discord-sim/service.hpp"

namespace httplib {
class Client;
}

namespace cordgate::sim {

/// Sends what waits in the service's webhook events, one after the other, from a
/// thread of its own. An answer has to come within three seconds, as at Discord.
class WebhookSender {
public:
    /// `service` must outlive this.
    explicit WebhookSender(Service& service) : service_(service) {}
    ~WebhookSender() { stop(); }
    WebhookSender(const WebhookSender&) = delete;
    WebhookSender& operator=(const WebhookSender&) = delete;

    void start();
    /// Breaks off what is being sent.
    void stop();
    /// Waits until nothing is due and nothing is being sent.
    void settle();

private:
    void run();
    int post(const EventPost& event);

    Service& service_;
    std::thread thread_;
    bool stopping_ = false;  ///< under the service's lock
    std::mutex client_mutex_;
    std::shared_ptr<httplib::Client> client_;
};

}  // namespace cordgate::sim
