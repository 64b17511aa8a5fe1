//! Printing an error with everything that caused it.
//!
//! **Invariant:** no error's own `Display` repeats its source; only [`Chain`] walks the chain, so
//! nothing is printed twice.

use std::error::Error;
use std::fmt;

/// Displays an error and its sources on one line, separated by `": "`.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read the leaf")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn prints_every_source_once() {
        let error = Outer(std::io::Error::other("disk on fire"));
        assert_eq!(Chain(&error).to_string(), "cannot read the leaf: disk on fire");
    }
}
