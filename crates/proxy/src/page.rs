//! The page that a person in a browser sees when a request failed.
//!
//! **Invariant:** it needs nothing else: no script, no picture, no other request. Everything that is
//! not ours is escaped.

use http::StatusCode;

use crate::failure::FailureKind;

/// The page for a failed request, which may be recorded in a trace.
pub(crate) fn render(
    status: StatusCode,
    kind: &FailureKind,
    request_id: &str,
    trace: Option<&str>,
) -> String {
    let title = status.canonical_reason().unwrap_or("Error");
    let service = kind.service().map_or_else(String::new, |service| {
        format!("<dt>Service</dt><dd>{}</dd>", escape(service.as_str()))
    });
    let trace =
        trace.map(|id| format!("<dt>Trace</dt><dd>{}</dd>", escape(id))).unwrap_or_default();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\">\
         <title>{code} {title}</title><style>{STYLE}</style></head>\n\
         <body><main><p class=\"code\">{code}</p><h1>{title}</h1>\n\
         <p>{happened}</p>\n<p>{advice}</p>\n\
         <dl>{service}<dt>Error</dt><dd>{word}</dd><dt>Request</dt><dd>{id}</dd>{trace}</dl>\n\
         <footer>Conduit</footer></main></body></html>\n",
        code = status.as_u16(),
        happened = escape(&sentence(&kind.to_string())),
        advice = advice(kind),
        word = kind.word(),
        id = escape(request_id),
    )
}

/// What the person can do, or tell the one who can.
fn advice(kind: &FailureKind) -> &'static str {
    match kind {
        FailureKind::AddressRefused
        | FailureKind::OriginRefused
        | FailureKind::PathRefused
        | FailureKind::Refused(_) => {
            "This service lets in only those its operator names. If that should be you, ask the \
             operator."
        }
        FailureKind::BadPath(_) | FailureKind::TargetTooLong { .. } => {
            "Check the address in the browser."
        }
        FailureKind::BodyBroken => "Check the connection, and send it again.",
        FailureKind::BodyTooLarge { .. } => "Send something smaller, or ask the operator.",
        FailureKind::Maintenance(_) => "Try again later.",
        FailureKind::BadAuthority(_) => "Check the address in the browser.",
        FailureKind::BadResponse(_) | FailureKind::ClosedEarly(_) => {
            "Try again. If it stays like this, the program behind the service needs a look: its own \
             log says more."
        }
        FailureKind::BodyTooSlow { .. } | FailureKind::ClientTimeout { .. } => {
            "Check the connection, and send it again."
        }
        FailureKind::ConnectFailed { .. }
        | FailureKind::ConnectTimeout { .. }
        | FailureKind::NoUpstream { .. }
        | FailureKind::UpstreamTls { .. } => {
            "The program behind the service does not answer. It may just be starting: try again in \
             a moment. If it stays like this, tell the operator, who can ask \
             <code>conduit status</code>."
        }
        FailureKind::FirstByteTimeout { .. } | FailureKind::Saturated { .. } => {
            "The program behind the service is busy, or stuck. Try again later."
        }
        FailureKind::HeadTooLarge { .. } => {
            "Remove this site's cookies, and load the page again. If it stays like this, tell the \
             operator."
        }
        FailureKind::CodingRefused | FailureKind::MethodRefused => {
            "Nothing can be done in a browser about this."
        }
        FailureKind::Misdirected => "Load the page again.",
        FailureKind::UnknownHost(_) => {
            "Check the name in the address. If it is right, the service is not registered, or no \
             longer: the operator can ask <code>conduit status</code>."
        }
    }
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// What the page may load: nothing but the style that it carries.
pub(crate) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1d2433;--dim:#667;--ground:#f6f7f9;--card:#fff;--line:#dde}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e9f0;--dim:#98a;--ground:#12151c;--card:#1a1f2a;--line:#333c4d}}\
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--ground);color:var(--ink);\
font:16px/1.5 system-ui,sans-serif}\
main{max-width:34rem;margin:1rem;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:.5rem}\
.code{margin:0;color:var(--dim);font-weight:600}h1{margin:0 0 1rem;font-size:1.5rem}\
dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem;margin:1.5rem 0 0;font-size:.875rem}\
dt,footer{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere;font-family:ui-monospace,monospace}\
footer{margin-top:1.5rem;font-size:.875rem}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sent_is_escaped() {
        let kind = FailureKind::UnknownHost("<script>alert('&\"')</script>".into());
        let page = render(StatusCode::NOT_FOUND, &kind, "\"><img src=x>", None);
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        assert!(
            page.contains("&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;"),
            "{page}"
        );
    }

    #[test]
    fn it_says_what_happened_and_where_and_what_to_do() {
        let service = conduit_core::name::ServiceName::parse("grafana").expect("valid");
        let kind = FailureKind::ConnectFailed { service, reason: "connection refused".into() };
        let page = render(StatusCode::BAD_GATEWAY, &kind, "3f2a", Some("4bf9"));
        for part in [
            "502",
            "No connection to an upstream of grafana: connection refused.",
            "<dd>grafana</dd>",
            "<dd>connect_failed</dd>",
            "<dd>3f2a</dd>",
            "<dd>4bf9</dd>",
            "conduit status",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert!(!page.contains("http:") && !page.contains("src="), "self-contained: {page}");
    }
}
