#pragma once

#include <array>
#include <bitset>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/http/head.hpp"

// Which header fields may pass, and why not. Policy is a table; each row has
// its reason.

namespace cordgate::proxy {

struct HeaderRule {
    std::string_view name;  ///< folded: lower case, every other character a '-'
    bool drop_from_request;
    bool drop_from_response;
    std::string_view because;
};

/// Names are compared after folding: ASCII letters in lower case and every
/// character that is neither letter nor digit as '-', because CGI, WSGI and
/// friends hand "X_Discord_User" and "X-Discord-User" over as one variable.
inline constexpr HeaderRule header_rules[] = {
    {"connection",               true,  true,  "RFC 9110, 7.6.1: lists this hop's options"        },
    {"keep-alive",               true,  true,  "RFC 9110, 7.6.1: about this hop"                  },
    {"proxy-connection",         true,  true,  "RFC 9110, 7.6.1: about this hop"                  },
    {"te",                       true,  true,  "RFC 9110, 10.1.4: about this hop"                 },
    {"trailer",                  true,  true,  "RFC 9110, 6.6.2: said anew where trailers go on"  },
    {"transfer-encoding",        true,  true,  "RFC 9112, 6.1: we choose our own framing"         },
    {"content-length",           true,  true,  "RFC 9112, 6.2: written anew from the parsed value"},
    {"upgrade",                  true,  true,  "RFC 9110, 7.8: made anew for an accepted upgrade" },
    {"http2-settings",           true,  true,  "RFC 9113, 3.1: h2c is not passed on"              },
    {"expect",                   true,  false, "RFC 9110, 10.1.1: answered by us"                 },
    {"host",                     true,  false, "written anew from the checked value"              },
    {"proxy-authorization",      true,  false, "RFC 9110, 11.7.2: meant for this proxy"           },
    {"proxy-authenticate",       false, true,  "RFC 9110, 11.7.1: meant for the next client only" },
    {"proxy",                    true,  false, "CGI hands it over as HTTP_PROXY (CVE-2016-5385)"  },
    {"cookie",                   true,  false, "written anew without our own cookies"             },
    {"x-original-url",           true,  false, "rewrites the target in some frameworks"           },
    {"x-original-uri",           true,  false, "rewrites the target in some frameworks"           },
    {"x-original-method",        true,  false, "rewrites the method in some frameworks"           },
    {"x-original-host",          true,  false, "rewrites the host in some frameworks"             },
    {"x-rewrite-url",            true,  false, "rewrites the target in some frameworks"           },
    {"x-forwarded",              true,  false, "claims a client address"                          },
    {"x-original-forwarded-for", true,  false, "claims a client address"                          },
    {"x-proxyuser-ip",           true,  false, "claims a client address"                          },
    {"client-ip",                true,  false, "claims a client address"                          },
    {"fastly-client-ip",         true,  false, "claims a client address"                          },
    {"cf-connecting-ipv6",       true,  false, "claims a client address"                          },
    {"x-azure-clientip",         true,  false, "claims a client address"                          },
    {"x-envoy-external-address", true,  false, "claims a client address"                          },
    {"x-host",                   true,  false, "rewrites the host in some frameworks"             },
    {"x-url-scheme",             true,  false, "claims the scheme"                                },
    {"front-end-https",          true,  false, "claims the scheme"                                },
    {"x-http-method",            true,  false, "rewrites the method in some frameworks"           },
    {"x-http-method-override",   true,  false, "rewrites the method in some frameworks"           },
    {"x-method-override",        true,  false, "rewrites the method in some frameworks"           },
    {"x-webauth-user",           true,  false, "identity: a client must not be able to claim it"  },
    {"forwarded",                true,  false, "RFC 7239: only X-Forwarded-* is spoken"           },
    {"x-real-ip",                true,  false, "claims a client address"                          },
    {"x-client-ip",              true,  false, "claims a client address"                          },
    {"x-cluster-client-ip",      true,  false, "claims a client address"                          },
    {"true-client-ip",           true,  false, "claims a client address"                          },
    {"cf-connecting-ip",         true,  false, "claims a client address"                          },
    {"x-request-id",             true,  false, "ours: one per request"                            },
    {"remote-user",              true,  false, "identity: a client must not be able to claim it"  },
    {"remote-name",              true,  false, "identity: a client must not be able to claim it"  },
    {"remote-groups",            true,  false, "identity: a client must not be able to claim it"  },
    {"remote-email",             true,  false, "identity: a client must not be able to claim it"  },
    {"x-remote-user",            true,  false, "identity: a client must not be able to claim it"  },
};

/// The same for every name that starts with one of these.
inline constexpr HeaderRule header_prefix_rules[] = {
    {"x-discord-",      true, true,  "identity: the whole family belongs to the gate"             },
    {"x-forwarded-",    true, false, "ours, or believed by frameworks and said by nobody we trust"},
    {"x-auth-request-", true, false, "identity: a client must not be able to claim them"          },
};

/// The table, made ready for one look-up per field. Immutable; any thread.
class HeaderPolicy {
public:
    /// `managed`: further names that only we may send, such as `headers.inject`.
    explicit HeaderPolicy(const std::vector<std::string>& managed = {});

    bool drop_from_request(std::string_view name) const { return lookup(name).request; }
    bool drop_from_response(std::string_view name) const { return lookup(name).response; }
    /// The same for a field that was parsed.
    bool drop_from_request(const http::Field& field) const { return lookup(field).request; }
    bool drop_from_response(const http::Field& field) const { return lookup(field).response; }

    /// Whether Connection may take a field of this name off the request: never
    /// one that others rely on (RFC 9110, 7.6.1 leaves that to the proxy).
    static bool may_be_nominated(std::string_view name);

    /// Whether a trailer field of this name may be passed to the client: none that
    /// frames, routes, authenticates or says how to take the content (RFC 9110,
    /// 6.5.1), and none that may not be in a response's head. False for "".
    bool may_be_trailer(std::string_view name) const;

private:
    struct Drops {
        bool request = false;
        bool response = false;
    };
    struct Row {
        std::string name;
        Drops drops;
    };

    Drops lookup(const http::Field& field) const {
        if (field.known == http::FieldName::other) return lookup(field.name);
        return known_[static_cast<std::size_t>(field.known)];
    }
    Drops lookup(std::string_view name) const;
    Drops lookup_folded(std::string_view folded) const;

    bool may_match(std::string_view name) const;

    static constexpr std::size_t max_name = 64;
    std::vector<Row> by_length_[max_name + 1];
    /// First characters, folded, of names as long; most fields are done with these.
    std::bitset<256> first_characters_[max_name + 1];
    std::bitset<256> first_of_any_length_;
    std::array<Drops, http::known_name_count> known_{};
};

}  // namespace cordgate::proxy
