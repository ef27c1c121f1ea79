# Cordgate's image: the daemon, the libraries it loads, CA certificates, and nothing
# else: no shell, no package manager. Runs as user 65532, with a read-only root.
#
#   docker build -t cordgate --build-arg COMMIT=$(git rev-parse --short=12 HEAD) .
#   docker run -p 4180:4180 -v cordgate:/var/lib/cordgate -v ./cordgate.yaml:/etc/cordgate/cordgate.yaml:ro cordgate
#
# The base follows Debian 13's security updates. For a build that can be repeated to
# the byte, pin it: FROM debian:trixie-slim@sha256:DIGEST (docker buildx imagetools
# inspect debian:trixie-slim prints the digest of today), and renew that with a bot.
FROM debian:trixie-slim AS build

RUN apt-get update && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        ca-certificates cmake g++ ninja-build \
        libboost1.83-dev libcli11-dev libcpp-httplib-dev libhiredis-dev libspdlog-dev libsqlite3-dev \
        libssl-dev libyaml-cpp-dev nlohmann-json3-dev prometheus-cpp-dev && \
    rm -rf /var/lib/apt/lists/*

WORKDIR /src
COPY . .
ARG COMMIT=unknown
# Hardening as Debian's own packages have it.
RUN cmake -G Ninja -S . -B /build \
        -DCMAKE_BUILD_TYPE=Release -DCORDGATE_TESTS=OFF -DCORDGATE_COMMIT="$COMMIT" \
        -DCMAKE_CXX_FLAGS="-fstack-protector-strong -D_FORTIFY_SOURCE=3 -ffile-prefix-map=/src=." \
        -DCMAKE_EXE_LINKER_FLAGS="-Wl,-z,relro,-z,now" && \
    cmake --build /build --target cordgate && \
    deploy/image/make-root.sh /build/cordgate /root-of-image

FROM scratch
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="Cordgate" \
      org.opencontainers.image.description="Puts \"Log in with Discord\" in front of any web application" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="$COMMIT" \
      org.opencontainers.image.base.name="debian:trixie-slim"
COPY --from=build /root-of-image /
COPY --from=build --chown=65532:65532 /root-of-image/var/lib/cordgate /var/lib/cordgate
USER 65532:65532
# The database and the key that seals it, by the default 'session.store: sqlite:cordgate.db'.
WORKDIR /var/lib/cordgate
VOLUME /var/lib/cordgate
EXPOSE 4180
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/usr/bin/cordgate", "healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/cordgate"]
CMD ["serve", "--config", "/etc/cordgate/cordgate.yaml"]
