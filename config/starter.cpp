#include <algorithm>

#include "config/report.hpp"
#include "config/tree.hpp"

namespace cordgate::config {
namespace {

// A paragraph as comment lines within 96 columns.
std::string comment(std::string_view text, const std::string& indent) {
    std::string out;
    std::string line;
    const auto flush = [&] {
        if (!line.empty()) out += indent + "#" + line + "\n";
        line.clear();
    };
    while (!text.empty()) {
        const auto end = std::min(text.find(' '), text.size());
        if (indent.size() + 2 + line.size() + end > 96) flush();
        line += " " + std::string(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    flush();
    return out;
}

void print(const std::vector<Branch>& branches, const std::string& indent, std::string& out);

// The entries that stand for a structured setting; every field appears.
void print_structured(const Branch& branch, const std::string& indent, std::string& out) {
    const auto& row = *branch.row;
    out += indent + branch.name + ":\n";
    if (row.key == "upstreams") {
        out += indent + "  -\n";
        print(tree_of(row.fields), indent + "    ", out);
    } else if (row.key == "rules") {
        for (const auto& field : row.fields)
            out += comment(std::string(field.key) + ": " + std::string(field.help), indent + "  ");
        out += R"(  - {path: "/assets/**", methods: [GET, HEAD], access: public}
  - {path: "/feed", access: optional}
  - path: "/staff/**"
    require: {guild: "197038439483310086", role: ["41771983423143936"]}
  - path: "/admin/**"
    require:
      any:
        - user: ["80351110224678912"]
        - owner: "197038439483310086"
        - permission: {guild: "197038439483310086", all: [MANAGE_GUILD]}
  - path: "/**"
    access: login
)";
    } else if (row.type == Type::named) {
        out += indent + "  invite:\n";
        print(tree_of(row.fields), indent + "    ", out);
    } else if (row.type == Type::texts) {
        out += indent + "  \"X-Team\": \"{user.id}\"\n";
    } else {
        out.erase(out.size() - branch.name.size() - 2);  // it would need a bot token
        out += "# " + branch.name +
               ": [{guild: \"197038439483310086\", roles: [\"41771983423143936\"], nick: "
               "Visitor}]\n";
    }
}

void print(const std::vector<Branch>& branches, const std::string& indent, std::string& out) {
    for (const auto& branch : branches) {
        if (!branch.row) {
            out += (indent.empty() ? "\n" : "") + indent + branch.name + ":\n";
            print(branch.branches, indent + "  ", out);
            continue;
        }
        const auto& row = *branch.row;
        if (indent.empty()) out += "\n";
        out += comment(row.described(), indent);
        if (row.is_structured() &&
            (indent.empty() || !row.fields.empty() || row.key.starts_with("headers."))) {
            print_structured(branch, indent, out);
        } else if (row.key == "discord.client_secret") {
            out += indent + "client_secret_file: /run/secrets/discord_client_secret\n";
        } else if (row.is_secret()) {
            out += indent + "# " + branch.name + "_file: /run/secrets/" + branch.name + "\n";
        } else if (row.required) {
            out += indent + branch.name + ": " + std::string(row.example) + "\n";
        } else if (!row.fallback.empty() && !row.not_yet.empty()) {
            out += indent + "# " + branch.name + ": " + yaml_default(row) + "\n";
        } else if (!row.fallback.empty()) {
            out += indent + branch.name + ": " + yaml_default(row) + "\n";
        } else {
            const auto example =
                row.example.empty() ? std::string("\"\"") : std::string(row.example);
            const bool list = row.type == Type::list;
            out +=
                indent + "# " + branch.name + ": " + (list ? "[" + example + "]" : example) + "\n";
        }
    }
}

}  // namespace

std::string example_yaml() {
    std::string out =
        "# Every setting of Cordgate, with its default, or with an example behind a #.\n"
        "# Nothing here is needed but server.public_url, discord.client_id, its secret and an\n"
        "# upstream; see docs/configuration.md. This file is generated from config/table.cpp.\n";
    print(tree_of(settings_table()), "", out);
    return out;
}

std::string init_config_yaml() {
    return R"(# Cordgate: "Log in with Discord" in front of your application.
# Every setting: docs/configuration.md. Check this file with: cordgate check --config cordgate.yaml

server:
  listen: ["0.0.0.0:4180"]
  # The address in the browser. In earnest this is https://your.domain. Register
  # public_url + /callback as a redirect at https://discord.com/developers/applications
  public_url: http://localhost:4180
  # Proxies in front of Cordgate whose X-Forwarded-* fields are to be believed.
  # trusted_proxies: ["10.0.0.0/8"]

discord:
  # 1. From the page "OAuth2" of your application at Discord.
  client_id: "PASTE_CLIENT_ID"
  # 2. Put the client secret into this file; here it is the one that compose.yaml mounts.
  client_secret_file: /run/secrets/discord_client_secret

upstreams:
  - url: http://app:3000

# Who may see what: the first match wins, and behind the last, login is required.
rules:
  - {path: "/assets/**", methods: [GET, HEAD], access: public}
  # - path: "/staff/**"
  #   require: {guild: "197038439483310086", role: ["41771983423143936"]}
  - {path: "/**", access: login}

session:
  store: sqlite:cordgate.db
  # Ends sessions that were not used for so long.
  idle_timeout: 24h
)";
}

std::string init_compose_yaml() {
    return R"(# Start with: docker compose up
#
# The client secret belongs into ./discord_client_secret. The container's user, 65532, must be able
# to read it: chmod 644 it, or chown 65532 and chmod 400 it.
services:
  cordgate:
    # Built by './dev image' in the sources of Cordgate.
    image: cordgate
    command: ["serve", "--config", "/etc/cordgate/cordgate.yaml"]
    restart: unless-stopped
    # For this machine alone: a proxy that speaks TLS stands in front. Without 127.0.0.1 everybody
    # can connect, past the host's firewall.
    ports: ["127.0.0.1:4180:4180"]
    working_dir: /var/lib/cordgate
    volumes:
      - ./cordgate.yaml:/etc/cordgate/cordgate.yaml:ro
      - cordgate-data:/var/lib/cordgate
    secrets: [discord_client_secret]
    read_only: true
    tmpfs: ["/tmp:size=16m,mode=1777"]
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    # More than timeouts.drain, so that requests in flight can finish.
    stop_grace_period: 40s
    depends_on: [app]

  # Your application. It needs no published port: visitors come through Cordgate.
  app:
    image: your-application

secrets:
  discord_client_secret:
    file: ./discord_client_secret

volumes:
  cordgate-data:
)";
}

}  // namespace cordgate::config
