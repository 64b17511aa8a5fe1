//! RFC 6762 §8 to §10: probing, announcing, conflicts and goodbyes.

use super::*;

const WEB: &[(&str, &[&str])] = &[("web.local.", &["10.0.0.1", "fd00::1"])];
const PROBE: &str = "all web.local.? ~web.local./120=10.0.0.1 ~web.local./120=fd00::1";
const CLAIM: &str = "all web.local./120!=10.0.0.1 web.local./120!=fd00::1";

#[test]
fn section_8_1_three_probes_a_quarter_of_a_second_apart_then_two_announcements() {
    let mut desk = Desk::new(1, WEB);
    desk.pass(10_000);
    let at: Vec<u128> = desk.sent.iter().map(|(at, ..)| at.as_millis()).collect();
    assert!(at[0] < 250, "{at:?}");
    let after: Vec<u128> = at.iter().map(|at_ms| at_ms - at[0]).collect();
    assert_eq!(after, [0, 250, 500, 750, 1_750]);
    assert_eq!(desk.said(), [PROBE, PROBE, PROBE, CLAIM, CLAIM]);
    assert_eq!(desk.link.next(), None, "nothing is left to do");
}

#[test]
fn section_8_1_an_interval_counts_from_the_sending() {
    let mut desk = Desk::new(1, WEB);
    let due = desk.link.next().expect("a probe");
    desk.link.tick(due);
    // Between making a packet and sending it, this machine did something else.
    let sent = due + Duration::from_millis(240);
    desk.link.sent(due, sent);
    assert_eq!(desk.link.next(), Some(sent + Duration::from_millis(250)));
    // What says nothing is not put off by that.
    desk.link.sent(sent, sent + SECOND);
    assert_eq!(desk.link.next(), Some(sent + Duration::from_millis(250)));
}

#[test]
fn section_8_1_an_interval_without_time_to_listen_does_not_count() {
    let mut desk = Desk::new(1, WEB);
    desk.pass(249);
    for _ in 0..3 {
        desk.stall(3_000);
    }
    assert_eq!(desk.said(), [PROBE; 4], "none of the three intervals counts");
    desk.pass(499);
    assert_eq!(desk.said(), [PROBE]);
    desk.stall(600);
    assert_eq!(desk.said(), [PROBE]);
    desk.pass(250);
    assert_eq!(desk.said(), [PROBE]);
    desk.stall(251);
    assert_eq!(desk.said(), [CLAIM], "a little late is in time");
}

#[test]
fn section_8_1_a_name_that_is_answered_for_is_left_alone_and_told() {
    let mut desk = Desk::new(1, &[WEB[0], ("nas.local.", &["10.0.0.1"])]);
    desk.pass(300);
    desk.hear(&response(vec![record("WEB.local.", "10.0.0.9", 120)]), "10.0.0.9:5353");
    desk.pass(5_000);
    assert_eq!(desk.taken(), ["web.local. A 10.0.0.9"]);
    assert_eq!(desk.link.answered(), 1);
    desk.sent.clear();
    desk.hear(&query("web.local.", RecordType::A), "10.0.0.8:5353");
    desk.hear(&query("web.local.", RecordType::A), "10.0.0.8:40000");
    assert!(desk.said().is_empty());
    // It is tried again, and stays told of until it is ours.
    desk.pass(290_000);
    assert!(!desk.taken().is_empty());
    desk.pass(20_000);
    assert_eq!((desk.taken().len(), desk.link.answered()), (0, 2));
}

#[test]
fn section_8_2_of_two_at_once_the_greater_data_wins() {
    for (theirs, is_ours) in [("10.0.0.0", true), ("10.0.0.200", false)] {
        let mut desk = Desk::new(1, &[("web.local.", &["10.0.0.1"])]);
        desk.pass(300);
        let mut probe = query("web.local.", RecordType::ANY);
        probe.add_authority(record("web.local.", theirs, 120));
        desk.hear(&probe, "10.0.0.9:5353");
        desk.pass(900);
        assert_eq!(desk.link.answered() == 1, is_ours, "{theirs}");
        // The one who gave way asks again a second later, in case the other went away.
        desk.pass(3_000);
        assert_eq!(desk.link.answered(), 1, "{theirs}");
    }
}

