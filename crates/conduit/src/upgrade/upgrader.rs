//! The gateway that serves, giving way to a new process.
//!
//! **Invariant:** one upgrade at a time, and each ends in one of two ways: the new process serves
//! and has the state, or it is gone and everything here is as it was.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use conduit_admin::control::{ControlError, Upgraded};
use conduit_admin::server::FileOwner;
use conduit_core::error::Chain;
use conduit_core::inherited::Purpose;
use conduit_monitor::history::History;
use conduit_proxy::tcp::TcpPorts;
use conduit_registry::store::SCHEMA_VERSION;
use conduit_registry::{Paused, Registry, StateLock};
use sd_notify::NotifyState;
use tokio::time::Instant;

use super::Handover;
use super::successor::{Prepared, Successor, Talk};
use super::words::Label;

/// What a process has that its successor gets.
#[derive(Debug)]
pub(crate) struct Assets {
    pub(crate) lock: StateLock,
    /// Second handles of what listens.
    sockets: Vec<(Label, OwnedFd)>,
    pub(crate) tcp: Option<TcpPorts>,
    pub(crate) file: Option<FileOwner>,
    /// Processes that wait for their successors, this one not included.
    pub(crate) waiting: u32,
}

impl Assets {
    /// Those of a gateway that does not serve yet.
    pub(crate) fn of(
        lock: StateLock,
        proxy: Option<&conduit_proxy::listener::Listeners>,
        dns: Option<&conduit_dns::bind::Listeners>,
        admin: &conduit_admin::server::Bound,
        tcp: Option<&TcpPorts>,
    ) -> io::Result<Self> {
        let mut sockets = Vec::new();
        for (purpose, socket) in proxy.map(|p| p.duplicates()).transpose()?.unwrap_or_default() {
            let label = match purpose {
                Purpose::Https => Label::Https,
                Purpose::Http3 => Label::Http3,
                Purpose::Http3Resting => Label::Http3Resting,
                _ => Label::Http,
            };
            sockets.push((label, socket));
        }
        for (udp, streams) in dns.map(|d| d.duplicates()).transpose()?.unwrap_or_default() {
            sockets.extend(udp.into_iter().map(|socket| (Label::DnsDatagrams, socket)));
            sockets.push((Label::DnsStreams, streams));
        }
        let encrypted = dns.map(|d| d.encrypted_duplicates()).transpose()?.unwrap_or_default();
        sockets.extend(encrypted.into_iter().map(|socket| (Label::DnsTls, socket)));
        let (unix, listener) = admin.duplicates()?;
        if let (Some(socket), Some(path)) = (unix, admin.addresses().socket) {
            sockets.push((Label::AdminSocket { path }, socket));
        }
        sockets.extend(listener.map(|socket| (Label::Admin, socket)));
        Ok(Self { lock, sockets, tcp: tcp.cloned(), file: admin.file_owner(), waiting: 0 })
    }
}

/// Lets a new process take over.
#[derive(Debug)]
pub(crate) struct Upgrader {
    registry: Registry,
    /// The monitor's: it leaves with the state.
    history: History,
    handover: Handover,
    /// None once they are another process's, or a stop has begun.
    assets: Mutex<Option<Assets>>,
    alone: tokio::sync::Mutex<()>,
    /// Whether the state is, for the moment or for good, another process's.
    elsewhere: Arc<AtomicBool>,
    stopping: AtomicBool,
}

impl Upgrader {
    pub(crate) fn new(
        (registry, history): (&Registry, History),
        handover: Handover,
        assets: Assets,
    ) -> Arc<Self> {
        Arc::new(Self {
            registry: registry.clone(),
            history,
            handover,
            assets: Mutex::new(Some(assets)),
            alone: tokio::sync::Mutex::new(()),
            elsewhere: Arc::default(),
            stopping: AtomicBool::new(false),
        })
    }

    /// Whether the state is another process's, for the moment or for good.
    pub(crate) fn elsewhere(&self) -> &Arc<AtomicBool> {
        &self.elsewhere
    }

