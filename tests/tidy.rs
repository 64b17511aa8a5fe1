//! The house rules that a compiler does not know: who may use whom, how long a file may be, which
//! words mean what, and whether the documents still name things that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn crates_depend_downwards_only() {
    let mut wrong = Vec::new();
    for (name, layer) in LAYERS {
        for dependency in ours_in(&manifest(name), "dependencies") {
            let Some((_, below)) = LAYERS.iter().find(|(other, _)| *other == dependency) else {
                wrong.push(format!("{name} uses {dependency}, which is not in the layer table"));
                continue;
            };
            if below >= layer {
                wrong.push(format!("{name} (L{layer}) uses {dependency} (L{below})"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_crate_is_in_the_layer_table() {
    for entry in fs::read_dir(root().join("crates")).expect("crates/") {
        let directory = entry.expect("entry").file_name().into_string().expect("UTF-8");
        let known = LAYERS.iter().any(|(name, _)| crate_directory(name) == directory);
        assert!(known, "crates/{directory} is not in the layer table");
    }
}

#[test]
fn heavy_libraries_stay_behind_their_wall() {
    let mut wrong = Vec::new();
    for (library, owners) in WALLS {
        for (name, _) in LAYERS {
            let uses = dependencies_in(&manifest(name), "dependencies").contains(*library);
            if uses && !owners.contains(name) {
                wrong.push(format!("{name} uses {library}; only {owners:?} may"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_module_says_what_it_is() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| !text.lines().next().is_some_and(|line| line.starts_with("//! ")))
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "these do not start with //! and a sentence: {silent:#?}");
}

#[test]
fn every_crate_lists_its_invariants() {
    for (name, _) in LAYERS {
        let lib = root().join("crates").join(crate_directory(name)).join("src/lib.rs");
        let text = fs::read_to_string(&lib).expect("lib.rs");
        assert!(text.contains("**Invariant:**"), "{} states no invariant", lib.display());
    }
}

#[test]
fn files_are_short() {
    let mut sizes: Vec<(usize, PathBuf)> = sources()
        .into_iter()
        .filter(|(path, _)| !path.ends_with("tests.rs") && !path.iter().any(|part| part == "tests"))
        .map(|(path, text)| (lines_before_tests(&text), path))
        .collect();
    sizes.sort();
    let long: Vec<_> = sizes.iter().filter(|(lines, _)| *lines > LINES_MAX).collect();
    assert!(long.is_empty(), "longer than {LINES_MAX} lines: {long:#?}");
    let p90 = sizes[sizes.len() * 9 / 10].0;
    assert!(p90 <= LINES_P90_MAX, "the 90th percentile is {p90} lines, over {LINES_P90_MAX}");
}

#[test]
fn one_word_per_thing() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_owned();
        for name in declared_names(&text).chain([stem]) {
            for word in words_of(&name) {
                if BANNED_WORDS.contains(&word.as_str()) {
                    wrong.push(format!("{}: {name} uses the banned word {word}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn nothing_unfinished_or_unbounded_is_shipped() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        for (index, line) in text.lines().enumerate() {
            for pattern in BANNED_TEXT {
                if line.contains(pattern) && !line.trim_start().starts_with("//") {
                    wrong.push(format!("{}:{}: {pattern}", path.display(), index + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn unsafe_code_is_on_the_list() {
    for (path, text) in sources() {
        let lifts = text.contains("allow(unsafe_code)") || text.contains("expect(unsafe_code");
        assert!(!lifts || UNSAFE_MODULES.iter().any(|m| path.ends_with(m)), "{}", path.display());
    }
}

#[test]
fn documents_name_things_that_exist() {
    let mut dead = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).expect("document");
        let directory = document.parent().expect("parent").to_owned();
        for link in links_of(&text) {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            if !directory.join(path).exists() {
                dead.push(format!("{}: {link}", document.display()));
            }
        }
        for path in code_paths_of(&text) {
            if !root().join(&path).exists() {
                dead.push(format!("{}: `{path}`", document.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn every_door_has_a_fuzz_target_and_seeds() {
    let mut doors = BTreeSet::new();
    for (path, text) in sources() {
        let is_fuzzing = |part: &OsStr| part == "fuzzing" || part == "fuzzing.rs";
        if !path.iter().any(is_fuzzing) {
            continue;
        }
        let names = text.lines().filter_map(|line| line.trim().strip_prefix("pub fn "));
        for name in names.filter_map(|line| line.split('(').next()) {
            assert!(doors.insert(name.to_owned()), "two doors are called {name}");
        }
    }
    let targets: BTreeSet<String> = fs::read_dir(root().join("fuzz/fuzz_targets"))
        .expect("fuzz/fuzz_targets")
        .map(|entry| entry.expect("entry").path())
        .filter_map(|path| path.file_stem().and_then(|s| s.to_str()).map(str::to_owned))
        .collect();
    assert_eq!(doors, targets, "doors in fuzzing.rs (left) and fuzz targets (right) differ");
    for target in targets {
        let seeds =
            fs::read_dir(root().join("fuzz/corpus").join(&target)).map_or(0, Iterator::count);
        assert!(seeds > 0, "fuzz/corpus/{target} has no seeds");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("workspace").to_owned()
}

fn crate_directory(name: &str) -> &str {
    name.strip_prefix("conduit-").unwrap_or(name)
}

fn manifest(name: &str) -> toml::Table {
    let path = root().join("crates").join(crate_directory(name)).join("Cargo.toml");
    fs::read_to_string(&path).expect("manifest").parse().expect("TOML")
}

fn dependencies_in(manifest: &toml::Table, section: &str) -> BTreeSet<String> {
    let table = manifest.get(section).and_then(toml::Value::as_table);
    table.map(|t| t.keys().cloned().collect()).unwrap_or_default()
}

fn ours_in(manifest: &toml::Table, section: &str) -> Vec<String> {
    let all = dependencies_in(manifest, section);
    all.into_iter().filter(|name| name == "conduit" || name.starts_with("conduit-")).collect()
}

/// Every Rust file of the product, as (path from the root, text).
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for (name, _) in LAYERS {
        walk(&root().join("crates").join(crate_directory(name)).join("src"), "rs", &mut found);
    }
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("source");
        (path.strip_prefix(root()).expect("below the root").to_owned(), text)
    };
    found.into_iter().map(read).collect()
}

fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for directory in ["docs", "config", "conformance", "examples", "fuzz", "benches", "packaging"] {
        walk(&root().join(directory), "md", &mut found);
    }
    for name in ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"] {
        found.push(root().join(name));
    }
    found
}

fn walk(directory: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
    paths.sort();
    for path in paths {
        let skipped = path.file_name().is_some_and(|n| n == "target" || n == "node_modules");
        if path.is_dir() && !skipped {
            walk(&path, extension, found);
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
}

/// Lines before the `#[cfg(test)] mod tests` at the end of a file.
fn lines_before_tests(text: &str) -> usize {
    text.lines().take_while(|line| *line != "#[cfg(test)]").count()
}

/// Names after `fn`, `struct`, `enum`, `trait`, `mod` and `type`.
fn declared_names(text: &str) -> impl Iterator<Item = String> {
    let keywords = ["fn", "struct", "enum", "trait", "mod", "type"];
    let mut names = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        let tokens: Vec<&str> = line
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|token| !token.is_empty())
            .collect();
        for pair in tokens.windows(2) {
            if keywords.contains(&pair[0]) {
                names.push(pair[1].to_owned());
            }
        }
    }
    names.into_iter()
}

/// The words of a `snake_case` or `CamelCase` name, in lower case.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in name.chars() {
        if c == '_' || c.is_uppercase() {
            words.push(String::new());
        }
        if c != '_' {
            words.last_mut().expect("one").extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Targets of Markdown links.
fn links_of(text: &str) -> Vec<String> {
    let parts = text.split("](").skip(1);
    parts.filter_map(|part| part.split(')').next()).map(str::to_owned).collect()
}

/// Paths in backticks that start with a folder of ours.
fn code_paths_of(text: &str) -> Vec<String> {
    let folders =
        ["crates/", "config/", "tests/", "docs/", "conformance/", "benches/", "packaging/"];
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| folders.iter().any(|folder| code.starts_with(folder)))
        .filter(|code| !code.contains(['*', '{', '<', ' ', '…', '\n']))
        .map(str::to_owned)
        .collect()
}

/// Crates and their layers; a crate may use lower layers only (house rule: siblings never meet).
const LAYERS: &[(&str, u8)] = &[
    ("conduit-core", 0),
    ("conduit-audit", 1),
    ("conduit-api", 1),
    ("conduit-registry", 2),
    ("conduit-tls", 2),
    ("conduit-dns", 2),
    ("conduit-proxy", 2),
    ("conduit-monitor", 2),
    ("conduit-admin", 3),
    ("conduit", 4),
];

/// Libraries with few owners, and those owners.
const WALLS: &[(&str, &[&str])] = &[
    ("arc-swap", &["conduit-core", "conduit-proxy", "conduit-dns"]),
    ("axum", &["conduit-admin"]),
    ("bollard", &["conduit-monitor"]),
    ("clap", &["conduit"]),
    ("ed25519-dalek", &["conduit-audit"]),
    ("hickory-proto", &["conduit-dns"]),
    ("hickory-server", &["conduit-dns"]),
    // conduit-dns: forwarders over HTTPS are asked over HTTP/2.
    (
        "hyper",
        &[
            "conduit-proxy",
            "conduit-monitor",
            "conduit-admin",
            "conduit-api",
            "conduit-dns",
            "conduit",
        ],
    ),
    ("lettre", &["conduit-monitor"]),
    ("nvml-wrapper", &["conduit-monitor"]),
    ("opentelemetry-proto", &["conduit"]),
    ("pingora-load-balancing", &["conduit-proxy"]),
    ("rcgen", &["conduit-tls"]),
    ("rust-embed", &["conduit-admin"]),
    ("rusqlite", &["conduit-audit", "conduit-registry", "conduit-monitor"]),
    ("russh", &["conduit-monitor"]),
    // conduit-dns: DNS over TLS, in both directions; whose certificates is the composition's affair.
    ("rustls", &["conduit-tls", "conduit-proxy", "conduit-monitor", "conduit-dns", "conduit"]),
    ("tokio-rustls", &["conduit-proxy", "conduit-monitor", "conduit-dns", "conduit"]),
    ("tracing-subscriber", &["conduit"]),
];

/// The longest file, without its tests.
const LINES_MAX: usize = 600;
/// Nine of ten files are at most this long, without their tests.
const LINES_P90_MAX: usize = 400;
/// The glossary's other side: words that are not used for anything of ours.
const BANNED_WORDS: &[&str] = &[
    "backend", "common", "endpoint", "globals", "helper", "helpers", "manager", "util", "utils",
    "vhost",
];
/// What is never shipped.
const BANNED_TEXT: &[&str] =
    &["todo!(", "unimplemented!(", "unbounded_channel", "#[ignore", "allow(dead_code)"];
/// Modules that may use unsafe code.
const UNSAFE_MODULES: &[&str] = &["crates/conduit/src/memory.rs"];

#[test]
fn the_tables_above_are_used() {
    let names: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    assert_eq!(names.len(), LAYERS.len(), "a crate is listed twice");
}
