#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cordgate::config {

/// How a setting is written.
enum class Type {
    text,
    boolean,
    count,
    size,      ///< with a unit: 32KiB
    duration,  ///< with a unit: 15m
    choice,
    list,         ///< of texts; a comma list in flags and environment
    secret,       ///< a text that is never shown; also read from KEY_file
    secret_list,  ///< KEY_file holds one per line
    entries,      ///< a YAML list of mappings with `fields`
    named,        ///< a YAML mapping from names to mappings with `fields`
    texts,        ///< a YAML mapping from names to texts
    requirement,  ///< the tree of predicates of a rule
};

/// One row: everything there is to know about a setting. Flags, environment,
/// YAML, the output of `check`, docs/configuration.md and the JSON Schema are
/// made from these rows.
struct Setting {
    std::string_view key;  ///< "session.idle_timeout"; in `fields`: "tls.ca_file"
    Type type = Type::text;
    std::string_view fallback = {};  ///< the default, as one would write it; lists: comma list
    std::string_view help = {};      ///< a sentence for people
    std::vector<std::string_view> choices = {};  ///< Type::choice
    std::uint64_t min = 0;                       ///< count, bytes or milliseconds
    std::uint64_t max = std::numeric_limits<std::uint64_t>::max();
    bool required = false;
    bool whole_seconds = false;        ///< duration without a fraction
    std::string_view example = {};     ///< for config/example.yaml and the docs
    std::vector<Setting> fields = {};  ///< Type::entries and Type::named
    std::string_view not_yet = {};     ///< not empty: it is read but unused, and this holds instead

    /// `help`, and that the setting does nothing where that is so.
    std::string described() const;
    bool is_secret() const { return type == Type::secret || type == Type::secret_list; }
    /// Whether one line of text can hold it, so that flags and environment may.
    bool is_structured() const {
        return type == Type::entries || type == Type::named || type == Type::texts ||
               type == Type::requirement;
    }
};

/// Every setting, in the order of the documentation.
const std::vector<Setting>& settings_table();

/// The row of `key`, or null.
const Setting* find_setting(const std::vector<Setting>& rows, std::string_view key);

/// "session.idle_timeout" -> "session-idle-timeout" (without the dashes in front).
std::string flag_name(std::string_view key);
/// "session.idle_timeout" -> "CORDGATE_SESSION_IDLE_TIMEOUT".
std::string environment_name(std::string_view key);

/// A name under which a setting can be given outside the file.
struct OuterName {
    std::string key;   ///< "discord.client_secret_file"
    std::string flag;  ///< "discord-client-secret-file"
    std::string environment;
    std::string help;
    std::string metavar;  ///< "DURATION", "auto|consent|none"
};

/// All flags and variables: scalars, lists, the file forms of secrets, and
/// `upstreams` as a comma list of URLs. The command line is made from this.
const std::vector<OuterName>& outer_names();
/// What flags of all other settings would be called.
const std::vector<std::string>& file_only_flags();

/// Variables that belong to us and are no setting (CORDGATE_CONFIG), or that a
/// platform makes up from a service called "cordgate" (Kubernetes service
/// links); they are not "unknown".
bool is_foreign_variable(std::string_view name);

/// The candidate nearest to `word`, when near enough for a typing mistake.
std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates);

}  // namespace cordgate::config
