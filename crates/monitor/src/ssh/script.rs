//! The script that a machine runs, and what is made of its answer.
//!
//! **Invariant:** it is a constant. Nothing configured and nothing heard ever becomes part of it.

use crate::reading::Reading;
use crate::survey::Survey;

/// The script, as `conduit monitor script` prints it: for the standard input of a shell, or to be
/// installed as the forced command of a key. It is one group of commands, so that a shell has read
/// all of it before it runs the first, and no command can eat the rest.
pub const SURVEY: &str = concat!(
    "#!/bin/sh\n",
    "{\n",
    include_str!("survey.sh"),
    "echo @@end\n",
    "exit 0\n",
    "} </dev/null\n",
);

/// Fills a reading from what the script printed.
pub(super) fn fill(survey: &Survey, reading: &mut Reading) {
    let _ = (survey, reading);
}
