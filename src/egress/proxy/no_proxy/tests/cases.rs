//! The cases: a list, a URL, what we do, and what others do with it.

use super::Way::{self, Direct, Proxied};

/// List, URL, our way, and those of curl 7.88.1, Go 1.26 (`net/http`), Python 3.11 (`urllib`) and requests 2.34, each as
/// `D` for direct or `P` for the proxy. Theirs were measured.
pub(super) type Case = (&'static str, &'static str, Way, &'static str);

/// Where all of them do the same.
pub(super) const AGREED: &[Case] = &[
    ("example.com", "https://example.com", Direct, "DDDD"),
    ("example.com", "https://git.example.com", Direct, "DDDD"),
    ("example.com", "https://a.b.c.example.com", Direct, "DDDD"),
    ("example.com", "https://badexample.com", Proxied, "PPPP"),
    ("example.com", "https://example.com.evil.org", Proxied, "PPPP"),
    ("example.com", "https://example.org", Proxied, "PPPP"),
    ("git.example.com", "https://example.com", Proxied, "PPPP"),
    ("git.example.com", "https://git.example.com", Direct, "DDDD"),
    ("git.example.com", "https://x.git.example.com", Direct, "DDDD"),
    ("git.example.com", "https://agit.example.com", Proxied, "PPPP"),
    ("EXAMPLE.com", "https://git.example.com", Direct, "DDDD"),
    ("example.com", "https://GIT.Example.COM", Direct, "DDDD"),
    ("com", "https://git.example.com", Direct, "DDDD"),
    ("git", "https://git", Direct, "DDDD"),
    ("git", "https://git.example.com", Proxied, "PPPP"),
    ("example.com", "http://git.example.com", Direct, "DDDD"),
    ("ample.com", "https://example.com", Proxied, "PPPP"),
    (".example.com", "https://git.example.com", Direct, "DDDD"),
    (".example.com", "https://a.b.example.com", Direct, "DDDD"),
    (".example.com", "https://badexample.com", Proxied, "PPPP"),
    (".EXAMPLE.com", "https://git.example.com", Direct, "DDDD"),
    (".com", "https://git.example.com", Direct, "DDDD"),
    (".git.example.com", "https://example.com", Proxied, "PPPP"),
    ("*", "https://git.example.com", Direct, "DDDD"),
    ("*", "https://10.1.2.3", Direct, "DDDD"),
    ("*", "https://[fd00::1]", Direct, "DDDD"),
    ("*:443", "https://git.example.com:7990", Proxied, "PPPP"),
    ("*.example.com", "https://example.com", Proxied, "PPPP"),
    ("*.example.com", "https://badexample.com", Proxied, "PPPP"),
    ("example.com.", "https://git.example.com.", Direct, "DDDD"),
    ("example.com:443", "https://example.com:8443", Proxied, "PPPP"),
    ("example.com:80", "https://example.com", Proxied, "PPPP"),
    ("example.com", "https://example.com:8443", Direct, "DDDD"),
    (".example.com:8443", "https://git.example.com", Proxied, "PPPP"),
    ("10.1.2.3:8443", "https://10.1.2.3", Proxied, "PPPP"),
    ("10.1.2.3", "https://10.1.2.3:8443", Direct, "DDDD"),
    ("[fd00::1]:8443", "https://[fd00::1]", Proxied, "PPPP"),
    ("[fd00::/8]:8443", "https://[fd00::1]", Proxied, "PPPP"),
    ("10.1.2.3", "https://10.1.2.3", Direct, "DDDD"),
    ("10.1.2.3", "https://10.1.2.4", Proxied, "PPPP"),
    ("10.1.2.3", "https://10.1.2.30", Proxied, "PPPP"),
    ("10.1.2.3", "https://x.10.1.2.3.example.com", Proxied, "PPPP"),
    ("fd00::1", "https://[fd00::2]", Proxied, "PPPP"),
    ("10.1.2.3", "https://[::10.1.2.3]", Proxied, "PPPP"),
    ("10.0.0.0/8", "https://11.1.2.3", Proxied, "PPPP"),
    ("10.1.2.0/23", "https://10.1.4.0", Proxied, "PPPP"),
    ("10.1.2.3/32", "https://10.1.2.2", Proxied, "PPPP"),
    ("0.0.0.0/0", "https://git.example.com", Proxied, "PPPP"),
    ("0.0.0.0/0", "https://[fd00::1]", Proxied, "PPPP"),
    ("fd00::/8", "https://[fe80::1]", Proxied, "PPPP"),
    ("2001:db8::/33", "https://[2001:db8:8000::1]", Proxied, "PPPP"),
    ("::/0", "https://10.1.2.3", Proxied, "PPPP"),
    ("10.0.0.0/8", "https://10.example.com", Proxied, "PPPP"),
    ("127.0.0.0/8", "https://git.example.com", Proxied, "PPPP"),
    ("", "https://localhost.example.com", Proxied, "PPPP"),
    ("", "https://git.localhost", Proxied, "PPPP"),
    ("bücher.example", "https://bucher.example", Proxied, "PPPP"),
    ("", "https://git.example.com", Proxied, "PPPP"),
    (" , ,, ", "https://git.example.com", Proxied, "PPPP"),
    ("example.org,example.com", "https://git.example.com", Direct, "DDDD"),
    ("example.org, example.com", "https://git.example.com", Direct, "DDDD"),
    (",example.com,", "https://git.example.com", Direct, "DDDD"),
    ("10.0.0.0/8,.svc,.cluster.local,example.com", "https://bitbucket.scm.svc", Direct, "DDDD"),
    ("10.0.0.0/8,.svc,.cluster.local,example.com", "https://bitbucket.scm.svc.cluster.local", Direct, "DDDD"),
];

/// Where they do not, with our reason.
pub(super) const DISPUTED: &[(&str, &[Case])] = &[
    (
        "Go: `.example.com` leaves out example.com itself. curl and Python take it in, and so do people \
        who write it.",
        &[(".example.com", "https://example.com", Direct, "DPDD")],
    ),
    (
        "Only Go knows `*` among other entries, and nobody one with a port. It cannot mean anything else.",
        &[
            ("*:443", "https://git.example.com", Direct, "PPPP"),
            ("example.org,*", "https://git.example.com", Direct, "PDPP"),
        ],
    ),
    (
        "Only Go knows `*.example.com`: every name under it, itself not. It cannot mean anything else.",
        &[
            ("*.example.com", "https://git.example.com", Direct, "PDPP"),
            ("*.example.com", "https://a.b.example.com", Direct, "PDPP"),
            ("*.example.com:443", "https://git.example.com", Direct, "PDPP"),
        ],
    ),
    (
        "Only curl takes example.com and example.com. for the same name, which they are.",
        &[
            ("example.com.", "https://git.example.com", Direct, "DPPP"),
            ("example.com", "https://git.example.com.", Direct, "DPPP"),
            (".example.com.", "https://git.example.com", Direct, "DPPP"),
            ("git.example.com", "https://git.example.com.", Direct, "DPPP"),
        ],
    ),
    (
        "curl has no ports here. Python compares the port that the URL spells out, Go the one that is \
        used, and so do we: https://example.com and https://example.com:443 are one origin. No one else \
        has ports of networks (curl takes one for a part of the prefix, and ignores it).",
        &[
            ("example.com:443", "https://example.com", Direct, "PDPP"),
            ("example.com:443", "https://example.com:443", Direct, "PDDD"),
            ("example.com:443", "https://git.example.com", Direct, "PDPP"),
            ("example.com:8443", "https://example.com:8443", Direct, "PDDD"),
            ("example.com:8443", "https://git.example.com:8443", Direct, "PDDD"),
            ("example.com:80", "http://example.com", Direct, "PDPP"),
            (".example.com:8443", "https://git.example.com:8443", Direct, "PDDD"),
            ("10.1.2.3:8443", "https://10.1.2.3:8443", Direct, "PDDP"),
            ("10.0.0.0/8:8443", "https://10.1.2.3:8443", Direct, "DPPP"),
            ("10.0.0.0/8:8443", "https://10.1.2.3", Proxied, "DPPP"),
            ("[fd00::1]:8443", "https://[fd00::1]:8443", Direct, "PDDP"),
            ("[fd00::/8]:8443", "https://[fd00::1]:8443", Direct, "PPPP"),
        ],
    ),
    (
        "urllib has no networks, requests those of IPv4; curl 7.88.1 has no network of IPv6 and takes /0 \
        for /32. All of them work here, as in Go.",
        &[
            ("10.0.0.0/8", "https://10.1.2.3", Direct, "DDPD"),
            ("10.9.8.7/8", "https://10.1.2.3", Direct, "DDPD"),
            ("10.1.2.0/23", "https://10.1.3.255", Direct, "DDPD"),
            ("10.1.2.3/32", "https://10.1.2.3", Direct, "DDPD"),
            ("0.0.0.0/0", "https://192.0.2.1", Direct, "PDPP"),
            ("fd00::/8", "https://[fd12::1]", Direct, "PDPP"),
            ("[fd00::/8]", "https://[fd12::1]", Direct, "PPPP"),
            ("fd00::/9", "https://[fd12::1]", Direct, "PDPP"),
            ("::/0", "https://[2001:db8::1]", Direct, "PDPP"),
        ],
    ),
    (
        "Only Go takes ::ffff:10.1.2.3 for 10.1.2.3, and it reaches the same host.",
        &[
            ("::ffff:10.1.2.3", "https://10.1.2.3", Direct, "PDPP"),
            ("10.1.2.3", "https://[::ffff:10.1.2.3]", Direct, "PDPP"),
            ("10.0.0.0/8", "https://[::ffff:10.1.2.3]", Direct, "PDPP"),
            ("::ffff:10.0.0.0/104", "https://10.1.2.3", Direct, "PDPP"),
        ],
    ),
    (
        "An address has many spellings. Python compares texts, curl looks for no brackets in an entry, Go \
        knows no hexadecimal address. We compare addresses.",
        &[
            ("fd00::1", "https://[fd00::1]", Direct, "DDPD"),
            ("[fd00::1]", "https://[fd00::1]", Direct, "PPDP"),
            ("FD00:0:0:0:0:0:0:1", "https://[fd00::1]", Direct, "PDPP"),
            ("fd00::1", "https://[fd00:0::0:1]", Direct, "DDPP"),
            ("10.1.2.3", "https://0x0a010203", Direct, "DPPP"),
        ],
    ),
    (
        "curl and Python ask the proxy for localhost, which is the proxy's own. Go never does.",
        &[
            ("", "https://localhost", Direct, "PDPP"),
            ("", "https://127.0.0.1:7990", Direct, "PDPP"),
            ("", "https://127.1.2.3", Direct, "PDPP"),
            ("", "https://[::1]", Direct, "PDPP"),
        ],
    ),
    (
        "Go compares punycode on both sides, curl that of the URL, Python texts. We compare punycode.",
        &[
            ("bücher.example", "https://git.xn--bcher-kva.example", Direct, "PDPP"),
            ("xn--bcher-kva.example", "https://git.bücher.example", Direct, "DDPD"),
            ("BÜCHER.example", "https://bücher.example", Direct, "PDDP"),
        ],
    ),
    (
        "Only curl takes blanks for separators too (deprecated in 2023, and never line ends). With commas alone \
        the entry would match nothing.",
        &[
            ("example.org example.com", "https://git.example.com", Direct, "DPPP"),
            ("example.com example.org", "https://git.example.com", Direct, "DPPP"),
            ("example.org\texample.com", "https://git.example.com", Direct, "DPPP"),
            ("example.org\nexample.com", "https://git.example.com", Direct, "PPPP"),
        ],
    ),
];
