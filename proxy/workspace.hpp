#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/path.hpp"
#include "proxy/http/head.hpp"
#include "proxy/http/head_text.hpp"

namespace cordgate::proxy {

/// The memory that one request needs from its first byte to its answer's last,
/// handed on to the next request: idle connections hold none of it.
struct Workspace {
    std::string head_bytes;  ///< what the views of `head` point into
    std::string request_id;
    http::RequestHead head;
    Path path;               ///< the head's, as it may be read
    http::HeadText request;  ///< the head as it goes to the upstream
    http::ResponseHead response;
    http::HeadText out;  ///< heads to the client

    /// For what goes on without HTTP, maybe for days: all but what the log
    /// still names. The head's fields are gone.
    void shrink() {
        head.fields = {};
        head.nominated = {};
        path = {};
        request = {};
        response = {};
        out = {};
    }
};

/// The workspaces of one worker. Not thread-safe.
class WorkspacePool {
public:
    /// One of them, as long as it lives.
    class Lease {
    public:
        explicit Lease(WorkspacePool& pool) : pool_(pool), workspace_(pool.take()) {}
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        ~Lease() { pool_.give_back(std::move(workspace_)); }
        Workspace& operator*() const { return *workspace_; }

    private:
        WorkspacePool& pool_;
        std::unique_ptr<Workspace> workspace_;
    };

private:
    std::unique_ptr<Workspace> take() {
        if (free_.empty()) return std::make_unique<Workspace>();
        auto workspace = std::move(free_.back());
        free_.pop_back();
        return workspace;
    }
    void give_back(std::unique_ptr<Workspace> workspace) {
        if (free_.size() == max_kept || is_bloated(*workspace)) return;
        free_.push_back(std::move(workspace));
    }

    /// One huge request must not make every later one hold as much.
    static bool is_bloated(const Workspace& workspace) {
        constexpr std::size_t usual = 16 * 1024;
        return workspace.head_bytes.capacity() + workspace.request.capacity() +
                   workspace.out.capacity() >
               usual;
    }

    static constexpr std::size_t max_kept = 256;
    std::vector<std::unique_ptr<Workspace>> free_;
};

}  // namespace cordgate::proxy
