#include "core/secret.hpp"

void keep(const cordgate::Secret& token);

void call(const std::string& text) {
    keep(cordgate::Secret(text));
    keep(text);  // wrong: invalid initialization of reference|no matching function
}
