//! Alerts through each channel, to real receivers on the loopback.

mod receivers;
mod restart;

use conduit_core::tasks::Tasks;
use tokio_util::sync::CancellationToken;

use self::receivers::{Received, Receivers};
use super::file::{ChannelFile, channels};
use super::*;
use crate::alert::tests::{at, cleared, raised};
use crate::judge::Judge;
use crate::metric::{Metric, Sample, Series};
use crate::node::NodeName;
use crate::rule::defaults;

fn file(name: &str, kind: &str, url: &str) -> ChannelFile {
    ChannelFile {
        name: name.into(),
        kind: kind.into(),
        url: Some(url.into()),
        ..Default::default()
    }
}

fn mail(name: &str, url: &str, tls: &str) -> ChannelFile {
    ChannelFile {
        from: Some("Conduit <conduit@example.org>".into()),
        to: vec!["Ops <ops@example.org>".into()],
        tls: Some(tls.into()),
        ..file(name, "smtp", url)
    }
}

/// The channels of these files, without waiting for company or between tries.
fn quick(files: &[ChannelFile]) -> Vec<Channel> {
    let mut channels = channels(files).expect("legal");
    for channel in &mut channels {
        channel.pace.group_for = Duration::ZERO;
        channel.pace.back_off = Duration::from_millis(1);
        channel.pace.rest = Duration::from_millis(1);
    }
    channels
}

fn started(channels: Vec<Channel>, receivers: &Receivers) -> (Channels, Tasks) {
    let tasks = Tasks::new(CancellationToken::new());
    (Channels::start(channels, &receivers.tls(), &tasks), tasks)
}

async fn finished(channels: Channels, tasks: Tasks) {
    tasks.stop().cancel();
    drop(channels);
    tasks.finish().await;
}

/// A GPU that is hot for a minute, and then is not.
fn fired_and_cleared() -> [Vec<AlertChange>; 2] {
    let mut judge = Judge::new(defaults::rules());
    let mut observe = |second: i64, value| {
        let series = Series {
            node: NodeName::parse("gpu-server").expect("a name"),
            metric: Metric::GpuTemperature,
            subject: Some("0".into()),
        };
        let at = Timestamp::from_seconds(1_775_304_000 + second);
        judge.observe(&[Sample { series, at, value }], at)
    };
    assert!(observe(0, 92.0).is_empty());
    [observe(60, 92.0), observe(90, 60.0)]
}

#[tokio::test]
async fn alerts_fire_and_clear_through_each_channel() {
    let mut receivers = Receivers::new();
    let dir = tempfile::tempdir().expect("a directory");
    let token = dir.path().join("token");
    std::fs::write(&token, "s3cret\n").expect("writes");
    let token = Some(token.to_string_lossy().into_owned());
    let with_secret = |file: ChannelFile| ChannelFile { secret_file: token.clone(), ..file };
    let files = [
        with_secret(file("hook", "webhook", &receivers.http("hook", false).await)),
        file("safe-hook", "webhook", &receivers.http("safe-hook", true).await),
        with_secret(file("ntfy", "ntfy", &format!("{}ops", receivers.http("ntfy", false).await))),
        file("slack", "slack", &receivers.http("slack", false).await),
        ChannelFile {
            room: Some("!room:example.org".into()),
            ..with_secret(file("matrix", "matrix", &receivers.http("matrix", false).await))
        },
        file("udp", "syslog", &receivers.udp("udp").await),
        file("tcp", "syslog", &receivers.tcp_log("tcp").await),
        file("unix", "syslog", &receivers.unix("unix", dir.path()).await),
        mail("mail", &receivers.smtp("mail").await, "none"),
        ChannelFile {
            user: Some("conduit".into()),
            ..with_secret(mail("safe-mail", &receivers.smtp("safe-mail").await, "starttls"))
        },
        ChannelFile {
            user: Some("conduit".into()),
            ..with_secret(mail(receivers::SMTPS, &receivers.smtp(receivers::SMTPS).await, "tls"))
        },
    ];
    let (channels, tasks) = started(quick(&files), &receivers);
    let said = [
        (
            "CRITICAL gpu-hot on gpu-server",
            "GPU 0 of gpu-server is at 92 °C (limit 85 °C) for 1 min",
        ),
        (
            "OVER gpu-hot on gpu-server",
            "GPU 0 of gpu-server: gpu-hot is over after 30 s, now 60 °C",
        ),
    ];
    for (changes, (title, message)) in fired_and_cleared().into_iter().zip(said) {
        assert_eq!(changes.len(), 1);
        channels.tell(&changes);
        for _ in 0..files.len() {
            let received = receivers.next().await;
            check(&received, title, message);
            receivers.seen.push(received.name);
        }
        receivers.seen.sort_unstable();
        receivers.seen.dedup();
        assert_eq!(receivers.seen.len(), files.len(), "each has told it: {:?}", receivers.seen);
        receivers.seen.clear();
    }
    finished(channels.clone(), tasks).await;
    for status in channels.status() {
        assert_eq!((status.sent, status.failures, status.lost), (2, 0, 0), "{status:?}");
    }
}