    /// Starts this program, or `binary`, and lets it take over within `limit`.
    ///
    /// # Errors
    /// Says why it does not; everything is as it was then.
    pub(crate) async fn upgrade(
        &self,
        binary: Option<PathBuf>,
        limit: Duration,
    ) -> Result<Upgraded, ControlError> {
        let Ok(_alone) = self.alone.try_lock() else {
            return Err(ControlError::Conflict("another upgrade is under way".into()));
        };
        if self.handover.is_over() {
            return Err(ControlError::Conflict("another process has taken over already".into()));
        }
        let Some(program) = self.handover.program.clone() else {
            return Err(ControlError::Unavailable(
                "this gateway is part of another program, which cannot be started again".into(),
            ));
        };
        let binary = binary.unwrap_or_else(|| program.binary.clone());
        check(&binary)?;
        let waiting = self.assets(|assets| assets.waiting).map_err(ControlError::Unavailable)? + 1;
        if !Handover::is_followed() && waiting > WAITING_MAX {
            return Err(ControlError::Conflict(format!(
                "{WAITING_MAX} former processes wait for this one already, since no supervisor \
                 follows it; stop it and start it anew"
            )));
        }
        tracing::info!(binary = %binary.display(), "starting a new process to take over");
        tell(&[NotifyState::Reloading, monotonic()]);
        let deadline = Instant::now() + limit;
        let started = Successor::start(&binary, &program.arguments, deadline);
        let (successor, talk) = started.map_err(|error| {
            tell(&[NotifyState::Ready]);
            let name = binary.display();
            ControlError::Invalid(format!("{name} cannot be started: {error}"))
        })?;
        let (successor, talk) = (Arc::new(successor), Arc::new(talk));
        self.handover.set_successor(Some(Arc::clone(&successor)));
        match self.hand_over(&talk, &successor, waiting).await {
            Ok(version) => {
                let process = successor.process();
                tell(&[NotifyState::MainPid(process), NotifyState::Ready]);
                tracing::info!(process, version, "another process has taken over");
                Ok(Upgraded { process, version, binary })
            }
            Err(reason) => {
                self.handover.set_successor(None);
                tell(&[NotifyState::Ready]);
                tracing::error!(reason, "the new process does not take over; this one goes on");
                Err(ControlError::Failed(reason))
            }
        }
    }

    /// Waits until the process that has taken over is the one that is asked.
    pub(crate) async fn aside(&self) {
        self.handover.aside().await;
    }

