//! The history over virtual hours and real files.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use super::*;
use crate::alert::{Alert, Severity};
use crate::metric::Metric;
use crate::silence::{Scope, Silences};

/// 2026-04-04T12:00:00Z, a whole hour and day quarter.
const NOON: i64 = 1_775_304_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(NOON + seconds)
}

fn running(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).expect("not before the start"))
}

fn series(subject: &str) -> Series {
    let node = NodeName::parse("box").expect("a name");
    Series { node, metric: Metric::Disk, subject: Some(Arc::from(subject)) }
}

fn sample(subject: &str, seconds: i64, value: f64) -> Sample {
    Sample { series: series(subject), at: at(seconds), value }
}

fn keeper(dir: &Path, settings: HistorySettings) -> Keeper {
    let store = Store::open(&dir.join(FILE_NAME), settings.bytes_max).expect("opens");
    Keeper::new(store, settings).expect("reads").0
}

fn values(keeper: &mut Keeper, subject: &str, from: i64, to: i64, now: i64) -> Vec<(i64, f64)> {
    let points = keeper.query(&series(subject), (at(from), at(to)), Duration::ZERO, at(now));
    points.points.iter().map(|p| (p.at.seconds() - NOON, p.mean)).collect()
}

#[test]
fn points_are_there_before_and_after_they_are_written_and_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut first = keeper(dir.path(), HistorySettings::default());
    first.record(&[sample("/", 0, 0.5), sample("/", 30, 0.25), sample("/home", 30, 0.75)]);
    let expected = [(0, 0.5), (30, 0.25)];
    assert_eq!(values(&mut first, "/", -60, 60, 60), expected);
    first.flush(at(60), running(60), true);
    assert_eq!(values(&mut first, "/", -60, 60, 60), expected);
    drop(first);
    let mut second = keeper(dir.path(), HistorySettings::default());
    assert_eq!(values(&mut second, "/", -60, 60, 90), expected);
    second.record(&[sample("/", 90, 0.125)]);
    second.flush(at(120), running(30), false);
    assert_eq!(values(&mut second, "/", 0, 200, 200), [(0, 0.5), (30, 0.25), (90, 0.125)]);
    assert_eq!(second.series(None), [series("/"), series("/home")]);
    let mode = std::fs::metadata(dir.path().join(FILE_NAME)).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_process_that_gives_way_writes_nothing_over_the_other_and_may_come_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut first = keeper(dir.path(), HistorySettings::default());
    first.record(&[sample("/", 0, 0.5)]);
    first.leave(at(10), running(10));
    let mut second = keeper(dir.path(), HistorySettings::default());
    second.record(&[sample("/", 30, 0.25), sample("/home", 30, 0.75)]);
    second.flush(at(40), running(40), false);
    // What it still samples would have the number of another series there.
    first.record(&[sample("/", 60, 0.1), sample("/srv", 60, 0.1)]);
    first.flush(at(70), running(70), true);
    drop(second);
    let mut third = keeper(dir.path(), HistorySettings::default());
    assert_eq!(values(&mut third, "/", 0, 100, 100), [(0, 0.5), (30, 0.25)]);
    assert_eq!(third.series(None), [series("/"), series("/home")]);
    drop(third);
    first.take_back();
    first.record(&[sample("/", 90, 0.75), sample("/srv", 90, 0.1)]);
    first.flush(at(100), running(100), true);
    assert_eq!(values(&mut first, "/", 0, 100, 100), [(0, 0.5), (30, 0.25), (90, 0.75)]);
    assert_eq!(values(&mut first, "/home", 0, 100, 100), [(30, 0.75)]);
    assert_eq!(values(&mut first, "/srv", 0, 100, 100), [(90, f64::from(0.1_f32))]);
}

/// Records a value for each half minute of some hours, and writes every five minutes.
fn filled(keeper: &mut Keeper, hours: std::ops::Range<i64>, value: impl Fn(i64) -> f64) {
    for second in (hours.start * 3_600..hours.end * 3_600).step_by(30) {
        keeper.record(&[sample("/", second, value(second))]);
        if second % 300 == 0 {
            keeper.flush(at(second), running(second + 86_400), false);
        }
    }
}

