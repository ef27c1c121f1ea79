#include "config/document.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <sstream>
#include <system_error>

#include "core/ascii.hpp"
#include "core/url.hpp"

namespace cordgate::config {
namespace {

// Aliases let a small file describe a huge or endless tree; no honest
// configuration comes near these.
constexpr std::size_t max_nodes = 100'000;
constexpr int max_depth = 40;
constexpr std::size_t max_config_bytes = 4 * 1024 * 1024;

std::string errno_text(int error) {
    return std::generic_category().message(error);
}

Place place_of(const std::string& name, const YAML::Mark& mark, const Place& fallback) {
    if (mark.is_null()) return fallback;
    return {name, mark.line + 1, mark.column + 1};
}

// Turns yaml-cpp's tree into ours.
class Converter {
public:
    Converter(std::string name, Problems& problems) : name_(std::move(name)), problems_(problems) {}

    Node convert(const YAML::Node& from, const Place& near, int depth) {
        Node to;
        to.place = from.IsNull() ? near : place_of(name_, from.Mark(), near);
        if (++nodes_ > max_nodes || depth > max_depth) {
            if (!complained_) problems_.error(to.place, "", "is nested too deeply or too large");
            complained_ = true;
            return to;
        }
        if (from.IsScalar()) {
            to.kind = Node::Kind::scalar;
            to.text = from.Scalar();
        } else if (from.IsSequence()) {
            to.kind = Node::Kind::list;
            for (const auto& item : from) to.items.push_back(convert(item, to.place, depth + 1));
        } else if (from.IsMap()) {
            convert_map(from, to, depth);
        }
        return to;
    }

private:
    void convert_map(const YAML::Node& from, Node& to, int depth) {
        to.kind = Node::Kind::map;
        for (const auto& pair : from) {
            const Place at = place_of(name_, pair.first.Mark(), to.place);
            if (!pair.first.IsScalar()) {
                problems_.error(at, "", "a key must be a plain text");
                continue;
            }
            const auto& key = pair.first.Scalar();
            std::size_t earlier = 0;
            while (earlier < to.fields.size() && to.fields[earlier].first != key) ++earlier;
            if (earlier < to.fields.size()) {
                problems_.error(at, "",
                                "the key " + in_quotes(key) + " is given twice; first at " +
                                    to.field_places[earlier].to_string());
                continue;
            }
            to.fields.push_back({key, convert(pair.second, at, depth + 1)});
            to.field_places.push_back(at);
            if (complained_) return;
        }
    }

    std::string name_;
    Problems& problems_;
    std::size_t nodes_ = 0;
    bool complained_ = false;
};

// Where documents begin, of the first two. LoadAll never ends where a stray ',' begins a
// line: yaml-cpp makes empty documents of it without going on.
class Beginnings final : public YAML::EventHandler {
public:
    explicit Beginnings(const std::string& text) {
        std::istringstream in(text);
        YAML::Parser parser(in);
        while (marks_.size() < 2 && parser.HandleNextDocument(*this)) continue;
    }
    const YAML::Mark* stuck() const {
        return more_than_one() && marks_[0].pos == marks_[1].pos ? &marks_[0] : nullptr;
    }
    bool more_than_one() const { return marks_.size() > 1; }

private:
    using Mark = YAML::Mark;
    using Style = YAML::EmitterStyle::value;

