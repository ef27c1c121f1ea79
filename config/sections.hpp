#pragma once

#include "config/settings.hpp"
#include "config/values.hpp"

namespace cordgate::config {

// Each reads one part of the configuration into `settings` and says what is
// wrong with it. They run in this order: later parts look at earlier ones.

void read_server(Values& values, Settings& settings);
void read_paths(Values& values, Settings& settings);
void read_discord(Values& values, Settings& settings);
void read_upstreams(Values& values, Settings& settings);
void read_rules(Values& values, Settings& settings);
void read_session(Values& values, Settings& settings);
void read_identity(Values& values, Settings& settings);
void read_login(Values& values, Settings& settings);
void read_headers(Values& values, Settings& settings);
void read_internal(Values& values, Settings& settings);
void read_log(Values& values, Settings& settings);

/// Refuses what was put there to be replaced ("changeme"); true when it did.
bool refuse_placeholder(Values& values, std::string_view key, const Secret& secret);
bool is_placeholder(std::string_view text);

/// Checks that the file `key` names can be read and holds PEM certificates that
/// are whole. Broken trust must not turn into none.
void check_certificates(Values& values, std::string_view key, const std::string& path);

}  // namespace cordgate::config
