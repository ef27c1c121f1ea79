// Bytes are a session, a pending login, or malformed_reply; what was decoded is
// encoded to something that decodes to the same.

#include "store/session_codec.hpp"
#include "support.hpp"

using namespace cordgate;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = fuzz::as_text(data, size);
    const auto session = codec::decode_session(bytes);
    if (session) {
        const auto coded = codec::encode(*session);
        const auto again = codec::decode_session(coded.reveal());
        require(again.has_value(), "encoded anew, it is refused");
        require(codec::encode(*again).reveal() == coded.reveal(), "encoded anew, it differs");
    } else {
        require(session.error().kind == ErrorKind::malformed_reply, "kind of the error");
    }
    const auto login = codec::decode_login(bytes);
    if (login) {
        const auto coded = codec::encode(*login);
        const auto again = codec::decode_login(coded.reveal());
        require(again.has_value(), "login encoded anew is refused");
        require(codec::encode(*again).reveal() == coded.reveal(), "login differs");
    } else {
        require(login.error().kind == ErrorKind::malformed_reply, "kind of the error");
    }
    require(!(session && login), "one row is both");
    return 0;
}
