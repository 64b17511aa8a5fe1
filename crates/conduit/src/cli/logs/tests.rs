//! Which lines, in which order.

use std::fs;
use std::io::Write;

use super::merged::{Stamped, entry};
use super::*;

fn json(second: u32, service: &str) -> String {
    format!(
        r#"{{"time":"2026-04-04T12:00:{second:02}.000000Z","service":"{service}","client":"10.0.0.9","identity":"ann","method":"GET","host":"{service}.internal","path":"/a","protocol":"HTTP/1.1","status":200,"upstream":"10.0.0.1:80","duration_ms":1.25,"bytes_in":0,"bytes_out":7,"complete":true}}"#
    )
}

#[test]
fn lines_are_chosen_by_service_and_time() {
    let at = |text: &str| Some(Timestamp::parse(text).expect("a time"));
    let all = Wanted::default();
    let web = Wanted { service: Some("web".into()), since: at("2026-04-04T12:00:05Z") };
    for (line, fits) in [
        (json(5, "web"), true),
        (json(4, "web"), false),
        (json(6, "other"), false),
        ("{".to_owned(), false),
    ] {
        assert_eq!(web.fits(&line), fits, "{line}");
        assert!(all.fits(&line));
    }
    let shown = "2026-04-04T12:00:05.000000Z web 200 GET web.internal/a 1.2ms 7B 10.0.0.1:80 10.0.0.9 ann\n";
    assert_eq!(line::readable(&json(5, "web")), shown);
    let stream = r#"{"time":"2026-04-04T12:00:05.000000Z","service":"db","client":"10.0.0.9","protocol":"tcp","port":5432,"server_name":"db.internal","end":"done","upstream":"10.0.0.1:5432","duration_ms":1.25,"bytes_in":3,"bytes_out":7}"#;
    let shown = "2026-04-04T12:00:05.000000Z db done tcp db.internal:5432 1.2ms 3/7B 10.0.0.1:5432 10.0.0.9\n";
    assert_eq!(line::readable(stream), shown);
    assert!(Wanted { service: Some("db".into()), since: None }.fits(stream));
    assert_eq!(line::readable("\x1b[2Jx"), "\u{fffd}[2Jx\n");
}

#[test]
fn times_are_told_either_way() {
    let now = Timestamp::from_seconds(1_000_000);
    assert_eq!(moment("10m", now).expect("a time"), Timestamp::from_seconds(999_400));
    let exact = moment("1970-01-12T13:46:40Z", now).expect("a time");
    assert_eq!(exact, now);
    assert!(moment("yesterday", now).is_err());
}

#[test]
fn whoever_has_no_file_is_told_where_to_look() {
    let log = |output| AccessLog {
        output,
        format: AccessFormat::Json,
        rotate_size: 1,
        keep: 1,
        compress: false,
    };
    for (output, hint) in [
        (AccessOutput::Off, "access_log.output"),
        (AccessOutput::Daemon, "journalctl -u conduit"),
        (AccessOutput::Stdout, "journalctl -u conduit"),
        (AccessOutput::Syslog, "journalctl -t conduit"),
    ] {
        let log = log(output);
        let failure = path_of(&log).expect_err("no file");
        assert!(failure.hint.as_ref().is_some_and(|text| text.contains(hint)), "{failure}");
    }
}

#[test]
fn following_goes_across_files() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("access.log");
    let mut follower = Follower::open(&path).expect("nothing yet");
    assert_eq!(follower.next().expect("reads"), None);
    let mut first = File::create(&path).expect("made");
    first.write_all(b"1\n2\n3").expect("written");
    assert_eq!(follower.next().expect("reads").as_deref(), Some("1"));
    assert_eq!(follower.next().expect("reads").as_deref(), Some("2"));
    assert_eq!(follower.next().expect("reads"), None, "half a line is none");
    fs::rename(&path, numbered(&path, 1, "")).expect("moved");
    assert_eq!(follower.next().expect("reads"), None);
    first.write_all(b"33\n4\n").expect("written");
    fs::write(&path, "5\n").expect("written");
    let mut rest = Vec::new();
    while let Some(line) = follower.next().expect("reads") {
        rest.push(line);
    }
    assert_eq!(rest, ["333", "4", "5"]);
    // Cut off in place, as `> access.log` does.
    fs::write(&path, "").expect("written");
    assert_eq!(follower.next().expect("reads"), None);
    fs::write(&path, "6\n").expect("written");
    assert_eq!(follower.next().expect("reads").as_deref(), Some("6"));
    let mut whole = String::new();
    fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(b"7\n8\n9"))
        .expect("written");
    follower.whole().read_to_string(&mut whole).expect("reads");
    assert_eq!(whole, "7\n8\n");
}

#[test]
fn old_files_come_first() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("access.log");
    fs::write(&path, "5\n6\n").expect("written");
    fs::write(numbered(&path, 1, ""), "3\n4\n").expect("written");
    let file = File::create(numbered(&path, 2, ".gz")).expect("made");
    let mut zip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    zip.write_all(b"1\n2\n").expect("written");
    zip.finish().expect("written");
    let mut all = String::new();
    for file in old_files(&path, 5) {
        read(&file).expect("opens").read_to_string(&mut all).expect("reads");
    }
    assert_eq!(all, "1\n2\n3\n4\n");
    let reading = read(&numbered(&path, 1, "")).expect("opens");
    assert_eq!(last(reading, &Wanted::default(), 1).expect("reads"), ["4"]);
}

#[test]
fn lines_of_the_journal_and_of_requests_are_ordered_by_time() {
    let journal = |micros: u64, message: &str| {
        format!(r#"{{"__REALTIME_TIMESTAMP":"{micros}","MESSAGE":{message},"PRIORITY":"6"}}"#)
    };
    let line = entry(&journal(1_775_304_005_500_000, r#""ready""#), false).expect("a line");
    assert_eq!(line.text, "2026-04-04T12:00:05Z conduit ready\n");
    let bytes = entry(&journal(1, "[104,105,27]"), false).expect("a line");
    assert_eq!(bytes.text, "1970-01-01T00:00:00Z conduit hi\u{fffd}\n");
    let raw = entry(&journal(1, r#""x""#), true).expect("a line").text;
    assert_eq!(raw, "{\"daemon\":\"conduit\",\"line\":\"x\",\"time\":\"1970-01-01T00:00:00Z\"}\n");
    for none in ["", "{}", r#"{"__REALTIME_TIMESTAMP":"x","MESSAGE":"y"}"#] {
        assert_eq!(entry(none, false), None);
    }
    let request = |second| Stamped {
        at: line::time_of(&json(second, "web")).expect("a time"),
        text: second.to_string(),
    };
    let mut all = [request(6), line, request(5)];
    all.sort();
    let texts: Vec<&str> = all.iter().map(|line| line.text.trim_end()).collect();
    assert_eq!(texts, ["5", "2026-04-04T12:00:05Z conduit ready", "6"]);
}
