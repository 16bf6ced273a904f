# One image for both programs: nothing is in it but them, the C library, and the public certificate authorities.
#
#   docker build --tag gitproxy:0.1.0 .        or scripts/image, which also checks it and writes its SBOM
#
# It is built for the platform of the builder: `--platform linux/arm64` needs a machine of that kind, or its emulation.
#
# The C library is glibc, not musl: it is what the tests run with and what the figures were measured with, its resolver asks
# for names as every other program of a company does (search lists, answers beyond 512 bytes), and its allocator does not make
# threads wait for each other. Its three files cost 3 MiB.

# Debian with Rust, gcc and ca-certificates; another one may stand in where no registry is to be had (scripts/image does it).
ARG BUILDER=docker.io/library/rust:1.95-slim-bookworm

FROM ${BUILDER} AS builder
WORKDIR /src
COPY . .
# With a folder `prebuilt`, those programs are taken: the ones that were tested, say.
RUN if [ ! -d prebuilt ]; then \
      cargo build --locked --release --bin gitproxy --bin gitproxy-gateway && ln -s target/release prebuilt; \
    fi
RUN sh deploy/image/root prebuilt /image

# Empty: there is no shell, no package manager and no library that is not ours to update.
FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="gitproxy" \
      org.opencontainers.image.description="An on-premises SCM agent for Bitbucket Data Center, and its gateway" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=builder /image/ /
ENV PATH=/usr/bin
# Numbers, so that a cluster can tell that this is not root.
USER 1020:1010
CMD ["gitproxy", "run"]
