//! Readings one after the other, and what is wished for.

use super::*;

/// Containers of lines such as `web running 172.17.0.2 conduit.name=web,conduit.port=80 8000->80`.
fn reading(lines: &[&str]) -> ContainersReading {
    let json: Vec<String> = lines
        .iter()
        .enumerate()
        .map(|(index, line)| {
            let words: Vec<&str> = line.split(' ').collect();
            let labels: Vec<String> = words[3]
                .split(',')
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| format!("{name:?}:{value:?}"))
                .collect();
            format!(
                r#"{{"Id":"{index}","Names":["{}"],"State":"{}","Labels":{{{}}},"Ports":"{}",
                "NetworkSettings":{{"Networks":{{"n":{{"IPAddress":"{}"}}}}}}}}"#,
                words[0],
                words[1],
                labels.join(","),
                words.get(4).unwrap_or(&""),
                words[2],
            )
        })
        .collect();
    super::super::list::read_list(&format!("[{}]", json.join(",")))
}

/// What is wished for, as text, and what is asked from now on.
fn next(previous: &Asked, lines: &[&str]) -> (Vec<String>, Asked) {
    let Wishes { wishes, problems, asked } = wishes(previous, &reading(lines));
    let text = |wish: &LabelWish| match wish {
        LabelWish::Register(service) => {
            let upstreams: Vec<_> = service.upstreams.iter().map(ToString::to_string).collect();
            format!("+{} {}", service.name, upstreams.join(","))
        }
        LabelWish::Deregister(name) => format!("-{name}"),
    };
    (wishes.iter().map(text).chain(problems).collect(), asked)
}

const WEB: &str = "web running 172.17.0.2 conduit.name=web,conduit.port=80";
const STOPPED: &str = "web exited 172.17.0.2 conduit.name=web,conduit.port=80";

#[test]
fn a_service_comes_at_once_and_goes_after_two_readings() {
    let none: [String; 0] = [];
    let (wished, asked) = next(&Asked::default(), &[WEB]);
    assert_eq!(wished, ["+web 172.17.0.2:80"]);
    let (wished, asked) = next(&asked, &[WEB]);
    assert_eq!(wished, none);
    let (wished, asked) = next(&asked, &[STOPPED]);
    assert_eq!(wished, none);
    let (wished, again) = next(&asked, &[WEB]);
    assert_eq!(wished, none);
    assert_eq!(next(&again, &[]).0, none);
    let (wished, asked) = next(&asked, &[]);
    assert_eq!(wished, ["-web"]);
    assert_eq!(next(&asked, &[]).0, none);
}

#[test]
fn several_containers_are_several_upstreams() {
    let both = [WEB, "web2 running 172.17.0.3 conduit.name=web,conduit.port=80"];
    let (wished, asked) = next(&Asked::default(), &both);
    assert_eq!(wished, ["+web 172.17.0.2:80,172.17.0.3:80"]);
    let (_, asked) = next(&asked, &[WEB]);
    assert_eq!(next(&asked, &[WEB]).0, ["+web 172.17.0.2:80"]);
    let differ =
        [WEB, "web2 running 172.17.0.3 conduit.name=web,conduit.port=80,conduit.preset=vllm"];
    let (wished, _) = next(&Asked::default(), &differ);
    assert!(wished[1].contains("container web2") && wished[1].contains("of web,"), "{wished:?}");
}

#[test]
fn the_nearest_way_in_is_taken() {
    for (line, upstream) in [
        (
            "a running 172.17.0.2 conduit.name=a,conduit.port=80 0.0.0.0:8000->80/tcp",
            "127.0.0.1:8000",
        ),
        (
            "a running 172.17.0.2 conduit.name=a,conduit.port=80 10.0.0.1:8000->80/tcp",
            "10.0.0.1:8000",
        ),
        ("a running 172.17.0.2 conduit.name=a 127.0.0.1:8000->81/tcp", "127.0.0.1:8000"),
        (
            "a running 172.17.0.2 conduit.name=a,conduit.port=80 127.0.0.1:8000->81/tcp",
            "172.17.0.2:80",
        ),
        ("a running 172.17.0.2 conduit.name=a,conduit.preset=ollama", "172.17.0.2:11434"),
        ("a running fd00::2 conduit.name=a,conduit.port=80", "[fd00::2]:80"),
        (
            "a running 172.17.0.2 conduit.name=a,conduit.port=80 \
             10.0.0.1:8000->80/tcp,127.0.0.1:8001->80/tcp,0.0.0.0:8002->80/tcp",
            "127.0.0.1:8002",
        ),
    ] {
        assert_eq!(next(&Asked::default(), &[line]).0, [format!("+a {upstream}")], "{line}");
    }
}

