//! Answers that are judged, through a forwarder on loopback.

use std::sync::Arc;

use conduit_core::clock::Timestamp;
use conduit_core::tasks::Tasks;
use hickory_proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::Record;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::dnssec::anchors::Anchors;
use crate::dnssec::settings::Validation;
use crate::dnssec::tests::tree::{Signer, Tree, a, name, nsec, soa};
use crate::forward::status::DnssecStatus;
use crate::handler::Transport;
use crate::options::{find, opt_of};
use crate::why::{Judged, Step};

const A: u16 = 1;
const DS: u16 = 43;
const DNSKEY: u16 = 48;
const EXTENDED_ERROR: u16 = 15;

/// A root that signs `www.example`, and a forwarder that says what it says.
struct Signed {
    tree: Arc<Tree>,
    forwarder: Forwarder,
    _tasks: Tasks,
}

/// Whether a client sets these bits.
#[derive(Debug, Clone, Copy, Default)]
struct Bits {
    dnssec_ok: bool,
    authentic: bool,
    checking_disabled: bool,
}

impl Signed {
    async fn start(change: impl FnOnce(&mut ForwardSettings)) -> Self {
        let root = Signer::new(".");
        let at = u32::try_from(Timestamp::now().seconds()).expect("before 2106");
        let signed = |records: &[Record]| root.signed_at(records, at, None);
        let tree = Tree::default();
        tree.says(".", DNSKEY, signed(&[root.dnskey()]), Vec::new());
        tree.says("www.example.", A, signed(&[a("www.example.", 1)]), Vec::new());
        let mut tampered = signed(&[a("bad.example.", 1)]);
        tampered[0] = a("bad.example.", 66);
        tree.says("bad.example.", A, tampered, Vec::new());
        let inside = Record::from_rdata(
            name("inside.example."),
            60,
            hickory_proto::rr::RData::A(hickory_proto::rr::rdata::A::new(10, 0, 0, 1)),
        );
        tree.says("inside.example.", A, signed(&[inside]), Vec::new());
        let after = nsec("a.example.", "z.", &[A]);
        let apex = nsec(".", "a.example.", &[6]);
        let proofs = [signed(&[soa(".")]), signed(&[after]), signed(&[apex])].concat();
        tree.says("nope.example.", A, Vec::new(), proofs);
        let tree = Arc::new(tree);
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
        let mut settings = only(&socket.local_addr().expect("bound").to_string());
        let mut anchors = Anchors::default();
        anchors.add(&root.anchor()).expect("an anchor");
        settings.validation = Some(Validation { anchors, insecure: Vec::new() });
        change(&mut settings);
        let tasks = Tasks::new(CancellationToken::new());
        tasks.job("signed", serve(socket, Arc::clone(&tree)));
        let forwarder = Forwarder::new(settings, &[], &Interfaces::default(), None);
        Self { tree, forwarder: forwarder.expect("set up"), _tasks: tasks }
    }

    /// What a client gets, and the code of why.
    async fn ask(&self, asked: &str, bits: Bits) -> (Message, Option<u16>) {
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.metadata.authentic_data = bits.authentic;
        message.metadata.checking_disabled = bits.checking_disabled;
        message.add_query(Query::query(name(asked), RecordType::A));
        let mut edns = Edns::new();
        edns.set_dnssec_ok(bits.dnssec_ok);
        message.set_edns(edns);
        let pending = pending(&message.to_vec().expect("encodes"), Transport::Tcp);
        let encoded = match self.forwarder.begin(pending) {
            Begun::Send(encoded, _) | Begun::Refresh(encoded, ..) => encoded,
            Begun::Wait(waiting) => waiting.reply().await,
            Begun::Ask(waiting, flight) => {
                flight.run().await;
                waiting.reply().await
            }
        };
        let opt = opt_of(&encoded.bytes).expect("an OPT record");
        let code = find(opt.data, EXTENDED_ERROR).expect("whole");
        let code = code.and_then(|data| data.first_chunk()).map(|code| u16::from_be_bytes(*code));
        (Message::from_vec(&encoded.bytes).expect("parses"), code)
    }
}