#[test]
fn a_day_is_fine_and_a_month_is_coarse_and_no_more() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut keeper = keeper(dir.path(), HistorySettings::default());
    filled(&mut keeper, 0..50, |second| f64::from(u8::from(second % 900 == 0)));
    let now = 50 * 3_600;
    let fine = keeper.query(&series("/"), (at(now - 86_400), at(now)), Duration::ZERO, at(now));
    assert_eq!((fine.resolution, fine.points.len()), (Resolution::Fine, 24 * 120));
    let coarse = keeper.query(&series("/"), (at(0), at(now)), Duration::ZERO, at(now));
    assert_eq!((coarse.resolution, coarse.points.len()), (Resolution::Coarse, 200));
    for point in &coarse.points {
        assert_eq!((point.min, point.max), (0.0, 1.0));
        assert!((point.mean - 1.0 / 30.0).abs() < 1e-6, "{point:?}");
    }
    let rows = |keeper: &mut Keeper, table: &str| -> i64 {
        let transaction = keeper.store_for_test().transaction().expect("begins");
        let query = format!("SELECT count(*) FROM {table}");
        transaction.query_row(&query, [], |row| row.get(0)).expect("a count")
    };
    assert!((24..=26).contains(&rows(&mut keeper, "fine")), "one row for each hour of a day");
    let month = 45 * 86_400;
    keeper.record(&[sample("/", month, 1.0)]);
    keeper.flush(at(month), running(month + 86_400), false);
    assert_eq!((rows(&mut keeper, "fine"), rows(&mut keeper, "coarse")), (1, 0));
}

#[test]
fn clocks_that_leap_neither_grow_nor_empty_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut keeper = keeper(dir.path(), HistorySettings::default());
    filled(&mut keeper, 0..2, |_| 0.5);
    let year = 365 * 86_400;
    // Forward by a year for ten minutes, and back.
    for second in (7_200..7_800).step_by(30) {
        keeper.record(&[sample("/", second + year, 9.0)]);
    }
    keeper.flush(at(7_800 + year), running(7_800 + 86_400), false);
    assert_eq!(values(&mut keeper, "/", 0, 7_200, 7_800).len(), 240, "nothing was thrown away");
    keeper.record(&[sample("/", 7_800, 0.5)]);
    keeper.flush(at(7_800), running(7_830 + 86_400), false);
    keeper.flush(at(11_500), running(11_530 + 86_400), false);
    assert_eq!(values(&mut keeper, "/", 0, 7_800, 11_500).len(), 241);
    assert_eq!(
        values(&mut keeper, "/", year, year + 9_000, 11_500 + year),
        [],
        "the future is gone"
    );
    // Back by ten minutes: what is not later is left out and counted.
    keeper.take_losses();
    keeper.record(&[sample("/", 7_200 - 600, 9.0), sample("/", 7_170, 9.0)]);
    assert_eq!(keeper.take_losses(), (0, 2));
    keeper.record(&[Sample { at: Timestamp::from_seconds(-5), ..sample("/", 0, 1.0) }]);
    assert_eq!(keeper.take_losses(), (1, 0));
}

#[test]
fn series_are_bounded_and_the_idle_ones_make_room() {
    let dir = tempfile::tempdir().expect("a directory");
    let settings = HistorySettings { series_max: 40, ..HistorySettings::default() };
    let mut keeper = keeper(dir.path(), settings);
    for index in 0..50 {
        keeper.record(&[sample(&format!("s{index}"), 0, 1.0)]);
    }
    assert_eq!((keeper.series_count(), keeper.take_losses()), (40, (10, 0)), "all are in use");
    keeper.flush(at(10), running(10), false);
    keeper.record(&[sample("late", 3 * 3_600, 1.0)]);
    assert_eq!(keeper.series_count(), 39, "two of the idle ones made room");
    keeper.flush(at(3 * 3_600), running(3 * 3_600), false);
    assert_eq!(values(&mut keeper, "late", 0, 10_800, 10_800), [(10_800, 1.0)]);
}

#[test]
fn the_size_is_bounded_and_the_oldest_goes_first() {
    let dir = tempfile::tempdir().expect("a directory");
    let settings = HistorySettings { bytes_max: 56 << 10, ..HistorySettings::default() };
    let mut keeper = keeper(dir.path(), settings);
    let now = 20 * 3_600;
    for second in (0..now).step_by(60) {
        for subject in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            // A value that does not repeat packs badly.
            keeper.record(&[sample(subject, second, (second as f64).sin())]);
        }
        if second % 1_800 == 0 {
            keeper.flush(at(second), running(second + 86_400), false);
            assert!(keeper.bytes() <= 56 << 10, "{}", keeper.bytes());
        }
    }
    let left = values(&mut keeper, "a", 0, now, now);
    assert!(left.first().is_some_and(|(second, _)| *second > 3_600), "the oldest is gone");
    assert!(left.last().is_some_and(|(second, _)| *second == now - 60), "the newest is there");
}

