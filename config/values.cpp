#include "config/values.hpp"

#include <algorithm>
#include <cassert>

#include "config/units.hpp"
#include "core/ascii.hpp"

namespace cordgate::config {
namespace {

constexpr std::size_t max_secret_bytes = 64 * 1024;

// What people write when they mean something that goes by another name here.
struct Hint {
    std::string_view name;
    std::string_view instead;
};
constexpr Hint hints[] = {
    {"redirect_uri",  "it is always server.public_url + paths.callback"},
    {"redirect_url",  "it is always server.public_url + paths.callback"},
    {"bind",          "see server.listen"                              },
    {"port",          "see server.listen"                              },
    {"upstream",      "did you mean \"upstreams\"? It is a list"       },
    {"cookie_secret", "see session.keys"                               },
    {"secret_key",    "see session.keys"                               },
};

std::string kind_name(Node::Kind kind) {
    switch (kind) {
        case Node::Kind::null: return "nothing";
        case Node::Kind::scalar: return "a single value";
        case Node::Kind::list: return "a list";
        case Node::Kind::map: return "a mapping";
    }
    return "something else";
}

std::string wanted(const Setting& row) {
    switch (row.type) {
        case Type::boolean: return "true or false";
        case Type::count: return "a number";
        case Type::size: return "a size such as 32KiB";
        case Type::duration: return "a duration such as 15m";
        case Type::list: return "a list";
        case Type::secret_list: return "a list";
        case Type::entries: return "a list of mappings";
        case Type::named: return "a mapping from names to mappings";
        case Type::texts: return "a mapping from names to texts";
        case Type::requirement: return "a mapping of predicates";
        default: return "a text";
    }
}

std::string join(const std::vector<std::string_view>& words) {
    std::string out;
    for (const auto word : words) out += (out.empty() ? "" : ", ") + std::string(word);
    return out;
}

std::string show(const Setting& row, std::uint64_t value) {
    if (row.type == Type::size) return format_size(value);
    if (row.type != Type::duration) return std::to_string(value);
    return format_duration(std::chrono::milliseconds{static_cast<std::int64_t>(value)});
}

// Says which side of the range was left, or nothing.
std::optional<std::string> out_of_range(const Setting& row, std::uint64_t value) {
    if (value < row.min) return "is too small; at least " + show(row, row.min);
    if (value > row.max) return "is too large; at most " + show(row, row.max);
    if (row.whole_seconds && value % 1000 != 0)
        return std::string("has a fraction of a second; whole seconds are allowed");
    return std::nullopt;
}

std::string_view strip_newlines(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
    return text;
}

}  // namespace

const Setting& Values::row(std::string_view key) const {
    const Setting* const found = find_setting(rows_, key);
    assert(found && "a key that is not in the table");
    return *found;
}

const Node* Values::node(std::string_view key) const {
    const auto at = nodes_.find(key);
    return at == nodes_.end() ? nullptr : &at->second;
}

bool Values::filled(std::string_view key) const {
    const Node* const n = node(key);
    return n &&
           !(n->kind == Node::Kind::null || (n->kind == Node::Kind::scalar && n->text.empty()) ||
             (n->kind == Node::Kind::list && n->items.empty()) ||
             (n->kind == Node::Kind::map && n->fields.empty()));
}

Place Values::place(std::string_view key) const {
    if (const Node* const n = node(key)) return n->place;
    // Not given: the section it would stand in, else the top.
    auto section = std::string(key);
    for (auto dot = section.rfind('.'); dot != section.npos; dot = section.rfind('.')) {
        section.resize(dot);
        if (const auto at = sections_.find(section); at != sections_.end()) return at->second;
    }
    return home_;
}

void Values::error(std::string_view key, std::string message) {
    problems_.error(place(key), full(key), std::move(message));
}

void Values::warning(std::string_view key, std::string message) {
    problems_.warning(place(key), full(key), std::move(message));
}

void Values::take(std::string_view key, Node node) {
    nodes_.emplace(key, std::move(node));
}

void Values::take_map(const Node& map) {
    take_section(map, "");
}

void Values::take_section(const Node& map, const std::string& section) {
    for (std::size_t i = 0; i < map.fields.size(); ++i) {
        const auto& [name, node] = map.fields[i];
        const auto& at = map.field_places[i];
        const std::string key = section + name;
        const bool dotted = name.find('.') != name.npos;
        const bool is_section = std::any_of(rows_.begin(), rows_.end(), [&](const Setting& r) {
            return !dotted && r.key.starts_with(key + ".");
        });
        const Setting* known = dotted ? nullptr : find_setting(rows_, key);
        const Setting* const secret_row =
            key.ends_with("_file") ? find_setting(rows_, key.substr(0, key.size() - 5)) : nullptr;
        if (!known && secret_row && secret_row->is_secret()) known = secret_row;
        if (is_section) {
            sections_.emplace(key, at);
            if (node.kind == Node::Kind::map) {
                take_section(node, key + ".");
            } else if (node.kind != Node::Kind::null) {
                problems_.error(node.place, full(key),
                                "must be a mapping, not " + kind_name(node.kind));
            }
        } else if (known) {
            // "rules:" with everything under it commented out is an empty list.
            if (node.kind == Node::Kind::null && !known->is_structured()) {
                problems_.error(at, full(key),
                                "has no value; write " + wanted(*known) + " or remove the key");
            } else if (node.kind != Node::Kind::null) {
                take(key, node);
            }
        } else {
            unknown(at, name, section);
        }
    }
}

void Values::unknown(const Place& at, const std::string& name, const std::string& section) {
    // The names that would be right here, and full keys elsewhere that end so.
    std::vector<std::string> here;
    std::vector<std::string> elsewhere;
    for (const auto& r : rows_) {
        const std::string key(r.key);
        const auto last = key.substr(key.rfind('.') + 1);
        if (last == name || key == name || flag_name(key) == flag_name(name))
            elsewhere.push_back(key);
        if (!key.starts_with(section)) continue;
        const auto rest = key.substr(section.size());
        here.push_back(rest.substr(0, rest.find('.')));
        if (r.is_secret() && rest.find('.') == rest.npos) here.push_back(rest + "_file");
    }
    std::string message = "is not a setting";
    const auto hint = std::find_if(std::begin(hints), std::end(hints),
                                   [&name](const Hint& h) { return h.name == name; });
    if (hint != std::end(hints)) {
        message += "; " + std::string(hint->instead);
    } else if (const auto near = nearest(name, here)) {
        message += "; did you mean \"" + *near + "\"?";
    } else if (elsewhere.size() == 1) {
        message += " here; did you mean " + elsewhere.front() + "?";
    } else {
        std::sort(here.begin(), here.end());
        here.erase(std::unique(here.begin(), here.end()), here.end());
        std::string all;
        for (const auto& h : here) all += (all.empty() ? "" : ", ") + h;
        message += "; allowed here: " + all;
    }
    const auto shown = in_quotes(name);
    problems_.error(at, full(section + shown.substr(1, shown.size() - 2)), std::move(message));
}

std::optional<std::string> Values::scalar(std::string_view key) {
    const Setting& setting = row(key);
    const Node* const n = node(key);
    if (!n) {
        if (setting.required) error(key, "is required: " + std::string(setting.help));
        return std::nullopt;
    }
    if (n->kind == Node::Kind::scalar) {
        if (setting.required && n->text.empty()) {
            error(key, "is required and must not be empty: " + std::string(setting.help));
            return std::nullopt;
        }
        if (n->text.find("${") != n->text.npos) {
            // Taken literally, it would be a wrong value that looks right.
            error(key, "holds ${...}, which is not expanded in this file; set the variable " +
                           environment_name(key) + " instead");
            return std::nullopt;
        }
        return n->text;
    }
    error(key, "must be " + wanted(setting) + ", not " + kind_name(n->kind));
    return std::nullopt;
}

std::string Values::text(std::string_view key) {
    const Setting& setting = row(key);
    const auto given_text = scalar(key);
    if (!given_text) return std::string(setting.fallback);
    if (setting.type != Type::choice) {
        const bool printable = std::none_of(given_text->begin(), given_text->end(), [](char c) {
            return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
        });
        if (printable) return *given_text;
        error(key, "holds control characters");
        return std::string(setting.fallback);
    }
    if (std::find(setting.choices.begin(), setting.choices.end(), *given_text) !=
        setting.choices.end())
        return *given_text;
    error(key, in_quotes(*given_text) + " is not one of " + join(setting.choices));
    return std::string(setting.fallback);
}

bool Values::boolean(std::string_view key) {
    const auto given_text = scalar(key);
    if (given_text && *given_text != "true" && *given_text != "false")
        error(key, in_quotes(*given_text) + " is not true or false");
    return given_text ? *given_text == "true" : row(key).fallback == "true";
}

std::uint64_t Values::count(std::string_view key) {
    const Setting& setting = row(key);
    const auto parse = [&setting](std::string_view t) {
        return setting.type == Type::size ? parse_size(t) : parse_count(t);
    };
    const auto fallback = [&] {
        const auto parsed = parse(setting.fallback);
        return std::holds_alternative<std::uint64_t>(parsed) ? std::get<std::uint64_t>(parsed) : 0;
    };
    const auto given_text = scalar(key);
    if (!given_text) return fallback();
    const auto parsed = parse(*given_text);
    if (const auto* const problem = std::get_if<std::string>(&parsed)) {
        error(key, in_quotes(*given_text) + " " + *problem);
        return fallback();
    }
    const auto value = std::get<std::uint64_t>(parsed);
    const auto problem = out_of_range(setting, value);
    if (!problem) return value;
    error(key, in_quotes(*given_text) + " " + *problem);
    return fallback();
}

std::chrono::milliseconds Values::duration(std::string_view key) {
    using Ms = std::chrono::milliseconds;
    const Setting& setting = row(key);
    const auto given_text = scalar(key);
    const auto parsed = parse_duration(given_text ? *given_text : std::string(setting.fallback));
    if (const auto* const problem = std::get_if<std::string>(&parsed)) {
        error(key, in_quotes(given_text.value_or("")) + " " + *problem);
        return std::get<Ms>(parse_duration(setting.fallback));
    }
    const auto value = std::get<Ms>(parsed);
    const auto problem = out_of_range(setting, static_cast<std::uint64_t>(value.count()));
    if (!problem) return value;
    error(key, in_quotes(given_text.value_or("")) + " " + *problem);
    return std::get<Ms>(parse_duration(setting.fallback));
}

std::chrono::seconds Values::seconds(std::string_view key) {
    return std::chrono::duration_cast<std::chrono::seconds>(duration(key));
}

std::vector<Item> Values::list(std::string_view key) {
    const Setting& setting = row(key);
    const Node* const n = node(key);
    std::vector<Item> out;
    if (!n) {
        for (const auto& item : Node::comma_list(setting.fallback, place(key)).items)
            out.push_back({item.text, item.place});
        return out;
    }
    if (n->kind == Node::Kind::scalar) {  // one value may stand for a list of one
        if (!n->text.empty()) out.push_back({n->text, n->place});
        return out;
    }
    if (n->kind != Node::Kind::list) {
        error(key, "must be a list, not " + kind_name(n->kind));
        return out;
    }
    for (std::size_t i = 0; i < n->items.size(); ++i) {
        const auto& item = n->items[i];
        const auto name = full(key) + "[" + std::to_string(i) + "]";
        if (item.kind != Node::Kind::scalar || item.text.empty()) {
            problems_.error(
                item.place, name,
                "must be a text, not " + (item.text.empty() && item.kind == Node::Kind::scalar
                                              ? "an empty one"
                                              : kind_name(item.kind)));
        } else if (std::any_of(out.begin(), out.end(),
                               [&item](const Item& other) { return other.text == item.text; })) {
            problems_.error(item.place, name, in_quotes(item.text) + " is listed twice");
        } else {
            out.push_back({item.text, item.place});
        }
    }
    return out;
}

// The text of a secret, from its own value or from its file, never both; what
// is said about it never holds any of it.
std::optional<std::string> Values::secret_text(std::string_view key, Place& from) {
    const Setting& setting = row(key);
    const std::string file_key = std::string(key) + "_file";
    if (filled(key) && filled(file_key)) {
        error(file_key, "both " + full(key) + " (" + place(key).to_string() + ") and " +
                            full(file_key) + " are given; remove one");
        return std::nullopt;
    }
    from = place(key);
    if (filled(key) && node(key)->kind == Node::Kind::scalar) return node(key)->text;
    if (filled(key) && setting.type == Type::secret) {
        error(key, "must be a text, not " + kind_name(node(key)->kind));
        return std::nullopt;
    }
    if (!filled(file_key)) {
        if (setting.required && !filled(key))
            error(key, "is required, as " + full(key) + ", " + full(file_key) + " or " +
                           environment_name(full(file_key)) + ": " + std::string(setting.help));
        return std::nullopt;
    }
    from = place(file_key);
    const Node& path = *node(file_key);
    if (path.kind != Node::Kind::scalar) {
        error(file_key, "must be the path of a file, not " + kind_name(path.kind));
        return std::nullopt;
    }
    const auto file = read_file(path.text, max_secret_bytes);
    if (!file.text) {
        error(file_key, path.text + " " + file.problem);
        return std::nullopt;
    }
    const auto content = strip_newlines(*file.text);
    if (content.empty()) {
        error(file_key, path.text + " is empty");
        return std::nullopt;
    }
    if (file.world_readable)
        warning(file_key, path.text + " can be read by every user of this machine; chmod 600 it");
    return std::string(content);
}

Secret Values::secret(std::string_view key) {
    Place from;
    const auto value = secret_text(key, from);
    if (!value) return {};
    const bool clean = std::none_of(value->begin(), value->end(), [](char c) {
        return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f;
    });
    if (clean) return Secret(*value);
    problems_.error(from, full(key),
                    "holds blanks, line breaks or other characters that no such secret has");
    return {};
}

std::vector<std::pair<Secret, Place>> Values::secrets(std::string_view key) {
    std::vector<std::pair<Secret, Place>> out;
    Place from;
    const auto value = secret_text(key, from);
    if (value) {
        std::string_view rest = *value;
        while (!rest.empty()) {
            const auto end = rest.find('\n');
            auto line = trim(rest.substr(0, end));
            if (line.ends_with('\r')) line.remove_suffix(1);
            if (!line.empty() && !line.starts_with('#')) out.emplace_back(Secret(line), from);
            rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
        }
        return out;
    }
    const Node* const n = node(key);
    if (!n || n->kind == Node::Kind::scalar) return out;
    if (n->kind != Node::Kind::list) {
        error(key, "must be a list, not " + kind_name(n->kind));
        return out;
    }
    for (const auto& item : n->items) {
        if (item.kind == Node::Kind::scalar) {
            out.emplace_back(Secret(item.text), item.place);
        } else {
            problems_.error(item.place, full(key), "must be a text, not " + kind_name(item.kind));
        }
    }
    return out;
}

std::vector<Snowflake> Values::ids(std::string_view key) {
    const Node* const n = node(key);
    return n && filled(key) ? read_ids(*n, full(key), problems_) : std::vector<Snowflake>();
}

std::optional<Snowflake> Values::id(std::string_view key) {
    const Setting& setting = row(key);
    if (!filled(key)) {
        if (setting.required) error(key, "is required: " + std::string(setting.help));
        return std::nullopt;
    }
    return read_id(*node(key), full(key), problems_);
}

std::optional<Snowflake> read_id(const Node& node, std::string_view key, Problems& problems) {
    if (node.kind != Node::Kind::scalar) {
        problems.error(node.place, key, "must be an id, not " + kind_name(node.kind));
        return std::nullopt;
    }
    const auto id = Snowflake::parse(node.text);
    if (id && id->value() != 0) return id;
    problems.error(node.place, key,
                   in_quotes(node.text) +
                       " is not an id; write Discord's decimal id in quotes, such as "
                       "\"197038439483310086\"");
    return std::nullopt;
}

std::vector<Snowflake> read_ids(const Node& node, std::string_view key, Problems& problems) {
    std::vector<Snowflake> out;
    if (node.kind != Node::Kind::list) {
        if (const auto id = read_id(node, key, problems)) out.push_back(*id);
        return out;
    }
    if (node.items.empty()) problems.error(node.place, key, "names no id");
    for (const auto& item : node.items)
        if (const auto id = read_id(item, key, problems)) out.push_back(*id);
    return out;
}

}  // namespace cordgate::config
