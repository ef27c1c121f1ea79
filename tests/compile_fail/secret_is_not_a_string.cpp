#include "core/secret.hpp"

void log(const cordgate::Secret& token) {
    static_cast<void>(token);
    const std::string text = token;  // wrong: conversion from .*Secret|no viable conversion
}
