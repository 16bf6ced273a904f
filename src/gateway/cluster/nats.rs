//! The talk with NATS: one bucket, read and written for as long as this gateway lives.
//!
//! Its client opens its sockets itself, the one exception from `egress`; it gets its TLS from there. A *term* lasts from
//! one connection to its loss. Each begins with a reading of the whole bucket and a telling of everything known here, so
//! that a NATS that has lost its files heals as one that has not.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::jetstream::{self, kv, stream};
use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions};
use futures_util::StreamExt as _;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::{debug, info, warn};

use super::entry::{self, Attached, gateway_key};
use super::login;
use super::shared::{REFRESH, Shared};
use crate::ops::{backoff, causes};

/// Why a term has ended or did not begin.
type Ended = Box<dyn std::error::Error + Send + Sync>;

/// Talks until the tasks drain, then takes the own entries out and ends the connections to peers.
pub(super) async fn run(shared: Arc<Shared>) {
    tokio::select! {
        () = terms(&shared) => {}
        // A term takes its leave by itself; without one there is nobody to tell.
        () = async { shared.tasks.draining().await; sleep(FAREWELL).await } => {}
    }
    shared.cut_peers();
}

/// One term after the other, until one ends because this gateway does.
async fn terms(shared: &Shared) {
    let (mut away, mut last) = (false, "");
    loop {
        let Err(cause) = term(shared, &mut away).await else { return };
        shared.joined.store(false, Ordering::Relaxed);
        // A server that is back but refuses the login is news.
        let advice = advice(cause.as_ref());
        let cause = causes(cause.as_ref());
        if std::mem::replace(&mut away, true) && advice == last {
            debug!(cause, "NATS is still away");
        } else {
            warn!(cause, "NATS is away: this gateway goes on with what it knows of the others; {advice}");
        }
        last = advice;
        sleep(backoff::jittered(RETRY)).await;
    }
}

async fn term(shared: &Shared, away: &mut bool) -> Result<(), Ended> {
    let client =
        timeout(CONNECT, connect(shared)).await.map_err(|_| "no server of `cluster.nats` answers")??;
    let bucket = bounded(bucket(&client, &shared.config.bucket)).await?;
    let mut watch = bounded(async { Ok(bucket.watch_with_history(">").await?) }).await?;
    let mut beats = interval(shared.config.beat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // A session is found sick after some seconds: the others shall not be much later.
    let mut looks = interval(shared.config.beat / LOOKS);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut count, mut heard, mut unheard, mut told_leaving) = (0, shared.beats(), 0, false);
    loop {
        tokio::select! {
            _ = looks.tick() => shared.look(),
            _ = beats.tick() => {
                unheard = if shared.beats() == heard { unheard + 1 } else { 0 };
                heard = shared.beats();
                if unheard > DEAF {
                    return Err("what this gateway writes does not come back: the bucket may have been made anew".into());
                }
                // What was changed before this is in what is told now.
                if count % REFRESH == 0 {
                    tell_all(shared, &bucket).await?;
                }
                beat(shared, &bucket).await?;
                count += 1;
                joined(shared, std::mem::take(away));
            }
            () = shared.news.notified() => {
                tell_changes(shared, &bucket).await?;
                // Not at each change: every beat makes what is known here of the others older.
                if shared.entry().leaving && !std::mem::replace(&mut told_leaving, true) {
                    beat(shared, &bucket).await?;
                }
            }
            entry = watch.next() => hear(shared, &entry.ok_or("the watch of the bucket has ended")??),
            () = shared.tasks.draining() => {
                tell_changes(shared, &bucket).await?;
                bounded(async { Ok(bucket.delete(gateway_key(&shared.id)).await?) }).await?;
                return Ok(());
            }
        }
    }
}

/// Tells that the directory is shared, the first time in a term.
fn joined(shared: &Shared, was_away: bool) {
    if shared.joined.swap(true, Ordering::Relaxed) {
        return;
    }
    let (bucket, gateway) = (&shared.config.bucket, &shared.id);
    if was_away {
        info!(bucket, gateway, "NATS is back");
    } else {
        info!(bucket, gateway, "NATS is there: the directory is shared");
    }
}

async fn connect(shared: &Shared) -> Result<Client, Ended> {
    let options = match &shared.config.nats_login {
        None => ConnectOptions::new(),
        Some(source) => login::options(&source.current())?,
    };
    let secured = shared.config.nats.iter().any(|url| url.starts_with("tls://"));
    let options = options
        .name(format!("gitproxy-gateway {}", shared.name))
        .tls_client_config(shared.config.nats_tls.foreign_tls()?)
        .require_tls(secured)
        // Only those that were named: their addresses have been checked, and TLS is for their names.
        .ignore_discovered_servers()
        .connection_timeout(CONNECT)
        .ping_interval(PING)
        // Each server once. A lost connection ends the term, which knows what to do again; the library's own retries would
        // hide it.
        .max_reconnects(shared.config.nats.len());
    Ok(options.connect(&shared.config.nats).await?)
}

