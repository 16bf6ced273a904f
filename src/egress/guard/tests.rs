use url::Url;

use super::*;

/// Every refused range, what it is shown as, and whether the addresses right before and after it are free.
const RANGES: &[(&str, &str, Beyond, Beyond)] = &[
    ("0.0.0.0-0.255.255.255", "an unspecified address", Beyond::Nothing, Beyond::Free),
    ("100.100.100.200-100.100.100.200", "a cloud's metadata service", Beyond::Free, Beyond::Free),
    ("127.0.0.0-127.255.255.255", "a loopback address", Beyond::Free, Beyond::Free),
    ("168.63.129.16-168.63.129.16", "a cloud's metadata service", Beyond::Free, Beyond::Free),
    ("169.254.0.0-169.254.169.253", "a link-local address", Beyond::Free, Beyond::Refused),
    ("169.254.169.254-169.254.169.254", "a cloud's metadata service", Beyond::Refused, Beyond::Refused),
    ("169.254.169.255-169.254.255.255", "a link-local address", Beyond::Refused, Beyond::Free),
    ("192.0.0.192-192.0.0.192", "a cloud's metadata service", Beyond::Free, Beyond::Free),
    ("192.0.2.0-192.0.2.255", "an address for documentation", Beyond::Free, Beyond::Free),
    ("198.51.100.0-198.51.100.255", "an address for documentation", Beyond::Free, Beyond::Free),
    ("203.0.113.0-203.0.113.255", "an address for documentation", Beyond::Free, Beyond::Free),
    ("224.0.0.0-239.255.255.255", "a multicast address", Beyond::Free, Beyond::Refused),
    ("240.0.0.0-255.255.255.254", "a reserved address", Beyond::Refused, Beyond::Refused),
    ("255.255.255.255-255.255.255.255", "the broadcast address", Beyond::Refused, Beyond::Nothing),
    ("::-::", "an unspecified address", Beyond::Nothing, Beyond::Refused),
    ("::1-::1", "a loopback address", Beyond::Refused, Beyond::Refused),
    ("::7f00:0-::7fff:ffff", "a loopback address", Beyond::Free, Beyond::Free),
    ("::ffff:a9fe:a9fe-::ffff:a9fe:a9fe", "a cloud's metadata service", Beyond::Refused, Beyond::Refused),
    ("::ffff:7f00:0-::ffff:7fff:ffff", "a loopback address", Beyond::Free, Beyond::Free),
    ("::ffff:0:7f00:0-::ffff:0:7fff:ffff", "a loopback address", Beyond::Free, Beyond::Free),
    ("64:ff9b::7f00:0-64:ff9b::7fff:ffff", "a loopback address", Beyond::Free, Beyond::Free),
    ("64:ff9b::a9fe:a9fe-64:ff9b::a9fe:a9fe", "a cloud's metadata service", Beyond::Refused, Beyond::Refused),
    ("64:ff9b:1::7f00:0-64:ff9b:1::7fff:ffff", "a loopback address", Beyond::Free, Beyond::Free),
    ("2001:0:a00:1::8000:0-2001:0:a00:1::80ff:ffff", "a loopback address", Beyond::Free, Beyond::Free),
    (
        "2001:0:7f00::-2001:0:7fff:ffff:ffff:ffff:ffff:ffff",
        "a loopback address",
        Beyond::Refused,
        Beyond::Refused,
    ),
    (
        "2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
        "an address for documentation",
        Beyond::Free,
        Beyond::Free,
    ),
    ("2002:7f00::-2002:7fff:ffff:ffff:ffff:ffff:ffff:ffff", "a loopback address", Beyond::Free, Beyond::Free),
    (
        "2002:a9fe:a9fe::-2002:a9fe:a9fe:ffff:ffff:ffff:ffff:ffff",
        "a cloud's metadata service",
        Beyond::Refused,
        Beyond::Refused,
    ),
    (
        "3fff::-3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
        "an address for documentation",
        Beyond::Free,
        Beyond::Free,
    ),
    (
        "fd00:ec2::-fd00:ec2:ffff:ffff:ffff:ffff:ffff:ffff",
        "a cloud's metadata service",
        Beyond::Free,
        Beyond::Free,
    ),
    ("fd20:ce::254-fd20:ce::254", "a cloud's metadata service", Beyond::Free, Beyond::Free),
    ("fe80::-febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "a link-local address", Beyond::Free, Beyond::Refused),
    (
        "fec0::-feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "a site-local address, which is out of use",
        Beyond::Refused,
        Beyond::Refused,
    ),
    ("fd12::5efe:7f00:0-fd12::5efe:7fff:ffff", "a loopback address", Beyond::Free, Beyond::Free),
    (
        "2606:4700:1::200:5efe:a9fe:a9fe-2606:4700:1::200:5efe:a9fe:a9fe",
        "a cloud's metadata service",
        Beyond::Refused,
        Beyond::Refused,
    ),
    (
        "ff00::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "a multicast address",
        Beyond::Refused,
        Beyond::Nothing,
    ),
];

/// What is right beyond an end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beyond {
    Free,
    Refused,
    Nothing,
}

