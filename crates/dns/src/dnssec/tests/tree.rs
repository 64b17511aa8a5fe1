//! A root, a zone below it and what they sign, as a forwarder would say it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use hickory_proto::rr::rdata::{A, CNAME, NS, NULL, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::dnssec::anchors::Anchors;
use crate::dnssec::chain::{Ask, Chain};
use crate::dnssec::judge::{Asked, Judged, Said};
use crate::dnssec::name::{depth, tests::key};
use crate::dnssec::rdata::{self, Signature};
use crate::dnssec::set::{labels_of, sets};
use crate::dnssec::settings::Validation;
use crate::dnssec::work::Work;
use crate::dnssec::zones::Zones;
use crate::dnssec::{crypto, rdata::tag_of};
use crate::reply::Outcome;

/// The time of judging.
pub(crate) const NOW_S: u32 = 1_700_000_000;
pub(crate) const TTL_S: u32 = 300;

/// A zone that signs with one key.
pub(crate) struct Signer {
    pub(crate) zone: Box<[u8]>,
    pair: Ed25519KeyPair,
}

impl Signer {
    pub(crate) fn new(zone: &str) -> Self {
        Self { zone: key(zone), pair: Ed25519KeyPair::generate().expect("a key") }
    }

    pub(crate) fn name(&self) -> Name {
        name(&crate::dnssec::name::print(&self.zone))
    }

    fn key_data(&self) -> Vec<u8> {
        [&[1, 1, 3, ED25519][..], self.pair.public_key().as_ref()].concat()
    }

    pub(crate) fn tag(&self) -> u16 {
        tag_of(&self.key_data())
    }

    pub(crate) fn dnskey(&self) -> Record {
        record(&self.name(), raw(rdata::DNSKEY, &self.key_data()))
    }

    pub(crate) fn ds(&self) -> Record {
        let digest = crypto::digest_of(2, &self.zone, &self.key_data()).expect("known");
        let head = [&self.tag().to_be_bytes()[..], &[ED25519, 2]].concat();
        record(&self.name(), raw(rdata::DS, &[&head, digest.as_ref()].concat()))
    }

    /// The anchor line of this zone.
    pub(crate) fn anchor(&self) -> String {
        let key = self.key_data();
        let public = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            key.get(4..).unwrap_or_default(),
        );
        format!("{} IN DNSKEY 257 3 {ED25519} {public}", self.name())
    }

    /// Records and their signature, which is good from an hour before to an hour after.
    pub(crate) fn signed(&self, records: &[Record]) -> Vec<Record> {
        self.signed_at(records, NOW_S, None)
    }

    /// The same around another time, or of a wildcard with so many labels.
    pub(crate) fn signed_at(
        &self,
        records: &[Record],
        at: u32,
        labels: Option<usize>,
    ) -> Vec<Record> {
        let set = sets(records).remove(0);
        let labels = labels.unwrap_or_else(|| labels_of(&set.owner));
        let mut head = set.rtype.to_be_bytes().to_vec();
        head.extend([ED25519, u8::try_from(labels).expect("few")]);
        for word in [TTL_S, at + HOUR_S, at - HOUR_S] {
            head.extend(word.to_be_bytes());
        }
        head.extend(self.tag().to_be_bytes());
        head.extend(&*self.zone);
        head.push(0);
        let unsigned = Signature::read(&head).expect("well formed");
        let signature = self.pair.sign(&set.signed_data(&unsigned));
        head.extend(signature.as_ref());
        let owner = records.first().expect("one").name.clone();
        let signature = record(&owner, raw(rdata::RRSIG, &head));
        records.iter().cloned().chain([signature]).collect()
    }

    /// An NSEC of this zone, signed.
    pub(crate) fn nsec(&self, owner: &str, next: &str, types: &[u16]) -> Vec<Record> {
        self.signed(&[nsec(owner, next, types)])
    }
}

type Answers = HashMap<(Box<[u8]>, u16), Said>;

/// What is said to each question.
#[derive(Default)]
pub(crate) struct Tree {
    said: Mutex<Answers>,
    asked: AtomicUsize,
}

impl Tree {
    pub(crate) fn says(
        &self,
        name: &str,
        rtype: u16,
        answers: Vec<Record>,
        authorities: Vec<Record>,
    ) {
        let said = Said { answers, authorities };
        self.said.lock().expect("whole").insert((key(name), rtype), said);
    }

    /// From now on nobody answers this.
    pub(crate) fn forgets(&self, name: &str, rtype: u16) {
        self.said.lock().expect("whole").remove(&(key(name), rtype));
    }

