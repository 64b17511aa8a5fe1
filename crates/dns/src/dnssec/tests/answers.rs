//! Whole answers, from the root's key down.

use hickory_proto::rr::Record;

use super::tree::{NOW_S, Signer, TTL_S, World, a, alias, ns, nsec, raw, record, soa, words};
use crate::dnssec::judge::Said;
use crate::dnssec::rdata;
use crate::reply::Outcome;

const SECURE: &str = "secure";

#[tokio::test]
async fn what_is_signed_is_secure_and_keys_are_asked_for_once() {
    let world = World::new();
    let answer = || world.example.signed(&[a("www.example.", 1), a("www.example.", 2)]);
    let said = Said { answers: answer(), authorities: Vec::new() };
    let (judgement, ttl, _) = world.judge(Outcome::Records, "www.example.", 1, said).await;
    assert_eq!((judgement.security.as_str(), ttl), (SECURE, TTL_S));
    assert_eq!(world.tree.asked(), 3, "two sets of keys and what vouches for one");
    assert_eq!(world.told("www.example.", answer()).await, SECURE);
    assert_eq!(world.tree.asked(), 3);
    let mut shuffled = answer();
    shuffled.rotate_left(1);
    shuffled.push(a("www.example.", 2));
    assert_eq!(
        world.told("www.example.", shuffled).await,
        SECURE,
        "order and repetition do not count"
    );
}

#[tokio::test]
async fn what_is_wrong_is_bogus_and_says_why() {
    let world = World::new();
    let www = a("www.example.", 1);
    let (example, root) = (&world.example, &world.root);
    let with = |answers: Vec<Record>, last| {
        let mut answers = answers;
        answers[0] = a("www.example.", last);
        answers
    };
    let begin = |at| example.signed_at(std::slice::from_ref(&www), at, None);
    let stranger = Signer::new("example.");
    let bogus = |why: &str| format!("bogus www.example.: {why}");
    for (answers, expected) in [
        (
            with(example.signed(std::slice::from_ref(&www)), 9),
            bogus("the signature does not fit the records"),
        ),
        (begin(NOW_S - 3_601), bogus("the signature has expired")),
        (begin(NOW_S + 3_601), bogus("the signature is not valid yet")),
        (vec![www.clone()], bogus("there is no signature, and the zone is signed")),
        (stranger.signed(std::slice::from_ref(&www)), bogus("no key of the zone fits")),
        (root.signed(std::slice::from_ref(&www)), SECURE.to_owned()),
        (begin(NOW_S - 3_600), SECURE.to_owned()),
        (begin(NOW_S + 3_600), SECURE.to_owned()),
    ] {
        assert_eq!(world.told("www.example.", answers).await, expected);
    }
}

#[tokio::test]
async fn a_signature_that_ends_soon_ends_the_answer() {
    let world = World::new();
    let answers = world.example.signed_at(&[a("www.example.", 1)], NOW_S - 3_593, None);
    let said = Said { answers, authorities: Vec::new() };
    let (_, ttl, _) = world.judge(Outcome::Records, "www.example.", 1, said).await;
    assert_eq!(ttl, 7);
}

#[tokio::test]
async fn a_zone_that_nobody_vouches_for_is_no_zone() {
    let world = World::new();
    let other = Signer::new("example.");
    world.tree.says("example.", rdata::DNSKEY, other.signed(&[other.dnskey()]), Vec::new());
    let told = world.told("www.example.", other.signed(&[a("www.example.", 1)])).await;
    assert_eq!(told, "bogus example.: no key of the zone fits");
    let world = World::new();
    world.tree.says("example.", rdata::DS, vec![world.example.ds()], Vec::new());
    let told = world.told("www.example.", world.example.signed(&[a("www.example.", 1)])).await;
    assert_eq!(told, "bogus example.: there is no signature, and the zone is signed");
    let world = World::new();
    world.tree.says("example.", rdata::DNSKEY, Vec::new(), Vec::new());
    let told = world.told("www.example.", Vec::from([a("www.example.", 1)])).await;
    assert_eq!(told, "bogus example.: no key of the zone fits");
}

