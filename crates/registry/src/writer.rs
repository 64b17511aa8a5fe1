//! The one thread that writes.
//!
//! **Invariant:** one mutation at a time: judged, prepared, committed, published, answered.
//! **Invariant:** decisions go before observations, which are written in batches and never hold a
//! decision up for more than one batch.

mod decide;
mod idle;
mod observe;
mod pause;

use std::sync::Arc;
use std::thread::JoinHandle;

use conduit_audit::{Draft, Head};
use conduit_core::catalog::{Catalog, Version};
use conduit_core::certificate::Revoked;
use conduit_core::live;
use tokio::sync::mpsc;
use tokio::time::Instant;

pub(crate) use self::decide::Certificates;
use self::pause::refuse;
use crate::error::RegistryError;
use crate::nodes::NodeTable;
use crate::publisher::Publisher;
use crate::reader::Reader;
use crate::registry::{Decision, Lost, Registry};
use crate::settings::Settings;
use crate::store::Store;
use crate::token::TokenTable;
use crate::users::UserTable;

/// Starts the writer on a thread of its own. The thread ends when the registry is closed, or when
/// every handle of it is gone.
///
/// # Errors
/// When the reading connection cannot be opened or the thread cannot be started.
pub fn start<P: Publisher>(
    store: Store,
    settings: Settings,
    publisher: P,
) -> Result<(Registry, JoinHandle<()>), RegistryError> {
    start_with(store, settings, publisher, QueueLimits::default())
}

/// How much may wait for the writer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueLimits {
    /// Decisions; whoever asks for one more waits for room.
    pub(crate) decisions_max: usize,
    /// Observations; one more is lost, and counted.
    pub(crate) observations_max: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self { decisions_max: DECISIONS_MAX, observations_max: OBSERVATIONS_MAX }
    }
}

pub(crate) fn start_with<P: Publisher>(
    store: Store,
    settings: Settings,
    publisher: P,
    limits: QueueLimits,
) -> Result<(Registry, JoinHandle<()>), RegistryError> {
    let (decisions, decisions_in) = mpsc::channel(limits.decisions_max);
    let (observations, observations_in) = mpsc::channel(limits.observations_max);
    let (catalog, catalog_reader) = live::channel(Arc::clone(store.catalog()));
    let (tokens, tokens_reader) = live::channel(Arc::clone(store.tokens()));
    let (nodes, nodes_reader) = live::channel(Arc::clone(store.nodes()));
    let (users, users_reader) = live::channel(Arc::clone(store.users()));
    let (revoked, revoked_reader) = live::channel(Arc::clone(store.revoked()));
    let (head, head_reader) = live::channel(Arc::new(store.head().clone()));
    let lost = Arc::new(Lost::default());
    let registry = Registry {
        decisions,
        observations,
        lost: Arc::clone(&lost),
        catalog: catalog_reader,
        tokens: tokens_reader,
        nodes: nodes_reader,
        users: users_reader,
        revoked: revoked_reader,
        head: head_reader,
        reader: Reader::new(store.open_reader()?, store.path().to_owned()),
    };
    let version = Version { generation: store.generation(), revision: 0 };
    let mut writer = Writer {
        store,
        settings,
        publisher,
        catalog,
        tokens,
        nodes,
        users,
        revoked,
        head,
        version,
        lost,
        doubt: None,
        anchor_due: None,
        checkpoint_is_due: false,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(RegistryError::StartWriter)?;
    let thread = std::thread::Builder::new()
        .name("registry".into())
        .spawn(move || runtime.block_on(writer.run(decisions_in, observations_in)))
        .map_err(RegistryError::StartWriter)?;
    Ok((registry, thread))
}

struct Writer<P: Publisher> {
    store: Store,
    settings: Settings,
    publisher: P,
    catalog: live::Writer<Catalog>,
    tokens: live::Writer<TokenTable>,
    nodes: live::Writer<NodeTable>,
    users: live::Writer<UserTable>,
    revoked: live::Writer<Revoked>,
    head: live::Writer<Head>,
    version: Version,
    lost: Arc<Lost>,
    /// A commit of which nobody knows yet whether it happened.
    doubt: Option<Doubt<P::Prepared>>,
    anchor_due: Option<Instant>,
    checkpoint_is_due: bool,
}

/// What becomes live if a commit turns out to have happened.
struct Doubt<T> {
    next: Head,
    effect: Effect<T>,
}

/// What a commit makes live.
struct Effect<T> {
    prepared: Option<T>,
    catalog: Option<Arc<Catalog>>,
    tokens: Option<Arc<TokenTable>>,
    nodes: Option<Arc<NodeTable>>,
    users: Option<Arc<UserTable>>,
    revoked: Option<Arc<Revoked>>,
    version: Version,
}

impl<P: Publisher> Writer<P> {
    async fn run(
        &mut self,
        mut decisions: mpsc::Receiver<Decision>,
        mut observations: mpsc::Receiver<Draft>,
    ) {
        loop {
            self.write_due_anchor(Instant::now());
            let idle = tokio::time::sleep(self.idle_after());
            tokio::select! {
                biased;
                decision = decisions.recv() => match decision {
                    None => break,
                    Some(Decision::Apply(wish)) => self.decide(*wish),
                    Some(Decision::Pause(wish)) => {
                        if !self.pause(wish).await {
                            return refuse(&mut decisions);
                        }
                    }
                    Some(Decision::Close(done)) => {
                        decisions.close();
                        self.finish(&mut decisions, &mut observations);
                        // Whoever closes may have gone away meanwhile.
                        done.send(()).ok();
                        return;
                    }
                },
                Some(first) = observations.recv() => {
                    self.observe(first, &mut observations);
                }
                () = idle => self.idle(),
            }
        }
        self.finish(&mut decisions, &mut observations);
    }

    /// Grants what was asked before the end, records what was seen, and leaves a tidy directory.
    fn finish(
        &mut self,
        decisions: &mut mpsc::Receiver<Decision>,
        observations: &mut mpsc::Receiver<Draft>,
    ) {
        while let Ok(decision) = decisions.try_recv() {
            match decision {
                Decision::Apply(wish) => self.decide(*wish),
                Decision::Close(done) => {
                    done.send(()).ok();
                }
                // Too late: whoever asked sees that the writer has ended.
                Decision::Pause(_) => {}
            }
        }
        observations.close();
        while let Ok(first) = observations.try_recv() {
            self.observe(first, observations);
        }
        self.record_loss();
        self.write_anchor();
        self.checkpoint();
    }
}

const DECISIONS_MAX: usize = 256;
/// A burst of this many is on disk in well under a second.
const OBSERVATIONS_MAX: usize = 4_096;
