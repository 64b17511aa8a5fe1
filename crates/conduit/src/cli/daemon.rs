//! The two places where the command line enters the composition.

use super::exit::{Exit, Failure};
use crate::config::{Config, ConfigError, Loaded};
use crate::upgrade::Predecessor;

/// Runs the gateway until it is told to stop. A process that was started to take over from another
/// one tells that one why it does not.
pub(crate) fn serve(load: impl FnOnce() -> Result<Loaded, ConfigError>) -> Result<Exit, Failure> {
    let predecessor = Predecessor::find().map_err(|error| Failure::of(&error))?;
    let refusal = predecessor.as_ref().and_then(|former| former.refusal().ok());
    let served = load().map_err(Failure::from).and_then(|loaded| {
        crate::serve::run(loaded, predecessor).map_err(|error| Failure::of(&error))
    });
    if let (Err(failure), Some(refusal)) = (&served, &refusal) {
        refusal.tell(&failure.message);
    }
    served.map(|()| Exit::Success)
}

/// Creates what a first start would create; what is there stays as it is.
pub(crate) fn initialize(config: &Config) -> Result<(), Failure> {
    crate::app::initialize(config).map_err(|error| Failure::of(&error))
}
