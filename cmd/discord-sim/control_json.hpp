#pragma once

#include <nlohmann/json.hpp>

#include "cmd/discord-sim/service.hpp"

// What the bodies of the control API mean. Reading throws std::exception with
// words for people; keys that are absent change nothing.

namespace cordgate::sim {

Fault read_fault(const nlohmann::json& object);
void read_settings(const nlohmann::json& object, Settings& settings);
Limit read_limit(const nlohmann::json& object);
AutoConsent read_consent(const nlohmann::json& object);
Signing read_signing(const nlohmann::json& object);
void read_application(const nlohmann::json& object, Application& application);

nlohmann::json describe_grants(const Grants& grants, TimePoint now);
nlohmann::json describe_events(const WebhookEvents& events);
const char* name_of(AutoConsent::Mode mode);

}  // namespace cordgate::sim