/// What came is in the shape of its kind.
fn check(received: &Received, title: &str, message: &str) {
    let Received { name, head, body } = received;
    let json = || serde_json::from_str::<serde_json::Value>(body).expect("JSON");
    let text = |pointer: &str| json().pointer(pointer).and_then(|v| v.as_str()).map(str::to_owned);
    match *name {
        "hook" | "safe-hook" => {
            assert!(head.starts_with("POST / HTTP/1.1"), "{head}");
            assert_eq!(text("/title"), Some(format!("Conduit: {title}")));
            assert_eq!(text("/alerts/0/message").as_deref(), Some(message));
            assert_eq!(text("/alerts/0/metric").as_deref(), Some("gpu_temperature"));
            let signed =
                head.lines().find_map(|line| line.strip_prefix("x-conduit-signature: sha256="));
            assert_eq!(signed.is_some(), *name == "hook", "{head}");
            if let Some(signed) = signed {
                let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"s3cret");
                let tag = hex::decode(signed.trim()).expect("hexadecimal");
                aws_lc_rs::hmac::verify(&key, body.as_bytes(), &tag).expect("our signature");
            }
        }
        "ntfy" => {
            assert!(head.starts_with("POST / HTTP/1.1"), "{head}");
            assert!(head.contains("authorization: Bearer s3cret"), "{head}");
            assert_eq!(text("/topic").as_deref(), Some("ops"));
            assert_eq!(text("/title"), Some(format!("Conduit: {title}")));
            let priority = json()["priority"].as_u64();
            assert_eq!(priority, Some(if title.starts_with("OVER") { 3 } else { 5 }));
            assert!(text("/message").is_some_and(|text| text.contains(message)));
        }
        "slack" => assert!(text("/text").is_some_and(|text| text.contains(message)), "{body}"),
        "matrix" => {
            let path = "PUT /_matrix/client/v3/rooms/%21room%3Aexample.org/send/m.room.message/";
            assert!(head.starts_with(path), "{head}");
            assert!(head.contains("authorization: Bearer s3cret"), "{head}");
            assert_eq!(text("/msgtype").as_deref(), Some("m.text"));
            assert!(text("/body").is_some_and(|text| text.contains(message)));
        }
        "unix" => {
            let priority = if title.starts_with("OVER") { "<29>" } else { "<26>" };
            let process = std::process::id();
            assert_eq!(body, &format!("{priority}conduit[{process}]: {title}: {message}"));
        }
        "udp" | "tcp" => {
            let priority = if title.starts_with("OVER") { "<29>1 " } else { "<26>1 " };
            assert!(body.starts_with(priority) && body.contains(" conduit "), "{body}");
            assert!(body.ends_with(&format!("alert - {title}: {message}")), "{body}");
        }
        _ => {
            assert!(head.contains("MAIL FROM:<conduit@example.org>"), "{head}");
            assert!(head.contains("RCPT TO:<ops@example.org>"), "{head}");
            let is_safe = ["safe-mail", receivers::SMTPS].contains(name);
            assert_eq!(head.contains("AUTH PLAIN"), is_safe, "{head}");
            assert_eq!(head.contains("[TLS]"), *name == "safe-mail", "{head}");
            assert!(body.contains(&format!("Subject: Conduit: {title}")), "{body}");
            assert!(body.contains("Auto-Submitted: auto-generated"), "{body}");
        }
    }
}

