//! The only way to start something that runs beside the caller.
//!
//! **Invariant:** every task has a name, and is awaited by [`Tasks::finish`]. A *service* must
//! live as long as the process: one that ends early cancels everything, and the process exits
//! saying which. A *job* may end; one that panics is counted and logged.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A set of named tasks under one cancellation; cheap to clone.
#[derive(Debug, Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    died: OnceLock<&'static str>,
    panics: AtomicU64,
}

impl Tasks {
    /// An empty set that `stop` ends.
    pub fn new(stop: CancellationToken) -> Self {
        Self { tracker: TaskTracker::new(), stop, shared: Arc::default() }
    }

    /// A set of its own tasks and cancellation below this one; failures are reported to both.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            tracker: TaskTracker::new(),
            stop: self.stop.child_token(),
            shared: Arc::clone(&self.shared),
        }
    }

    /// What ends the tasks of this set.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Starts a task that must live until [`Tasks::stop`] is cancelled.
    pub fn service(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn(self.guarded(name, task));
    }

    /// Starts a task that may end by itself.
    pub fn job(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let shared = Arc::clone(&self.shared);
        let task = CatchPanic(Box::pin(task));
        self.spawn(async move { shared.run_job(name, task).await });
    }

    /// Like [`Tasks::service`], on the current thread's own runtime.
    pub fn local_service(&self, name: &'static str, task: impl Future<Output = ()> + 'static) {
        self.tracker.spawn_local(self.guarded(name, task));
    }

    /// Like [`Tasks::job`], on the current thread's own runtime.
    pub fn local_job(&self, name: &'static str, task: impl Future<Output = ()> + 'static) {
        let shared = Arc::clone(&self.shared);
        // On the heap before anything else: large futures are copied once, and not at every step
        // on their way into the runtime.
        let task = CatchPanic(Box::pin(task));
        self.tracker.spawn_local(async move { shared.run_job(name, task).await });
    }

    /// Runs a future that must live until [`Tasks::stop`] on this very task: what a worker thread
    /// blocks on.
    pub async fn guarded_inline(&self, name: &'static str, task: impl Future<Output = ()>) {
        self.guarded(name, task).await;
    }

    /// Reports the early death of a service that is not a task, such as a thread.
    pub fn report_death(&self, name: &'static str) {
        if !self.stop.is_cancelled() {
            tracing::error!(task = name, "a task that must live has ended");
            // The first death is the cause; later ones follow from it.
            let _first = self.shared.died.set(name);
            self.stop.cancel();
        }
    }

    /// The service that ended early, if one did.
    pub fn died(&self) -> Option<&'static str> {
        self.shared.died.get().copied()
    }

    /// How many jobs have panicked.
    pub fn panics(&self) -> u64 {
        self.shared.panics.load(Ordering::Relaxed)
    }

    /// How many tasks of this set run.
    pub fn len(&self) -> usize {
        self.tracker.len()
    }

    /// Whether none runs.
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Waits for every task of this set to end; call after cancelling [`Tasks::stop`].
    pub async fn finish(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(task);
    }

    fn guarded<T: Future<Output = ()>>(
        &self,
        name: &'static str,
        task: T,
    ) -> impl Future<Output = ()> + use<T> {
        let tasks = self.clone();
        async move {
            if let Err(panic) = CatchPanic(Box::pin(task)).await {
                tracing::error!(task = name, panic = text_of(&*panic), "a task panicked");
            }
            tasks.report_death(name);
        }
    }
}

impl Shared {
    async fn run_job<F: Future<Output = ()>>(&self, name: &'static str, task: CatchPanic<F>) {
        if let Err(panic) = task.await {
            self.panics.fetch_add(1, Ordering::Relaxed);
            tracing::error!(task = name, panic = text_of(&*panic), "a task panicked");
        }
    }
}

/// Polls a future and turns its panic into a value.
struct CatchPanic<F>(std::pin::Pin<Box<F>>);

impl<F: Future> Future for CatchPanic<F> {
    type Output = Result<F::Output, Box<dyn Any + Send>>;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        let inner = self.0.as_mut();
        match std::panic::catch_unwind(AssertUnwindSafe(|| inner.poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => std::task::Poll::Ready(Err(panic)),
        }
    }
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_service_that_ends_early_stops_everything() {
        let tasks = Tasks::new(CancellationToken::new());
        let stop = tasks.stop().clone();
        tasks.service("steady", async move { stop.cancelled().await });
        tasks.service("mortal", async { panic!("boom") });
        tasks.stop().cancelled().await;
        tasks.finish().await;
        assert_eq!(tasks.died(), Some("mortal"));
    }

    #[tokio::test]
    async fn a_job_may_end_and_its_panic_is_counted() {
        let tasks = Tasks::new(CancellationToken::new());
        tasks.job("fine", async {});
        tasks.job("bad", async { panic!("boom") });
        tasks.finish().await;
        assert_eq!((tasks.died(), tasks.panics()), (None, 1));
        assert!(!tasks.stop().is_cancelled());
    }
}