    /// Ends an upgrade that is under way, and lets no other one begin: a stop has begun.
    pub(crate) async fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        if !self.handover.is_over()
            && let Some(successor) = self.handover.successor()
        {
            end(&successor).await;
        }
        let _alone = self.alone.lock().await;
        self.close_spares();
    }

    /// Lets go of second handles, so that closing a socket closes it.
    fn close_spares(&self) {
        let mut assets = self.assets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(assets) = assets.as_mut() {
            assets.sockets.clear();
            if let Some(tcp) = &assets.tcp {
                tcp.give_up_spares();
            }
        }
    }

    /// Lets go of everything, the lock of the state as well.
    pub(crate) fn give_up(&self) {
        self.close_spares();
        drop(self.assets.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    async fn hand_over(
        &self,
        talk: &Arc<Talk>,
        successor: &Arc<Successor>,
        waiting: u32,
    ) -> Result<String, String> {
        let failed = |reason: String| async move {
            let status = end(successor).await;
            Err(match reason.is_empty() {
                true => format!("it ended ({status}) before it was ready; see its log"),
                false => reason,
            })
        };
        let prepared = match self.prepare(talk, waiting).await {
            Ok(prepared) => prepared,
            Err(reason) => return failed(reason).await,
        };
        let paused = match self.pause(&prepared).await {
            Ok(paused) => paused,
            Err(reason) => return failed(reason).await,
        };
        self.elsewhere.store(true, Ordering::Release);
        self.history.leave().await;
        if let Err(reason) = self.give_state(talk).await {
            let reason = failed(reason).await;
            if let Ok(Err(error)) = self.assets(|assets| assets.lock.note()) {
                tracing::warn!(error = %Chain(&error), "the lock names another process");
            }
            self.elsewhere.store(false, Ordering::Release);
            self.history.take_back().await;
            if let Err(error) = paused.take_back().await {
                // The registry has ended, and with it the process does.
                tracing::error!(error = %Chain(&error), "the state cannot be taken back");
            }
            return reason;
        }
        self.handover.complete();
        if prepared.socket {
            self.assets(|assets| assets.file.as_ref().map(FileOwner::give_up)).ok();
        }
        paused.leave();
        self.give_up();
        talk.over();
        Ok(prepared.version)
    }

    async fn prepare(&self, talk: &Arc<Talk>, waiting: u32) -> Result<Prepared, String> {
        if self.stopping.load(Ordering::Acquire) {
            return Err("the gateway is stopping".to_owned());
        }
        let sockets = self.duplicates().map_err(|error| format!("no handles: {error}"))?;
        let talk = Arc::clone(talk);
        blocking(move || talk.prepare(&sockets, waiting)).await
    }

    async fn pause(&self, prepared: &Prepared) -> Result<Paused, String> {
        let paused = self.registry.pause(prepared.schema != SCHEMA_VERSION).await;
        paused.map_err(|error| Chain(&error).to_string())
    }

    async fn give_state(&self, talk: &Arc<Talk>) -> Result<(), String> {
        let lock = self.assets(|assets| assets.lock.share())?;
        let lock = lock.map_err(|error| format!("no handle of the lock: {error}"))?;
        let talk = Arc::clone(talk);
        blocking(move || talk.give_state(&lock)).await
    }

    /// Looks at what there is to hand over; nothing, once a stop has begun.
    fn assets<T>(&self, look: impl FnOnce(&Assets) -> T) -> Result<T, String> {
        let assets = self.assets.lock().unwrap_or_else(PoisonError::into_inner);
        assets.as_ref().map(look).ok_or_else(|| "the gateway is stopping".to_owned())
    }

    fn duplicates(&self) -> io::Result<Vec<(Label, OwnedFd)>> {
        let all = self.assets(|assets| {
            let mut all = Vec::new();
            for (label, socket) in &assets.sockets {
                all.push((label.clone(), socket.try_clone()?));
            }
            if let Some(tcp) = &assets.tcp {
                let streams = tcp.duplicates()?.into_iter();
                all.extend(streams.map(|(_, socket)| (Label::Stream, socket)));
            }
            Ok(all)
        });
        all.unwrap_or_else(|reason| Err(io::Error::other(reason)))
    }
}

/// Says early what is wrong with a program that was named.
fn check(binary: &Path) -> Result<(), ControlError> {
    let name = binary.display();
    let invalid = |reason: String| Err(ControlError::Invalid(format!("{name} {reason}")));
    match std::fs::metadata(binary) {
        Err(error) => invalid(format!("cannot be started: {error}")),
        Ok(file) if !file.is_file() => invalid("is not a file".into()),
        Ok(file) if file.permissions().mode() & EXECUTABLE == 0 => {
            invalid("may not be executed; set its mode with chmod +x".into())
        }
        Ok(_) => Ok(()),
    }
}

/// Ends a process and waits until it is gone.
async fn end(successor: &Arc<Successor>) -> String {
    let successor = Arc::clone(successor);
    let killing = tokio::task::spawn_blocking(move || successor.kill());
    match killing.await {
        Ok(Ok(status)) => status.to_string(),
        _ => "in an unknown way".to_owned(),
    }
}

/// Runs a conversation on a thread where it may block.
async fn blocking<T: Send + 'static>(
    talk: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(talk).await;
    done.unwrap_or_else(|_| Err("the conversation with it broke off".to_owned()))
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the supervisor was not told");
    }
}

/// systemd wants to know when a reload began.
fn monotonic() -> NotifyState<'static> {
    NotifyState::monotonic_usec_now().unwrap_or(NotifyState::MonotonicUsec(0))
}

/// Former processes that may wait for the one that serves, where no supervisor follows it. Each
/// keeps a few megabytes.
const WAITING_MAX: u32 = 16;
/// Anybody's right to execute.
const EXECUTABLE: u32 = 0o111;
