//! Runs the committed seeds of a target through its body under plain `cargo test`.
//!
//! One file for every crate that has a door: they include it with `#[path]`, since a function for
//! tests cannot be shared between crates in another way without a crate of its own.

use std::fs;
use std::path::Path;

/// Runs every seed of `target` through `body`; a target without seeds fails.
pub(crate) fn replay(target: &str, body: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let seeds = fs::read_dir(corpus.join(target)).expect("a corpus");
    let mut count = 0;
    for seed in seeds {
        let path = seed.expect("an entry").path();
        eprintln!("{}", path.display());
        body(&fs::read(path).expect("a seed"));
        count += 1;
    }
    assert!(count > 0, "{target} has no seeds");
}