#[test]
fn a_broken_database_is_set_aside_and_a_newer_one_is_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join(FILE_NAME);
    std::fs::write(
        &path,
        "this is no database, whatever its name says, and long enough".repeat(99),
    )
    .expect("writes");
    let mut first = keeper(dir.path(), HistorySettings::default());
    first.record(&[sample("/", 0, 0.5)]);
    first.flush(at(10), running(10), true);
    assert_eq!(values(&mut first, "/", 0, 10, 10), [(0, 0.5)]);
    drop(first);
    let names = || -> Vec<String> {
        let entries = std::fs::read_dir(dir.path()).expect("a directory");
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(names().iter().filter(|name| name.contains("broken")).count(), 1);
    let other = rusqlite::Connection::open(&path).expect("opens");
    other.pragma_update(None, "user_version", 99).expect("sets");
    drop(other);
    let before = std::fs::read(&path).expect("reads");
    let (history, _thread, _) = History::open(dir.path(), HistorySettings::default());
    let off = history.counts().off.expect("off");
    assert!(off.contains("newer Conduit (version 99)"), "{off}");
    assert_eq!(std::fs::read(&path).expect("reads"), before);
}

#[test]
fn damage_that_shows_later_is_begun_anew_with_what_is_in_memory() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut keeper = keeper(dir.path(), HistorySettings::default());
    filled(&mut keeper, 0..3, |second| second as f64);
    let transaction = keeper.store_for_test().transaction().expect("begins");
    transaction.pragma_update(None, "writable_schema", true).expect("sets");
    transaction
        .execute("UPDATE sqlite_schema SET sql = 'CREATE' WHERE name = 'fine'", [])
        .expect("breaks");
    transaction.commit().expect("commits");
    drop(keeper);
    let mut again = self::keeper(dir.path(), HistorySettings::default());
    again.record(&[sample("/", 10_800, 1.0)]);
    again.flush(at(10_800), running(10_800), false);
    assert_eq!(values(&mut again, "/", 10_000, 11_000, 10_900), [(10_800, 1.0)]);
}

#[tokio::test]
async fn alerts_and_silences_survive_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let stop = CancellationToken::new();
    let (history, thread, kept) = History::open(dir.path(), HistorySettings::default());
    assert_eq!((kept, history.counts().off), (Kept::default(), None));
    let alert = Alert {
        rule: "disk-full".into(),
        series: series("/"),
        severity: Severity::Critical,
        value: 0.97,
        threshold: 0.95,
        message: "/ of box is 97 % full (limit 95 %)".into(),
        raised_at: at(0),
        is_silenced: false,
    };
    let kept_alert =
        KeptAlert { alert, told_by: Some(["ops".to_owned()].into()), cleared_at: Some(at(9)) };
    history.keep_alerts(vec![kept_alert.clone()]);
    let mut silences = Silences::default();
    let scope = Scope::parse(Some("disk-*"), None, Some("/")).expect("patterns");
    silences.add(scope, at(60), ("moving", "ops"), at(0)).expect("room");
    history.keep_silences(silences.list().to_vec());
    let now = Timestamp::now();
    history.record(vec![Sample { at: now, ..sample("/", 0, 0.5) }]);
    history.flush().await.expect("written");
    let range = (now.minus(Duration::from_secs(60)), now);
    let points = history.query(series("/"), range, Duration::ZERO).await.expect("points");
    assert_eq!(points.points.len(), 1);
    assert_eq!(history.series(None).await.expect("series"), [series("/")]);
    stop.cancel();
    thread.run(stop).await;
    assert!(matches!(history.series(None).await, Err(HistoryError::Off(_))), "it has ended");
    let (_history, _thread, kept) = History::open(dir.path(), HistorySettings::default());
    assert_eq!(kept.alerts, [kept_alert]);
    assert_eq!(kept.silences, silences.list());
}

#[tokio::test]
async fn without_a_database_everything_says_so_and_nothing_fails() {
    let (history, thread, _) =
        History::open(Path::new("/proc/nowhere"), HistorySettings::default());
    history.record(vec![sample("/", 0, 1.0)]);
    let error = history.series(None).await.expect_err("off");
    assert!(error.to_string().contains("/proc/nowhere/monitor.db cannot be opened"), "{error}");
    let stop = CancellationToken::new();
    stop.cancel();
    thread.run(stop).await;
}