#[test]
fn every_special_range_is_refused_from_its_first_to_its_last_address_and_no_further() {
    for &(range, shown, before, after) in RANGES {
        let (first, last) = range.split_once('-').unwrap();
        for address in [first, last] {
            let error = dialed(&Guard::default(), &[address]).expect_err(address);
            assert!(error.to_string().starts_with(&format!("it leads to {shown}, ")), "{address}: {error}");
        }
        for (beyond, expected) in [(step(first, -1), before), (step(last, 1), after)] {
            let found = beyond.as_ref().map(|address| dialed(&Guard::default(), &[address]).is_ok());
            let found =
                found.map_or(Beyond::Nothing, |free| if free { Beyond::Free } else { Beyond::Refused });
            assert_eq!(found, expected, "{beyond:?}, beyond {range}");
        }
    }
}

#[test]
fn private_and_public_addresses_are_free_in_every_wrapping() {
    for free in [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "8.8.8.8",
        "fc00::1",
        "fd12::1",
        "2606:4700::1",
        "::ffff:10.0.0.1",
        "::10.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::a00:1",
        "64:ff9b:1:a00:0:100::",
        "2002:a00:1::1",
        "fd12::5efe:a00:1",
        "fd12::200:5efe:a00:1",
    ] {
        assert!(dialed(&Guard::default(), &[free]).is_ok(), "{free}");
    }
}

#[test]
fn the_metadata_address_is_found_at_every_place_of_local_nat64() {
    // RFC 6052, section 2.2: prefixes of 48, 56, 64 and 96 bits.
    for address in [
        "64:ff9b:1:a9fe:a9:fe00::",
        "64:ff9b:1:12a9:fe:a9fe::",
        "64:ff9b:1:1234:a9:fea9:fe00:0",
        "64:ff9b:1:1234::a9fe:a9fe",
    ] {
        let error = dialed(&Guard::default(), &[address]).expect_err(address);
        assert!(error.to_string().contains("metadata"), "{address}: {error}");
    }
}

#[test]
fn a_name_that_leads_to_a_good_and_a_forbidden_address_is_refused_whole() {
    let guard = Guard::default();
    for pair in [["10.0.0.1", "127.0.0.1"], ["127.0.0.1", "10.0.0.1"]] {
        let error = dialed(&guard, &pair).unwrap_err();
        assert!(!error.to_string().contains("0.0"), "no resolved address for the cloud: {error}");
        let detail = error.detail();
        assert!(detail.contains("refused for 127.0.0.1") && detail.contains("10.0.0.1"), "{detail}");
    }
    let good = dialed(&guard, &["10.0.0.1", "10.0.0.2"]).unwrap();
    assert_eq!(good.len(), 2, "the addresses that were checked are those that may be dialed");
}

