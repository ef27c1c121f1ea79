#include "proxy/upstream_pool.hpp"

#include <cstring>

#include "support.hpp"

namespace cordgate::proxy::test {
namespace {

/// A port of 127.0.0.1 where somebody answers, nobody does, or connecting hangs.
class Address {
public:
    enum class Kind { accepts, refuses, hangs };

    explicit Address(Kind kind) : handle_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) {
        sockaddr_in any{};
        any.sin_family = AF_INET;
        any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof any;
        auto* const where = reinterpret_cast<sockaddr*>(&any);
        REQUIRE(::bind(handle_, where, size) == 0);
        REQUIRE(::getsockname(handle_, where, &size) == 0);
        std::memcpy(&socket_address_.storage, &any, sizeof any);
        socket_address_.size = size;
        if (kind == Kind::refuses) return;
        REQUIRE(::listen(handle_, kind == Kind::hangs ? 0 : 8) == 0);
        // A queue that is full takes nobody.
        for (int i = 0; kind == Kind::hangs && i < 8; ++i) {
            fillers_.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
            ::connect(fillers_.back(), where, size);
        }
    }
    Address(const Address&) = delete;
    Address& operator=(const Address&) = delete;
    ~Address() {
        for (const int filler : fillers_) ::close(filler);
        ::close(handle_);
    }

    const SocketAddress& get() const { return socket_address_; }
    /// Whether somebody came.
    bool accept() {
        const int client = ::accept4(handle_, nullptr, nullptr, SOCK_CLOEXEC);
        if (client >= 0) fillers_.push_back(client);
        return client >= 0;
    }
    /// On everybody who was accepted.
    void hang_up() {
        for (const int client : fillers_) ::close(client);
        fillers_.clear();
    }

private:
    int handle_;
    SocketAddress socket_address_;
    std::vector<int> fillers_;
};

/// A pool for one application, whose name leads where the test says.
struct Named {
    Named() {
        upstreams[0].url = "http://app.example:80";
        upstreams[0].host = "app.example";
        upstreams[0].port = 80;
    }
    EventLoop loop;
    BlockingPool resolver{1, 8};
    std::vector<config::Upstream> upstreams{1};
    UpstreamTlsContexts tls{nullptr};
    UpstreamPool::Addresses leads_to;
    int looked_up = 0;
    UpstreamPool pool{loop, resolver, upstreams, tls, 3s, [this](const config::Upstream& of) {
                          CHECK(of.host == "app.example");
                          ++looked_up;
                          return Result<UpstreamPool::Addresses>(leads_to);
                      }};
};

}  // namespace

TEST_CASE("of several addresses the next is tried when one refuses or is silent, J20") {
    using Kind = Address::Kind;
    for (const auto first : {Kind::accepts, Kind::refuses, Kind::hangs}) {
        for (const auto second : {Kind::refuses, Kind::hangs}) {
            CAPTURE(static_cast<int>(first));
            CAPTURE(static_cast<int>(second));
            Address one(first), two(second), three(Kind::accepts);
            Named named;
            named.leads_to = {one.get(), two.get(), three.get()};
            const auto connected = run(named.loop, named.pool.connect(0));
            REQUIRE(connected);
            CHECK((*connected)->stream.is_open());
            CHECK(three.accept() == (first != Kind::accepts));
        }
    }
}

TEST_CASE("when no address answers it is the last one's failure, with the application's url, J20") {
    using Kind = Address::Kind;
    Address refuses(Kind::refuses), hangs(Kind::hangs);
    struct Case {
        UpstreamPool::Addresses addresses;
        ErrorKind kind;
    };
    const Case cases[] = {
        {{},                             ErrorKind::unavailable},
        {{refuses.get(), refuses.get()}, ErrorKind::unavailable},
        {{refuses.get(), hangs.get()},   ErrorKind::timed_out  },
    };
    for (const auto& c : cases) {
        Named named;
        named.leads_to = c.addresses;
        const auto connected = run(named.loop, named.pool.connect(0));
        REQUIRE_FALSE(connected);
        CHECK(connected.error().kind == c.kind);
        CHECK(connected.error().source == ErrorSource::upstream);
        CHECK(connected.error().detail.starts_with("http://app.example:80: "));
    }
}

TEST_CASE("an application that moved is found by its name, J19") {
    Address before(Address::Kind::accepts), after(Address::Kind::accepts);
    Named named;
    named.leads_to = {before.get()};
    REQUIRE(run(named.loop, named.pool.connect(0)));
    CHECK(before.accept());
    named.leads_to = {after.get()};
    REQUIRE(run(named.loop, named.pool.connect(0)));
    CHECK(after.accept());
    CHECK_FALSE(before.accept());
    CHECK(named.looked_up == 2);
}

TEST_CASE("a connection serves again once the kernel was asked, and one that died never, A59 I28") {
    Address app(Address::Kind::accepts);
    Named named;
    named.leads_to = {app.get()};
    for (const auto sure : {UpstreamPool::Sure::as_polled, UpstreamPool::Sure::now}) {
        auto connected = run(named.loop, named.pool.connect(0));
        REQUIRE(connected);
        REQUIRE(app.accept());
        named.pool.put_back(0, std::move(*connected));
        CHECK_FALSE(named.pool.take_idle(0, sure));
        named.loop.run_once(0ms);
        auto again = named.pool.take_idle(0, sure);
        REQUIRE(again);
        CHECK(again->reused);
        CHECK_FALSE(named.pool.take_idle(0, sure));
        named.pool.put_back(0, std::move(again));
        app.hang_up();
        named.loop.run_once(0ms);
        CHECK_FALSE(named.pool.take_idle(0, sure));
    }
}

}  // namespace cordgate::proxy::test
