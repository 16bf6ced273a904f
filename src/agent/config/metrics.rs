//! Where metrics go.

use std::str::FromStr;
use std::time::Duration;

use url::Url;

use crate::egress::{NotAnOrigin, Origin};
use crate::ops::settings::{Layers, Period, Problems};

/// Where metrics go, and how often.
#[derive(Debug, Clone)]
pub struct MetricsSettings {
    /// The collector's base URL; `/v1/metrics` is appended.
    pub endpoint: Url,
    /// Its origin.
    pub origin: Origin,
    /// The time from one push to the next.
    pub every: Duration,
}

struct Endpoint(Url, Origin);

/// Why a text is no endpoint.
#[derive(Debug, thiserror::Error)]
enum NoEndpoint {
    #[error("{0}; give one such as http://collector:4318")]
    Form(#[from] NotAnOrigin),
    #[error("has a user, a query or a fragment: give scheme, host, port and path only")]
    Extra,
}

/// Reads them; `None` where no endpoint is set, and with an addition to `problems` where one cannot be used.
pub(super) fn read(layers: &Layers, problems: &mut Problems) -> Option<MetricsSettings> {
    let every = layers.required::<Period>("metrics.every", problems);
    let Endpoint(endpoint, origin) = layers.value("metrics.endpoint", problems)?;
    let Period(every) = every?;
    if every < SHORTEST {
        problems.push(layers.problem("metrics.every", "is shorter than 1s"));
        return None;
    }
    Some(MetricsSettings { endpoint, origin, every })
}

impl FromStr for Endpoint {
    type Err = NoEndpoint;

    fn from_str(text: &str) -> Result<Self, NoEndpoint> {
        let url = Url::parse(text).map_err(NotAnOrigin::from)?;
        let origin = Origin::of(&url)?;
        let bare = url.username().is_empty() && url.password().is_none();
        if !bare || url.query().is_some() || url.fragment().is_some() {
            return Err(NoEndpoint::Extra);
        }
        Ok(Self(url, origin))
    }
}

/// A shorter one would only repeat itself: what is measured changes by the hour.
const SHORTEST: Duration = Duration::from_secs(1);