#[test]
fn a_name_that_leads_elsewhere_the_second_time_is_refused_then() {
    let guard = Guard::default();
    assert!(dialed(&guard, &["10.0.0.1"]).is_ok());
    assert!(dialed(&guard, &["127.0.0.1"]).is_err());
}

#[test]
fn every_notation_of_a_forbidden_address_is_refused_as_url_and_as_target() {
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0177.0.0.1",
        "0x7f.1",
        "0x7f000001",
        "017700000001",
        "0x7f.0x1",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::]",
        "0",
        "0x0",
        "[::ffff:169.254.169.254]",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
    ] {
        let text = format!("https://{host}/");
        let of_url = Origin::of(&Url::parse(&text).unwrap()).unwrap();
        assert!(of_url.ip().is_some(), "{text} is an address once it is parsed");
        assert!(Guard::default().origin(&of_url).is_err(), "{text}");
        // A target is taken as it is written. What is no address then must be no name either, or a resolver would make
        // one of it: `getaddrinfo` takes every notation that C does.
        if let Ok(target) = text.parse::<http::Uri>()
            && let Ok(origin) = Origin::of_uri(&target)
        {
            assert!(origin.ip().is_some(), "{text} is a name as a target");
            assert!(Guard::default().proxied(&origin).is_err(), "{text} as a target");
        }
    }
}

#[test]
fn names_of_this_machine_metadata_and_the_cluster_are_refused_unresolved() {
    let guard = guard(&[], &[], &["10.96.0.1", "api.cluster.example.com"]);
    for (host, shown) in [
        ("localhost", "a loopback address"),
        ("LOCALHOST.", "a loopback address"),
        ("git.localhost", "a loopback address"),
        ("ip6-loopback", "a loopback address"),
        ("metadata.google.internal", "a cloud's metadata service"),
        ("instance-data", "a cloud's metadata service"),
        ("kubernetes", "the Kubernetes API"),
        ("kubernetes.default", "the Kubernetes API"),
        ("kubernetes.default.svc", "the Kubernetes API"),
        ("kubernetes.default.svc.cluster.local.", "the Kubernetes API"),
        ("API.cluster.example.com", "the Kubernetes API"),
    ] {
        for error in [guard.origin(&https(host)), guard.proxied(&https(host))] {
            let error = error.expect_err(host).to_string();
            assert!(error.starts_with(&format!("it leads to {shown}, ")), "{host}: {error}");
        }
    }
    for host in [
        "git.example.com",
        "kubernetes.example.com",
        "localhost.example.com",
        "kubernetes.default.example.com",
    ] {
        assert!(guard.proxied(&https(host)).is_ok(), "{host}");
    }
}

#[test]
fn the_kubernetes_api_is_refused_by_its_address_in_every_wrapping() {
    let guard = guard(&[], &[], &["10.96.0.1", "fd00:96::1"]);
    for address in ["10.96.0.1", "::ffff:10.96.0.1", "64:ff9b::a60:1", "fd00:96::1"] {
        let error = dialed(&guard, &[address]).expect_err(address).to_string();
        assert!(error.starts_with("it leads to the Kubernetes API"), "{address}: {error}");
    }
    assert!(dialed(&guard, &["10.96.0.2"]).is_ok());
}

#[test]
fn allowed_addresses_lift_the_refusal_for_what_they_cover() {
    let guard = guard(&[], &["127.0.0.0/8", "::1/128", "10.96.0.1/32"], &["10.96.0.1"]);
    for host in
        ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "kubernetes.default.svc", "10.96.0.1"]
    {
        assert!(guard.proxied(&https(host)).is_ok(), "{host}");
    }
    assert!(dialed(&guard, &["127.0.0.1", "::1"]).is_ok());
    // Another machine's loopback, or what a special name leads to when somebody has tampered with it.
    for address in ["64:ff9b::7f00:1", "169.254.169.254", "::"] {
        assert!(guard.addresses(&https("localhost"), socket(&[address])).is_err(), "{address}");
    }
    assert!(guard.origin(&https("metadata.google.internal")).is_err());
}

