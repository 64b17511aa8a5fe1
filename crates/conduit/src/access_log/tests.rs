//! From the queue to the file.

use std::fs;

use conduit_core::name::ServiceName;

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

#[test]
fn the_newest_lines_of_each_service_are_kept() {
    let recent = Recent::default();
    let name = |text: &str| ServiceName::parse(text).expect("a name");
    let keep = |service: &str, path: String| {
        let line = serde_json::json!({ "path": path }).to_string();
        recent.keep(&name(service), |json| json.extend_from_slice(line.as_bytes()));
    };
    for number in 0..recent::LINES_EACH_MAX + 5 {
        keep("web", format!("/{number}"));
    }
    let of_web = recent.of(&name("web"));
    assert_eq!((of_web.len(), &of_web[0]["path"]), (recent::LINES_EACH_MAX, &"/104".into()));
    assert!(recent.of(&name("none")).is_empty());
    for number in 0..500 {
        keep(&format!("s{number}"), "/".into());
    }
    assert!(recent.of(&name("web")).is_empty(), "silent for longest");
    assert_eq!(recent.of(&name("s499")).len(), 1);
}
