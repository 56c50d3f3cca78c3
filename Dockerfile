# syntax=docker/dockerfile:1

FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# The SQL parser is C, so the binary is linked against this Debian's libc.
RUN CGO_ENABLED=1 go build -trimpath -buildvcs=false -ldflags='-s -w' -o /out/pgjanus ./cmd/pgjanus

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin --uid 10001 pgjanus
COPY --from=build /out/pgjanus /usr/local/bin/pgjanus

# Mount pgjanus.yaml and rules.yaml here. Inside a container the listeners
# have to bind 0.0.0.0, not the default 127.0.0.1.
WORKDIR /etc/pgjanus
USER pgjanus
# 6432: clients. 6480: metrics, health, API.
EXPOSE 6432 6480
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s --retries=3 \
  CMD ["pgjanus", "status", "--config", "/etc/pgjanus/pgjanus.yaml"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["pgjanus"]
CMD ["serve", "--config", "/etc/pgjanus/pgjanus.yaml"]
