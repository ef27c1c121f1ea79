#include <algorithm>

#include "config/sections.hpp"
#include "core/ascii.hpp"
#include "core/discord/permissions.hpp"
#include "core/url.hpp"

namespace cordgate::config {
namespace {

using Kind = Requirement::Kind;

const std::vector<std::string> predicates = {"user",       "guild", "role", "owner",
                                             "permission", "any",   "all",  "not"};
const std::vector<std::string> planned = {"booster",    "pending", "account_age",
                                          "member_age", "mfa",     "connection",
                                          "login_age",  "host",    "schedule"};

bool contains(const std::vector<std::string>& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

// Reads the tree under `require`; what is wrong becomes a problem and leaves a
// hole, which never gets used since a problem refuses the whole configuration.
class RequirementReader {
public:
    explicit RequirementReader(Problems& problems) : problems_(problems) {}

    Requirement read(const Node& node, const std::string& key) {
        Requirement out;
        if (node.kind != Node::Kind::map) {
            problems_.error(node.place, key,
                            "must be a mapping of predicates, such as {guild: \"1234\"}");
            return out;
        }
        for (std::size_t i = 0; i < node.fields.size(); ++i) {
            const auto& [name, value] = node.fields[i];
            read_predicate(node, name, value, node.field_places[i], key, out.parts);
        }
        if (node.fields.empty())
            problems_.error(node.place, key,
                            "asks for nothing; remove it, or name what the visitor must be");
        if (out.parts.size() != 1) return out;  // Kind::all of them
        auto only = std::move(out.parts.front());
        return only;
    }

private:
    void read_predicate(const Node& all, const std::string& name, const Node& value,
                        const Place& at, const std::string& parent, std::vector<Requirement>& out) {
        const auto key = parent + "." + name;
        Requirement one;
        if (name == "user") {
            one.kind = Kind::user;
            one.ids = read_ids(value, key, problems_);
        } else if (name == "guild") {
            if (all.find("role")) return;  // who has a role there is there
            one.kind = Kind::guild;
            one.ids = read_ids(value, key, problems_);
        } else if (name == "role") {
            one.kind = Kind::role;
            one.ids = read_ids(value, key, problems_);
            if (const Node* const guild = all.find("guild")) {
                one.guilds = read_ids(*guild, parent + ".guild", problems_);
            } else {
                problems_.error(at, key, "needs `guild` beside it: roles belong to a guild");
            }
        } else if (name == "owner") {
            one.kind = Kind::owner;
            one.guilds = read_ids(value, key, problems_);
        } else if (name == "permission") {
            one = read_permission(value, at, key);
        } else if (name == "any" || name == "all") {
            one.kind = name == "any" ? Kind::any : Kind::all;
            one.parts = read_list(value, at, key);
        } else if (name == "not") {
            one.kind = Kind::negate;
            one.parts.push_back(read(value, key));
        } else {
            return unknown(at, name, parent);
        }
        out.push_back(std::move(one));
    }

    std::vector<Requirement> read_list(const Node& value, const Place& at, const std::string& key) {
        std::vector<Requirement> out;
        if (value.kind != Node::Kind::list || value.items.empty()) {
            problems_.error(at, key, "must be a list of at least one mapping of predicates");
            return out;
        }
        for (std::size_t i = 0; i < value.items.size(); ++i)
            out.push_back(read(value.items[i], key + "[" + std::to_string(i) + "]"));
        return out;
    }

    Requirement read_permission(const Node& value, const Place& at, const std::string& key) {
        Requirement out;
        out.kind = Kind::permission;
        if (value.kind != Node::Kind::map) {
            problems_.error(at, key, "must be {guild: ID, all: [NAMES]}");
            return out;
        }
        for (std::size_t i = 0; i < value.fields.size(); ++i) {
            const auto& name = value.fields[i].first;
            if (name == "guild" || name == "all") continue;
            problems_.error(value.field_places[i], key + "." + name,
                            "is not known here; allowed: guild, all");
        }
        const Node* const guild = value.find("guild");
        const Node* const all = value.find("all");
        if (guild) {
            out.guilds = read_ids(*guild, key + ".guild", problems_);
        } else {
            problems_.error(at, key, "needs `guild`: permissions belong to a guild");
        }
        if (!all || (all->kind == Node::Kind::list && all->items.empty())) {
            problems_.error(at, key,
                            "needs `all`, a list of permission names such as MANAGE_GUILD");
            return out;
        }
        const std::vector<Node> one{*all};
        for (const auto& item : all->kind == Node::Kind::list ? all->items : one)
            out.permissions |= read_bit(item, key + ".all");
        return out;
    }

    std::uint64_t read_bit(const Node& item, const std::string& key) {
        const auto bit = item.kind == Node::Kind::scalar ? discord::permission_bit(item.text)
                                                         : std::optional<std::uint64_t>();
        if (bit) return *bit;
        std::vector<std::string> names;
        for (const auto name : discord::permission_names()) names.emplace_back(name);
        const auto near = nearest(item.text, names);
        problems_.error(item.place, key,
                        in_quotes(item.text) + " is not a permission of Discord's" +
                            (near ? "; did you mean \"" + *near + "\"?" : ""));
        return 0;
    }

    void unknown(const Place& at, const std::string& name, const std::string& parent) {
        const auto shown = in_quotes(name);
        const auto key = parent + "." + shown.substr(1, shown.size() - 2);
        if (contains(planned, name))
            return problems_.error(at, key, "is not supported yet; it would be ignored");
        const auto near = nearest(name, predicates);
        problems_.error(at, key,
                        near ? "is not a predicate; did you mean \"" + *near + "\"?"
                             : std::string("is not a predicate; there are user, guild, role, "
                                           "owner, permission, any, all and not"));
    }

    Problems& problems_;
};

// A pattern as far as covering goes: literal segments, then perhaps "**".
struct Shape {
    std::vector<std::string> segments;
    bool open = false;    // ends with "**"
    bool literal = true;  // no "*" but that
};

Shape shape_of(std::string_view path) {
    Shape out;
    while (path.ends_with('/')) path.remove_suffix(1);
    while (!path.empty()) {
        path.remove_prefix(1);  // the slash
        const auto end = path.find('/');
        const auto segment = path.substr(0, end);
        out.segments.push_back(percent_decode(segment).value_or(std::string(segment)));
        path = end == path.npos ? std::string_view() : path.substr(end);
    }
    if (!out.segments.empty() && out.segments.back() == "**") {
        out.segments.pop_back();
        out.open = true;
    }
    out.literal = std::none_of(out.segments.begin(), out.segments.end(),
                               [](const std::string& s) { return s.find('*') != s.npos; });
    return out;
}

// Whether everything that `later` matches is matched by `earlier`; only what is
// certain counts.
bool covers_path(const Shape& earlier, const Shape& later) {
    if (earlier.segments == later.segments && (earlier.open || !later.open)) return true;
    if (!earlier.open || !earlier.literal || earlier.segments.size() > later.segments.size())
        return false;
    return std::equal(earlier.segments.begin(), earlier.segments.end(), later.segments.begin());
}

bool covers_methods(const Rule& earlier, const Rule& later) {
    if (earlier.methods.empty()) return true;
    if (later.methods.empty()) return false;
    return std::all_of(later.methods.begin(), later.methods.end(), [&](const std::string& m) {
        return contains(earlier.methods, m) || (m == "HEAD" && contains(earlier.methods, "GET"));
    });
}

// Reserved paths are answered before the rules: a rule for one does nothing,
// which its author should know.
std::optional<std::string> reserved_by(const Shape& shape, const Paths& paths) {
    if (!shape.literal) return std::nullopt;
    std::string text;
    for (const auto& segment : shape.segments) text += "/" + segment;
    for (const auto& path : {paths.login, paths.callback, paths.logout})
        if (text == path && !shape.open) return path;
    if (text == paths.prefix || text.starts_with(paths.prefix + "/")) return paths.prefix;
    return std::nullopt;
}

void read_methods(Values& entry, Rule& rule) {
    for (const auto& item : entry.list("methods")) {
        const bool good = std::all_of(item.text.begin(), item.text.end(),
                                      [](char c) { return is_upper(c) || c == '-'; });
        if (!good)
            entry.problems().error(item.place, entry.full("methods"),
                                   in_quotes(item.text) +
                                       " is not a method; write it in capitals, "
                                       "such as GET");
        rule.methods.push_back(item.text);
    }
    if (entry.given("methods") && rule.methods.empty())
        entry.error("methods",
                    "is empty, so that the rule could never match; remove it for all "
                    "methods");
}

std::optional<Rule> read_rule(Values& entry, const std::string& name, const Settings& settings) {
    const auto path = entry.text("path");
    auto glob = PathGlob::parse(path);
    if (!path.empty() && !glob)
        entry.error("path", in_quotes(path) +
                                " is not a pattern; it starts with /, * stands for a "
                                "part of a segment, ** for any number of whole ones");
    const auto pattern = glob ? *glob : *PathGlob::parse("/");
    Rule rule{pattern, {}, Access::login, std::nullopt, name + " " + path};
    read_methods(entry, rule);
    const auto access = entry.text("access");
    rule.access = access == "public"     ? Access::everyone
                  : access == "optional" ? Access::optional
                                         : Access::login;
    if (const Node* const require = entry.node("require")) {
        if (rule.access != Access::login)
            entry.error("access", "cannot be " + access + " together with `require`; remove one");
        rule.require = RequirementReader(entry.problems()).read(*require, entry.full("require"));
    }
    if (!glob) return std::nullopt;
    const auto shape = shape_of(path);
    if (const auto owner = reserved_by(shape, settings.paths))
        entry.error("path", in_quotes(path) + " is Cordgate's own (" + *owner +
                                "); no rule decides about it");
    if (shape.open && shape.segments.empty() && rule.access == Access::everyone)
        entry.warning("access", "opens everything that no earlier rule names to anybody");
    return rule;
}

}  // namespace

void read_rules(Values& values, Settings& settings) {
    const Node* const list = values.node("rules");
    if (!list) return;
    if (list->kind != Node::Kind::list) {
        values.error("rules",
                     "must be a list of mappings, such as - {path: \"/**\", access: "
                     "login}");
        return;
    }
    const auto* const row = find_setting(settings_table(), "rules");
    std::vector<Rule> rules;
    std::vector<Place> places;
    for (std::size_t i = 0; i < list->items.size(); ++i) {
        const Node& item = list->items[i];
        const std::string name = "rules[" + std::to_string(i) + "]";
        if (item.kind != Node::Kind::map) {
            values.problems().error(item.place, name, "must be a mapping with a path");
            continue;
        }
        Values entry(row->fields, name + ".", item.place, values.problems());
        entry.take_map(item);
        auto rule = read_rule(entry, name, settings);
        if (!rule) continue;
        const auto shape = shape_of(rule->path.text());
        for (std::size_t j = 0; j < rules.size(); ++j) {
            if (!covers_path(shape_of(rules[j].path.text()), shape) ||
                !covers_methods(rules[j], *rule))
                continue;
            values.problems().warning(item.place, name,
                                      "can never match: the rule " +
                                          in_quotes(rules[j].path.text()) + " at " +
                                          places[j].to_string() + " comes first");
            break;
        }
        rules.push_back(std::move(*rule));
        places.push_back(item.place);
    }
    settings.rules = RuleSet(std::move(rules));
}

}  // namespace cordgate::config
