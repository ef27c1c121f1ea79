#pragma once

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>

#include "config/load.hpp"

namespace cordgate::config {

/// A folder that is gone with its object.
class Folder {
public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "cordgate-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    /// Writes a file only its owner can read; answers its path.
    std::string write(const std::string& name, std::string_view text, mode_t mode = 0600) const {
        const auto path = path_ + "/" + name;
        std::ofstream(path, std::ios::binary) << text;
        ::chmod(path.c_str(), mode);
        return path;
    }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

inline std::string read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::stringstream out;
    out << in.rdbuf();
    return out.str();
}

inline constexpr std::string_view good_secret = "kq8Zr4mVt2wXy6Bd0FhJ";

/// What is required, and what spares a warning; every line can be replaced by a variable.
inline std::map<std::string, std::string> minimal() {
    return {
        {"CORDGATE_SERVER_PUBLIC_URL",      "https://app.example.com"},
        {"CORDGATE_DISCORD_CLIENT_ID",      "1234"                   },
        {"CORDGATE_DISCORD_CLIENT_SECRET",  std::string(good_secret) },
        {"CORDGATE_UPSTREAMS",              "http://127.0.0.1:3000"  },
        {"CORDGATE_SESSION_STORE",          "memory:"                },
        {"CORDGATE_SERVER_TRUSTED_PROXIES", "10.0.0.0/8"             }
    };
}

/// Loads `yaml` as "FOLDER/c.yaml"; what it does not say of the required
/// settings comes from the environment, unless `environment` says otherwise.
inline Loaded load_text(std::string_view yaml,
                        std::map<std::string, std::string> environment = minimal(),
                        std::map<std::string, std::string> flags = {}) {
    const Folder folder;
    Sources sources;
    sources.file = folder.write("c.yaml", yaml);
    sources.environment = std::move(environment);
    sources.flags = std::move(flags);
    auto loaded = load(sources);
    // The folder's name changes from run to run; the file's does not.
    const auto shorten = [&folder](std::string& text) {
        const auto prefix = folder.path() + "/";
        for (auto at = text.find(prefix); at != text.npos; at = text.find(prefix))
            text.erase(at, prefix.size());
    };
    for (auto& problem : loaded.problems) {
        shorten(problem.where);
        shorten(problem.message);
    }
    if (loaded.settings)
        for (auto& [key, shown] : loaded.settings->shown) shorten(shown.origin);
    return loaded;
}

inline std::string all(const Loaded& loaded) {
    std::string out;
    for (const auto& problem : loaded.problems) out += problem.to_string() + "\n";
    return out;
}

/// Whether `text` is in some problem's line.
inline bool says(const Loaded& loaded, std::string_view text) {
    return all(loaded).find(text) != std::string::npos;
}

}  // namespace cordgate::config
