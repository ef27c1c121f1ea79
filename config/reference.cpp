#include "config/report.hpp"
#include "config/scopes.hpp"
#include "config/tree.hpp"
#include "config/units.hpp"

namespace cordgate::config {
namespace {

// --- docs/configuration.md ---------------------------------------------------

std::string type_words(const Setting& row) {
    switch (row.type) {
        case Type::text: return "text";
        case Type::boolean: return "true, false";
        case Type::count: return "number";
        case Type::size: return "size";
        case Type::duration: return "duration";
        case Type::list: return "list of texts";
        case Type::secret: return "secret";
        case Type::secret_list: return "list of secrets";
        case Type::entries: return "list of mappings";
        case Type::named: return "name \u2192 mapping";
        case Type::texts: return "name \u2192 text";
        case Type::requirement: return "predicates";
        case Type::choice: break;
    }
    std::string out;
    for (const auto choice : row.choices) out += (out.empty() ? "" : ", ") + std::string(choice);
    return out;
}

std::string cell(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '|') out += '\\';
        out += c;
    }
    return out;
}

std::string default_words(const Setting& row) {
    if (row.required) return "**required**";
    if (row.is_secret() || (row.fallback.empty() && row.type != Type::list)) return "";
    return "`" + cell(yaml_default(row)) + "`";
}

std::string range_words(const Setting& row) {
    const auto show = [&row](std::uint64_t value) {
        if (row.type == Type::size) return format_size(value);
        if (row.type == Type::count) return std::to_string(value);
        return format_duration(std::chrono::milliseconds{static_cast<std::int64_t>(value)});
    };
    if (row.type != Type::size && row.type != Type::count && row.type != Type::duration) return "";
    if (row.max >= static_cast<std::uint64_t>(INT64_MAX))
        return row.min == 0 ? "" : " From " + show(row.min) + ".";
    return " From " + show(row.min) + " to " + show(row.max) + ".";
}

void add_rows(const std::vector<Setting>& rows, std::string_view section, std::string& out) {
    out += "| key | value | default | meaning |\n|---|---|---|---|\n";
    for (const auto& row : rows) {
        if (!section.empty() && row.key.substr(0, row.key.find('.')) != section) continue;
        out += "| `" + std::string(row.key) + "` | " + type_words(row) + " | " +
               default_words(row) + " | " + cell(row.help) + range_words(row);
        if (row.is_secret()) out += " Or `" + std::string(row.key) + "_file`.";
        if (!row.not_yet.empty())
            out += " **No effect in this version:** " + cell(row.not_yet) + ".";
        out += " |\n";
    }
}

// --- docs/cordgate.schema.json -----------------------------------------------

std::string json_string(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + "\"";
}

std::string properties(const std::vector<Branch>& branches, const std::string& indent);

std::string object(const std::vector<Branch>& branches, const std::string& indent) {
    // A section with everything commented out is null.
    return "\"type\": [\"object\", \"null\"],\n" + indent + "\"additionalProperties\": false,\n" +
           indent + "\"properties\": {\n" + properties(branches, indent + "  ") + "\n" + indent +
           "}";
}

// The keywords of one setting, without the braces around them.
std::string keywords(const Setting& row, const std::string& indent) {
    constexpr auto duration = R"("pattern": "^(0|([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?)"
                              R"(([0-9]+ms)?)$")";
    switch (row.type) {
        case Type::boolean: return "\"type\": \"boolean\"";
        case Type::count:
            return "\"type\": \"integer\", \"minimum\": " + std::to_string(row.min) +
                   ", \"maximum\": " + std::to_string(row.max);
        case Type::size:
            return R"("type": ["string", "integer"], )"
                   R"("pattern": "^(0|[0-9]+([KMG]i)?B)$", "maximum": 0)";
        case Type::duration:
            return std::string("\"type\": [\"string\", \"integer\"], ") + duration +
                   ", \"maximum\": 0";
        case Type::choice: {
            std::string out;
            for (const auto choice : row.choices)
                out += (out.empty() ? "" : ", ") + json_string(choice);
            return "\"enum\": [" + out + "]";
        }
        case Type::list:
        case Type::secret_list:
            return R"("type": ["array", "string"], "items": {"type": ["string", "integer"]})";
        case Type::texts:
            return R"("type": ["object", "null"], "additionalProperties": {"type": "string"})";
        case Type::requirement: return "\"$ref\": \"#/$defs/requirement\"";
        case Type::entries: {
            const bool bare = row.key == "upstreams";
            const auto inner = indent + "    ";
            return "\"type\": [\"array\", \"null\"],\n" + indent + "\"items\": {\n" + indent +
                   "  " + (bare ? "\"anyOf\": [{\"type\": \"string\"}, {\n" + inner : "") +
                   object(tree_of(row.fields), bare ? inner : indent + "  ") + "\n" + indent +
                   (bare ? "  }]\n" + indent + "}" : "}");
        }
        case Type::named:
            return "\"type\": [\"object\", \"null\"],\n" + indent +
                   "\"additionalProperties\": {\n" + indent + "  " +
                   object(tree_of(row.fields), indent + "  ") + "\n" + indent + "}";
        default:
            // Ids may be written without quotes; permissions as a list of names.
            if (row.key == "permissions")
                return R"("type": ["string", "integer", "array"], "items": {"type": "string"})";
            if (row.key.ends_with("_id") || row.key == "guild")
                return R"("type": ["string", "integer"])";
            return "\"type\": \"string\"";
    }
}

std::string property(const std::string& name, const std::string& description,
                     const std::string& body, const std::string& indent) {
    std::string out = indent + json_string(name) + ": {\n";
    if (!description.empty())
        out += indent + "  \"description\": " + json_string(description) + ",\n";
    return out + indent + "  " + body + "\n" + indent + "}";
}

std::string properties(const std::vector<Branch>& branches, const std::string& indent) {
    std::string out;
    const auto add = [&](const std::string& text) { out += (out.empty() ? "" : ",\n") + text; };
    for (const auto& branch : branches) {
        if (!branch.row) {
            add(property(branch.name, "", object(branch.branches, indent + "  "), indent));
            continue;
        }
        const auto& row = *branch.row;
        add(property(branch.name, row.described(), keywords(row, indent + "  "), indent));
        if (row.is_secret())
            add(property(branch.name + "_file", "A file that holds " + std::string(row.key) + ".",
                         "\"type\": \"string\"", indent));
    }
    return out;
}

constexpr std::string_view definitions = R"(  "$defs": {
    "ids": {
      "description": "One of Discord's ids, or a list of them; in quotes.",
      "type": ["string", "integer", "array"],
      "items": {"type": ["string", "integer"]}
    },
    "requirement": {
      "description": "All of these must hold.",
      "type": "object",
      "additionalProperties": false,
      "minProperties": 1,
      "dependentRequired": {"role": ["guild"]},
      "properties": {
        "user": {"$ref": "#/$defs/ids"},
        "guild": {"$ref": "#/$defs/ids"},
        "role": {"$ref": "#/$defs/ids"},
        "owner": {"$ref": "#/$defs/ids"},
        "permission": {
          "type": "object",
          "additionalProperties": false,
          "required": ["guild", "all"],
          "properties": {
            "guild": {"$ref": "#/$defs/ids"},
            "all": {"type": ["string", "array"], "items": {"type": "string"}}
          }
        },
        "any": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/requirement"}},
        "all": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/requirement"}},
        "not": {"$ref": "#/$defs/requirement"}
      }
    }
  }
)";

}  // namespace