#[tokio::test]
async fn only_a_proof_makes_a_zone_unsigned() {
    // The DS is left out, and nothing is said instead.
    let world = World::new();
    let said = vec![soa(".")];
    world.tree.says("example.", rdata::DS, Vec::new(), said);
    let told = world.told("www.example.", vec![a("www.example.", 1)]).await;
    assert_eq!(told, "bogus example.: there is no signature, and the zone is signed");
    // The root says that nobody signs there.
    for (types, expected) in [
        (vec![rdata::NS, rdata::RRSIG], "insecure example.: it is proven that nobody signs it"),
        (
            vec![rdata::NS, rdata::DS],
            "bogus example.: what should prove that it does not exist does not",
        ),
        (
            vec![rdata::NS, rdata::SOA],
            "bogus example.: what should prove that it does not exist does not",
        ),
        (vec![1], "bogus www.example.: there is no signature, and the zone is signed"),
    ] {
        let world = World::new();
        world.tree.says(
            "example.",
            rdata::DS,
            Vec::new(),
            world.root.nsec("example.", "z.", &types),
        );
        let elsewhere = world.root.nsec("example.", "z.", &[rdata::NS]);
        world.tree.says("www.example.", rdata::DS, Vec::new(), elsewhere);
        let told = world.told("www.example.", vec![a("www.example.", 1)]).await;
        let is_cut = types == [1];
        assert!(told == expected || is_cut, "{types:?}: {told}");
        assert!(!is_cut || told.starts_with("bogus"), "{told}");
    }
}

#[tokio::test]
async fn unknown_algorithms_and_digests_are_insecure() {
    for (place, to, expected) in [
        (2, 200, "insecure example.: it is signed with algorithms that are not supported"),
        (2, 5, "insecure example.: it is signed with algorithms that are not supported"),
        (3, 1, "insecure example.: its keys are vouched for with digests that are not supported"),
    ] {
        let world = World::new();
        let mut data =
            super::super::set::data_of(&world.example.ds(), rdata::DS).expect("raw").to_vec();
        data[place] = to;
        let ds = record(&world.example.name(), raw(rdata::DS, &data));
        world.tree.says("example.", rdata::DS, world.root.signed(&[ds]), Vec::new());
        let told = world.told("www.example.", world.example.signed(&[a("www.example.", 1)])).await;
        assert_eq!(told, expected);
    }
}

#[tokio::test]
async fn an_answer_is_as_secure_as_its_weakest_part() {
    let world = World::new();
    world.tree.says("plain.", rdata::DS, Vec::new(), world.root.nsec("plain.", "z.", &[rdata::NS]));
    let chain = |last: Vec<Record>| {
        let mut answers = world.example.signed(&[alias("www.example.", "www.plain.")]);
        answers.extend(last);
        answers
    };
    let told = world.told("www.example.", chain(vec![a("www.plain.", 1)])).await;
    assert_eq!(told, "insecure plain.: it is proven that nobody signs it");
    let mut bad = chain(vec![a("www.plain.", 1)]);
    bad[0] = alias("www.example.", "other.plain.");
    assert!(world.told("www.example.", bad).await.starts_with("bogus www.example."));
}

#[tokio::test]
async fn a_renamed_tree_vouches_for_the_names_in_it() {
    let world = World::new();
    let dname = record(&super::tree::name("old.example."), raw(rdata::DNAME, b"\x07example\0"));
    let answers = |target: &str| {
        let mut answers = world.example.signed(std::slice::from_ref(&dname));
        answers.push(alias("www.old.example.", target));
        answers.extend(world.example.signed(&[a(target, 1)]));
        answers
    };
    assert_eq!(world.told("www.old.example.", answers("www.example.")).await, SECURE);
    let told = world.told("www.old.example.", answers("bank.example.")).await;
    assert!(told.starts_with("bogus"), "{told}");
}

