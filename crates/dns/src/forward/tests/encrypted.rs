//! Forwarders that are asked over TLS and HTTPS, and never in the clear.

use std::time::Duration;

use hickory_proto::op::ResponseCode;
use http::StatusCode;
use tokio::net::{TcpListener, UdpSocket};

use super::super::check::check;
use super::fake::Manners;
use super::live::ask_for;
use super::secure::{Conduct, Secure};
use super::*;

const GOOD: &str = "records 198.18.0.1/60";
const SCHEMES: [(&str, &str); 2] = [("tls", "dot"), ("https", "h2")];

fn asking(to: ForwarderAddr, secure: &Secure) -> Forwarder {
    let trust = Some(secure.trust());
    let settings = ForwardSettings { forwarders: vec![to], trust, ..ForwardSettings::default() };
    Forwarder::new(settings, &[], &Interfaces::default(), None).expect("set up")
}

#[tokio::test]
async fn one_connection_serves_all_questions_in_padded_queries() {
    for (scheme, alpn) in SCHEMES {
        let secure = Secure::start(alpn, Manners::Honest, Conduct::Prompt).await;
        let forwarder = asking(secure.named(scheme, "dns.example"), &secure);
        for n in 0..5 {
            assert_eq!(ask_for(&forwarder, &format!("N{n}.Example.")).await, GOOD, "{scheme}");
        }
        let (all, names) = (forwarder.clone(), (0..20).map(|n| format!("m{n}.example.")));
        let names: Vec<String> = names.collect();
        let at_once = names.iter().map(|name| ask_for(&all, name));
        assert_eq!(futures_util::future::join_all(at_once).await, [GOOD; 20], "{scheme}");
        assert_eq!(secure.connections(), 1, "{scheme}");
        assert!(secure.lengths().iter().all(|length| length % 128 == 0), "{scheme}");
        let told = forwarder.status();
        assert!(told.forwarders[0].address.to_string().starts_with(scheme));
        assert_eq!((told.forwarders[0].queries, told.forwarders[0].failures), (25, 0));
    }
}

#[tokio::test]
async fn answers_find_their_questions_in_any_order() {
    let secure = Secure::start("dot", Manners::Honest, Conduct::Reversed).await;
    let forwarder = asking(secure.named("tls", "dns.example"), &secure);
    let both = tokio::join!(ask_for(&forwarder, "a.example."), ask_for(&forwarder, "b.example."));
    assert_eq!(both, (GOOD.to_owned(), GOOD.to_owned()));
    assert_eq!(secure.connections(), 1);
}

#[tokio::test]
async fn whoever_cannot_prove_who_it_is_gets_no_question() {
    for (scheme, alpn) in SCHEMES {
        let secure = Secure::start(alpn, Manners::Honest, Conduct::Prompt).await;
        let impostor = Secure::start(alpn, Manners::Honest, Conduct::Prompt).await;
        let by_address: ForwarderAddr =
            format!("{scheme}://{}", secure.address).parse().expect("valid");
        for (to, reason) in [
            (secure.named(scheme, "other.example"), "is for dns.example, not other.example"),
            (by_address, "is for dns.example, not 127.0.0.1"),
            (impostor.named(scheme, "dns.example"), "dns.forward_ca"),
        ] {
            let said = check(&to, Some(&secure.trust()), Duration::from_secs(20)).await;
            let said = said.expect_err("not to be trusted");
            assert!(said.contains(reason), "{to}: {said}");
            let forwarder = asking(to, &secure);
            assert_eq!(ask_for(&forwarder, "www.example.").await, "servfail", "{scheme} {reason}");
            assert!(forwarder.status().forwarders[0].failures > 0, "{scheme} {reason}");
        }
        let good = secure.named(scheme, "dns.example");
        let said = check(&good, Some(&secure.trust()), Duration::from_secs(20)).await;
        assert_eq!(said.as_deref(), Ok("NOERROR"), "{scheme}");
        assert_eq!((secure.lengths().len(), impostor.lengths().len()), (1, 0), "{scheme}");
        // Who would hear it if it were asked in the clear; another test may have the port.
        let plain = UdpSocket::bind(secure.address).await;
        let without = ForwardSettings {
            forwarders: vec![secure.named(scheme, "dns.example")],
            ..ForwardSettings::default()
        };
        let without = Forwarder::new(without, &[], &Interfaces::default(), None).expect("set up");
        assert_eq!(ask_for(&without, "www.example.").await, "servfail", "nothing to judge with");
        let heard = plain.is_ok_and(|plain| plain.try_recv(&mut [0; 512]).is_ok());
        assert!(!heard, "{scheme}: a query over UDP");
        assert_eq!(secure.connections(), 1, "the one that was trusted");
    }
}