#[tokio::test]
async fn a_channel_that_hangs_delays_no_other() {
    let mut receivers = Receivers::new();
    let files = [
        file("hung", "webhook", &receivers.silent().await),
        file("hook", "webhook", &receivers.http("hook", false).await),
    ];
    let (channels, tasks) = started(quick(&files), &receivers);
    for changes in fired_and_cleared() {
        channels.tell(&changes);
        assert_eq!(receivers.next().await.name, "hook");
    }
    assert_eq!(channels.status()[0].sent, 0);
    finished(channels, tasks).await;
}

/// The id of the webhook's message that came next, and the states of its alerts.
async fn next_states(receivers: &mut Receivers) -> (String, Vec<String>) {
    let body = receivers.next().await.body;
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["lost"], 0);
    let states = body["alerts"].as_array().expect("a list").iter();
    (body["id"].to_string(), states.map(|alert| alert["state"].to_string()).collect())
}

#[tokio::test]
async fn what_fails_is_tried_again_until_it_is_told() {
    let mut receivers = Receivers::new();
    let answers = [503, 429, 200, 404, 302, 500, 500, 500, 500, 500, 500, 500, 200];
    receivers.answers.lock().expect("a lock").extend(answers);
    let files = [file("hook", "webhook", &receivers.http("hook", false).await)];
    let (channels, tasks) = started(quick(&files), &receivers);
    let [fired, cleared] = fired_and_cleared();
    for (changes, tries, state) in [(&fired, 3, "\"raised\""), (&cleared, 10, "\"cleared\"")] {
        channels.tell(changes);
        let (first, _) = next_states(&mut receivers).await;
        for _ in 1..tries {
            let (id, states) = next_states(&mut receivers).await;
            assert_eq!((id.as_str(), &states[..]), (first.as_str(), &[state.to_owned()][..]));
        }
    }
    finished(channels.clone(), tasks).await;
    let [status] = &channels.status()[..] else { panic!("one channel") };
    let counts = (status.sent, status.failures, status.waiting, status.lost);
    assert_eq!(counts, (2, 11, 0, 0), "{status:?}");
}

#[tokio::test]
async fn what_comes_while_a_channel_fails_is_told_together_by_its_successor_too() {
    let mut receivers = Receivers::new();
    receivers.answers.lock().expect("a lock").extend([404, 200, 200]);
    let files = [file("hook", "webhook", &receivers.http("hook", false).await)];
    let mut slow = quick(&files);
    slow[0].pace.rest = Duration::from_secs(3_600);
    let (channels, tasks) = started(slow, &receivers);
    let [fired, cleared] = fired_and_cleared();
    channels.tell(&fired);
    next_states(&mut receivers).await;
    channels.tell(&cleared);
    assert_eq!(channels.status()[0].waiting, 2);
    let next = channels.replaced(quick(&files), &receivers.tls(), &tasks);
    drop(channels);
    let (_, states) = next_states(&mut receivers).await;
    assert_eq!(states, ["\"raised\"", "\"cleared\""]);
    next.tell(&fired);
    assert_eq!(next_states(&mut receivers).await.1, ["\"raised\""]);
    finished(next, tasks).await;
}

#[tokio::test]
async fn who_is_being_replaced_takes_no_word_away_and_tells_nothing_twice() {
    let mut receivers = Receivers::new();
    let files = [file("hook", "webhook", &receivers.http("hook", false).await)];
    let (channels, tasks) = started(quick(&files), &receivers);
    // Somebody still looks at them, so both run.
    let held = channels.clone();
    let next = channels.replaced(quick(&files), &receivers.tls(), &tasks);
    drop(channels);
    let [fired, cleared] = fired_and_cleared();
    next.tell(&fired);
    assert_eq!(next_states(&mut receivers).await.1, ["\"raised\""]);
    next.tell(&cleared);
    drop(held);
    assert_eq!(next_states(&mut receivers).await.1, ["\"cleared\""]);
    finished(next, tasks).await;
    assert!(receivers.told_nothing_more());
}