async fn serve(socket: UdpSocket, tree: Arc<Tree>) {
    let mut buffer = [0; 4096];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
        let request = Message::from_vec(&buffer[..length]).expect("a query");
        let query = request.queries[0].clone();
        let key = folded(&query.name().to_ascii());
        let said = crate::dnssec::chain::Ask::ask(&*tree, &key, query.query_type().into()).await;
        let mut reply =
            Message::new(request.metadata.id, MessageType::Response, request.metadata.op_code);
        reply.metadata.recursion_available = true;
        if said.is_none() && u16::from(query.query_type()) == DNSKEY {
            reply.metadata.response_code = ResponseCode::Refused;
        }
        let mut said = said.unwrap_or_default();
        if !request.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok) {
            said.answers.retain(|record| record.record_type() != RecordType::RRSIG);
        }
        if query.name().to_lowercase() == name("nope.example.") {
            reply.metadata.response_code = ResponseCode::NXDomain;
        }
        reply.add_query(query);
        reply.answers = said.answers;
        reply.authorities = said.authorities;
        socket.send_to(&reply.to_vec().expect("encodes"), peer).await.expect("sends");
    }
}

const PLAIN: Bits = Bits { dnssec_ok: false, authentic: false, checking_disabled: false };
const SIGNED: Bits = Bits { dnssec_ok: true, ..PLAIN };

fn types(records: &[Record]) -> Vec<u16> {
    records.iter().map(|record| record.record_type().into()).collect()
}

#[tokio::test]
async fn clients_get_what_they_ask_for() {
    let signed = Signed::start(|_| {}).await;
    let (plain, code) = signed.ask("www.example.", PLAIN).await;
    assert_eq!((types(&plain.answers), code), (vec![A], None));
    assert!(!plain.metadata.authentic_data);
    let asked = signed.tree.asked();
    let (authentic, _) = signed.ask("www.example.", Bits { authentic: true, ..PLAIN }).await;
    assert!(authentic.metadata.authentic_data);
    assert_eq!(types(&authentic.answers), [A]);
    assert_eq!(signed.tree.asked(), asked, "it was kept, judged");
    let (with_signature, _) = signed.ask("www.example.", SIGNED).await;
    assert!(with_signature.metadata.authentic_data);
    assert_eq!(types(&with_signature.answers), [A, 46]);
    let (nothing, _) = signed.ask("nope.example.", Bits { authentic: true, ..PLAIN }).await;
    assert_eq!(nothing.metadata.response_code, ResponseCode::NXDomain);
    assert!(nothing.metadata.authentic_data);
    assert_eq!(types(&nothing.authorities), [6]);
    let (proven, _) = signed.ask("nope.example.", SIGNED).await;
    assert_eq!(types(&proven.authorities), [6, 46, 47, 46, 47, 46]);
    let counted = DnssecStatus { is_on: true, secure: 4, zones: 1, ..DnssecStatus::default() };
    assert_eq!(signed.forwarder.status().dnssec, counted);
}

#[tokio::test]
async fn what_nobody_has_verified_is_not_told_beside_what_is_secure() {
    let signed = Signed::start(|_| {}).await;
    let www = signed.tree.said(&folded("www.example."), A).expect("there").answers;
    let forged = vec![nsec("a.example.", "z.example.", &[6])];
    signed.tree.says("www.example.", A, www, forged);
    let mut nope = signed.tree.said(&folded("nope.example."), A).expect("there").authorities;
    nope.push(nsec("elsewhere.", "z.", &[2]));
    signed.tree.says("nope.example.", A, Vec::new(), nope);
    let (www, _) = signed.ask("www.example.", SIGNED).await;
    assert!(www.metadata.authentic_data && www.authorities.is_empty(), "{www}");
    let (nope, _) = signed.ask("nope.example.", SIGNED).await;
    assert!(nope.metadata.authentic_data);
    assert_eq!(types(&nope.authorities), [6, 46, 47, 46, 47, 46]);
}

