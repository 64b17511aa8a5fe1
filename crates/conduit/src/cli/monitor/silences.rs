//! `conduit monitor silence`.

use conduit_api::v1::alerts::{AddSilence, Silence};

use crate::cli::args::SilenceArgs;
use crate::cli::exit::Failure;
use crate::cli::output::table;
use crate::cli::session::Session;
use crate::config::parse_duration;

/// Makes one, ends one or lists them.
pub(super) async fn run(session: &Session, args: SilenceArgs) -> Result<(), Failure> {
    let json = args.output.json;
    if let Some(id) = &args.lift {
        let reply = session.client().await?.lift_silence(id).await?;
        return session.print(json, &reply, |silence| format!("{} lifted\n", what(silence)));
    }
    let Some(wish) = wish(args)? else {
        let reply = session.client().await?.silences().await?;
        return session.print(json, &reply, |list| listed(&list.silences));
    };
    let reply = session.client().await?.silence(&wish).await?;
    session.print(json, &reply, |silence| {
        format!("{} silenced until {} (id {})\n", what(silence), silence.until, silence.id)
    })
}

fn wish(args: SilenceArgs) -> Result<Option<AddSilence>, Failure> {
    let (Some(rule), Some(duration)) = (args.rule, args.duration) else {
        return Ok(None);
    };
    let lasts = parse_duration(&duration)
        .map_err(|reason| Failure::usage(format!("--for: {reason}")))?
        .as_secs();
    if lasts == 0 {
        return Err(Failure::usage("--for: a silence lasts at least a second"));
    }
    Ok(Some(AddSilence {
        rule,
        node: args.node,
        subject: args.subject,
        for_seconds: lasts,
        comment: args.comment,
    }))
}

fn what(silence: &Silence) -> String {
    let node = silence.node.as_ref().map_or_else(String::new, |node| format!(" on {node}"));
    let subject = silence.subject.as_ref().map_or_else(String::new, |s| format!(" {s}"));
    format!("{}{node}{subject}", silence.rule)
}

fn listed(silences: &[Silence]) -> String {
    if silences.is_empty() {
        return "No silences.\n".to_owned();
    }
    let rows: Vec<Vec<String>> = silences
        .iter()
        .map(|silence| {
            vec![
                silence.id.clone(),
                what(silence),
                silence.until.clone(),
                silence.by.clone(),
                silence.comment.clone().unwrap_or_default(),
            ]
        })
        .collect();
    table(&["ID", "SILENCED", "UNTIL", "BY", "COMMENT"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Exit;

    fn args(duration: &str) -> SilenceArgs {
        SilenceArgs {
            rule: Some("gpu-hot".into()),
            node: Some("gpu-server".into()),
            duration: Some(duration.into()),
            ..SilenceArgs::default()
        }
    }

    #[test]
    fn a_silence_lasts_as_long_as_it_says() {
        let made = wish(args("2h")).expect("legal").expect("a wish");
        assert_eq!((made.rule.as_str(), made.for_seconds), ("gpu-hot", 7_200));
        for wrong in ["0", "soon", "10ms"] {
            assert_eq!(wish(args(wrong)).expect_err(wrong).exit, Exit::Usage);
        }
        assert_eq!(wish(SilenceArgs::default()).expect("legal"), None);
    }

    #[test]
    fn the_list_says_what_until_when_and_why() {
        let silence = Silence {
            id: "7".into(),
            rule: "gpu-hot".into(),
            node: Some("gpu-server".into()),
            subject: Some("0".into()),
            from: "2026-04-04T10:00:00Z".into(),
            until: "2026-04-04T12:00:00Z".into(),
            by: "ops".into(),
            comment: Some("new fans".into()),
        };
        assert_eq!(
            listed(&[silence]),
            "ID  SILENCED                 UNTIL                 BY   COMMENT\n\
             7   gpu-hot on gpu-server 0  2026-04-04T12:00:00Z  ops  new fans\n"
        );
    }
}
