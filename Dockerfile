# The operator alone: one static binary and the certificate authorities it trusts. No shell, no libc,
# no package manager. tests/scripts/image builds it, and checks what is in it.
#
# Base images are named by tag. Where builds have to be repeatable to the bit, add their digests
# (FROM rust:1.95.0-slim-trixie@sha256:...), and deploy the result by its own.

# the same Rust as in rust-toolchain.toml
FROM rust:1.95.0-slim-trixie AS build
# musl-tools has the C compiler that ring's assembly is built with
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates musl-tools \
    && rm -rf /var/lib/apt/lists/* \
    && rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    target="$(uname -m)-unknown-linux-musl" \
    && cargo build --locked --release --package dicomenc --bin dicomenc --target "$target" \
    && install -D "target/$target/release/dicomenc" /image/dicomenc

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dicomenc" \
    org.opencontainers.image.description="Kubernetes operator that keeps Azure DICOM services encrypted with the customer's own key, and watches that they can reach it" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /image/dicomenc /dicomenc
COPY LICENSE /LICENSE
# a number, so that the kubelet can tell that it is not root
USER 65532:65532
# metrics, probes
EXPOSE 8080 8081
ENTRYPOINT ["/dicomenc"]
