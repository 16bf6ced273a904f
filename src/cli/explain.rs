//! `gitproxy egress explain`: which way a connection would go.

use std::io;

use clap::ArgMatches;
use gitproxy::agent::config::ProxySettings;
use gitproxy::egress::{NotAnOrigin, Origin, Route, Way};
use gitproxy::ops::settings::Problems;

use super::exit::Exit;
use super::{URL, read, say, unusable};

/// Tells for either leg; only the settings of proxies need to be there.
pub(super) fn explain(flags: &ArgMatches) -> Exit {
    let text = flags.get_one::<String>(URL).map_or("", String::as_str);
    let origin = match origin(text) {
        Ok(origin) => origin,
        Err(why) => {
            // Without the text: it may have a password in it.
            say(
                &mut io::stderr(),
                &format!("gitproxy: the URL {why}; give one such as https://git.example.com"),
            );
            return Exit::Usage;
        }
    };
    let mut problems = Problems::new();
    let layers = read(flags, &mut problems);
    let settings = ProxySettings::read(&layers, &mut problems);
    let settings = match problems.or(settings) {
        Ok(settings) => settings,
        Err(problems) => return unusable(problems),
    };
    let mut out = io::stdout();
    say(&mut out, &origin.to_string());
    let legs = [
        ("gateway", ProxySettings::GATEWAY, &settings.gateway),
        ("bitbucket", ProxySettings::BITBUCKET, &settings.bitbucket),
    ];
    for (leg, key, own) in legs {
        let (proxies, keys) = match own {
            Some(own) => (own, vec![key]),
            None => (&settings.common, ProxySettings::common(origin.scheme()).to_vec()),
        };
        let Route { way, because, by_settings } = proxies.route(&origin);
        say(&mut out, &format!("  {leg:<10} {}: {because}", in_words(&way)));
        let keys = if by_settings { keys } else { Vec::new() };
        // Where the first is not set, the exceptions from it have no part in it.
        let told = keys.iter().map(|key| (key, layers.came_from(key))).take_while(|(_, from)| from != UNSET);
        for (key, from) in told {
            say(&mut out, &format!("  {:<10} {key} comes from {from}", ""));
        }
    }
    Exit::Done
}

/// Without the credentials, which a proxy never shows.
fn in_words(way: &Way) -> String {
    match way {
        Way::Direct => "direct".to_owned(),
        Way::Through(proxy) => format!("through {proxy}"),
    }
}

/// Scheme, host and port of a URL, whatever path and query it has.
fn origin(text: &str) -> Result<Origin, NotAnOrigin> {
    Origin::of(&url::Url::parse(text)?)
}

/// What [`gitproxy::ops::settings::Layers::came_from`] says of a setting that nobody gave.
const UNSET: &str = "not set";
