//! `conduit dns why`: how an answer comes about.

use conduit_api::v1::why::WhyReply;

use super::resolved;

/// The steps, numbered, and what comes of them.
pub(super) fn explained(reply: &WhyReply) -> String {
    let WhyReply { name, record_type, client, steps, answer, asked } = reply;
    let mut text = format!("{name} {record_type} for {client}\n");
    for (index, step) in steps.iter().enumerate() {
        text.push_str(&format!("{:>3}. {}\n", index + 1, step.text));
    }
    text.push_str(&format!("  => {}\n", answer.text));
    if let Some(asked) = asked {
        text.push_str(&format!("\nAsked: {}", resolved(asked)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use conduit_api::v1::why::{WhyAnswer, WhyStep};

    #[test]
    fn steps_are_numbered_and_the_answer_is_last() {
        let step = |text: &str| WhyStep {
            step: "name".into(),
            text: text.into(),
            service: None,
            source: None,
            lists: Vec::new(),
            added_by: None,
            added_at: None,
            data: Vec::new(),
            target: None,
            allowed: None,
            servers: Vec::new(),
            state: None,
            seconds: None,
        };
        let reply = WhyReply {
            name: "web.internal".into(),
            record_type: "A".into(),
            client: "10.0.0.9".into(),
            steps: vec![step("it is looked up"), step("it is a host")],
            answer: WhyAnswer {
                text: "NOERROR from our own zone".into(),
                status: Some("NOERROR".into()),
                authoritative: true,
                records: Vec::new(),
            },
            asked: None,
        };
        assert_eq!(
            explained(&reply),
            "web.internal A for 10.0.0.9\n  1. it is looked up\n  2. it is a host\n  \
             => NOERROR from our own zone\n"
        );
    }
}
