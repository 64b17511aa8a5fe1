//! A real gateway in this process: the product's own composition on port 0.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use conduit::app::{App, Bound};
use conduit::config::{Config, Surroundings};
use conduit::run::Orders;
use conduit_api::error::ClientError;
use conduit_api::v1::services::{RegisterReply, RegisterService, Service};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::client::Client;

/// A gateway that runs until it is stopped or dropped.
pub struct Gateway {
    pub https: SocketAddr,
    pub http: SocketAddr,
    pub dns: SocketAddr,
    pub dns_tls: SocketAddr,
    pub admin: SocketAddr,
    pub bundle: String,
    pub state: PathBuf,
    pub api: conduit_api::client::Client,
    directory: Option<TempDir>,
    stop: CancellationToken,
    running: Option<std::thread::JoinHandle<bool>>,
}

impl Gateway {
    /// Starts one in a new directory, with the configuration every test starts from.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// Starts one with more configuration; a table that is given here replaces ours.
    pub async fn start_with(extra: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        let mut gateway = Self::start_in(&state, extra).await;
        gateway.directory = Some(directory);
        gateway
    }

    /// Starts one on existing state.
    pub async fn start_in(state: &Path, extra: &str) -> Self {
        let config = parse(&configuration(state, extra));
        let stop = CancellationToken::new();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let stopping = stop.clone();
        let running = std::thread::spawn(move || run(config, stopping, sender));
        let addresses = receiver.await.expect("the gateway starts");
        let unused = SocketAddr::from(([127, 0, 0, 1], 1));
        let first = |list: &[SocketAddr]| list.first().copied().unwrap_or(unused);
        Self {
            https: first(&addresses.https),
            http: first(&addresses.http),
            dns: first(&addresses.dns),
            dns_tls: first(&addresses.dns_tls),
            admin: addresses.admin.unwrap_or(unused),
            bundle: std::fs::read_to_string(state.join("tls/ca.crt")).unwrap_or_default(),
            api: conduit_api::client::Client::unix(&addresses.socket),
            state: state.to_owned(),
            directory: None,
            stop,
            running: Some(running),
        }
    }

    /// Registers a service.
    pub async fn register(
        &self,
        name: &str,
        upstreams: &[&str],
    ) -> Result<RegisterReply, ClientError> {
        self.register_with(name, upstreams, |_| {}).await
    }

    /// Registers a service with more than a name and upstreams.
    pub async fn register_with(
        &self,
        name: &str,
        upstreams: &[&str],
        more: impl FnOnce(&mut RegisterService),
    ) -> Result<RegisterReply, ClientError> {
        let upstreams = upstreams.iter().map(|&u| u.to_owned()).collect();
        let mut service =
            RegisterService { name: name.into(), upstreams, ..RegisterService::default() };
        more(&mut service);
        Ok(self.api.register(&service).await?.value)
    }

    /// A service as the API shows it.
    pub async fn service(&self, name: &str) -> Service {
        self.api.service(name, false).await.unwrap().value.service
    }

    /// Waits until a service is as described, or fails after `PATIENCE`.
    pub async fn until(&self, name: &str, what: &str, is: impl Fn(&Service) -> bool) -> Service {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let service = self.service(name).await;
            if is(&service) {
                return service;
            }
            assert!(tokio::time::Instant::now() < end, "{name} is not {what}: {service:#?}");
            tokio::task::yield_now().await;
        }
    }

    /// An HTTPS client that trusts this gateway's roots only.
    pub fn client(&self) -> Client {
        Client::new(self.https, &self.bundle)
    }

    /// Asks the gateway to stop; does not wait.
    pub fn begin_stop(&self) {
        self.stop.cancel();
    }

    /// Stops it and waits; whether it ended well.
    pub fn stop(mut self) -> bool {
        self.stop.cancel();
        self.running.take().is_some_and(|running| running.join().unwrap())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(running) = self.running.take() {
            let _ended = running.join();
        }
    }
}

/// The configuration of a test: port 0 everywhere, probes every 100 ms.
pub fn configuration(state: &Path, extra: &str) -> String {
    let state_line = format!("state_dir = {:?}", state.display().to_string());
    let mut tables: toml::Table = BASE.replace("STATE", &state_line).parse().unwrap();
    let extra: toml::Table = extra.parse().unwrap();
    for (key, value) in extra {
        let base = tables.entry(key).or_insert_with(|| toml::Table::new().into());
        let (Some(base), toml::Value::Table(more)) = (base.as_table_mut(), value) else {
            panic!("extra configuration must be tables");
        };
        base.extend(more);
    }
    toml::to_string(&tables).unwrap()
}

fn parse(text: &str) -> Config {
    match Config::parse(text, &Surroundings::of_this_process()) {
        Ok(config) => config,
        Err(error) => panic!("{error}\n{text}"),
    }
}

fn run(
    config: Config,
    stop: CancellationToken,
    ready: tokio::sync::oneshot::Sender<conduit::app::Addresses>,
) -> bool {
    let bound: Bound = match App::build(config) {
        Ok(bound) => bound,
        Err(error) => panic!("{}", conduit_core::error::Chain(&error)),
    };
    let addresses = bound.addresses().clone();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async move {
        let orders = Orders { drain: stop, ..Orders::default() };
        let running = Box::pin(bound.run(orders, None, move || {
            let _gone = ready.send(addresses);
        }));
        running.await.is_ok()
    })
}

/// How long something that happens by itself may take; generous, since it is not what is measured.
pub const PATIENCE: Duration = Duration::from_secs(20);

const BASE: &str = r#"
[gateway]
STATE
drain = "5s"
[dns]
listen = ["127.0.0.1:0"]
tls_listen = ["127.0.0.1:0"]
[proxy]
https_listen = ["127.0.0.1:0"]
http_listen = ["127.0.0.1:0"]
workers = 2
[health]
interval = "1s"
timeout = "500ms"
[admin]
listen = "127.0.0.1:0"
[log]
level = "warn"
"#;
