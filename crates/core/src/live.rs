//! One value that is swapped whole while others read it.
//!
//! **Invariant:** there is one writer, by type: [`Writer`] is not `Clone` and publishing needs
//! `&mut`. A reader sees the old value or the new one, never a mixture. A [`Guard`] is for
//! synchronous code; across an `.await`, hold the `Arc` of [`Reader::load_full`].

use std::sync::Arc;

use arc_swap::ArcSwap;
pub use arc_swap::Guard;
use tokio::sync::watch;

/// Makes a live value with its writer and a first reader.
pub fn channel<T>(initial: Arc<T>) -> (Writer<T>, Reader<T>) {
    let value = Arc::new(ArcSwap::new(initial));
    let (changes, changed) = watch::channel(());
    (Writer { value: Arc::clone(&value), changes }, Reader { value, changed })
}

/// The one hand that publishes.
#[derive(Debug)]
pub struct Writer<T> {
    value: Arc<ArcSwap<T>>,
    changes: watch::Sender<()>,
}

impl<T> Writer<T> {
    /// Swaps in the next value; readers see it from now on.
    pub fn publish(&mut self, next: Arc<T>) {
        self.value.store(next);
        self.changes.send_replace(());
    }

    /// What readers see now.
    pub fn current(&self) -> Arc<T> {
        self.value.load_full()
    }
}

/// Reads the value; cheap to clone.
#[derive(Debug)]
pub struct Reader<T> {
    value: Arc<ArcSwap<T>>,
    changed: watch::Receiver<()>,
}

impl<T> Clone for Reader<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), changed: self.changed.clone() }
    }
}

impl<T> Reader<T> {
    /// The value now, for synchronous code only.
    pub fn load(&self) -> Guard<Arc<T>> {
        self.value.load()
    }

    /// The value now, to keep.
    pub fn load_full(&self) -> Arc<T> {
        self.value.load_full()
    }

    /// Waits for a publication after the last one this reader waited for; for slow readers.
    ///
    /// Never returns once the writer is gone: nothing will change any more.
    pub async fn changed(&mut self) {
        if self.changed.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn readers_see_each_publication_whole() {
        let (mut writer, mut reader) = channel(Arc::new(1));
        let before = reader.load_full();
        writer.publish(Arc::new(2));
        reader.changed().await;
        assert_eq!((*before, *reader.load_full(), **reader.load()), (1, 2, 2));
    }
}
