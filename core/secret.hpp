#pragma once

#include <string>
#include <string_view>

namespace cordgate {

/// Bytes that must not be seen: a token, a code, a cookie, a key.
///
/// Cannot be printed, formatted, compared with == or turned into a string by
/// accident: `reveal()` is the one way out, and easy to search for. Wiped when
/// it dies or is overwritten.
class Secret {
public:
    Secret() = default;
    explicit Secret(std::string bytes) : bytes_(std::move(bytes)) {}
    explicit Secret(std::string_view bytes) : bytes_(bytes) {}
    explicit Secret(const char* text) : bytes_(text) {}
    Secret(const Secret&) = default;
    Secret(Secret&& other) noexcept;
    Secret& operator=(const Secret& other);
    Secret& operator=(Secret&& other) noexcept;
    ~Secret();

    const std::string& reveal() const { return bytes_; }
    bool empty() const { return bytes_.empty(); }
    std::size_t size() const { return bytes_.size(); }

    /// Compares in a time that depends on the lengths only.
    bool equals(std::string_view other) const;

private:
    void wipe();

    std::string bytes_;
};

}  // namespace cordgate
