# One image for every role: `strata serve …`, `strata worker …`, and the client commands.
#
#   make build && docker build -t strata .
#
# The binary is built outside, for Debian 12 or newer on the same architecture. The image has what
# the worker's methods call: QEMU, git, ssh.
ARG BASE=debian:12-slim
FROM ${BASE}

RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates git openssh-client qemu-system-x86 \
 && rm -rf /var/lib/apt/lists/*

COPY bin/strata /usr/local/bin/strata

# Keys of services, spool and scratch of workers: name it with --data; see docs/operations.md.
VOLUME /var/lib/strata
ENTRYPOINT ["strata"]
