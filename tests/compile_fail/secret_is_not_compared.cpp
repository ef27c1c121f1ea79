#include "core/secret.hpp"

bool same(const cordgate::Secret& a, const cordgate::Secret& b) {
    return a == b;  // wrong: no match for .operator==|invalid operands
    return a.equals(b.reveal());
}
