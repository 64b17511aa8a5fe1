//! An HTTP/2 connection on its way, and those who wait to use it.
//!
//! **Invariant:** it always ends: with the connection, with the error that everybody who waited
//! gets, or, when whoever opened it was cancelled, without either.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::sync::Notify;

use super::slot::Slot;
use crate::connect::ConnectError;

/// What those wait for who find a connection being opened.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    error: RefCell<Option<ConnectError>>,
    ended: Notify,
}

/// The duty to end it.
pub(super) struct Opener {
    slot: Rc<Slot>,
    opening: Rc<Opening>,
}

impl Opening {
    /// Says that a connection is being opened; from now on others wait.
    pub(super) fn begin(slot: &Rc<Slot>) -> Opener {
        let opening = Rc::<Self>::default();
        *slot.opening.borrow_mut() = Some(Rc::clone(&opening));
        Opener { slot: Rc::clone(slot), opening }
    }

    /// Waits for the end; the error when there was one.
    pub(super) async fn ended(&self) -> Option<ConnectError> {
        self.ended.notified().await;
        self.error.borrow().clone()
    }
}

impl Opener {
    /// It ended, well or with this error.
    pub(super) fn end(self, error: Option<ConnectError>) {
        *self.opening.error.borrow_mut() = error;
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        self.slot.opening.borrow_mut().take();
        self.opening.ended.notify_waiters();
    }
}
