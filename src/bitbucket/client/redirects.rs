//! Requests that a moved repository sends on.

use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use tracing::debug;

use super::Client;
use crate::bitbucket::Error;
use crate::bitbucket::error::Stranger;
use crate::bitbucket::reply::Asked;
use crate::bitbucket::transport::Body;
use crate::proto::Effect;

impl Client {
    /// Sends a request, and again where a moved repository's redirect points, as far as that is inside the projects.
    pub(super) async fn follow(
        &self,
        request: &Request<Bytes>,
        asked: &Asked,
    ) -> Result<Response<Body>, Error> {
        let mut below = request.uri().clone();
        for _ in 0..=HOPS {
            let response = self.once(request, &below, asked).await?;
            let status = response.status();
            let Some(location) = redirect(status, response.headers()) else { return Ok(response) };
            below = self.moved(&below, location, status, asked.effect)?;
            // To wait here would be to wait within the attempt's time.
            let _paid = self.charge(request);
            debug!(%status, "followed a moved repository");
        }
        Err(self.stranger(Stranger::Loop))
    }

    /// Where a redirect leads.
    fn moved(&self, from: &Uri, location: &str, status: StatusCode, effect: Effect) -> Result<Uri, Error> {
        // The others turn a write into a GET, by custom.
        let keeps_method = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        let target = self.inner.base.below(from, location).filter(|_| keeps_method || effect == Effect::Read);
        let target = target.ok_or_else(|| {
            let target = location.split(['?', '#']).next().unwrap_or_default().to_owned();
            self.stranger(Stranger::Redirect { target })
        })?;
        match project_in(&target) {
            Some(project) if !self.inner.projects.contains(&project) => {
                Err(Error::OutsideProject { project })
            }
            None if project_in(from).is_some() => {
                Err(self.stranger(Stranger::Redirect { target: target.path().to_owned() }))
            }
            Some(_) | None => Ok(target),
        }
    }
}

fn redirect(status: StatusCode, headers: &HeaderMap) -> Option<&str> {
    let location = || headers.get(LOCATION).and_then(|location| location.to_str().ok()).unwrap_or_default();
    // 304 and 300 have no target that could be followed, and no REST resource answers so.
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308).then(location)
}

/// The project that a path below the base names: `/rest/{resource}/{version}/projects/{key}/…`. What is no key is given
/// as it is: it is not in any set of projects.
fn project_in(below: &Uri) -> Option<String> {
    let key = below.path().split('/').skip_while(|segment| *segment != "projects").nth(1)?;
    Some(percent_encoding::percent_decode_str(key).decode_utf8_lossy().into_owned())
}

/// How many redirects are followed.
const HOPS: usize = 3;