std::string reference_markdown() {
    std::string out = R"(# Configuration

This page is generated from the table in `config/table.cpp`; `CORDGATE_UPDATE_DOCS=1` rewrites it
when the tests of `config` run.

Every setting has one name in three spellings. `session.idle_timeout` is

- in YAML: `session: {idle_timeout: 24h}`
- as a flag: `--session-idle-timeout 24h`
- in the environment: `CORDGATE_SESSION_IDLE_TIMEOUT=24h`

The file is the one that `--config` names, else the one in the variable `CORDGATE_CONFIG`, else
`./cordgate.yaml`, else `/etc/cordgate/cordgate.yaml`. `cordgate init` writes one to begin with.

A flag counts more than the environment, which counts more than the file. Lists are comma lists in
flags and environment; `upstreams` is a comma list of URLs there. The other structured settings
(`login.profiles`, `login.auto_join`, `rules`, `headers.inject`) can only be set in the file.
Unknown keys, flags and variables are errors. `cordgate check` prints every problem with its
place, or the settings in effect. A setting of later versions is marked with **No effect in this
version**; giving it is a warning.

**Durations** are sums of numbers with a unit: `500ms`, `10s`, `15m`, `1h30m`, `7d`. **Sizes** are a
number with `B`, `KiB`, `MiB` or `GiB`. `0` needs no unit. **Ids** of Discord are decimal and belong
in quotes. **Paths of files** are relative to the working directory.

**Secrets** can also be read from a file: `discord.client_secret_file`,
`--discord-client-secret-file` or `CORDGATE_DISCORD_CLIENT_SECRET_FILE`. Giving both forms of one
secret is an error. A line break at the end is ignored. `session.keys_file` holds one key per line.
Make a key with `openssl rand -base64 32`.
)";
    for (const auto& branch : tree_of(settings_table())) {
        out += "\n## " + branch.name + "\n\n";
        if (branch.row) {
            out += std::string(branch.row->help) + "\n\n";
            add_rows(branch.row->fields, "", out);
        } else {
            add_rows(settings_table(), branch.name, out);
        }
        for (const auto& inner : branch.branches) {
            if (!inner.row || inner.row->fields.empty()) continue;
            out += "\n### " + std::string(inner.row->key) + "\n\n";
            add_rows(inner.row->fields, "", out);
        }
        if (branch.name != "rules") continue;
        out += R"(
`require` is a mapping of predicates; all of its keys must hold.

| predicate | holds when the visitor |
|---|---|
| `user: [ids]` | is one of these users |
| `guild: id` or `[ids]` | is in one of these guilds |
| `role: [ids]`, with `guild` | has one of these roles in that guild |
| `owner: id` | owns that guild |
| `permission: {guild: id, all: [MANAGE_GUILD]}` | has all of these permissions there |
| `any: [...]`, `all: [...]`, `not: {...}` | meets one, every one, not this |

Scopes that rules need (`guilds`, `guilds.members.read`) are added to every login. Who was given a grant without them all the same
gets 403 (`reason: missing_scope`) where a rule cannot be judged without, and a button to log in again.

`/api/**` covers `/api` and `/api/` as well as everything below. `/api/*` covers one segment below
`/api/`, `/api` only itself and `/api/`. Rules can be given in the file only, not as a flag or variable.
)";
    }
    out += "\n## Scopes\n\nA scope that is not listed is a warning. Discord documents:\n\n";
    for (const auto& scope : known_scopes()) {
        out += "- `" + std::string(scope.name) + "`";
        if (!scope.caution.empty()) out += ": " + std::string(scope.caution);
        out += "\n";
    }
    return out;
}

std::string json_schema() {
    return "{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
           "  \"title\": \"Configuration of Cordgate\",\n  " +
           object(tree_of(settings_table()), "  ") + ",\n" + std::string(definitions) + "}\n";
}

}  // namespace cordgate::config
