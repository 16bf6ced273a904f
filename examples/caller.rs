//! A cloud service in miniature, for what needs more than one call: `scripts/cluster-test` asks by it whether any call fails while
//! pods come and go, and what becomes of a download when its pod goes.
//!
//! ```sh
//! cargo run --example caller -- --gateway https://localhost:9443 --ca ca.crt --token caller.token load --rate 50
//! cargo run --example caller -- … download --repo SHOP/web --path large.bin --lasts 20
//! ```
//!
//! `load` calls until it is interrupted; nothing is asked twice. Each prints one line of JSON in the end.
#![expect(clippy::print_stdout, reason = "what it prints is what it is started for")]

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use gitproxy::egress::{self, Alpn, Egress, Origin, Roots};
use gitproxy::ops::Tasks;
use gitproxy::proto::Reason;
use gitproxy::proto::scm::v1::files_client::FilesClient;
use gitproxy::proto::scm::v1::repos_client::ReposClient;
use gitproxy::proto::scm::v1::{GetFileRequest, GetRepoRequest, RepoRef};
use serde_json::{Value, json};
use tokio::signal::ctrl_c;
use tokio::time::{MissedTickBehavior, interval, sleep_until};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

#[derive(Parser)]
struct Args {
    /// Where the gateway takes calls.
    #[arg(long)]
    gateway: Origin,
    /// The authority of its certificate, as PEM.
    #[arg(long)]
    ca: PathBuf,
    /// The file with the caller's token.
    #[arg(long)]
    token: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Asks for a repository, so many times a second.
    Load {
        /// `PROJECT/SLUG`.
        #[arg(long, value_parser = repo, default_value = "SHOP/payments")]
        repo: RepoRef,
        /// Calls a second.
        #[arg(long, default_value_t = 50)]
        rate: u32,
    },
    /// Reads a file evenly, over so many seconds.
    Download {
        /// `PROJECT/SLUG`.
        #[arg(long, value_parser = repo)]
        repo: RepoRef,
        #[arg(long)]
        path: String,
        /// How many bytes it has.
        #[arg(long)]
        size: u64,
        /// Seconds.
        #[arg(long)]
        lasts: f64,
    },
}

/// The way to the gateway.
#[derive(Clone)]
struct Cloud {
    channel: Channel,
    bearer: MetadataValue<Ascii>,
}