#[tokio::test]
async fn nothing_is_asked_in_the_clear_when_tls_fails() {
    for (scheme, _) in SCHEMES {
        // Plain DNS at the same port, which would answer.
        let udp = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
        let address = udp.local_addr().expect("bound");
        let tcp = TcpListener::bind(address).await.expect("binds");
        let secure = Secure::start("dot", Manners::Honest, Conduct::Prompt).await;
        let to = format!("{scheme}://{address}#dns.example").parse().expect("valid");
        let forwarder = asking(to, &secure);
        let hang_up = async {
            loop {
                drop(tcp.accept().await.expect("somebody"));
            }
        };
        let said = tokio::select! {
            said = ask_for(&forwarder, "www.example.") => said,
            () = hang_up => unreachable!("it goes on for ever"),
        };
        assert_eq!(said, "servfail", "{scheme}");
        let mut buffer = [0; 512];
        assert!(udp.try_recv(&mut buffer).is_err(), "a query over UDP");
    }
}

#[tokio::test]
async fn a_forwarder_that_is_dead_or_declines_is_passed_by() {
    for (scheme, alpn) in SCHEMES {
        let good = Secure::start(alpn, Manners::Honest, Conduct::Prompt).await;
        let closed = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let dead = closed.local_addr().expect("bound");
        drop(closed);
        let dead: ForwarderAddr = format!("{scheme}://{dead}#dns.example").parse().expect("valid");
        let settings = ForwardSettings {
            forwarders: vec![dead, good.named(scheme, "dns.example")],
            trust: Some(good.trust()),
            ..ForwardSettings::default()
        };
        let forwarder = Forwarder::new(settings, &[], &Interfaces::default(), None);
        let forwarder = forwarder.expect("set up");
        for n in 0..4 {
            assert_eq!(ask_for(&forwarder, &format!("n{n}.example.")).await, GOOD, "{scheme}");
        }
        let told = forwarder.status();
        assert!(!told.forwarders[0].is_up && told.forwarders[1].is_up, "{scheme}");
    }
    for (manners, conduct) in [
        (Manners::Declines(ResponseCode::Refused), Conduct::Prompt),
        (Manners::Garbage, Conduct::Prompt),
        (Manners::WrongName, Conduct::Prompt),
        (Manners::Honest, Conduct::Status(StatusCode::SERVICE_UNAVAILABLE)),
        (Manners::Honest, Conduct::Web),
    ] {
        let secure = Secure::start("h2", manners, conduct).await;
        let forwarder = asking(secure.named("https", "dns.example"), &secure);
        let said = ask_for(&forwarder, "www.example.").await;
        let is_right = manners == Manners::WrongName && said == GOOD;
        assert!(is_right || said == "servfail", "{manners:?} {conduct:?}: {said}");
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_is_replaced_without_a_word() {
    let secure = Secure::start("dot", Manners::Honest, Conduct::ClosesAfter(1)).await;
    let forwarder = asking(secure.named("tls", "dns.example"), &secure);
    for n in 0..4 {
        assert_eq!(ask_for(&forwarder, &format!("n{n}.example.")).await, GOOD);
    }
    assert_eq!(secure.connections(), 4);
    assert_eq!(forwarder.status().forwarders[0].failures, 0);
}

#[tokio::test]
async fn a_connection_that_swallows_questions_is_left() {
    for (scheme, alpn) in SCHEMES {
        let secure = Secure::start(alpn, Manners::Honest, Conduct::Prompt).await;
        let forwarder = asking(secure.named(scheme, "dns.example"), &secure);
        assert_eq!(ask_for(&forwarder, "first.example.").await, GOOD, "{scheme}");
        secure.heard().await;
        secure.now(Manners::Honest, Conduct::Mute);
        let revive = async {
            secure.heard().await;
            secure.now(Manners::Honest, Conduct::Prompt);
        };
        // The second round is on another connection.
        let said = tokio::join!(ask_for(&forwarder, "second.example."), revive).0;
        assert_eq!(said, GOOD, "{scheme}");
        assert_eq!(secure.connections(), 2, "{scheme}");
    }
}

#[tokio::test]
async fn other_roots_mean_other_connections() {
    let secure = Secure::start("dot", Manners::Honest, Conduct::Prompt).await;
    let to = || secure.named("tls", "dns.example");
    let first = asking(to(), &secure);
    assert_eq!(ask_for(&first, "www.example.").await, GOOD);
    let with = |trust| {
        let trust = Some(trust);
        ForwardSettings { forwarders: vec![to()], trust, ..ForwardSettings::default() }
    };
    let make = |settings| {
        Forwarder::new(settings, &[], &Interfaces::default(), Some(&first)).expect("set up")
    };
    let same = make(with(secure.trust()));
    assert!(Arc::ptr_eq(&first.0, &same.0), "the same roots change nothing");
    let stranger = Secure::start("dot", Manners::Honest, Conduct::Prompt).await;
    let other = make(with(stranger.trust()));
    assert_eq!(ask_for(&other, "www.example.").await, "servfail");
}