    void OnDocumentStart(const Mark& mark) override { marks_.push_back(mark); }
    void OnDocumentEnd() override {}
    void OnNull(const Mark&, YAML::anchor_t) override {}
    void OnAlias(const Mark&, YAML::anchor_t) override {}
    void OnScalar(const Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
    void OnSequenceStart(const Mark&, const std::string&, YAML::anchor_t, Style) override {}
    void OnSequenceEnd() override {}
    void OnMapStart(const Mark&, const std::string&, YAML::anchor_t, Style) override {}
    void OnMapEnd() override {}

    std::vector<Mark> marks_;
};

// yaml-cpp says of a tab only that something else was expected.
std::string tab_hint(std::string_view text) {
    for (int line = 1; !text.empty(); ++line) {
        const auto indent = text.substr(0, text.find_first_not_of(" \t"));
        const auto rest = text.substr(indent.size());
        const bool blank = rest.empty() || rest.front() == '\n' || rest.front() == '\r';
        if (!blank && indent.find('\t') != indent.npos)
            return "; tabs cannot indent YAML (line " + std::to_string(line) + ")";
        text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
    }
    return "";
}

class Descriptor {
public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }

private:
    int fd_;
};

}  // namespace

const Node* Node::find(std::string_view key) const {
    for (const auto& [name, node] : fields)
        if (name == key) return &node;
    return nullptr;
}

Node Node::scalar(std::string text, Place place) {
    Node node;
    node.kind = Kind::scalar;
    node.text = std::move(text);
    node.place = std::move(place);
    return node;
}

Node Node::comma_list(std::string_view text, const Place& place) {
    Node node;
    node.kind = Kind::list;
    node.place = place;
    while (!text.empty()) {
        const auto comma = text.find(',');
        const auto part = trim(text.substr(0, comma));
        if (!part.empty()) node.items.push_back(scalar(std::string(part), place));
        text = comma == text.npos ? std::string_view() : text.substr(comma + 1);
    }
    return node;
}

Node parse_yaml(std::string_view text, const std::string& name, Problems& problems) {
    const Place start{name, 1, 1};
    Node root;
    try {
        const std::string all(text);
        const Beginnings documents(all);
        if (const auto* mark = documents.stuck())
            throw YAML::ParserException(*mark, "unexpected character");
        if (documents.more_than_one())
            problems.error(start, "", "holds more than one YAML document; one is allowed");
        const auto document = YAML::Load(all);
        if (!document.IsNull()) root = Converter(name, problems).convert(document, start, 0);
    } catch (const YAML::Exception& e) {
        problems.error(place_of(name, e.mark, start), "",
                       "is not valid YAML: " + e.msg + tab_hint(text));
    } catch (const std::exception& e) {
        problems.error(start, "", std::string("is not valid YAML: ") + e.what());
    }
    if (root.kind == Node::Kind::scalar || root.kind == Node::Kind::list) {
        problems.error(root.place, "",
                       "must be a mapping, such as \"server:\" and what belongs to it");
        root = Node();
    }
    root.kind = Node::Kind::map;
    if (root.place.line == 0) root.place = start;
    return root;
}

bool is_mounted_secret(std::string_view path) {
    return path.starts_with("/run/secrets/") && path.find("/../") == path.npos;
}

FileText read_file(const std::string& path, std::size_t max_bytes) {
    FileText out;
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (file.get() < 0 || ::fstat(file.get(), &status) != 0) {
        out.problem = "cannot be read: " + errno_text(errno);
        return out;
    }
    if (S_ISDIR(status.st_mode)) {
        out.problem = "cannot be read: " + errno_text(EISDIR);
        return out;
    }
    out.world_readable =
        S_ISREG(status.st_mode) && (status.st_mode & S_IROTH) != 0 && !is_mounted_secret(path);
    std::string text;
    char buffer[16 * 1024];
    while (text.size() <= max_bytes) {
        const auto got = ::read(file.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            out.problem = "cannot be read: " + errno_text(errno);
            return out;
        }
        if (got == 0) {
            out.text = std::move(text);
            return out;
        }
        text.append(buffer, static_cast<std::size_t>(got));
    }
    out.problem = "is too large: more than " + std::to_string(max_bytes) + " bytes";
    return out;
}

Node load_yaml(const std::string& path, Problems& problems) {
    const Place start{path, 1, 1};
    Node nothing;
    nothing.kind = Node::Kind::map;
    nothing.place = start;

    const auto file = read_file(path, max_config_bytes);
    if (!file.text) {
        problems.error({path}, "", "the configuration file " + file.problem);
        return nothing;
    }
    std::string_view text = *file.text;
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    if (text.find('\0') != text.npos || !is_valid_utf8(text)) {
        problems.error({path}, "", "is not a text file in UTF-8");
        return nothing;
    }
    if (text.find_first_not_of(" \t\r\n") == text.npos) {
        problems.error({path}, "", "is empty");
        return nothing;
    }
    return parse_yaml(text, path, problems);
}

}  // namespace cordgate::config
