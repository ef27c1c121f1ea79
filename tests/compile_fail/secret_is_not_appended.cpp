#include "core/secret.hpp"

std::string header(const cordgate::Secret& token) {
    return "Authorization: Bearer " + token;  // wrong: no match for .operator\+|invalid operands
    return "Authorization: Bearer " + token.reveal();
}
