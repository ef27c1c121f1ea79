#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.hpp"
#include "config/table.hpp"
#include "core/secret.hpp"
#include "core/snowflake.hpp"

namespace cordgate::config {

/// A text of a list, and where it stands.
struct Item {
    std::string text;
    Place place;
};

/// Typed access to the settings of one table: all of them, or the fields of one
/// entry ("upstreams[0].url"). A value that is wrong becomes a problem, and the
/// default is answered instead, so that reading goes on.
class Values {
public:
    /// `prefix` is "" or "upstreams[0]."; `home` is where to point when
    /// something required is absent.
    Values(const std::vector<Setting>& rows, std::string prefix, Place home, Problems& problems)
        : rows_(rows), prefix_(std::move(prefix)), home_(std::move(home)), problems_(problems) {}

    /// Takes the fields of a YAML mapping; unknown ones are problems. Values
    /// that are there already stay.
    void take_map(const Node& map);
    /// Takes one value, unless a source that counts more gave it already.
    void take(std::string_view key, Node node);

    bool given(std::string_view key) const { return nodes_.contains(key); }
    /// Given, and not just as an empty text or list.
    bool filled(std::string_view key) const;
    /// Where it was given, else where it could be.
    Place place(std::string_view key) const;
    /// "upstreams[0].url"
    std::string full(std::string_view key) const { return prefix_ + std::string(key); }
    const Node* node(std::string_view key) const;
    const std::map<std::string, Node, std::less<>>& nodes() const { return nodes_; }

    std::string text(std::string_view key);
    bool boolean(std::string_view key);
    std::uint64_t count(std::string_view key);  ///< also sizes, in bytes
    std::chrono::milliseconds duration(std::string_view key);
    std::chrono::seconds seconds(std::string_view key);
    std::vector<Item> list(std::string_view key);
    Secret secret(std::string_view key);
    /// With where each stands; the texts themselves are secret.
    std::vector<std::pair<Secret, Place>> secrets(std::string_view key);
    std::vector<Snowflake> ids(std::string_view key);
    std::optional<Snowflake> id(std::string_view key);

    void error(std::string_view key, std::string message);
    void warning(std::string_view key, std::string message);
    Problems& problems() { return problems_; }

private:
    const Setting& row(std::string_view key) const;
    void take_section(const Node& map, const std::string& section);
    void unknown(const Place& at, const std::string& name, const std::string& section);
    std::optional<std::string> scalar(std::string_view key);
    std::optional<std::string> secret_text(std::string_view key, Place& from);

    const std::vector<Setting>& rows_;
    std::string prefix_;
    Place home_;
    Problems& problems_;
    std::map<std::string, Node, std::less<>> nodes_;
    std::map<std::string, Place, std::less<>> sections_;
};

/// Ids from a node that is one id or a list of ids; anything else is a problem.
std::vector<Snowflake> read_ids(const Node& node, std::string_view key, Problems& problems);
std::optional<Snowflake> read_id(const Node& node, std::string_view key, Problems& problems);

}  // namespace cordgate::config
