//! The body of the fuzz target for lists: one octet of choices, then the file.

use conduit_core::domains::Domains;
use conduit_core::name::Host;
use hickory_proto::rr::Name;

use super::load::List;
use super::settings::{BlockAnswer, Format, Kind, ListSource, Place, Reason};
use super::table::{Slot, Table};
use crate::key::AskedKey;

/// Whatever is in a file, what was read is asked for without harm, and nothing of it is ours.
pub(crate) fn list(data: &[u8]) {
    let Some((choice, file)) = data.split_first() else {
        return;
    };
    let formats = [Format::Auto, Format::Hosts, Format::Domains, Format::Dnsmasq, Format::Rpz];
    let kind = match choice >> 4 & 3 {
        0 => Kind::Hosts,
        1 => Kind::Allow,
        _ => Kind::Block,
    };
    let source = ListSource {
        name: "fuzzed".to_owned(),
        place: Place::Lines(Vec::new()),
        kind,
        format: formats[usize::from(choice & 7) % formats.len()],
        answer: BlockAnswer::default(),
        reason: Reason::default(),
    };
    let domains = Domains::new(vec![Host::parse("internal").expect("valid")]).expect("some");
    let list = List::of(&source, &domains, file);
    assert!(list.skipped.first.len() <= list.skipped.count.max(1));
    for record in list.own.iter() {
        record.place(&domains).expect("a name of ours");
    }
    let ours = AskedKey::of(&Name::from_ascii("a.internal.").expect("valid"));
    let table = Table::new(vec![Slot { list: std::sync::Arc::new(list), error: None }], &domains);
    assert!(table.explain(ours.as_slice()).is_none(), "a name of ours is in a list");
    for name in ["ads.example.", "1.0.0.10.in-addr.arpa.", "."] {
        let key = AskedKey::of(&Name::from_ascii(name).expect("valid"));
        table.judge(key.as_slice());
    }
    table.judge_address([10, 0, 0, 1].into());
}
