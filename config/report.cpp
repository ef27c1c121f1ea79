#include "config/report.hpp"

#include "config/tree.hpp"

namespace cordgate::config {
namespace {

void print(const std::vector<Branch>& branches, const std::string& indent, const Settings& settings,
           std::string& out) {
    for (const auto& branch : branches) {
        out += indent + branch.name + ":";
        if (!branch.row) {
            out += "\n";
            print(branch.branches, indent + "  ", settings, out);
            continue;
        }
        const auto at = settings.shown.find(std::string(branch.row->key));
        if (at == settings.shown.end()) {
            out += " " + yaml_default(*branch.row) + "\n";
            continue;
        }
        const auto& shown = at->second;
        out += " " + shown.yaml + "  # " + shown.origin;
        if (!shown.note.empty()) out += "; " + shown.note;
        out += "\n";
    }
}

}  // namespace

std::string effective_settings(const Sources& sources, const Settings& settings) {
    std::string out = "# Effective settings";
    if (!sources.file.empty()) out += " of " + sources.file;
    out += "; secrets are masked.\n# Register this redirect URI at Discord: " +
           settings.redirect_uri() + "\n";
    print(tree_of(settings_table()), "", settings, out);
    return out;
}

}  // namespace cordgate::config
