#include "core/secret.hpp"

#include <utility>

#include "core/crypto.hpp"

namespace cordgate {

Secret::Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)) {
    other.wipe();
}

Secret& Secret::operator=(const Secret& other) {
    if (this == &other) return *this;
    std::string copy = other.bytes_;
    wipe();
    bytes_ = std::move(copy);
    return *this;
}

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this == &other) return *this;
    wipe();
    bytes_ = std::move(other.bytes_);
    other.wipe();
    return *this;
}

Secret::~Secret() {
    wipe();
}

bool Secret::equals(std::string_view other) const {
    return constant_time_equal(bytes_, other);
}

// The whole capacity: a short string that was moved away leaves its bytes in
// the small buffer. Volatile, because nobody reads what is about to die, and
// the compiler would leave plain stores out.
void Secret::wipe() {
    bytes_.resize(bytes_.capacity());
    volatile char* bytes = bytes_.data();
    for (std::size_t i = 0; i < bytes_.size(); ++i) bytes[i] = 0;
    bytes_.clear();
}

}  // namespace cordgate
