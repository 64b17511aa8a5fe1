//! RFC 6762 §5 to §7: questions and what is said to them.

use super::*;

const NAMES: &[(&str, &[&str])] =
    &[("web.local.", &["10.0.0.1", "fd00::1"]), ("nas.local.", &["10.0.0.1"])];
const PEER: &str = "10.0.0.9:5353";

#[test]
fn section_6_a_name_of_ours_is_answered_at_once_with_what_saves_a_question() {
    let mut desk = Desk::settled(1, NAMES);
    for (name, rtype, said) in [
        ("wEb.local.", RecordType::A, "group web.local./120!=10.0.0.1 +web.local./120!=fd00::1"),
        ("web.local.", RecordType::ANY, "group web.local./120!=10.0.0.1 web.local./120!=fd00::1"),
        ("nas.local.", RecordType::A, "group nas.local./120!=10.0.0.1 +nas.local./120!=NSEC"),
        ("nas.local.", RecordType::AAAA, "group nas.local./120!=NSEC +nas.local./120!=10.0.0.1"),
        ("web.local.", RecordType::MX, "group web.local./120!=NSEC"),
    ] {
        desk.pass(2_000);
        desk.hear(&query(name, rtype), PEER);
        let got = desk.said();
        assert!(got.len() == 1 && got[0].starts_with(said), "{name} {rtype}: {got:?}");
    }
    desk.pass(2_000);
    desk.hear(&query("other.local.", RecordType::A), PEER);
    assert!(desk.said().is_empty());
}

#[test]
fn section_6_nothing_is_said_twice_in_a_second() {
    let mut desk = Desk::settled(1, NAMES);
    for _ in 0..50 {
        desk.hear(&query("web.local.", RecordType::A), PEER);
    }
    assert_eq!(desk.said().len(), 1);
    desk.pass(999);
    assert_eq!(desk.said().len(), 0);
    desk.pass(5_000);
    assert_eq!(desk.said().len(), 1, "once more for those who came too late");
}

#[test]
fn section_6_who_would_claim_a_name_of_ours_is_told_within_a_quarter_of_a_second() {
    let mut desk = Desk::settled(1, NAMES);
    desk.hear(&query("web.local.", RecordType::A), PEER);
    let mut probe = query("web.local.", RecordType::ANY);
    probe.add_authority(record("web.local.", "10.0.0.9", 120));
    desk.said();
    desk.hear(&probe, PEER);
    desk.pass(250);
    let said = desk.said().join(" ");
    assert!(said.contains("web.local./120!=10.0.0.1"), "{said}");
}

#[test]
fn section_7_1_what_is_known_is_not_said() {
    for (address, ttl_s, is_said) in
        [("10.0.0.1", 60, false), ("10.0.0.1", 59, true), ("10.0.0.2", 120, true)]
    {
        let mut desk = Desk::settled(1, NAMES);
        let mut asked = query("web.local.", RecordType::A);
        asked.add_answer(record("web.local.", address, ttl_s));
        desk.hear(&asked, PEER);
        assert_eq!(desk.said().len(), usize::from(is_said), "{address} {ttl_s}");
    }
}

#[test]
fn section_7_2_more_that_is_known_is_waited_for() {
    let mut asked = query("web.local.", RecordType::A);
    asked.metadata.truncation = true;
    let mut more = Message::new(0, MessageType::Query, OpCode::Query);
    more.add_answer(record("web.local.", "10.0.0.1", 120));
    for (more_from, is_said) in [(None, true), (Some(PEER), false), (Some("10.0.0.8:5353"), true)] {
        let mut desk = Desk::settled(1, NAMES);
        desk.hear(&asked, PEER);
        desk.pass(399);
        assert!(desk.said().is_empty());
        if let Some(source) = more_from {
            desk.hear(&more, source);
        }
        desk.pass(102);
        assert_eq!(desk.said().len(), usize::from(is_said), "{more_from:?}");
    }
}

#[test]
fn section_7_2_still_more_that_is_known_is_waited_for_anew() {
    let mut desk = Desk::settled(1, NAMES);
    let mut asked = query("web.local.", RecordType::A);
    asked.metadata.truncation = true;
    desk.hear(&asked, PEER);
    let mut more = Message::new(0, MessageType::Query, OpCode::Query);
    more.metadata.truncation = true;
    more.add_answer(record("other.local.", "10.0.0.7", 120));
    for _ in 0..3 {
        desk.pass(399);
        desk.hear(&more, PEER);
    }
    desk.pass(399);
    assert!(desk.said().is_empty());
    desk.pass(102);
    assert_eq!(desk.said().len(), 1);
}

