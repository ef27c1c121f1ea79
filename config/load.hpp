#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.hpp"

namespace cordgate::config {

/// One thing that is wrong, or worth a warning, and where.
struct Problem {
    std::string where;  ///< "cordgate.yaml:12:3", "environment CORDGATE_X", "flag --x", "settings"
    std::string key;    ///< "session.idle_timeout"; empty when it is about a file as a whole
    std::string message;  ///< what is wrong, what is allowed; never holds a secret's value
    bool warning = false;

    /// "FILE:LINE:COL: key: message"
    std::string to_string() const;
};

/// Where settings come from. Flags and environment are keyed by their full
/// names ("server-listen" without dashes in front, "CORDGATE_SERVER_LISTEN").
struct Sources {
    std::string file;                                ///< path; empty: no file
    std::map<std::string, std::string> environment;  ///< only CORDGATE_* matter
    std::map<std::string, std::string> flags;
};

/// Settings, if nothing is wrong, and every problem found, in order of place.
struct Loaded {
    std::optional<Settings> settings;  ///< nullopt when any problem is not a warning
    std::vector<Problem> problems;
};

/// Loads everything: flag > environment > YAML > default. Reads the file, the
/// secret files and the CA files it names; opens no port and no database.
Loaded load(const Sources& sources);

/// What a client of the internal API has to know.
struct LoadedInternal {
    std::optional<Internal> settings;
    std::vector<Problem> problems;
};

/// Loads the section `internal` alone, from the same places: somebody who may use the
/// internal API need not be able to read the daemon's other secrets, nor wait until the
/// rest of a file that is being changed is right. Who gives address and token by flags or
/// environment needs no file at all.
LoadedInternal load_internal(const Sources& sources);

}  // namespace cordgate::config