#[tokio::test]
async fn what_is_not_believed_is_told_to_nobody_but_who_checks_itself() {
    let signed = Signed::start(|_| {}).await;
    let step = || {
        let steps = signed.forwarder.steps(&name("bad.example."), RecordType::A);
        steps.into_iter().find_map(|step| match step {
            Step::Dnssec(judged) => Some(judged),
            _ => None,
        })
    };
    assert_eq!(step(), Some(Judged::NotYet));
    for _ in 0..2 {
        let (bogus, code) = signed.ask("bad.example.", PLAIN).await;
        assert_eq!((bogus.metadata.response_code, code), (ResponseCode::ServFail, Some(6)));
        assert!(bogus.answers.is_empty());
    }
    let why = "bad.example.: the signature does not fit the records".to_owned();
    assert_eq!(step(), Some(Judged::Bogus { why }));
    assert_eq!(signed.forwarder.status().dnssec.bogus, 1, "it was kept");
    let (unchecked, code) =
        signed.ask("bad.example.", Bits { checking_disabled: true, ..SIGNED }).await;
    assert_eq!((types(&unchecked.answers), code), (vec![A, 46], None));
    assert!(!unchecked.metadata.authentic_data);
    let (still, _) = signed.ask("bad.example.", PLAIN).await;
    assert_eq!(still.metadata.response_code, ResponseCode::ServFail);
    signed.forwarder.flush(None);
    assert_eq!((step(), signed.forwarder.status().dnssec.zones), (Some(Judged::NotYet), 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_good_once_does_not_stand_in_for_what_is_not_believed() {
    let signed = Signed::start(|settings| settings.cache.prefetch = false).await;
    let (good, _) = signed.ask("www.example.", PLAIN).await;
    assert_eq!(types(&good.answers), [A]);
    signed.tree.says("www.example.", A, vec![a("www.example.", 66)], Vec::new());
    tokio::time::advance(std::time::Duration::from_secs(301)).await;
    for _ in 0..2 {
        let (bogus, _) = signed.ask("www.example.", PLAIN).await;
        assert_eq!(bogus.metadata.response_code, ResponseCode::ServFail);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_good_once_stands_in_while_keys_cannot_be_asked_for() {
    let signed = Signed::start(|settings| settings.cache.prefetch = false).await;
    let (good, _) = signed.ask("www.example.", SIGNED).await;
    assert!(good.metadata.authentic_data);
    signed.tree.forgets(".", DNSKEY);
    tokio::time::advance(std::time::Duration::from_secs(301)).await;
    let (stale, code) = signed.ask("www.example.", SIGNED).await;
    assert_eq!((types(&stale.answers), code), (vec![A, 46], Some(3)));
    assert!(!stale.metadata.authentic_data, "nobody verifies it now");
    let (unknown, code) = signed.ask("nope.example.", SIGNED).await;
    assert_eq!((unknown.metadata.response_code, code), (ResponseCode::ServFail, Some(22)));
}

#[tokio::test]
async fn what_is_left_out_is_judged_and_not_vouched_for() {
    let signed = Signed::start(|_| {}).await;
    let (inside, code) = signed.ask("inside.example.", SIGNED).await;
    assert_eq!((types(&inside.answers), code), (vec![46], Some(15)));
    assert!(!inside.metadata.authentic_data);
    assert_eq!(signed.forwarder.status().dnssec.secure, 1);
}

#[tokio::test]
async fn what_is_judged_is_asked_for_with_signatures_whatever_was_learned() {
    let signed = Signed::start(|_| {}).await;
    signed.forwarder.0.servers[0].is_plain(Instant::now());
    let (www, _) = signed.ask("www.example.", SIGNED).await;
    assert!(www.metadata.authentic_data, "{www}");
}

#[tokio::test]
async fn exempt_names_are_not_judged() {
    let signed = Signed::start(|settings| {
        let domains = vec!["bad.example".parse().expect("valid")];
        let to = settings.forwarders.clone();
        settings.conditional = vec![Conditional { domains, to, is_validated: false }];
    })
    .await;
    let (unjudged, code) = signed.ask("bad.example.", Bits { authentic: true, ..PLAIN }).await;
    assert_eq!((types(&unjudged.answers), code), (vec![A], None));
    assert!(!unjudged.metadata.authentic_data);
    assert_eq!(signed.tree.asked(), 1);
    assert!(signed.tree.said(&folded("bad.example."), DS).is_none());
    let steps = signed.forwarder.steps(&name("bad.example."), RecordType::A);
    assert!(steps.contains(&Step::Dnssec(Judged::Exempt)));
}
