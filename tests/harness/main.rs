//! The daemon under test: the product's `main`, in a binary that tests can find and kill.

use std::process::ExitCode;

fn main() -> ExitCode {
    conduit::main()
}
