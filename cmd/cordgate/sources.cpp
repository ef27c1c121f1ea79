#include "cmd/cordgate/sources.hpp"

#include <unistd.h>

#include <filesystem>
#include <string_view>

extern char** environ;

namespace cordgate {
namespace {

constexpr const char* usual_places[] = {"cordgate.yaml", "/etc/cordgate/cordgate.yaml"};

std::map<std::string, std::string> our_environment() {
    std::map<std::string, std::string> out;
    for (char** entry = environ; *entry; ++entry) {
        const std::string_view text(*entry);
        const auto equals = text.find('=');
        if (text.starts_with("CORDGATE_") && equals != std::string_view::npos) {
            out.emplace(text.substr(0, equals), text.substr(equals + 1));
        }
    }
    return out;
}

}  // namespace

config::Sources find_sources(const Invocation& invocation) {
    config::Sources sources;
    sources.environment = our_environment();
    sources.flags = invocation.flags;
    sources.file = invocation.config_file;
    if (sources.file.empty()) {
        const auto named = sources.environment.find("CORDGATE_CONFIG");
        if (named != sources.environment.end()) sources.file = named->second;
    }
    for (const auto* place : usual_places) {
        std::error_code ignored;
        if (sources.file.empty() && std::filesystem::exists(place, ignored)) sources.file = place;
    }
    return sources;
}

}  // namespace cordgate
