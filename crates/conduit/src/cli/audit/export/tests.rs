//! Pages, lines, and what is read when nobody answers.

use super::*;

#[test]
fn pages_hold_every_entry_once_and_none_is_larger_than_the_api_gives() {
    for count in [0, 1, 499, 500, 501, 1_200] {
        let all: Vec<u64> = pages(count).flatten().collect();
        assert!(all.into_iter().eq(0..count), "{count}");
        assert!(pages(count).all(|page| page.end - page.start <= u64::from(PAGE_MAX)), "{count}");
    }
}

#[test]
fn a_line_is_that_of_the_log() {
    let wire = AuditEntry {
        timestamp: "2026-04-04T12:00:00Z".into(),
        action: "service_register".into(),
        status: "success".into(),
        message: "Registered grafana".into(),
        user: "ops".into(),
        details: serde_json::Map::new(),
        sequence: 7,
        id: "an id".into(),
        hash: "ab".into(),
        previous_hash: None,
    };
    let mut text = String::new();
    push_line(&mut text, &entry_of(wire.clone()).expect("an entry"));
    assert_eq!(
        text,
        "{\"timestamp\":\"2026-04-04T12:00:00Z\",\"action\":\"service_register\",\
         \"status\":\"success\",\"message\":\"Registered grafana\",\"user\":\"ops\",\
         \"details\":{},\"sequence\":7}\n"
    );
    assert!(entry_of(AuditEntry { status: "perhaps".into(), ..wire }).is_err());
}
