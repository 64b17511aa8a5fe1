//! One look at a time: whoever asks while it goes on gets what it finds.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// What was found last, and when that look ended.
#[derive(Debug)]
pub(super) struct Shared<T>(Mutex<Option<(Instant, Arc<T>)>>);

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Shared<T> {
    /// Looks, or takes what a look found that ended since we asked. Who goes away in the middle leaves
    /// the look to the next one.
    pub(super) async fn get(&self, look: impl Future<Output = T>) -> Arc<T> {
        let asked = Instant::now();
        let mut last = self.0.lock().await;
        if let Some((ended, found)) = &*last
            && *ended >= asked
        {
            return Arc::clone(found);
        }
        let found = Arc::new(look.await);
        *last = Some((Instant::now(), Arc::clone(&found)));
        found
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_asks_meanwhile_gets_what_is_found_and_who_asks_later_looks_again() {
        let (shared, looks) = (Shared::default(), Cell::new(0));
        let second = Duration::from_secs(1);
        let look = async || {
            looks.set(looks.get() + 1);
            sleep(second).await;
            looks.get()
        };
        let late = async {
            sleep(second / 2).await;
            shared.get(look()).await
        };
        let (first, also, late) = tokio::join!(shared.get(look()), shared.get(look()), late);
        assert_eq!((*first, *also, *late), (1, 1, 1));
        sleep(second).await;
        assert_eq!(*shared.get(look()).await, 2);
        sleep(second).await;
        assert!(timeout(second / 2, shared.get(look())).await.is_err(), "given up");
        assert_eq!(*shared.get(look()).await, 4, "nobody is left waiting");
    }
}
