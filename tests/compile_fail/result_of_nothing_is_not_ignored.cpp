#include "core/result.hpp"

cordgate::Result<void> save();

void use() {
    static_cast<void>(save().has_value());
    save();  // wrong: nodiscard
}