#[tokio::test]
async fn a_wildcard_needs_a_proof_that_nothing_is_closer() {
    let world = World::new();
    let expanded = a("any.wild.example.", 1);
    let answers = || world.example.signed_at(std::slice::from_ref(&expanded), NOW_S, Some(2));
    let said = |authorities| Said { answers: answers(), authorities };
    let proof = world.example.nsec("*.wild.example.", "x.example.", &[1]);
    let judged = world.judge(Outcome::Records, "any.wild.example.", 1, said(proof)).await;
    assert_eq!(words(judged), SECURE);
    let elsewhere = world.example.nsec("x.example.", "z.example.", &[1]);
    for authorities in [Vec::new(), elsewhere] {
        let judged = world.judge(Outcome::Records, "any.wild.example.", 1, said(authorities)).await;
        assert!(words(judged).starts_with("bogus"));
    }
}

#[tokio::test]
async fn nothing_has_to_be_proven() {
    let world = World::new();
    let example = &world.example;
    let negative = |proofs: Vec<Vec<Record>>| Said {
        answers: Vec::new(),
        authorities: example
            .signed(&[soa("example.")])
            .into_iter()
            .chain(proofs.concat())
            .collect(),
    };
    let top = || example.nsec("example.", "b.example.", &[rdata::SOA, rdata::NS]);
    let after = || example.nsec("n.example.", "z.example.", &[1]);
    let judge = |outcome, said| world.judge(outcome, "nope.example.", 1, said);
    assert_eq!(words(judge(Outcome::NxDomain, negative(vec![top(), after()])).await), SECURE);
    let half = words(judge(Outcome::NxDomain, negative(vec![after()])).await);
    assert!(half.contains("does not"), "the wildcard may exist: {half}");
    let none = words(judge(Outcome::NxDomain, negative(Vec::new())).await);
    assert_eq!(none, "bogus nope.example.: nothing proves that it does not exist");
    let there = || example.nsec("nope.example.", "z.example.", &[16]);
    assert_eq!(words(judge(Outcome::NoData, negative(vec![there()])).await), SECURE);
    let with_a = || example.nsec("nope.example.", "z.example.", &[1, 16]);
    assert!(words(judge(Outcome::NoData, negative(vec![with_a()])).await).starts_with("bogus"));
    let mut unsigned = negative(vec![there()]);
    unsigned.authorities.retain(|record| u16::from(record.record_type()) != rdata::RRSIG);
    assert!(words(judge(Outcome::NoData, unsigned).await).starts_with("bogus"));
}

#[tokio::test]
async fn each_zone_proves_its_own_part_of_an_answer() {
    let world = World::new();
    let (root, example) = (&world.root, &world.example);
    let wild = |zone: &Signer, owner: &str, target: &str, labels| {
        zone.signed_at(&[alias(owner, target)], NOW_S, Some(labels))
    };
    let below = [
        example.signed(&[soa("example.")]),
        example.nsec("example.", "b.example.", &[rdata::SOA, rdata::NS]),
        example.nsec("n.example.", "z.example.", &[1]),
    ];
    let above = [
        root.signed(&[soa(".")]),
        root.nsec(".", "example.", &[rdata::SOA, rdata::NS]),
        root.nsec("n.", "z.", &[rdata::NS]),
    ];
    let from_above = root.nsec("*.wild.", "x.", &[rdata::CNAME]);
    let from_below = example.nsec("*.wild.example.", "x.example.", &[rdata::CNAME]);
    for (name, answers, wildcard, rest) in [
        ("any.wild.", wild(root, "any.wild.", "nope.example.", 1), from_above, below),
        ("any.wild.example.", wild(example, "any.wild.example.", "nope.", 2), from_below, above),
    ] {
        // What is proven first is said first.
        let authorities = [vec![wildcard], rest.to_vec()].concat().concat();
        let said = Said { answers, authorities };
        assert_eq!(words(world.judge(Outcome::NxDomain, name, 1, said).await), SECURE, "{name}");
    }
}

