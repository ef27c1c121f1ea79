#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace cordgate::sim {

/// An RSA key that signs ID tokens (RS256: RFC 7518, 3.3). Immutable.
class RsaKey {
public:
    /// A new key of 2048 bits; takes a moment.
    RsaKey();

    std::string sign(std::string_view message) const;
    std::string modulus() const;  ///< big-endian bytes, as in a JWK
    const std::string& id() const { return id_; }

private:
    std::shared_ptr<void> key_;
    std::string id_;
};

}  // namespace cordgate::sim
