mod cases;

use crate::egress::proxy::{self, Proxies, Proxy};

use super::*;
use cases::{AGREED, Case, DISPUTED};

/// What a case expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Direct,
    Proxied,
}

#[test]
fn every_case_goes_its_way() {
    let cases: Vec<&Case> = AGREED.iter().chain(DISPUTED.iter().flat_map(|(_, cases)| *cases)).collect();
    assert!(cases.len() >= 75, "{}", cases.len());
    for (list, url, expected, _) in cases {
        assert_eq!(way(list, url), *expected, "NO_PROXY={list:?} {url}");
    }
}

#[test]
fn a_case_is_disputed_where_curl_go_and_python_do_not_all_do_what_we_do() {
    let unanimous = |(.., ours, others): &Case| {
        assert_eq!(others.len(), 4, "{others}");
        others.chars().all(|way| way == if *ours == Way::Direct { 'D' } else { 'P' })
    };
    assert!(AGREED.iter().all(unanimous));
    for (why, cases) in DISPUTED {
        assert!(!cases.is_empty() && !cases.iter().any(unanimous), "{why}");
    }
}

#[test]
fn the_first_entry_that_matches_is_told_as_it_was_written() {
    let list: NoProxy = "example.org, .Example.com.:443,example.com".parse().unwrap();
    let matching = |url: &str| list.matching(&url.parse().unwrap()).map(str::to_owned);
    assert_eq!(matching("https://git.example.com").as_deref(), Some(".Example.com.:443"));
    assert_eq!(matching("http://git.example.com").as_deref(), Some("example.com"));
    assert_eq!(matching("https://git.example.net"), None);
}

#[test]
fn an_entry_that_means_nothing_is_named_with_its_fault() {
    let bad = [
        ("http://git.example.com", Fault::Url),
        ("git.example.com/path", Fault::Url),
        ("git.example.com:0", Fault::Port),
        ("git.example.com:99999", Fault::Port),
        ("git.example.com:", Fault::Port),
        ("[fd00::1]:0", Fault::Port),
        ("10.0.0.0/33", Fault::Network),
        ("10.0.0.0/", Fault::Network),
        ("10.0.0.0/255.0.0.0", Fault::Network),
        ("10/8", Fault::Network),
        ("fd00::/129", Fault::Network),
        ("fd00::/8:443", Fault::Network),
        ("10.0.0.256", Fault::Address),
        ("10.0.", Fault::Address),
        ("2.3", Fault::Address),
        ("010.0.0.1", Fault::Address),
        ("0x0a000001", Fault::Address),
        ("fd00::1::2", Fault::Address),
        ("fe80::1%eth0", Fault::Address),
        ("[10.0.0.1]", Fault::Address),
        ("[10.0.0.0/8]", Fault::Address),
        ("[fd00::1", Fault::Address),
        ("[fd00::1]443", Fault::Address),
        ("[git.example.com]", Fault::Address),
        ("git*.example.com", Fault::Asterisk),
        ("git.*.com", Fault::Asterisk),
        ("**", Fault::Asterisk),
        ("192.168.*", Fault::Asterisk),
        (".", Fault::Name),
        ("*.", Fault::Name),
        ("..example.com", Fault::Name),
        ("git..example.com", Fault::Name),
        (":443", Fault::Name),
        ("git;example.com", Fault::Name),
        ("git|example.com", Fault::Name),
    ];
    for (entry, fault) in bad {
        let error = format!("example.com, {entry},10.0.0.0/8").parse::<NoProxy>().unwrap_err();
        assert_eq!(error.to_string(), format!("the entry `{entry}` {fault}"));
    }
}

#[test]
fn a_password_in_an_entry_is_not_shown() {
    let error = "example.com,http://robot:hunter2@proxy.corp".parse::<NoProxy>().unwrap_err();
    assert_eq!(error.to_string(), format!("the entry `proxy.corp` {}", Fault::Url));
    assert!(!format!("{error:?}").contains("hunter2"));
    // A comma in the password ends the entry, so that what is behind a colon is shown only where it may be a port.
    let cut = [
        ("http://robot:hunter2,x@proxy.corp", "http://robot:…"),
        ("robot:hunter2,x@proxy.corp", "robot:…"),
        ("git.corp:https", "git.corp:…"),
        ("git.corp:+80", "git.corp:…"),
    ];
    for (list, shown) in cut {
        let error = list.parse::<NoProxy>().unwrap_err();
        assert!(error.to_string().starts_with(&format!("the entry `{shown}` ")), "{error}");
    }
}

fn way(list: &str, url: &str) -> Way {
    let proxy: Proxy = "http://proxy.corp:3128".parse().unwrap();
    let proxies = Proxies::new(Some(proxy.clone()), Some(proxy), list.parse().unwrap());
    match proxies.route(&url.parse().unwrap()).way {
        proxy::Way::Direct => Way::Direct,
        proxy::Way::Through(_) => Way::Proxied,
    }
}
