#pragma once

#include <string>
#include <vector>

#include "config/table.hpp"

namespace cordgate::config {

/// The table as the tree that YAML shows: a section has branches, a setting
/// has a row.
struct Branch {
    std::string name;
    const Setting* row = nullptr;
    std::vector<Branch> branches;
};

/// In the order of the table; `rows` must outlive it.
std::vector<Branch> tree_of(const std::vector<Setting>& rows);

/// The default as one line of YAML: "[identify, guilds]", "24h", "\"\"".
std::string yaml_default(const Setting& row);

/// `text` as a YAML scalar, in quotes where it needs them.
std::string yaml_scalar(std::string_view text);

}  // namespace cordgate::config
