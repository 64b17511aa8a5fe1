//! A blocking call on one thread of its own, which may hang without anybody waiting for it.
//!
//! **Invariant:** there is one thread and one question at a time. Dropping the future of an answer
//! leaves everything usable; while the thread still works on it, the next question is refused.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot};

/// The thread, seen from outside; it ends when this is dropped and its call returns.
#[derive(Debug)]
pub(super) struct Aside<Q, A> {
    questions: mpsc::Sender<(Q, oneshot::Sender<A>)>,
    is_busy: Arc<AtomicBool>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// The thread still works on an earlier question.
    Busy,
    /// The thread is gone.
    Ended,
}

impl<Q: Send + 'static, A: Send + 'static> Aside<Q, A> {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(
        name: &str,
        mut answer: impl FnMut(Q) -> A + Send + 'static,
    ) -> io::Result<Self> {
        let (questions, mut asked) = mpsc::channel::<(Q, oneshot::Sender<A>)>(1);
        let is_busy = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&is_busy);
        let body = move || {
            while let Some((question, reply)) = asked.blocking_recv() {
                let answer = answer(question);
                flag.store(false, Ordering::Release);
                // Whoever asked may have given up.
                let _gone = reply.send(answer);
            }
        };
        std::thread::Builder::new().name(name.to_owned()).spawn(body)?;
        Ok(Self { questions, is_busy })
    }

    /// Asks, and waits for the answer; whoever has no time drops this.
    pub(super) async fn ask(&self, question: Q) -> Result<A, Unanswered> {
        if self.is_busy.swap(true, Ordering::AcqRel) {
            let is_gone = self.questions.is_closed();
            return Err(if is_gone { Unanswered::Ended } else { Unanswered::Busy });
        }
        let (reply, answer) = oneshot::channel();
        self.questions.try_send((question, reply)).map_err(|_| Unanswered::Ended)?;
        let answer = answer.await;
        if answer.is_err() {
            // The thread panicked. It may still be on its way out, which is not being busy.
            self.is_busy.store(false, Ordering::Release);
        }
        answer.map_err(|_| Unanswered::Ended)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[tokio::test]
    async fn a_hanging_call_is_told_and_the_thread_is_used_again() {
        let (release, held) = sync_channel::<()>(0);
        let aside = Aside::start("test", move |wait: bool| {
            if wait {
                held.recv().expect("released");
            }
            wait
        })
        .expect("a thread");
        assert_eq!(aside.ask(false).await, Ok(false));
        let hanging = aside.ask(true);
        tokio::select! {
            biased;
            _ = hanging => panic!("it hangs"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(aside.ask(false).await, Err(Unanswered::Busy));
        release.send(()).expect("the thread waits");
        while aside.ask(false).await == Err(Unanswered::Busy) {
            tokio::task::yield_now().await;
        }
        assert_eq!(aside.ask(false).await, Ok(false));
    }

    #[tokio::test]
    async fn a_call_that_panics_is_an_end_and_no_hang() {
        let aside = Aside::start("test", |(): ()| panic!("boom")).expect("a thread");
        let first: Result<(), _> = aside.ask(()).await;
        assert_eq!((first, aside.ask(()).await), (Err(Unanswered::Ended), Err(Unanswered::Ended)));
    }
}