/// What to look at first when NATS does not let this gateway in.
fn advice(cause: &(dyn std::error::Error + 'static)) -> &'static str {
    use ConnectErrorKind as Kind;

    let refused = cause.downcast_ref::<ConnectError>().map(ConnectError::kind);
    match refused {
        Some(Kind::AuthorizationViolation | Kind::Authentication) => {
            "NATS refuses the login: check `cluster.nats_login` or the file in `cluster.nats_credentials`, and the user at NATS"
        }
        Some(Kind::Tls) => {
            "TLS with NATS fails: check `cluster.nats_ca`, that its certificate is for the host in `cluster.nats`, and \
             `cluster.nats_cert` where it asks for one"
        }
        Some(Kind::ServerParse | Kind::Dns | Kind::TimedOut | Kind::Io | Kind::MaxReconnects) | None => {
            "check `cluster.nats`, its server and JetStream"
        }
    }
}

async fn bucket(client: &Client, name: &str) -> Result<kv::Store, Ended> {
    let mut context = jetstream::new(client.clone());
    context.set_timeout(ANSWER);
    if let Ok(bucket) = context.get_key_value(name).await {
        return Ok(bucket);
    }
    // As the client's own way to make one, which first asks for what a server of version 2.9 does not tell.
    let config = stream::Config {
        name: format!("KV_{name}"),
        description: Some("gitproxy: which gateway holds which session".to_owned()),
        subjects: vec![format!("$KV.{name}.>")],
        max_messages_per_subject: 1,
        max_age: MAX_AGE,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        discard: stream::DiscardPolicy::New,
        num_replicas: 1,
        ..stream::Config::default()
    };
    context.create_stream(config).await?;
    Ok(context.get_key_value(name).await?)
}

async fn beat(shared: &Shared, bucket: &kv::Store) -> Result<(), Ended> {
    let entry = serde_json::to_vec(&shared.entry())?;
    bounded(async { Ok(bucket.put(gateway_key(&shared.id), entry.into()).await?) }).await?;
    Ok(())
}

async fn tell_all(shared: &Shared, bucket: &kv::Store) -> Result<(), Ended> {
    let mine = shared.own_sessions().into_iter().map(|(key, entry)| (key, Some(entry)));
    tell(bucket, mine.chain(shared.changed_sessions()).collect()).await
}

async fn tell_changes(shared: &Shared, bucket: &kv::Store) -> Result<(), Ended> {
    tell(bucket, shared.changed_sessions()).await
}

async fn tell(bucket: &kv::Store, entries: Vec<(String, Option<Attached>)>) -> Result<(), Ended> {
    let one = |(key, entry): (String, Option<Attached>)| async move {
        match entry {
            Some(entry) => {
                let entry = serde_json::to_vec(&entry)?;
                bounded(async { Ok(bucket.put(key, entry.into()).await?) }).await.map(drop)
            }
            None => bounded(async { Ok(bucket.delete(key).await?) }).await,
        }
    };
    let mut told = futures_util::stream::iter(entries).map(one).buffered(AT_A_TIME);
    while let Some(outcome) = told.next().await {
        outcome?;
    }
    Ok(())
}

fn hear(shared: &Shared, heard: &kv::Entry) {
    let key = heard.key.as_str();
    if heard.operation != kv::Operation::Put {
        return shared.heard_end(key);
    }
    if let Some(id) = key.strip_prefix(entry::GATEWAY) {
        match serde_json::from_slice(&heard.value) {
            Ok(entry) => shared.heard_gateway(id, entry),
            Err(error) => shared.odd(key, &error.to_string()),
        }
    } else if key.starts_with(entry::SESSION) {
        match serde_json::from_slice(&heard.value) {
            Ok(entry) => shared.heard_session(key, entry),
            Err(error) => shared.odd(key, &error.to_string()),
        }
    }
}

async fn bounded<T>(answer: impl Future<Output = Result<T, Ended>>) -> Result<T, Ended> {
    timeout(ANSWER, answer).await.map_err(|_| "NATS does not answer")?
}

const CONNECT: Duration = Duration::from_secs(3);
const ANSWER: Duration = Duration::from_secs(2);
const PING: Duration = Duration::from_secs(3);
const RETRY: Duration = Duration::from_millis(500);
/// Less than the last words of a gateway.
const FAREWELL: Duration = Duration::from_millis(150);
/// More than the sessions' refresh of 18 s, so that a gateway that comes new reads them all; what is older is waste.
const MAX_AGE: Duration = Duration::from_secs(60);
/// Beats in a row before which nothing of this gateway may have come back; at the first of a term nothing can have. Its client
/// notices later that a watch is of a bucket that is no more, and then goes on at the new one's end.
const DEAF: u32 = 1;
/// How often in a beat the sessions here are looked at.
const LOOKS: u32 = 6;
/// Entries written before the first is acknowledged.
const AT_A_TIME: usize = 64;
