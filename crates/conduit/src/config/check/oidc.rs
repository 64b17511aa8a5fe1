//! Logins through a provider of identities.

use conduit_admin::oidc::settings::{OidcSettings, RoleMap};
use conduit_core::actor::Role;
use conduit_monitor::secret::SecretFrom;
use http::Uri;

use super::super::Oidc;
use super::super::file::AdminOidc;
use super::super::value::{Given, GivenList, Text};
use super::judge::Judge;
use super::parse;

/// The section. Without an issuer there are no such logins, whatever else is written.
pub(super) fn oidc(judge: &mut Judge, given: &AdminOidc) -> Oidc {
    let is_on = given.issuer.as_ref().is_some_and(|issuer| !issuer.value.0.is_empty());
    let issuer = judge.take("admin.oidc.issuer", &written(&given.issuer), String::new(), issuer);
    let client_id =
        judge.take("admin.oidc.client_id", &written(&given.client_id), String::new(), |text| {
            parse::text(text, CLIENT_ID_CHARS_MAX, "the client's id")
        });
    let roles = roles(judge, given);
    if let Some(issuer) = given.issuer.as_ref().filter(|_| is_on) {
        if written(&given.client_id).is_none() {
            let reason = "is missing; write what the provider calls this gateway".to_owned();
            judge.refuse("admin.oidc.client_id", &issuer.origin, reason);
        }
        if roles.is_empty() {
            let reason = "nobody would get in; write viewer = [\"*\"], or the groups of each role \
                          under [admin.oidc.roles]";
            judge.refuse("admin.oidc.roles", &issuer.origin, reason.to_owned());
        }
    }
    let claim = |judge: &mut Judge, key, given: &Given<Text>, usual: &str| {
        judge.take(key, given, usual.to_owned(), |text| {
            parse::text(text, CLAIM_CHARS_MAX, "the claim")
        })
    };
    Oidc {
        secret: secret(judge, given),
        settings: OidcSettings {
            issuer,
            client_id,
            scopes: judge.list(
                "admin.oidc.scopes",
                &given.scopes,
                SCOPES.map(str::to_owned).into(),
                SCOPES_MAX,
                scope,
            ),
            name_claim: claim(judge, "admin.oidc.name_claim", &given.name_claim, NAME_CLAIM),
            roles_claim: claim(judge, "admin.oidc.roles_claim", &given.roles_claim, ROLES_CLAIM),
            roles,
            label: judge.take("admin.oidc.label", &given.label, LABEL.to_owned(), |text| {
                parse::text(text, LABEL_CHARS_MAX, "the label")
            }),
        },
    }
}

/// Something other than the empty default.
fn written(given: &Given<Text>) -> Given<Text> {
    given.clone().filter(|given| !given.value.0.is_empty())
}

fn roles(judge: &mut Judge, given: &AdminOidc) -> RoleMap {
    let given = &given.roles;
    let mut groups = |key, role, list: &GivenList| -> (Role, Vec<String>) {
        let group = |text: &str| parse::text(text, GROUP_CHARS_MAX, "the group");
        (role, judge.list(key, list, Vec::new(), GROUPS_MAX, group))
    };
    RoleMap::new([
        groups("admin.oidc.roles.admin", Role::Admin, &given.admin),
        groups("admin.oidc.roles.operator", Role::Operator, &given.operator),
        groups("admin.oidc.roles.ca-officer", Role::CaOfficer, &given.ca_officer),
        groups("admin.oidc.roles.auditor", Role::Auditor, &given.auditor),
        groups("admin.oidc.roles.viewer", Role::Viewer, &given.viewer),
    ])
}

fn secret(judge: &mut Judge, given: &AdminOidc) -> Option<SecretFrom> {
    let (file, variable) = (written(&given.secret_file), written(&given.secret_env));
    match (file, variable) {
        (Some(_), Some(variable)) => {
            let reason = "secret_file is given too; keep one".to_owned();
            judge.refuse("admin.oidc.secret_env", &variable.origin, reason);
            None
        }
        (Some(file), None) => Some(SecretFrom::File(file.value.0.into())),
        (None, Some(variable)) => Some(SecretFrom::Variable(variable.value.0)),
        (None, None) => None,
    }
}

/// The URL of a provider (OpenID Connect Discovery 1.0, section 3): of https, without a query. On
/// this machine http is fine.
fn issuer(text: &str) -> Result<String, String> {
    let wrong = |why: &str| {
        format!(
            "{:?} {why}; write the provider's URL, such as https://login.internal",
            parse::short(text)
        )
    };
    let uri: Uri = text.parse().map_err(|_| wrong("is not a URL"))?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost"
        || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if is_here => {}
        Some("http") => return Err(wrong("is not protected by TLS")),
        _ => return Err(wrong("is not a URL of https")),
    }
    if host.is_empty() {
        return Err(wrong("names no host"));
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(wrong("has a user in it"));
    }
    if uri.query().is_some() || text.contains('#') {
        return Err(wrong("has a query or a fragment"));
    }
    Ok(text.to_owned())
}

/// A scope (RFC 6749, section 3.3). `openid` is always asked for.
fn scope(text: &str) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
    if text.is_empty() || text.len() > CLAIM_CHARS_MAX || !text.chars().all(legal) {
        return Err(format!("{:?} is not a scope", parse::short(text)));
    }
    Ok(text.to_owned())
}

const SCOPES: [&str; 2] = ["profile", "email"];
const NAME_CLAIM: &str = "preferred_username";
const ROLES_CLAIM: &str = "groups";
const LABEL: &str = "single sign-on";
const SCOPES_MAX: usize = 20;
const GROUPS_MAX: usize = 100;
const GROUP_CHARS_MAX: usize = 256;
const CLAIM_CHARS_MAX: usize = 128;
const CLIENT_ID_CHARS_MAX: usize = 255;
const LABEL_CHARS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_reached_with_tls_or_is_here() {
        for (text, expected) in [
            ("https://login.internal", Ok(())),
            ("https://login.internal:8443/realms/site", Ok(())),
            ("https://login.internal/realms/site/", Ok(())),
            ("http://127.0.0.1:4000", Ok(())),
            ("http://localhost:4000", Ok(())),
            ("http://[::1]:4000", Ok(())),
            ("http://login.internal", Err("not protected by TLS")),
            ("login.internal", Err("not a URL of https")),
            ("ftp://login.internal", Err("not a URL of https")),
            ("https://u:p@login.internal", Err("has a user in it")),
            ("https://login.internal?x=1", Err("has a query")),
            ("https://login.internal#x", Err("a fragment")),
            ("https://", Err("not a URL")),
            ("a b", Err("not a URL")),
        ] {
            match (issuer(text), expected) {
                (Ok(taken), Ok(())) => assert_eq!(taken, text),
                (Err(reason), Err(part)) => assert!(reason.contains(part), "{text}: {reason}"),
                (other, _) => panic!("{text}: {other:?}"),
            }
        }
    }
}
