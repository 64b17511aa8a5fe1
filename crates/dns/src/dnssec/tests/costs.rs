//! What a hostile zone can make judging cost, in counts.

use hickory_proto::rr::Record;

use super::super::rdata::{self, tag_of};
use super::super::set::data_of;
use super::super::work::{HASHES_MAX, SIGNATURES_MAX};
use super::tree::{Signer, World, a, nsec3, raw, record, soa, words};
use crate::dnssec::judge::Said;
use crate::dnssec::verify::TRIES_MAX;
use crate::reply::Outcome;

/// Keys with the tag of this signer's, which nobody can sign with.
fn colliding(signer: &Signer, count: u8) -> Vec<Record> {
    let key = |number: u8| {
        let mut data = [&[1, 1, 3, 15][..], &[number; 32]].concat();
        data[34..36].fill(0);
        loop {
            let lacking = signer.tag().wrapping_sub(tag_of(&data));
            if lacking == 0 {
                break;
            }
            let last = u16::from_be_bytes([data[34], data[35]]).wrapping_add(lacking);
            data[34..36].copy_from_slice(&last.to_be_bytes());
        }
        record(&signer.name(), raw(rdata::DNSKEY, &data))
    };
    (1..=count).map(key).collect()
}

#[tokio::test]
async fn colliding_keys_and_signatures_are_tried_a_few_times() {
    for (count, says) in [
        (3, "bogus www.example.: too many of its keys and signatures could fit each other"),
        (60, "bogus example.: too many of its keys and signatures could fit each other"),
    ] {
        let world = World::new();
        let example = &world.example;
        let mut keys = colliding(example, count);
        keys.push(example.dnskey());
        world.tree.says("example.", rdata::DNSKEY, example.signed(&keys), Vec::new());
        let www = a("www.example.", 1);
        let mut answers = vec![www.clone()];
        answers.extend((0..60).map(|_| wrong(example, &www)));
        let said = Said { answers, authorities: Vec::new() };
        let (judged, work) = world.judged(Outcome::Records, "www.example.", 1, said).await;
        let told = words(judged);
        assert!(told.starts_with(says), "{told}");
        if count == 3 {
            let right = example.signed(&[a("nope.example.", 1)]);
            assert_eq!(world.told("nope.example.", right).await, "secure", "a few are tried");
        }
        let most = u32::try_from(TRIES_MAX).expect("few") + 3;
        assert!(work.signatures_spent() <= most, "{work:?}");
    }
}

/// A signature with one bit changed.
fn wrong(signer: &Signer, of: &Record) -> Record {
    let signature = signer.signed(std::slice::from_ref(of)).pop().expect("a signature");
    let mut data = data_of(&signature, rdata::RRSIG).expect("raw").to_vec();
    *data.last_mut().expect("long") ^= 1;
    record(&of.name, raw(rdata::RRSIG, &data))
}

#[tokio::test]
async fn a_whole_answer_has_one_budget() {
    let world = World::new();
    let sets = (0..=u8::MAX).flat_map(|number| {
        let owner = format!("n{number}.example.");
        world.example.signed(&[a(&owner, number)])
    });
    let said = Said { answers: sets.collect(), authorities: Vec::new() };
    let (judged, work) = world.judged(Outcome::Records, "n0.example.", 255, said).await;
    assert!(words(judged).ends_with("would take too much work"));
    assert_eq!(work.signatures_spent(), SIGNATURES_MAX);
}

#[tokio::test]
async fn names_are_hashed_a_few_times() {
    let deep = format!("{}example.", "a.".repeat(100));
    let proof = |iterations| {
        nsec3("example.", (("example.", 0), ("example.", 0)), &[rdata::SOA], false, iterations)
    };
    for (iterations, says, spent) in [
        (100, "bogus", HASHES_MAX),
        (101, "insecure example.: its proofs hash names too often (NSEC3 iterations)", 0),
    ] {
        let world = World::new();
        let example = &world.example;
        let authorities =
            [example.signed(&[soa("example.")]), example.signed(&[proof(iterations)])].concat();
        let said = Said { answers: Vec::new(), authorities };
        let (judged, work) = world.judged(Outcome::NxDomain, &deep, 1, said).await;
        assert!(words(judged).starts_with(says), "{iterations}");
        assert_eq!(work.hashes_spent(), spent);
    }
}

#[tokio::test]
async fn keys_are_asked_for_a_few_times() {
    let world = World::new();
    let deep = format!("{}example.", "a.".repeat(100));
    let mut name = "example.".to_owned();
    for _ in 0..100 {
        let below = format!("a.{name}");
        let proof = world.example.nsec(&below, "z.example.", &[1]);
        world.tree.says(&below, rdata::DS, Vec::new(), proof);
        name = below;
    }
    let told = world.told(&deep, vec![a(&deep, 1)]).await;
    assert!(told.ends_with("would take too much work"), "{told}");
    assert!(world.tree.asked() <= 48);
    // What is known by then is not asked for again, so that the third time gets there.
    world.told(&deep, vec![a(&deep, 1)]).await;
    let told = world.told(&deep, vec![a(&deep, 1)]).await;
    assert!(told.ends_with("there is no signature, and the zone is signed"), "{told}");
}
