#include "core/result.hpp"

cordgate::Result<int> read();

void use() {
    static_cast<void>(read().has_value());
    read();  // wrong: nodiscard
}
