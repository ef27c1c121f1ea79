#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/problems.hpp"

namespace cordgate::config {

struct NamedNode;

/// A YAML value with its place; also what flags and variables are turned into,
/// so that one reader serves all of them.
struct Node {
    enum class Kind { null, scalar, list, map };
    Kind kind = Kind::null;
    Place place;
    std::string text;                 ///< scalar, as written, without quotes
    std::vector<Node> items;          ///< list
    std::vector<NamedNode> fields;    ///< map, in order, keys distinct
    std::vector<Place> field_places;  ///< where each key stands

    const Node* find(std::string_view key) const;
    static Node scalar(std::string text, Place place);
    /// A list of scalars from "a, b"; empty parts are dropped.
    static Node comma_list(std::string_view text, const Place& place);
};

/// A key and its value; a struct of its own, since Node is not complete before.
struct NamedNode {
    std::string first;
    Node second;
};

/// Parses YAML text; `name` stands in front of every position. Aliases are
/// expanded within bounds; duplicate keys, further documents and syntax errors
/// become problems. Never throws; an empty document is a map without fields.
Node parse_yaml(std::string_view text, const std::string& name, Problems& problems);

/// What a file holds, or why it cannot be read, with errno's text.
struct FileText {
    std::optional<std::string> text;
    std::string problem;
    bool world_readable = false;  ///< and not one of `is_mounted_secret`
};
/// Whether a container's runtime put the file there: under /run/secrets/ every
/// user of the container may read, and nobody else is in it.
bool is_mounted_secret(std::string_view path);
FileText read_file(const std::string& path, std::size_t max_bytes);

/// Reads and parses a configuration file: byte order mark and CRLF are fine;
/// directories, empty, binary and huge files are problems.
Node load_yaml(const std::string& path, Problems& problems);

}  // namespace cordgate::config