    pub(crate) fn said(&self, name: &[u8], rtype: u16) -> Option<Said> {
        self.said.lock().expect("whole").get(&(name.into(), rtype)).cloned()
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Ask for Tree {
    async fn ask(&self, name: &[u8], rtype: u16) -> Option<Said> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.said(name, rtype)
    }
}

/// The root and `example`, which it vouches for.
pub(crate) struct World {
    pub(crate) root: Signer,
    pub(crate) example: Signer,
    pub(crate) tree: Tree,
    pub(crate) settings: Validation,
    pub(crate) zones: Zones,
}

impl World {
    pub(crate) fn new() -> Self {
        let (root, example) = (Signer::new("."), Signer::new("example."));
        let tree = Tree::default();
        tree.says(".", rdata::DNSKEY, root.signed(&[root.dnskey()]), Vec::new());
        tree.says("example.", rdata::DS, root.signed(&[example.ds()]), Vec::new());
        tree.says("example.", rdata::DNSKEY, example.signed(&[example.dnskey()]), Vec::new());
        for below in ["nope.example.", "www.example."] {
            let proof = example.nsec("m.example.", "z.example.", &[1]);
            tree.says(below, rdata::DS, Vec::new(), proof);
        }
        let mut anchors = Anchors::default();
        anchors.add(&root.anchor()).expect("an anchor");
        let settings = Validation { anchors, insecure: Vec::new() };
        Self { root, example, tree, settings, zones: Zones::default() }
    }

    pub(crate) async fn judge(
        &self,
        outcome: Outcome,
        name: &str,
        rtype: u16,
        said: Said,
    ) -> Judged {
        self.judged(outcome, name, rtype, said).await.0
    }

    /// With what is left to be spent.
    pub(crate) async fn judged(
        &self,
        outcome: Outcome,
        name: &str,
        rtype: u16,
        said: Said,
    ) -> (Judged, Work) {
        let name = key(name);
        let asked = Asked { name: &name, rtype, outcome, said: &said };
        let mut chain = Chain::new(&self.tree, &self.settings, &self.zones, NOW_S);
        let judged = chain.judge(&asked).await;
        (judged, chain.work)
    }

    /// What becomes of records, as a word and a reason.
    pub(crate) async fn told(&self, name: &str, answers: Vec<Record>) -> String {
        let said = Said { answers, authorities: Vec::new() };
        words(self.judge(Outcome::Records, name, 1, said).await)
    }
}

pub(crate) fn words((judgement, ..): Judged) -> String {
    let why = judgement.why.map(|why| format!(" {why}")).unwrap_or_default();
    format!("{}{why}", judgement.security.as_str())
}

pub(crate) fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("valid")
}

pub(crate) fn record(owner: &Name, data: RData) -> Record {
    Record::from_rdata(owner.clone(), TTL_S, data)
}

pub(crate) fn raw(rtype: u16, data: &[u8]) -> RData {
    RData::Unknown { code: RecordType::from(rtype), rdata: NULL::with(data.to_vec()) }
}

pub(crate) fn a(owner: &str, last: u8) -> Record {
    record(&name(owner), RData::A(A::new(198, 18, 0, last)))
}

pub(crate) fn alias(owner: &str, target: &str) -> Record {
    record(&name(owner), RData::CNAME(CNAME(name(target))))
}

pub(crate) fn ns(owner: &str) -> Record {
    record(&name(owner), RData::NS(NS(name("ns."))))
}

pub(crate) fn soa(owner: &str) -> Record {
    record(&name(owner), RData::SOA(SOA::new(name("ns."), name("m."), 1, 2, 3, 4, 60)))
}

pub(crate) fn nsec(owner: &str, next: &str, types: &[u16]) -> Record {
    let mut data = [&*key(next), &[0]].concat();
    data.extend(bitmap(types));
    record(&name(owner), raw(rdata::NSEC, &data))
}

/// An NSEC3 of `zone` that begins at the hash of `from` and ends before that of `to`, each moved by so much.
pub(crate) fn nsec3(
    zone: &str,
    (from, to): ((&str, i8), (&str, i8)),
    types: &[u16],
    is_opt_out: bool,
    iterations: u16,
) -> Record {
    let hash = |(text, step): (&str, i8)| {
        let mut hash = crypto::nsec3_hash(&key(text), b"salt", iterations);
        hash[10] = hash[10].wrapping_add_signed(step);
        hash
    };
    let owner = data_encoding::BASE32_DNSSEC.encode(&hash(from));
    let mut data = vec![1, u8::from(is_opt_out)];
    data.extend(iterations.to_be_bytes());
    data.extend(b"\x04salt\x14");
    data.extend(hash(to));
    data.extend(bitmap(types));
    let zone = if zone == "." { "" } else { zone };
    record(&name(&format!("{owner}.{zone}")), raw(rdata::NSEC3, &data))
}

fn bitmap(types: &[u16]) -> Vec<u8> {
    let mut bits = [0_u8; 32];
    for rtype in types {
        let [_, low] = rtype.to_be_bytes();
        bits[usize::from(low / 8)] |= 0x80 >> (low % 8);
    }
    [&[0, 32][..], &bits].concat()
}

/// So that tests notice when names are counted otherwise.
#[test]
fn labels_are_counted() {
    assert_eq!((depth(&key("a.b.")), labels_of(&key("*.b."))), (2, 1));
}

const ED25519: u8 = 15;
const HOUR_S: u32 = 3_600;
