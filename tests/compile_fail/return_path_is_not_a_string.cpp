#include "core/return_path.hpp"

cordgate::ReturnPath back(const std::string& raw, const cordgate::ReturnPathPolicy& policy) {
    return cordgate::ReturnPath(raw);  // wrong: private
    return cordgate::ReturnPath::parse(raw, policy).value_or(cordgate::ReturnPath::root());
}
