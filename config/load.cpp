#include "config/load.hpp"

#include <algorithm>

#include "config/document.hpp"
#include "config/network.hpp"
#include "config/sections.hpp"
#include "config/table.hpp"
#include "config/tree.hpp"
#include "config/values.hpp"
#include "core/ascii.hpp"
#include "core/redis_url.hpp"

namespace cordgate::config {
namespace {

const Setting* row_of(std::string_view key) {
    const auto& rows = settings_table();
    if (const auto* const row = find_setting(rows, key)) return row;
    return find_setting(rows, key.substr(0, key.size() - std::string_view("_file").size()));
}

// Lists are comma lists outside of the file; everything else is one text.
Node to_node(const OuterName& name, const std::string& text, const Place& place) {
    const Setting* const row = row_of(name.key);
    const bool is_list =
        row->key == name.key &&
        (row->type == Type::list || row->type == Type::secret_list || row->type == Type::entries);
    return is_list ? Node::comma_list(text, place) : Node::scalar(text, place);
}

// Says what an unknown flag or variable might have been.
void unknown_outside(const Place& place, std::string_view name, bool is_flag, Problems& problems) {
    for (const auto& row : settings_table()) {
        const auto own = is_flag ? flag_name(row.key) : environment_name(row.key);
        if (own != name && !name.starts_with(own + (is_flag ? "-" : "_"))) continue;
        if (row.is_structured())
            return problems.error(place, row.key, "can only be set in the configuration file");
    }
    std::vector<std::string> candidates;
    for (const auto& outer : outer_names())
        candidates.push_back(is_flag ? outer.flag : outer.environment);
    const auto near = nearest(name, candidates);
    const std::string dashes = is_flag ? "--" : "";
    problems.error(place, "",
                   "is not a setting" + (near ? "; did you mean " + dashes + *near + "?" : ""));
}

void take_outside(const std::map<std::string, std::string>& given, bool is_flag, Values& values,
                  Problems& problems) {
    for (const auto& [name, text] : given) {
        const auto& names = outer_names();
        const auto is_it = [is_flag, &wanted = name](const OuterName& outer) {
            return (is_flag ? outer.flag : outer.environment) == wanted;
        };
        const auto at = std::find_if(names.begin(), names.end(), is_it);
        const Place place{(is_flag ? "flag --" : "environment ") + name};
        if (at == names.end()) {
            if (is_flag || (name.starts_with("CORDGATE_") && !is_foreign_variable(name)))
                unknown_outside(place, name, is_flag, problems);
            continue;
        }
        const auto* const row = row_of(at->key);
        if (is_flag && row->is_secret() && row->key == at->key)
            problems.warning(place, at->key,
                             "on the command line, every user of this machine can "
                             "read it; use " +
                                 at->key + "_file");
        values.take(at->key, to_node(*at, text, place));
    }
}

std::string origin_of(const Values& values, std::string_view key) {
    return values.given(key) ? values.place(key).to_string() : "default";
}

std::string yaml_of(const Node& node) {
    std::string out;
    switch (node.kind) {
        case Node::Kind::null: return "null";
        case Node::Kind::scalar: return yaml_scalar(node.text);
        case Node::Kind::list:
            for (const auto& item : node.items) out += (out.empty() ? "" : ", ") + yaml_of(item);
            return "[" + out + "]";
        case Node::Kind::map:
            for (const auto& [name, value] : node.fields)
                out += (out.empty() ? "" : ", ") + yaml_scalar(name) + ": " + yaml_of(value);
            return "{" + out + "}";
    }
    return out;
}

std::string yaml_of(const Setting& row, const Node* node) {
    if (row.is_secret()) return "\"********\"";
    const bool bare = row.type == Type::boolean || row.type == Type::count ||
                      row.type == Type::size || row.type == Type::duration ||
                      row.type == Type::choice;
    if (node && bare && node->kind == Node::Kind::scalar) return node->text;
    if (node) return yaml_of(*node);
    return yaml_default(row);
}

void describe(const Values& values, Settings& settings) {
    for (const auto& row : settings_table()) {
        auto& shown = settings.shown[std::string(row.key)];
        const auto file_key = std::string(row.key) + "_file";
        if (row.is_secret() && !values.filled(row.key)) {
            const bool from_file = values.filled(file_key);
            shown.origin = origin_of(values, file_key);
            shown.yaml =
                from_file ? yaml_of(row, nullptr) : (row.type == Type::secret_list ? "[]" : "\"\"");
            if (from_file) shown.note = "read from " + in_quotes(values.node(file_key)->text);
            continue;
        }
        shown.yaml = yaml_of(row, values.node(row.key));
        if (row.key == "session.store" && RedisUrl::is_meant(settings.session.store)) {
            const auto url = RedisUrl::parse(settings.session.store);
            shown.yaml = yaml_scalar(url ? url->shown() : "********");
        }
        shown.origin = origin_of(values, row.key);
    }
}

// Somebody who started Cordgate in the wrong folder should not have to work that
// out from a list of settings that are missing.
void note_no_file(const Values& values, const Place& home, Problems& problems) {
    if (values.given("server.public_url") || values.given("discord.client_id") ||
        values.given("upstreams"))
        return;
    problems.error(home, "",
                   "no cordgate.yaml here and none in /etc/cordgate; use --config FILE, or "
                   "'cordgate init' to write one");
}

// A setting that does nothing must not look as if it did.
void warn_not_yet(Values& values) {
    for (const auto& row : settings_table()) {
        if (row.not_yet.empty()) continue;
        const std::string file_key = std::string(row.key) + "_file";
        const bool from_file = row.is_secret() && values.filled(file_key);
        if (!from_file && !values.filled(row.key)) continue;
        if (row.type == Type::boolean && values.node(row.key)->text == row.fallback) continue;
        values.warning(from_file ? file_key : row.key,
                       "has no effect in this version: " + std::string(row.not_yet));
    }
}

Place home_of(const Sources& sources) {
    return sources.file.empty() ? Place{"settings"} : Place{sources.file, 1, 1};
}

}  // namespace

Loaded load(const Sources& sources) {
    Problems problems;
    Node file;
    if (!sources.file.empty()) file = load_yaml(sources.file, problems);
    const bool unreadable = problems.any_error() && file.fields.empty();
    const auto home = home_of(sources);
    Values values(settings_table(), "", home, problems);
    take_outside(sources.flags, true, values, problems);
    take_outside(sources.environment, false, values, problems);
    values.take_map(file);

    if (sources.file.empty()) note_no_file(values, home, problems);

    Settings settings;
    // Without the file, everything in it would be reported as missing.
    if (!unreadable) {
        read_server(values, settings);
        read_paths(values, settings);
        read_discord(values, settings);
        read_internal(values, settings);
        read_upstreams(values, settings);
        read_rules(values, settings);
        read_session(values, settings);
        read_identity(values, settings);
        read_login(values, settings);
        read_headers(values, settings);
        read_log(values, settings);
        warn_not_yet(values);
        describe(values, settings);
    }
    Loaded out;
    out.problems = problems.sorted();
    if (!problems.any_error()) out.settings = std::move(settings);
    return out;
}

LoadedInternal load_internal(const Sources& sources) {
    Problems problems;
    Values values(settings_table(), "", home_of(sources), problems);
    take_outside(sources.flags, true, values, problems);
    take_outside(sources.environment, false, values, problems);
    const bool has_token = values.given("internal.token") || values.given("internal.token_file");
    const bool needs_file = !has_token || !values.given("internal.listen");
    if (needs_file && !sources.file.empty()) values.take_map(load_yaml(sources.file, problems));
    Settings settings;
    read_internal(values, settings);

    LoadedInternal out;
    bool is_usable = true;
    for (auto& problem : problems.sorted()) {
        const bool is_ours = problem.key.empty() || problem.key == "internal" ||
                             problem.key.starts_with("internal.");
        if (!is_ours) continue;
        is_usable = is_usable && problem.warning;
        out.problems.push_back(std::move(problem));
    }
    if (is_usable) out.settings = std::move(settings.internal);
    return out;
}

}  // namespace cordgate::config