#[tokio::test]
async fn a_test_message_says_so_and_errors_name_the_mend_without_the_secret() {
    let mut receivers = Receivers::new();
    let tls = receivers.tls();
    let hook = quick(&[file("hook", "webhook", &receivers.http("hook", false).await)]);
    let (channels, tasks) = started(hook, &receivers);
    assert!(channels.clone().test("other").await.is_none());
    let (place, result) = channels.clone().test("hook").await.expect("there");
    assert!(result.is_ok() && place.ends_with("/…"), "{place} {result:?}");
    let (_, soon) = channels.clone().test("hook").await.expect("there");
    assert!(soon.expect_err("not so soon").to_string().contains("within the last"));
    let body = receivers.next().await.body;
    assert!(body.contains("\"test\":true") && body.contains("\"alerts\":[]"), "{body}");
    let closed = format!("{}SECRET", receivers.closed().await);
    let missing = ChannelFile {
        secret_file: Some("/nowhere/secret".into()),
        ..file("hook", "webhook", "http://127.0.0.1:1/SECRET")
    };
    let bare = receivers.smtp(receivers::BARE).await;
    for (file, expected) in [
        (file("hook", "webhook", &closed), "cannot be reached"),
        (missing, "secret_file /nowhere/secret cannot be read"),
        (mail("mail", &bare, "starttls"), "offers no STARTTLS; write tls = \"tls\""),
    ] {
        let error = quick(&[file])[0].test(&tls).await.expect_err("fails").to_string();
        assert!(error.contains(expected) && !error.contains("SECRET"), "{error}");
    }
    finished(channels, tasks).await;
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_names_the_mend() {
    let receivers = Receivers::new();
    let hook = quick(&[file("hook", "webhook", &receivers.http("hook", true).await)]);
    let nobody = Arc::new(
        ClientConfig::builder()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth(),
    );
    let error = hook[0].test(&nobody).await.expect_err("refused").to_string();
    assert!(error.contains("add its CA to the system's certificates"), "{error}");
}

#[tokio::test]
async fn texts_of_others_stay_within_their_lines() {
    let mut receivers = Receivers::new();
    let files = [
        mail("mail", &receivers.smtp("mail").await, "none"),
        file("udp", "syslog", &receivers.udp("udp").await),
    ];
    let (channels, tasks) = started(quick(&files), &receivers);
    let [mut changes, _] = fired_and_cleared();
    if let AlertChange::Raised(alert) = &mut changes[0] {
        alert.message =
            "x\r\n.\r\nMAIL FROM:<evil@example.org>\r\nBcc: evil@example.org\n<0>1".into();
        alert.rule = "gpu\r\nBcc: evil@example.org".into();
    }
    channels.tell(&changes);
    for _ in 0..2 {
        let Received { name, head, body } = receivers.next().await;
        assert!(!head.contains("evil"), "{head}");
        let headers = body.split("\r\n\r\n").next().unwrap_or_default();
        assert!(name != "mail" || !headers.contains("\nBcc"), "{headers}");
        assert!(name == "mail" || !body.contains('\n'), "{body}");
    }
    finished(channels, tasks).await;
}

#[test]
fn storms_are_summed_up_and_what_is_late_says_when_it_was() {
    let outbox = outbox::Outbox::default();
    for number in 0..500 {
        outbox.put(&raised(&number.to_string()));
        outbox.put(&cleared(&number.to_string()));
    }
    let batch = outbox::Batch { lost: 3, ..outbox.batch().expect("many") };
    let message = Message::new(at(10), batch);
    assert_eq!(
        (message.size(), message.title().as_str()),
        (1_000, "Conduit: WARNING, 500 raised, 500 over")
    );
    let text = message.text(1_500);
    assert!(text.len() <= 1_500, "{}", text.len());
    assert!(text.contains("And 475 more raised, 475 more over"), "{text}");
    assert!(text.ends_with("3 changes before this could not be told."), "{text}");
    assert!(text.contains("… and "), "{text}");
    let one = outbox::Batch { changes: vec![raised("/")], left_out: (0, 0), lost: 1 };
    let text = Message::new(at(600), one).text(1_500);
    assert_eq!(text, "[warning] / (1970-01-12T13:46:40Z)\n1 change before this could not be told.");
}