#[test]
fn allowed_servers_match_an_origin_exactly_or_the_dialed_address() {
    let guard = guard(&["https://git.example.com:8443", "10.1.0.0/16"], &[], &[]);
    let listed = https("git.example.com:8443");
    assert!(guard.proxied(&listed).is_ok());
    assert!(guard.addresses(&listed, socket(&["10.9.9.9"])).is_ok(), "by its origin, wherever it is");
    assert!(guard.addresses(&listed, socket(&["127.0.0.1"])).is_err(), "an origin lifts nothing");
    let other = https("git.example.com");
    assert!(guard.origin(&other).is_ok(), "its address will tell");
    assert!(guard.addresses(&other, socket(&["10.1.2.3"])).is_ok());
    assert!(guard.addresses(&other, socket(&["::ffff:10.1.2.3"])).is_ok());
    for bad in [&["10.2.0.1"] as &[&str], &["10.1.2.3", "10.2.0.1"], &["64:ff9b::a01:203"]] {
        let error = guard.addresses(&other, socket(bad)).unwrap_err();
        assert_eq!(error.to_string(), "held.allowed_servers lacks it");
        assert!(error.detail().contains(bad[0]), "{}", error.detail());
    }
    assert!(guard.origin(&https("10.1.2.3")).is_ok() && guard.origin(&https("10.2.0.1")).is_err());
    assert!(guard.proxied(&https("10.1.2.3")).is_ok(), "a literal is its own address, behind a proxy too");
}

#[test]
fn without_networks_a_name_that_is_not_listed_is_refused_unresolved() {
    let guard = guard(&["https://git.example.com"], &[], &[]);
    for other in ["git.example.com:8443", "git2.example.com", "10.1.2.3"] {
        let error = guard.origin(&https(other)).expect_err(other);
        assert_eq!(error.to_string(), "held.allowed_servers lacks it", "{other}");
    }
    let plain: Origin = "http://git.example.com:443".parse().unwrap();
    assert!(guard.origin(&plain).is_err(), "another scheme is another server");
}

#[test]
fn behind_a_proxy_a_name_must_be_listed_as_an_origin() {
    let guard = guard(&["10.0.0.0/8"], &[], &[]);
    let named = https("git.example.com");
    assert!(guard.origin(&named).is_ok());
    let error = guard.proxied(&named).unwrap_err().to_string();
    assert!(error.contains("name the origin in held.allowed_servers"), "{error}");
    assert!(Guard::default().proxied(&named).is_ok(), "no list, no restriction");
}

/// What an unremarkable name that leads to these addresses gives.
fn dialed(guard: &Guard, addresses: &[&str]) -> Result<Vec<SocketAddr>, Forbidden> {
    guard.addresses(&https("git.example.com"), socket(addresses))
}

fn guard(servers: &[&str], addresses: &[&str], kubernetes: &[&str]) -> Guard {
    Guard::new(
        servers.iter().map(|text| text.parse().unwrap()).collect(),
        addresses.iter().map(|text| text.parse().unwrap()).collect(),
        kubernetes.iter().map(|text| text.parse().unwrap()).collect(),
    )
}

fn socket(addresses: &[&str]) -> Vec<SocketAddr> {
    addresses.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 443)).collect()
}

fn https(host: &str) -> Origin {
    format!("https://{host}").parse().unwrap()
}

/// The address right before or after another, if there is one.
fn step(address: &str, by: i8) -> Option<String> {
    match address.parse::<IpAddr>().unwrap() {
        IpAddr::V4(ip) => {
            ip.to_bits().checked_add_signed(by.into()).map(|bits| std::net::Ipv4Addr::from(bits).to_string())
        }
        IpAddr::V6(ip) => {
            ip.to_bits().checked_add_signed(by.into()).map(|bits| std::net::Ipv6Addr::from(bits).to_string())
        }
    }
}
