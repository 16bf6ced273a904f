//! Refuses calls beyond a number, and counts each until its body ends, and what goes on for it when its caller has left.
//!
//! Unlike tower's `ConcurrencyLimit` it never queues, and its permit lives in the response body: a download counts while
//! it runs, and a drain waits for it. It is in the request's extensions too ([`Place`]): a write that does not end with
//! its call counts as long as it goes on. Each class of calls has a number of its own, so that watches cannot fill the house.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Semaphore;
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::body::Holding;
use super::{Body, wire};
use crate::ops::Tasks;
use crate::ops::call::Place;
use crate::proto::{Class, Fault, Reason, methods};

/// How many calls of each class may be in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Small calls.
    pub unary: usize,
    /// Transfers.
    pub bulk: usize,
    /// Streams that wait for events.
    pub watch: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { unary: 256, bulk: 64, watch: 256 }
    }
}

/// Makes [`Admit`]; every service made by one layer shares its places.
#[derive(Debug, Clone)]
pub struct AdmitLayer {
    places: Arc<Places>,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Admit<S> {
    inner: S,
    places: Arc<Places>,
}

#[derive(Debug)]
struct Places {
    limits: Limits,
    unary: Arc<Semaphore>,
    bulk: Arc<Semaphore>,
    watch: Arc<Semaphore>,
    tasks: Tasks,
}

impl AdmitLayer {
    /// Admits calls up to `limits`; a drain of `tasks` waits for those in flight.
    pub fn new(limits: Limits, tasks: &Tasks) -> Self {
        let semaphore = |places| Arc::new(Semaphore::new(places));
        let Limits { unary, bulk, watch } = limits;
        Self {
            places: Arc::new(Places {
                limits,
                unary: semaphore(unary),
                bulk: semaphore(bulk),
                watch: semaphore(watch),
                tasks: tasks.clone(),
            }),
        }
    }
}

impl<S> Layer<S> for AdmitLayer {
    type Service = Admit<S>;

    fn layer(&self, inner: S) -> Admit<S> {
        Admit { inner, places: Arc::clone(&self.places) }
    }
}

impl<S> Service<http::Request<Body>> for Admit<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        match self.places.enter(request.uri().path()) {
            Ok(place) => {
                request.extensions_mut().insert(place.clone());
                let answer = self.inner.call(request);
                Box::pin(async move { Ok(answer.await?.map(|body| Body::new(Holding::new(body, place)))) })
            }
            Err(refusal) => Box::pin(std::future::ready(Ok(wire::status_response(refusal)))),
        }
    }
}

impl Places {
    fn enter(&self, path: &str) -> Result<Place, Status> {
        // Reflection and health are no methods of ours; they are small.
        let class = methods::find(path).map_or(Class::Unary, |method| method.class);
        let (places, limit) = match class {
            Class::Unary => (&self.unary, self.limits.unary),
            Class::Bulk => (&self.bulk, self.limits.bulk),
            Class::Watch => (&self.watch, self.limits.watch),
        };
        match Arc::clone(places).try_acquire_owned() {
            Ok(permit) => Ok(Place::new((permit, self.tasks.guard()))),
            Err(_) => Err(full(class, limit)),
        }
    }
}

fn full(class: Class, limit: usize) -> Status {
    let message = format!("{limit} {} calls are in flight, which is the most", class.as_str());
    Fault::new(Code::ResourceExhausted, Reason::Busy, message)
        .with("class", class.as_str())
        .with("limit", limit.to_string())
        .retry_after(RETRY)
        .into()
}

const RETRY: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    const UNARY: &str = "/gitproxy.scm.v1.Repos/GetRepo";
    const BULK: &str = "/gitproxy.scm.v1.Files/GetFile";

    fn stack(
        limits: Limits,
    ) -> impl Service<http::Request<Body>, Response = http::Response<Body>, Error = Status> + Clone {
        let answer =
            |_| async { Ok(http::Response::new(Body::new(Full::from("x").map_err(|never| match never {})))) };
        tower::ServiceBuilder::new().layer(AdmitLayer::new(limits, &Tasks::new())).service(service_fn(answer))
    }

    async fn call(
        stack: &(impl Service<http::Request<Body>, Response = http::Response<Body>, Error = Status> + Clone),
        path: &str,
    ) -> http::Response<Body> {
        let request = http::Request::get(path).body(Body::empty()).expect("a request");
        stack.clone().oneshot(request).await.expect("an answer")
    }

    fn refused(response: &http::Response<Body>) -> bool {
        Status::from_header_map(response.headers())
            .is_some_and(|status| status.code() == Code::ResourceExhausted)
    }

    #[tokio::test]
    async fn a_call_counts_until_its_body_ends() {
        let stack = stack(Limits { unary: 1, bulk: 1, watch: 1 });
        let first = call(&stack, UNARY).await;
        assert!(refused(&call(&stack, UNARY).await), "the first body is unread");
        first.into_body().collect().await.expect("a body");
        assert!(!refused(&call(&stack, UNARY).await));
    }

    #[tokio::test]
    async fn a_full_class_leaves_the_others_alone() {
        let stack = stack(Limits { unary: 1, bulk: 1, watch: 1 });
        let _download = call(&stack, BULK).await;
        assert!(refused(&call(&stack, BULK).await));
        assert!(!refused(&call(&stack, UNARY).await));
    }

    #[tokio::test]
    async fn a_refusal_names_class_and_limit_and_when_to_try_again() {
        let refusal = full(Class::Bulk, 7);
        let details = tonic_types::StatusExt::get_error_details(&refusal);
        assert_eq!(Reason::of(&refusal), Some(Reason::Busy));
        assert_eq!(details.error_info().map(|info| info.metadata["limit"].as_str()), Some("7"));
        assert!(details.retry_info().is_some());
    }
}
