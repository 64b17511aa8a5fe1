//! What may hang in the system (a dead mount, a full `/proc`), done on a thread of its own.
//!
//! **Invariant:** at most [`HANGING_MAX`] of them are under way; those that hang are not joined by
//! more at each look.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Where blocking work is done.
#[derive(Debug, Clone)]
pub(crate) struct Aside(Arc<Semaphore>);

impl Default for Aside {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(HANGING_MAX)))
    }
}

impl Aside {
    /// Does it; `None` when too much from before still hangs, or it panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let permit = Arc::clone(&self.0).try_acquire_owned().ok()?;
        let worked = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        worked.await.ok()
    }
}

/// One look needs four of them.
const HANGING_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_hangs_is_not_joined_by_more() {
        let aside = Aside::default();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let held = Arc::new(std::sync::Mutex::new(held));
        let hang = || {
            let held = Arc::clone(&held);
            aside.run(move || held.lock().map(|held| held.recv().is_err()).unwrap_or_default())
        };
        let mut hanging: Vec<_> = (0..HANGING_MAX).map(|_| Box::pin(hang())).collect();
        for one in &mut hanging {
            assert!(futures_util::poll!(one.as_mut()).is_pending());
        }
        assert_eq!(aside.run(|| 1).await, None);
        drop(release);
        for one in hanging {
            assert_eq!(one.await, Some(true));
        }
        assert_eq!(aside.run(|| 1).await, Some(1));
    }
}