#[tokio::test]
async fn a_wildcards_own_proof_is_none_under_another_name() {
    // `*.example. NSEC` as it would come for `nope.example.`: signed with one label less than its owner has.
    let expanded = |world: &World, types: &[u16]| {
        world.example.signed_at(&[nsec("nope.example.", "z.example.", types)], NOW_S, Some(1))
    };
    let world = World::new();
    let authorities = [world.example.signed(&[soa("example.")]), expanded(&world, &[16])].concat();
    let said = Said { answers: Vec::new(), authorities };
    let judged = world.judge(Outcome::NoData, "nope.example.", 1, said).await;
    let bad = "bogus nope.example.: what should prove that it does not exist does not";
    assert_eq!(words(judged), bad, "it may have that type");
    // Nor does it say that a zone begins there which nobody signs.
    let world = World::new();
    world.tree.says("nope.example.", rdata::DS, Vec::new(), expanded(&world, &[rdata::NS]));
    assert_eq!(world.told("nope.example.", vec![a("nope.example.", 1)]).await, bad);
}

#[tokio::test]
async fn signatures_alone_say_nothing_but_to_who_asks_for_them() {
    let world = World::new();
    let alone = || {
        let signature = world.example.signed(&[a("www.example.", 1)]).split_off(1);
        Said { answers: signature, authorities: Vec::new() }
    };
    for outcome in [Outcome::NoData, Outcome::NxDomain] {
        let judged = world.judge(outcome, "www.example.", 1, alone()).await;
        let none = "bogus www.example.: nothing proves that it does not exist";
        assert_eq!(words(judged), none, "{outcome:?}");
    }
    let asked_for = world.judge(Outcome::Records, "www.example.", rdata::RRSIG, alone()).await;
    assert_eq!(words(asked_for), "insecure www.example.: signatures themselves are not signed");
}

#[tokio::test]
async fn nobody_above_an_anchor_speaks_for_what_is_below_it() {
    let mut world = World::new();
    let island = Signer::new("corp.plain.");
    world.tree.says("plain.", rdata::DS, Vec::new(), world.root.nsec("plain.", "z.", &[rdata::NS]));
    world.tree.says("corp.plain.", rdata::DNSKEY, island.signed(&[island.dnskey()]), Vec::new());
    world.settings.anchors.add(&island.anchor()).expect("an anchor");
    let www = a("www.corp.plain.", 1);
    let told = world.told("www.corp.plain.", island.signed(std::slice::from_ref(&www))).await;
    assert_eq!(told, SECURE);
    let plain = Signer::new("plain.");
    for answers in [vec![www.clone()], plain.signed(std::slice::from_ref(&www))] {
        let told = world.told("www.corp.plain.", answers).await;
        assert!(told.starts_with("bogus"), "{told}");
    }
    assert!(world.told("www.plain.", vec![a("www.plain.", 1)]).await.starts_with("insecure"));
}

#[tokio::test]
async fn what_is_exempt_is_not_asked_about() {
    let mut world = World::new();
    world.settings.insecure.push("lab.example".parse().expect("valid"));
    let told = world.told("www.lab.example.", vec![a("www.lab.example.", 1)]).await;
    assert_eq!(told, "insecure www.lab.example.: it is configured not to be validated");
    assert!(
        world.told("printer.local.", vec![a("printer.local.", 1)]).await.starts_with("insecure")
    );
    assert_eq!(world.tree.asked(), 0);
    world.settings.anchors = crate::dnssec::anchors::Anchors::default();
    let told = world.told("www.example.", vec![a("www.example.", 1), ns("www.example.")]).await;
    assert_eq!(told, "insecure www.example.: no trust anchor is above it");
}
