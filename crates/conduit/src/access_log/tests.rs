//! From the queue to the file.

use std::fs;

use super::*;

#[test]
fn what_is_off_has_no_writer() {
    let surroundings = config::Surroundings {
        root: false,
        home: None,
        working_dir: "/srv".into(),
        variables: std::collections::BTreeMap::new(),
    };
    let log = config::Config::defaults(&surroundings).access_log;
    let writer = Writer::start(&log, Arc::default()).expect("nothing to start");
    assert!(writer.is_none());
    assert!(matches!(destination(&log, None), AccessLog::Off));
    let daemon = config::AccessLog { output: AccessOutput::Daemon, ..log };
    assert!(matches!(destination(&daemon, None), AccessLog::Daemon));
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("missing/access.log");
    let log = config::AccessLog {
        output: AccessOutput::File(path),
        format: AccessFormat::Json,
        rotate_size: 1 << 20,
        keep: 2,
        compress: false,
    };
    let error = Writer::start(&log, Arc::default()).expect_err("no directory");
    assert!(error.to_string().contains("missing/access.log"), "{error}");
    fs::create_dir(directory.path().join("missing")).expect("made");
    let writer = Writer::start(&log, Arc::default()).expect("starts").expect("a writer");
    assert!(matches!(destination(&log, Some(&writer)), AccessLog::Queue(_)));
    writer.finish().join().expect("ended");
}