#[test]
fn section_8_2_our_own_addresses_are_no_rivals() {
    let mut desk = Desk::new(1, &[("web.local.", &["192.0.2.1"])]);
    desk.pass(300);
    let mut probe = query("web.local.", RecordType::ANY);
    probe.add_authority(record("web.local.", "10.0.0.1", 120));
    desk.hear(&probe, "10.0.0.1:5353");
    desk.hear(&response(vec![record("web.local.", "10.0.0.1", 120)]), "10.0.0.1:5353");
    desk.hear(&response(vec![record("web.local.", "192.0.2.1", 120)]), "10.0.0.7:5353");
    desk.pass(900);
    assert_eq!((desk.link.answered(), desk.taken().len()), (1, 0));
}

#[test]
fn section_8_4_other_addresses_are_announced_and_what_is_gone_is_taken_back() {
    let mut desk = Desk::settled(1, WEB);
    desk.set(&[("web.local.", &["10.0.0.2"])]);
    desk.pass(5_000);
    let claim = "all web.local./120!=10.0.0.2";
    assert_eq!(desk.said(), ["all web.local./0!=fd00::1", claim, claim]);
}

#[test]
fn section_9_a_claim_on_our_name_makes_us_ask_again_and_defend_or_leave() {
    let rival = response(vec![record("web.local.", "10.0.0.9", 120)]);
    let mut desk = Desk::settled(1, WEB);
    desk.hear(&rival, "10.0.0.9:5353");
    desk.pass(5_000);
    assert_eq!(desk.said(), [PROBE, PROBE, PROBE, CLAIM, CLAIM]);
    assert!(desk.taken().is_empty());
    desk.hear(&rival, "10.0.0.9:5353");
    desk.pass(400);
    desk.hear(&rival, "10.0.0.9:5353");
    desk.pass(5_000);
    assert_eq!((desk.taken().len(), desk.link.answered()), (1, 0));
    // A goodbye of the other one makes the name free.
    desk.hear(&response(vec![record("web.local.", "10.0.0.9", 0)]), "10.0.0.9:5353");
    desk.pass(5_000);
    assert_eq!((desk.taken().len(), desk.link.answered()), (0, 1));
}

#[test]
fn section_9_conflicts_that_come_thick_are_slowed_down() {
    let rival = response(vec![record("web.local.", "10.0.0.9", 120)]);
    let mut desk = Desk::settled(1, WEB);
    for _ in 0..20 {
        desk.hear(&rival, "10.0.0.9:5353");
        // It never answers a probe, and claims the name once more when it is ours again.
        while desk.link.answered() == 0 && desk.now - desk.begin < Duration::from_secs(60) {
            desk.pass(50);
        }
        desk.sent.clear();
    }
    let took = desk.now - desk.begin;
    assert!(took > Duration::from_secs(5 + 14), "{took:?}");
}

#[test]
fn section_10_1_a_name_that_goes_and_the_end_are_said() {
    let mut desk = Desk::settled(1, &[WEB[0], ("nas.local.", &["10.0.0.1"])]);
    desk.set(WEB);
    assert_eq!(desk.said(), ["all nas.local./0!=10.0.0.1"]);
    desk.link.stop();
    desk.collect();
    assert_eq!(desk.said(), ["all web.local./0!=10.0.0.1 web.local./0!=fd00::1"]);
    assert_eq!(desk.link.next(), None);
    // What was never claimed is not taken back.
    let mut desk = Desk::new(1, WEB);
    desk.pass(400);
    desk.sent.clear();
    desk.link.stop();
    desk.collect();
    assert!(desk.said().is_empty());
}

#[test]
fn section_6_a_response_from_another_port_is_nothing() {
    let mut desk = Desk::new(1, WEB);
    desk.pass(300);
    desk.hear(&response(vec![record("web.local.", "10.0.0.9", 120)]), "10.0.0.9:40000");
    desk.pass(5_000);
    assert_eq!((desk.link.answered(), desk.taken().len()), (1, 0));
}