/// What became of the calls.
#[derive(Default)]
struct Seen {
    /// How long each took that was answered.
    answered: Vec<Duration>,
    failures: Vec<Value>,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let cloud = Cloud::connect(&args).await?;
    let (report, well) = match args.what {
        What::Load { repo, rate } => cloud.load(&repo, rate).await,
        What::Download { repo, path, size, lasts } => {
            cloud.download(repo, path, size, Duration::from_secs_f64(lasts)).await
        }
    };
    println!("{report}");
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Cloud {
    async fn connect(args: &Args) -> anyhow::Result<Self> {
        let roots = Roots::Named { file: Some(args.ca.clone()), folders: Vec::new() };
        let egress = Egress::new(&egress::Settings { roots, ..egress::Settings::default() }, &Tasks::new())?;
        let connector = egress.connector(args.gateway.clone(), Alpn::Http2Only);
        let endpoint = Endpoint::from_shared(args.gateway.to_string())?;
        let channel =
            endpoint.connect_with_connector(connector).await.context("connecting to the gateway")?;
        let token = fs::read_to_string(&args.token).context("reading the token")?;
        let mut bearer: MetadataValue<Ascii> = format!("Bearer {}", token.trim()).parse()?;
        bearer.set_sensitive(true);
        Ok(Self { channel, bearer })
    }

    /// Calls in flight at the interrupt are waited for.
    async fn load(&self, repo: &RepoRef, rate: u32) -> (Value, bool) {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (calls, began) = (Tasks::new(), Instant::now());
        let mut ticks = interval(Duration::from_secs(1) / rate.max(1));
        // A call that is late is made all the same: the rate is what is promised.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut ended = std::pin::pin!(ctrl_c());
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    let (cloud, repo, seen) = (self.clone(), repo.clone(), Arc::clone(&seen));
                    calls.spawn(async move { cloud.one(repo, began, &seen).await });
                }
                _ = &mut ended => break,
            }
        }
        let lasted = began.elapsed();
        calls.finish(DEADLINE * 2).await;
        let seen = lock(&seen);
        (seen.report(lasted), seen.failures.is_empty())
    }

    async fn one(&self, repo: RepoRef, began: Instant, seen: &Mutex<Seen>) {
        let asked = Instant::now();
        let mut request = self.ask(GetRepoRequest { repo: Some(repo) });
        request.set_timeout(DEADLINE);
        match ReposClient::new(self.channel.clone()).get_repo(request).await {
            Ok(_) => lock(seen).answered.push(asked.elapsed()),
            Err(status) => {
                let mut failure = told(&status);
                failure["began_s"] = seconds(asked - began);
                failure["ended_s"] = seconds(began.elapsed());
                lock(seen).failures.push(failure);
            }
        }
    }

    /// Whether it came as a whole is in what it gives, too.
    async fn download(&self, repo: RepoRef, path: String, size: u64, lasts: Duration) -> (Value, bool) {
        let began = Instant::now();
        let mut bytes = 0;
        let outcome = async {
            let request = self.ask(GetFileRequest { repo: Some(repo), path, at: String::new() });
            let mut parts = FilesClient::new(self.channel.clone()).get_file(request).await?.into_inner();
            while let Some(part) = parts.message().await? {
                bytes += part.data.len() as u64;
                // As a reader on a link that carries just so much: what is not read stays where it is.
                let due = lasts.mul_f64((bytes as f64 / size.max(1) as f64).min(1.0));
                sleep_until((began + due).into()).await;
            }
            Ok::<_, Status>(())
        };
        let outcome = outcome.await;
        let mut report = outcome.as_ref().map_or_else(told, |()| json!({ "code": "Ok" }));
        report["bytes"] = bytes.into();
        report["seconds"] = seconds(began.elapsed());
        (report, outcome.is_ok() && bytes == size)
    }

    fn ask<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.bearer.clone());
        request
    }
}

impl Seen {
    fn report(&self, lasted: Duration) -> Value {
        let mut times = self.answered.clone();
        times.sort();
        let percentile = |percent: usize| times.get(times.len() * percent / 100).or(times.last()).copied();
        let calls = self.answered.len() + self.failures.len();
        json!({
            "calls": calls,
            "failed": self.failures.len(),
            "per_second": calls as f64 / lasted.as_secs_f64(),
            "p50_ms": percentile(50).unwrap_or_default().as_secs_f64() * 1e3,
            "p99_ms": percentile(99).unwrap_or_default().as_secs_f64() * 1e3,
            "slowest_ms": times.last().copied().unwrap_or_default().as_secs_f64() * 1e3,
            "failures": self.failures.iter().take(MOST_TOLD).collect::<Vec<_>>(),
        })
    }
}

fn repo(text: &str) -> Result<RepoRef, String> {
    let (project, slug) = text.split_once('/').ok_or("it is not of the form PROJECT/SLUG")?;
    Ok(RepoRef { project: project.to_owned(), slug: slug.to_owned() })
}

fn told(status: &Status) -> Value {
    let reason = Reason::of(status).map(|reason| reason.as_str_name());
    json!({ "code": format!("{:?}", status.code()), "reason": reason, "message": status.message() })
}

fn seconds(time: Duration) -> Value {
    ((time.as_secs_f64() * 1e3).round() / 1e3).into()
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Of one call of a load.
const DEADLINE: Duration = Duration::from_secs(20);
const MOST_TOLD: usize = 10;
