//! What fuzzing drives: one packet of a stranger on the link, and what becomes of our name.
//!
//! **Invariant:** the same calls as [`serve`](super::serve) makes.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::Name;
use tokio::time::Instant;

use super::link::{Family, Given, Link, PORT, To};
use super::names::Owned;
use super::status::Counts;
use crate::key::{AskedKey, NameKey};

/// One octet (1: from another port, 2: from off the link, 4: over IPv6, 8: while the name is probed), then
/// what is heard by who has `web.local` at 10.0.0.1.
pub(crate) fn packet(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else {
        return;
    };
    let own = IpAddr::from([10, 0, 0, 1]);
    let name = Name::from_ascii("web.local.").expect("valid");
    let key = NameKey::from(AskedKey::of(&name).as_slice());
    let owned = Owned { name, v4: vec![[10, 0, 0, 1].into()], v6: Vec::new() };
    let mut now = Instant::now();
    let mut link = Link::new(1, Counts::default());
    let nets = vec!["10.0.0.1/24".parse().expect("valid")];
    let ours = HashSet::from([own]);
    link.set(Given { names: BTreeMap::from([(key, owned)]), nets, ours }, now);
    pass(&mut link, &mut now, if choice & 8 == 0 { 5_000 } else { 300 });
    link.sends();
    let is_far = choice & 2 != 0;
    let from = IpAddr::from(if is_far { [192, 0, 2, 9] } else { [10, 0, 0, 9] });
    let port = if choice & 1 == 0 { PORT } else { 40_000 };
    let family = if choice & 4 == 0 { Family::V4 } else { Family::V6 };
    link.receive(bytes, (SocketAddr::new(from, port), family), now);
    pass(&mut link, &mut now, 600_000);
    let sends = link.sends();
    assert!(sends.len() <= 16, "{} packets for one", sends.len());
    for (to, bytes) in sends {
        assert!(bytes.len() <= 1_452 || matches!(to, To::Peer(_)), "too long");
        assert!(!(is_far && matches!(to, To::Peer(_))), "sent off the link");
        Message::from_vec(&bytes).expect("what we send is whole");
    }
    assert_eq!(link.answered(), 1, "one packet took the name for good");
}

fn pass(link: &mut Link, now: &mut Instant, millis: u64) {
    let end = *now + Duration::from_millis(millis);
    let mut turns = 0;
    while let Some(next) = link.next().filter(|next| *next <= end) {
        *now = (*now).max(next);
        link.tick(*now);
        turns += 1;
        assert!(turns < 64, "it goes round and round");
    }
    *now = end;
}
