//! The settings of `gitproxy`, as one table: flags, readers and `docs/settings.md` come from it.

use crate::ops::settings::{SWITCH, Secrecy, Setting};

/// Where the settings file is: the one setting that cannot stand in it.
pub const FILE: &[Setting] = &[plain(
    ["config", "config", "", "path"],
    &["GITPROXY_CONFIG"],
    "The settings file, in TOML. Without one, flags and environment are all there is.",
)];

/// Every other setting.
pub const TABLE: &[Setting] = &[
    plain(
        ["gateway.url", "gateway-url", "", "https URL"],
        &["GATEWAY_URL"],
        "The gateway to attach to. Plain http is accepted for a loopback address only.",
    )
    .charted("gateway.url"),
    secret(
        ["gateway.access_key", "key of the form gpk_<id>_<secret>"],
        &["ACCESS_KEY"],
        "The agent's access key. Give this or the file, not both.",
    )
    .charted("accessKey, the key itself; or the Secret of existingSecret.accessKey"),
    plain(
        ["gateway.access_key_file", "access-key-file", "", "path"],
        &["ACCESS_KEY_FILE"],
        "The file that holds the access key; it is read again when it changes.",
    )
    .charted("accessKey, the key itself; or the Secret of existingSecret.accessKey"),
    secret(
        ["gateway.proxy", "proxy URL, or the word none"],
        &["GATEWAY_PROXY"],
        "The proxy to the gateway, or `none` for no proxy, in place of the `proxy.*` settings; `proxy.no_proxy` does not count then.",
    ),
    secret(
        ["bitbucket.proxy", "proxy URL, or the word none"],
        &["BITBUCKET_PROXY"],
        "The proxy to every Bitbucket, or `none` for no proxy, in place of the `proxy.*` settings; `proxy.no_proxy` does not count then.",
    ),
    secret(
        ["proxy.http", "proxy URL such as http://user:password@proxy.example.com:3128"],
        &["http_proxy", "HTTP_PROXY"],
        "The proxy for http:// URLs; user and password are percent-encoded.",
    )
    .charted("proxy.httpProxy"),
    secret(
        ["proxy.https", "proxy URL such as http://user:password@proxy.example.com:3128"],
        &["https_proxy", "HTTPS_PROXY"],
        "The proxy for https:// URLs, which are reached by CONNECT; user and password are percent-encoded.",
    )
    .charted("proxy.httpsProxy"),
    plain(
        [
            "proxy.no_proxy",
            "no-proxy",
            "",
            "list of hosts, .suffixes, addresses and CIDRs, each with a port or without, or *",
        ],
        &["no_proxy", "NO_PROXY"],
        "Hosts that are reached without a proxy. `gitproxy egress explain URL` says which entry matches.",
    )
    .charted("proxy.noProxy"),
    plain(
        ["proxy.credentials_file", "proxy-credentials-file", "", "path"],
        &["PROXY_CREDENTIALS_FILE"],
        "The file with `user:password` for proxies whose URL has none; it is read again when it changes.",
    ),
    plain(
        ["gateway.client_cert_file", "gateway-client-cert-file", "", "path to a PEM file"],
        &["GATEWAY_CLIENT_CERT_FILE"],
        "The client certificate, with its chain, for a gateway behind a proxy that asks for one (mTLS); it is read again \
         when it changes.",
    ),
    plain(
        ["gateway.client_key_file", "gateway-client-key-file", "", "path to a PEM file"],
        &["GATEWAY_CLIENT_KEY_FILE"],
        "The private key of that certificate, not encrypted; it is read again when it changes.",
    ),
    plain(
        ["trust.ca", "", "", "text in PEM, or base64 of PEM"],
        &["CUSTOM_CA_CERT"],
        "The customer's CA certificates, trusted beside the platform's: any number, with any white space.",
    )
    .charted("customCaCert, base64 of PEM; or the Secret of existingSecret.customCaCert"),
    plain(
        ["trust.ca_files", "ca-file", "", "list of paths to PEM files or to folders of them"],
        &["CUSTOM_CA_CERT_FILE"],
        "The customer's CA certificates, trusted beside the platform's; they are read again when they change.",
    )
    .charted("customCaCert, base64 of PEM; or the Secret of existingSecret.customCaCert"),
    plain(
        ["trust.root_file", "", "", "path to a PEM file"],
        &["SSL_CERT_FILE"],
        "The platform's CA certificates, where they are not in the usual place.",
    ),
    plain(
        ["trust.root_folders", "", "", "list of folders of PEM files, with colons in between"],
        &["SSL_CERT_DIR"],
        "Folders with the platform's CA certificates, where they are not in the usual place; every file is read.",
    ),
    plain(
        ["connections.default.url", "bitbucket-url", "", "https URL"],
        &["BITBUCKET_URL"],
        "The Bitbucket of the connection `default`, for installations with one; context path included.",
    ),
    plain(
        ["connections.default.user", "bitbucket-user", "", "user name"],
        &["BITBUCKET_USER"],
        "The user that the connection `default` acts as: needed when `auth` is basic; when it is bearer, whose the token must be, which a connection test checks.",
    ),
    plain(
        ["connections.default.auth", "bitbucket-auth", "bearer", "word: bearer or basic"],
        &["BITBUCKET_AUTH"],
        "How the connection `default` sends its token: an HTTP access token as bearer, a password as basic.",
    ),
    plain(
        ["connections.default.token_file", "bitbucket-token-file", "", "path"],
        &["BITBUCKET_TOKEN_FILE"],
        "The file that holds the token of the connection `default`; it is read again when it changes.",
    ),
    plain(
        ["connections.default.projects", "bitbucket-projects", "", "list of project keys"],
        &["BITBUCKET_PROJECTS"],
        "The projects that the connection `default` may touch, and no others.",
    ),
    plain(
        ["connections.default.client_cert_file", "bitbucket-client-cert-file", "", "path to a PEM file"],
        &["BITBUCKET_CLIENT_CERT_FILE"],
        "The client certificate, with its chain, where the Bitbucket of the connection `default` asks for one (mTLS); it \
         is read again when it changes.",
    ),
    plain(
        ["connections.default.client_key_file", "bitbucket-client-key-file", "", "path to a PEM file"],
        &["BITBUCKET_CLIENT_KEY_FILE"],
        "The private key of that certificate, not encrypted; it is read again when it changes.",
    ),
    plain(
        ["connections.default.allow_http", "bitbucket-allow-http", "false", "word: true or false"],
        &["BITBUCKET_ALLOW_HTTP"],
        "Whether the URL of the connection `default` may be plain http to another machine: its token then travels in the clear.",
    ),
    plain(
        ["connections.*.url", "", "", "https URL"],
        &[],
        "The Bitbucket of the connection of that name; context path included.",
    )
    .charted("in gitproxy.connections"),
    plain(
        ["connections.*.user", "", "", "user name"],
        &[],
        "The user that the connection acts as: needed when `auth` is basic; when it is bearer, whose the token must be, which a connection test checks.",
    )
    .charted("in gitproxy.connections"),
    plain(
        ["connections.*.auth", "", "bearer", "word: bearer or basic"],
        &[],
        "How the connection sends its token: an HTTP access token as bearer, a password as basic.",
    )
    .charted("in gitproxy.connections"),
    plain(
        ["connections.*.token_file", "", "", "path"],
        &[],
        "The file that holds the connection's token; it is read again when it changes.",
    )
    .charted("in gitproxy.connections"),
    plain(
        ["connections.*.allow_http", "", "false", "word: true or false"],
        &[],
        "Whether the connection's URL may be plain http to another machine: its token then travels in the clear.",
    )
    .charted("in gitproxy.connections"),
    plain(
        ["connections.*.projects", "", "", "list of project keys"],
        &[],
        "The projects that the connection may touch, and no others.",
    )
    .charted("in gitproxy.connections"),
    plain(
        ["connections.*.client_cert_file", "", "", "path to a PEM file"],
        &[],
        "The client certificate, with its chain, where this Bitbucket asks for one (mTLS); it is read again when it \
         changes.",
    ),
    plain(
        ["connections.*.client_key_file", "", "", "path to a PEM file"],
        &[],
        "The private key of that certificate, not encrypted; it is read again when it changes.",
    ),
    plain(
        ["link.window", "link-window", "1MiB", "size such as 1MiB, 64KiB to 16MiB"],
        &["GITPROXY_LINK_WINDOW"],
        "How much one stream may have on its way: its throughput is this divided by the round-trip time.",
    ),
    plain(
        ["link.ping", "link-ping", "5s", "duration such as 1s, 500ms to 9s"],
        &["GITPROXY_LINK_PING"],
        "After how long without a frame the gateway is asked for an answer. Both ends say something each second anyway; after 2 s of silence the agent attaches once more, and after 10 s the silent session ends.",
    ),
    plain(
        ["tcp.congestion_control", "tcp-congestion-control", "", "name such as bbr"],
        &["GITPROXY_TCP_CONGESTION_CONTROL"],
        "The TCP congestion control of every connection that is opened, in place of the system's; bbr keeps its speed on links that lose packets.",
    ),
    plain(
        ["limits.unary", "limit-unary", "256", "number from 1 to 100000"],
        &["GITPROXY_LIMIT_UNARY"],
        "How many small calls may be in flight; more are refused with BUSY.",
    ),
    plain(
        ["limits.bulk", "limit-bulk", "64", "number from 1 to 100000"],
        &["GITPROXY_LIMIT_BULK"],
        "How many transfers may be in flight; more are refused with BUSY.",
    ),
    plain(
        ["limits.watch", "limit-watch", "256", "number from 1 to 100000"],
        &["GITPROXY_LIMIT_WATCH"],
        "How many streams that wait for events may be open; more are refused with BUSY.",
    ),
    plain(
        ["rate.burst", "rate-burst", "60", "number from 1 to 100000"],
        &["GITPROXY_RATE_BURST"],
        "How many requests of one user Bitbucket takes at once, as its administrator has set the rate limit (token bucket \
         size); a tenth of it is left alone. Requests wait for their turn; what would wait past its deadline fails with \
         RATE_LIMITED.",
    ),
    plain(
        ["rate.per_second", "rate-per-second", "5", "number from 1 to 100000"],
        &["GITPROXY_RATE_PER_SECOND"],
        "How many requests a second of one user Bitbucket takes in the long run, as its administrator has set the rate \
         limit (token bucket refill rate). The instances of an agent share it.",
    ),
    plain(
        ["limits.new_servers", "limit-new-servers", "10", "number"],
        &["GITPROXY_LIMIT_NEW_SERVERS"],
        "How many servers that the agent does not know yet may be named in an hour by connections that come with calls.",
    ),
    plain(
        [
            "held.allowed_servers",
            "allowed-servers",
            "",
            "list of origins such as https://git.example.com and networks such as 10.0.0.0/8",
        ],
        &["GITPROXY_ALLOWED_SERVERS"],
        "The only servers that connections that come with calls may go to, by origin or by the address that is dialed; any \
         unless set.",
    ),
    plain(
        ["held.allowed_addresses", "allowed-addresses", "", "list of networks such as 127.0.0.0/8"],
        &["GITPROXY_ALLOWED_ADDRESSES"],
        "Addresses that connections that come with calls may go to although they are special: loopback, link-local, a \
         cloud's metadata service, the Kubernetes API and the like.",
    ),
    plain(
        ["held.kubernetes", "", "", "list of addresses or names"],
        &["KUBERNETES_SERVICE_HOST"],
        "Where the Kubernetes API of the agent's cluster is, set by Kubernetes itself; connections that come with calls may \
         not go there.",
    ),
    plain(
        ["debug.listen", "debug-listen", "", "loopback address 127.0.0.1:PORT or unix:PATH"],
        &["GITPROXY_DEBUG_LISTEN"],
        "Serves the commands to local operators, by plaintext gRPC with reflection. Off unless set.",
    ),
    plain(
        ["debug.token_file", "debug-token-file", "", "path"],
        &["GITPROXY_DEBUG_TOKEN_FILE"],
        "Where the bearer token of a debug listener on TCP is written, with mode 0600; without it, to a new file in the \
         temporary folder. The log says where.",
    ),
    plain(
        ["status.socket", "status-socket", "", "path"],
        &["GITPROXY_STATUS_SOCKET"],
        "A unix socket that tells how the agent is; it takes no command. `gitproxy health` and `gitproxy status` ask it.",
    ),
    plain(
        ["egress.hop_timeout", "hop-timeout", "10s", "duration such as 10s, 100ms to 25s"],
        &["GITPROXY_HOP_TIMEOUT"],
        "How long one hop of a connection may take: a name's resolution, TCP, a proxy's consent, TLS.",
    ),
    plain(
        ["egress.connect_timeout", "connect-timeout", "20s", "duration such as 20s, 100ms to 25s"],
        &["GITPROXY_CONNECT_TIMEOUT"],
        "How long a connection may take over all its hops.",
    ),
    plain(
        ["metrics.endpoint", "metrics-endpoint", "", "URL such as http://collector:4318"],
        &["OTEL_EXPORTER_OTLP_ENDPOINT"],
        "The OpenTelemetry collector to push metrics to, by OTLP over HTTP. Off unless set.",
    ),
    plain(
        ["metrics.every", "metrics-every", "60s", "duration such as 60s, from 1s"],
        &["GITPROXY_METRICS_EVERY"],
        "The time from one push of metrics to the next.",
    ),
    plain(
        ["traces.endpoint", "traces-endpoint", "", "URL such as http://collector:4318"],
        &["GITPROXY_TRACES_ENDPOINT"],
        "The OpenTelemetry collector to push traces to, by OTLP over HTTP, of those calls whose callers sample them. Off unless set.",
    ),
    plain(
        ["log.format", "log-format", "human", "word: human or json"],
        &["GITPROXY_LOG_FORMAT"],
        "The form of the log, which goes to standard error.",
    ),
    plain(
        ["log.filter", "log-filter", "info", "filter such as info or gitproxy=debug"],
        &["GITPROXY_LOG", "RUST_LOG"],
        "What is logged.",
    ),
    plain(
        ["preflight", "preflight", "false", SWITCH],
        &["GITPROXY_PREFLIGHT"],
        "Whether `run` begins with what `doctor` does, and ends with doctor's exit code where a check fails.",
    ),
    plain(
        ["drain.grace", "drain-grace", "30s", "duration such as 30s"],
        &["GITPROXY_DRAIN_GRACE"],
        "How long calls in flight may take after SIGTERM or SIGINT.",
    )
    .charted("gitproxy.drainGraceSeconds"),
    plain(
        ["labels", "labels", "", "list of NAME=VALUE, at most 16"],
        &["GITPROXY_LABELS"],
        "Free labels of this instance, for the gateway's operator.",
    ),
];

/// A setting that may not be shown and has no flag: its key and unit; its environment; what it does.
const fn secret([key, unit]: [&'static str; 2], env: &'static [&'static str], help: &'static str) -> Setting {
    Setting { key, flag: "", env, default: "", unit, secret: Secrecy::Secret, help, chart: "" }
}

/// A setting that may be shown: its key, flag, default and unit; its environment; what it does.
const fn plain(
    [key, flag, default, unit]: [&'static str; 4],
    env: &'static [&'static str],
    help: &'static str,
) -> Setting {
    Setting { key, flag, env, default, unit, secret: Secrecy::Plain, help, chart: "" }
}
