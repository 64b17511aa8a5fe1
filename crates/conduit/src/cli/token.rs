//! `conduit token`: credentials for the API over TCP.

use conduit_api::v1::tokens::{CreateToken, NewToken, Role, Token};

use super::args::{CreateTokenArgs, Json, RoleArg, TokenAction};
use super::exit::Failure;
use super::output::{notice, table};
use super::session::Session;
use crate::config::parse_duration;

/// Makes, lists or revokes.
pub(crate) async fn run(session: &Session, action: TokenAction) -> Result<(), Failure> {
    match action {
        TokenAction::Create(args) => create(session, args).await,
        TokenAction::List(Json { json }) => {
            let reply = session.client().await?.tokens().await?;
            session.print(json, &reply, |reply| list(&reply.tokens))
        }
        TokenAction::Revoke(args) => {
            let reply = session.client().await?.revoke_token(&args.id).await?;
            session.print(args.output.json, &reply, |reply| format!("{} revoked\n", reply.id))
        }
    }
}

async fn create(session: &Session, args: CreateTokenArgs) -> Result<(), Failure> {
    let expires_in_seconds = args.expires.as_deref().map(lifetime).transpose()?;
    let (name, role, scopes) = (args.name, args.role.into(), args.scope);
    let wish = CreateToken { name, role, scopes, expires_in_seconds };
    let reply = session.client().await?.create_token(&wish).await?;
    if !args.output.json {
        notice(&told(&reply.value));
    }
    session.print(args.output.json, &reply, |token| format!("{}\n", token.secret))
}

fn lifetime(text: &str) -> Result<u64, Failure> {
    let duration =
        parse_duration(text).map_err(|reason| Failure::usage(format!("--expires: {reason}")))?;
    match duration.as_secs() {
        0 => Err(Failure::usage("--expires: a token that is never good is of no use")),
        seconds => Ok(seconds),
    }
}

fn told(token: &NewToken) -> String {
    let end = token
        .expires_at
        .as_ref()
        .map_or_else(|| "until revoked".to_owned(), |at| format!("until {at}"));
    format!(
        "token {} ({}, {}, for {}) is good {end}; its secret is shown this once:",
        token.id,
        token.name,
        token.role,
        scopes(&token.scopes)
    )
}

fn scopes(scopes: &[String]) -> String {
    if scopes.is_empty() { "all".to_owned() } else { scopes.join(",") }
}

fn list(tokens: &[Token]) -> String {
    if tokens.is_empty() {
        return "No tokens; the Unix socket needs none.\n".to_owned();
    }
    let rows: Vec<Vec<String>> = tokens
        .iter()
        .map(|token| {
            let end = match (&token.revoked_at, &token.expires_at) {
                (Some(at), _) => format!("revoked {at}"),
                (None, Some(at)) => format!("until {at}"),
                (None, None) => "until revoked".to_owned(),
            };
            vec![
                token.id.clone(),
                token.name.clone(),
                token.role.to_string(),
                scopes(&token.scopes),
                token.created_at.clone(),
                end,
            ]
        })
        .collect();
    table(&["ID", "NAME", "ROLE", "SCOPES", "CREATED", "GOOD"], &rows)
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Admin => Self::Admin,
            RoleArg::Auditor => Self::Auditor,
            RoleArg::CaOfficer => Self::CaOfficer,
            RoleArg::Operator => Self::Operator,
            RoleArg::Viewer => Self::Viewer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_durations() {
        assert_eq!(lifetime("90d").ok(), Some(7_776_000));
        for wrong in ["0", "soon", "-1d", "10ms"] {
            let failure = lifetime(wrong).expect_err(wrong);
            assert_eq!(failure.exit, crate::cli::Exit::Usage, "{wrong}");
        }
    }

    #[test]
    fn the_list_says_how_long_a_token_is_good() {
        let token = |revoked_at: Option<&str>| Token {
            id: "t1".into(),
            name: "ci".into(),
            role: Role::Operator,
            scopes: revoked_at.map(|_| "services:web-*".to_owned()).into_iter().collect(),
            created_at: "2026-04-04T12:00:00Z".into(),
            expires_at: None,
            revoked_at: revoked_at.map(str::to_owned),
        };
        assert_eq!(
            list(&[token(None), token(Some("2026-05-01T00:00:00Z"))]),
            "ID  NAME  ROLE      SCOPES          CREATED               GOOD\n\
             t1  ci    operator  all             2026-04-04T12:00:00Z  until revoked\n\
             t1  ci    operator  services:web-*  2026-04-04T12:00:00Z  revoked 2026-05-01T00:00:00Z\n"
        );
    }
}
