//! `conduit login`: a one-time link into the dashboard.

use conduit_api::v1::sessions::LoginCode;

use super::args::Json;
use super::exit::Failure;
use super::output::notice;
use super::session::Session;

/// Makes a code and prints its link.
pub(crate) async fn run(session: &Session, args: Json) -> Result<(), Failure> {
    let reply = session.client().await?.login_code().await?;
    if !args.json {
        notice(&told(&reply.value)?);
    }
    session.print(args.json, &reply, link)
}

fn link(code: &LoginCode) -> String {
    code.url.as_ref().map_or_else(String::new, |url| format!("{url}\n"))
}

fn told(code: &LoginCode) -> Result<String, Failure> {
    let Some(url) = &code.url else {
        return Err(Failure::new("nothing serves the dashboard")
            .hint("set admin.listen = \"127.0.0.1:9999\", and restart the gateway"));
    };
    let mut text = format!(
        "Open this link in a browser; it is good once, until {}, with the role {}:",
        code.expires_at, code.role
    );
    if let Some(local) = code.local_url.as_ref().filter(|local| *local != url) {
        text.push_str(&format!(
            "\n(A browser on this machine that does not trust the gateway's authority yet: {local})"
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use conduit_api::v1::tokens::Role;

    use super::*;

    fn code(url: Option<&str>, local_url: Option<&str>) -> LoginCode {
        LoginCode {
            code: "c0de".into(),
            role: Role::Admin,
            expires_at: "2026-04-04T12:10:00Z".into(),
            url: url.map(str::to_owned),
            local_url: local_url.map(str::to_owned),
        }
    }

    #[test]
    fn the_link_is_the_answer_and_what_to_do_is_told_besides() {
        let (https, http) =
            ("https://conduit.internal/#login=c0de", "http://127.0.0.1:9999/#login=c0de");
        let both = code(Some(https), Some(http));
        assert_eq!(link(&both), format!("{https}\n"));
        let text = told(&both).expect("a link");
        assert!(text.contains("role admin") && text.contains(http), "{text}");
        let text = told(&code(Some(http), Some(http))).expect("a link");
        assert!(!text.contains(http), "{text}");
        assert!(told(&code(None, None)).is_err());
    }
}
