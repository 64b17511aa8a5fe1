//! The two places where the command line enters the composition.

use super::exit::{Exit, Failure};
use crate::config::{Config, Loaded};

/// Runs the gateway until it is told to stop.
pub(crate) fn serve(loaded: Loaded) -> Result<Exit, Failure> {
    match crate::serve::run(loaded) {
        Ok(()) => Ok(Exit::Success),
        Err(error) => Err(Failure::of(&error)),
    }
}

/// Creates what a first start would create; what is there stays as it is.
pub(crate) fn initialize(config: &Config) -> Result<(), Failure> {
    crate::app::initialize(config).map_err(|error| Failure::of(&error))
}
