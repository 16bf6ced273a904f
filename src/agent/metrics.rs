//! What is measured, and how it leaves: by OTLP, through the same way out as everything else.

use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use tower::util::BoxCloneSyncService;

use super::config::MetricsSettings;
use super::{BUILD, Error};
use crate::bitbucket;
use crate::egress::{Alpn, Client, Egress, Origin};
use crate::ops::Tasks;
use crate::ops::metrics::{Cause, Metrics, Transport};

/// Pushes when certificates and tokens will end.
///
/// # Errors
/// When the endpoint is none.
pub(super) fn start(
    settings: &MetricsSettings,
    egress: &Egress,
    clients: &[bitbucket::Client],
    instance: &str,
    tasks: &Tasks,
) -> Result<(), Error> {
    let about = [("service.version", BUILD.to_owned()), ("service.instance.id", instance.to_owned())];
    let transport = transport(egress, &settings.origin);
    let metrics = Metrics::start(settings.endpoint.as_str(), settings.every, &about, transport, tasks)?;
    let expiries = egress.expiries().clone();
    metrics.seconds(
        "gitproxy.certificate.expiry",
        "gitproxy.certificate.owner",
        "Time until the certificate ends that this owner showed last; below zero when it has ended.",
        move || expiries.all().into_iter().map(|(whose, end)| (whose, left(end))).collect(),
    );
    let clients = clients.to_vec();
    metrics.seconds(
        "gitproxy.token.expiry",
        "gitproxy.connection",
        "Time until the connection's token ends, where Bitbucket tells; below zero when it has ended.",
        move || {
            let known =
                clients.iter().filter_map(|it| Some((it.connection().to_owned(), left(it.token_expires()?))));
            known.collect()
        },
    );
    Ok(())
}

/// Seconds until `end`.
fn left(end: SystemTime) -> f64 {
    match end.duration_since(SystemTime::now()) {
        Ok(left) => left.as_secs_f64(),
        Err(over) => -over.duration().as_secs_f64(),
    }
}

fn transport(egress: &Egress, collector: &Origin) -> Transport {
    let client = Client::new(egress.connector(collector.clone(), Alpn::Http1OrHttp2));
    BoxCloneSyncService::new(tower::service_fn(move |request: Request<Bytes>| {
        let client = client.clone();
        async move {
            let response = client.send(request.map(Full::new)).await?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, LARGEST).collect().await?;
            Ok::<_, Cause>(Response::from_parts(head, body.to_bytes()))
        }
    }))
}

/// A collector answers with a few bytes.
const LARGEST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::egress::fixture::Ca;
    use crate::egress::{self, Certificate};
    use crate::ops::tasks::Drained;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_collector_is_told_when_certificates_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/otlp", listener.local_addr().unwrap());
        let (tasks, collector) = (Tasks::new(), Tasks::new());
        let (told, mut heard) = tokio::sync::mpsc::channel(1);
        collector.spawn(async move {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let mut seen = Vec::new();
            while !String::from_utf8_lossy(&seen).contains("https://git.example:443") {
                assert_ne!(tcp.read_buf(&mut seen).await.unwrap(), 0, "the pusher hung up");
            }
            tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            told.send(String::from_utf8_lossy(&seen).into_owned()).await.unwrap();
        });
        let egress = Egress::new(&egress::Settings::default(), &tasks).unwrap();
        let certificate = Certificate::read(&Ca::new("ours").der().into()).unwrap();
        egress.expiries().saw("https://git.example:443", &certificate);
        let settings = MetricsSettings {
            origin: url.parse::<url::Url>().map(|url| Origin::of(&url)).unwrap().unwrap(),
            endpoint: url.parse().unwrap(),
            every: Duration::from_secs(3600),
        };
        start(&settings, &egress, &[], "i-1", &tasks).unwrap();
        assert_eq!(tasks.finish(Duration::from_secs(30)).await, Drained::Clean);
        let push = heard.recv().await.unwrap();
        assert!(push.starts_with("POST /otlp/v1/metrics HTTP/1.1\r\n"), "{push}");
        assert!(push.contains("gitproxy.certificate.expiry") && push.contains("i-1"), "{push}");
    }
}
