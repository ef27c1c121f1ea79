#include <iostream>

#include "core/secret.hpp"

void log(const cordgate::Secret& token) {
    static_cast<void>(token);
    std::cout << token;  // wrong: no match for .operator<<|invalid operands
}