#[test]
fn section_5_4_unicast_that_is_asked_for_when_all_were_told_lately() {
    let mut desk = Desk::settled(1, NAMES);
    let mut asked = Message::new(0, MessageType::Query, OpCode::Query);
    asked.add_query(question("web.local.", RecordType::A, true));
    desk.hear(&asked, PEER);
    assert_eq!(desk.said(), [format!("{PEER} web.local./120!=10.0.0.1 +web.local./120!=fd00::1")]);
    // Who is not on the link is told as all are (§11).
    desk.hear(&asked, "192.0.2.9:5353");
    assert!(desk.said().iter().all(|line| line.starts_with("group ")));
    // After a quarter of its life all are told again.
    desk.pass(31_000);
    desk.hear(&asked, PEER);
    assert!(desk.said().iter().all(|line| line.starts_with("group ")));
    // One who asks for both is answered as all are.
    desk.pass(2_000);
    asked.add_query(question("nas.local.", RecordType::A, false));
    desk.hear(&asked, PEER);
    assert!(desk.said().iter().all(|line| line.starts_with("group ")));
}

#[test]
fn section_6_7_plain_dns_gets_a_plain_reply_on_the_link_alone() {
    let mut desk = Desk::settled(1, NAMES);
    let mut asked = query("Web.local.", RecordType::A);
    asked.metadata.id = 4_711;
    desk.hear(&asked, "10.0.0.9:40000");
    let (_, to, reply) = desk.sent.pop().expect("one");
    assert_eq!(shown(&to, &reply), "10.0.0.9:40000 Web.local.? web.local./10=10.0.0.1");
    assert_eq!((reply.metadata.id, reply.metadata.authoritative), (4_711, true));
    desk.hear(&query("web.local.", RecordType::MX), "10.0.0.9:40000");
    assert_eq!(desk.said(), ["10.0.0.9:40000 web.local.?"]);
    desk.hear(&asked, "192.0.2.9:40000");
    desk.hear(&query("nobody.local.", RecordType::A), "10.0.0.9:40000");
    assert!(desk.said().is_empty());
    // What is asked twice in one message is said once.
    asked.add_query(question("web.local.", RecordType::A, false));
    desk.hear(&asked, "10.0.0.9:40000");
    assert_eq!(desk.sent.pop().expect("one").2.answers.len(), 1);
}

#[test]
fn single_replies_and_messages_have_a_budget() {
    let mut desk = Desk::settled(1, NAMES);
    for _ in 0..3_000 {
        desk.hear(&query("web.local.", RecordType::A), "10.0.0.9:40000");
    }
    assert_eq!(desk.said().len(), UNICAST_PER_SECOND_MAX as usize);
    desk.pass(1_000);
    desk.hear(&query("web.local.", RecordType::A), "10.0.0.9:40000");
    assert_eq!(desk.said().len(), 1);
}

#[test]
fn answers_that_wait_are_bounded() {
    let mut desk = Desk::settled(1, NAMES);
    let mut asked = query("web.local.", RecordType::A);
    asked.metadata.truncation = true;
    for port in 0..1_000_u16 {
        let source = format!("10.0.{}.{}:5353", port / 250, port % 250);
        desk.hear(&asked, &source);
    }
    assert_eq!(desk.link.pending.len(), PENDING_MAX);
    desk.pass(3_000);
    let said = desk.said().len();
    assert!((1..=3).contains(&said), "{said}");
    assert!(desk.link.pending.is_empty());
}

#[test]
fn two_links_of_one_wire_find_out_whose_a_name_is() {
    let mut first = Desk::new(1, &[("web.local.", &["10.0.0.1"])]);
    first.pass(2_000);
    let mut second = Desk::new(2, &[("web.local.", &["10.0.0.2"])]);
    for _ in 0..400 {
        for (_, _, message) in std::mem::take(&mut first.sent) {
            second.hear(&message, "10.0.0.1:5353");
        }
        for (_, _, message) in std::mem::take(&mut second.sent) {
            first.hear(&message, "10.0.0.2:5353");
        }
        first.pass(10);
        second.pass(10);
    }
    assert_eq!((first.link.answered(), second.link.answered()), (1, 0));
    assert_eq!(second.taken(), ["web.local. A 10.0.0.1"]);
    assert!(first.taken().is_empty());
}