#[test]
fn bad_labels_name_the_container_the_label_and_the_mend() {
    for (labels, words) in [
        ("conduit.name=a.b", "label conduit.name: \"a.b\" cannot be"),
        ("conduit.name=conduit", "label conduit.name: "),
        ("conduit.name=a", "label conduit.port: which port"),
        ("conduit.name=a,conduit.port=0", "label conduit.port: \"0\" is not a port"),
        ("conduit.name=a,conduit.preset=wllm", "label conduit.preset: "),
        (
            "conduit.name=a,conduit.port=1,conduit.upstream=10.0.0.1",
            "label conduit.upstream: there is no",
        ),
        ("conduit.name=a,conduit.port=1,conduit.health=x", "label conduit.health: "),
        ("conduit.name=a,conduit.port=1,conduit.host=a_b", "label conduit.host: "),
        ("conduit.name=a,conduit.port=1,conduit.tls=maybe", "label conduit.tls: "),
    ] {
        let (wished, _) = next(&Asked::default(), &[&format!("box running 172.17.0.2 {labels}")]);
        assert!(wished.len() == 1 && wished[0].starts_with("container box: "), "{wished:?}");
        assert!(wished[0].contains(words), "{wished:?}");
    }
    let (wished, _) = next(&Asked::default(), &["box running  conduit.name=a,conduit.port=80"]);
    assert!(wished[0].contains("publish it"), "{wished:?}");
    let nothing = next(&Asked::default(), &["box running 172.17.0.2 other=label"]);
    assert!(nothing.0.is_empty());
}

#[test]
fn everything_that_can_be_asked_is_passed_on() {
    let line = "a running 172.17.0.2 conduit.name=A,conduit.port=80,conduit.preset=vllm,\
                conduit.domain=lab,conduit.host=b.internal,conduit.protocol=http,conduit.tls=false,\
                conduit.health=/ok";
    let made = wishes(&Asked::default(), &reading(&[line]));
    let [LabelWish::Register(service)] = &made.wishes[..] else { panic!("{made:?}") };
    assert_eq!((service.name.as_str(), service.container.as_str()), ("a", "a"));
    let asks = &service.asks;
    assert_eq!(asks.preset.map(|preset| preset.as_str()), Some("vllm"));
    assert_eq!(asks.domain.as_ref().map(|host| host.as_str()), Some("lab"));
    assert_eq!(asks.hosts.iter().map(|host| host.as_str()).collect::<Vec<_>>(), ["b.internal"]);
    assert_eq!(asks.health.as_ref().map(|path| path.as_str()), Some("/ok"));
    assert!(asks.protocol.is_some() && asks.tls.is_some());
}

#[test]
fn a_reading_that_left_containers_out_says_nothing_about_absence() {
    let (_, asked) = next(&Asked::default(), &[WEB]);
    let cut = ContainersReading { left_out: 1, ..Default::default() };
    let (first, second) = (wishes(&asked, &cut), wishes(&wishes(&asked, &cut).asked, &cut));
    assert!(first.wishes.is_empty() && second.wishes.is_empty());
}

#[test]
fn what_was_refused_is_wished_for_again() {
    let (_, mut asked) = next(&Asked::default(), &[WEB]);
    asked.forget(&ServiceName::parse("web").expect("a name"));
    assert_eq!(next(&asked, &[WEB]).0, ["+web 172.17.0.2:80"]);
}

#[test]
fn what_an_earlier_run_registered_is_taken_over_or_goes_away() {
    let recalled = |text: &str| {
        let member = Member {
            container: "web".to_owned(),
            upstream: UpstreamAddr::parse(text).expect("an upstream"),
            asks: Asks::default(),
        };
        let kept = Kept { wished: None, containers: [(text.to_owned(), (member, 0))].into() };
        Asked { services: [(ServiceName::parse("web").expect("a name"), kept)].into() }
    };
    // The same container: registered once more, which changes nothing.
    assert_eq!(next(&recalled("172.17.0.2:80"), &[WEB]).0, ["+web 172.17.0.2:80"]);
    // It came back at another address: the old one goes away after two readings.
    let (wished, asked) = next(&recalled("172.17.0.9:80"), &[WEB]);
    assert_eq!(wished, ["+web 172.17.0.2:80,172.17.0.9:80"]);
    assert_eq!(next(&asked, &[WEB]).0, ["+web 172.17.0.2:80"]);
    // It is gone.
    let (wished, asked) = next(&recalled("172.17.0.2:80"), &[]);
    assert!(wished.is_empty(), "{wished:?}");
    assert_eq!(next(&asked, &[]).0, ["-web"]);
}
