#pragma once

#include <string>

#include "config/load.hpp"

namespace cordgate::config {

/// The effective settings as YAML, each with where it came from as a comment;
/// secrets are masked. For `cordgate check`.
std::string effective_settings(const Sources& sources, const Settings& settings);

/// docs/configuration.md.
std::string reference_markdown();

/// docs/cordgate.schema.json: JSON Schema, draft 2020-12, for editors.
std::string json_schema();

/// config/example.yaml: every setting, with its default or an example.
std::string example_yaml();

/// For `cordgate init`: a commented cordgate.yaml. Two things are left to fill
/// in: the client id, and the file with the client secret.
std::string init_config_yaml();
/// For `cordgate init`: a compose file for it, with a place for the application.
std::string init_compose_yaml();

}  // namespace cordgate::config
