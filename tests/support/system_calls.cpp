#include "tests/support/system_calls.hpp"

#include <sys/ptrace.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace cordgate::test {
namespace {

constexpr int call_stop = SIGTRAP | 0x80;

bool is_entry(int thread, long& number) {
    __ptrace_syscall_info info{};
    const auto size = reinterpret_cast<void*>(sizeof info);
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, thread, size, &info) <= 0) return false;
    number = static_cast<long>(info.entry.nr);
    return info.op == PTRACE_SYSCALL_INFO_ENTRY;
}

}  // namespace

SystemCalls::SystemCalls(int process) : thread_([this, process] { trace(process); }) {
    while (state_ == State::starting) std::this_thread::yield();
    if (state_ == State::counting) return;
    thread_.join();
    throw std::runtime_error("the process cannot be traced");
}

void SystemCalls::forget() {
    forgetting_ = true;
    while (forgetting_) std::this_thread::yield();
}

const std::map<long, int>& SystemCalls::stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
    return counts_;
}

// All on one thread, as ptrace wants it; when that ends, the kernel lets the process go.
void SystemCalls::trace(int process) {
    namespace fs = std::filesystem;
    int waited_for = 0;
    for (const auto& task : fs::directory_iterator("/proc/" + std::to_string(process) + "/task")) {
        const int thread = std::stoi(task.path().filename());
        const auto options = reinterpret_cast<void*>(PTRACE_O_TRACESYSGOOD);
        if (::ptrace(PTRACE_SEIZE, thread, nullptr, options) != 0 ||
            ::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) != 0) {
            state_ = State::failed;
            return;
        }
        ++waited_for;
    }
    while (!stopping_) {
        if (forgetting_.exchange(false)) counts_.clear();
        int status = 0;
        const int thread = ::waitpid(-1, &status, __WALL | __WNOTHREAD | WNOHANG);
        if (thread <= 0 || !WIFSTOPPED(status)) {
            std::this_thread::yield();
            continue;
        }
        long number = 0;
        const int reason = WSTOPSIG(status);
        const bool is_ours = reason == call_stop || status >> 16 == PTRACE_EVENT_STOP;
        if (status >> 16 == PTRACE_EVENT_STOP && --waited_for == 0) state_ = State::counting;
        if (reason == call_stop && is_entry(thread, number)) ++counts_[number];
        const auto signal = static_cast<std::intptr_t>(is_ours ? 0 : reason);
        ::ptrace(PTRACE_SYSCALL, thread, nullptr, reinterpret_cast<void*>(signal));
    }
}

}  // namespace cordgate::test
