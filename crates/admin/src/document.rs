//! The OpenAPI document, made from the routes themselves.
//!
//! Paths and methods come from the router, parameters and answers from the handlers, schemas from
//! the wire types. What every operation of a group has in common is added here: who may ask, and
//! the refusals that stand around every handler.
//!
//! **Invariant:** the roles in the document are those that the router lets pass.

mod refusals;

use std::sync::LazyLock;

use conduit_core::actor::Permission;
use http::Method;
use serde_json::json;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{Components, InfoBuilder, LicenseBuilder, OpenApi, Ref, RefOr, Required};

use crate::idempotency::KEY_CHARS_MAX;
use crate::router;
use crate::session::{CSRF, cookie, is_read};

/// The document as it is served, made when it is first asked for.
pub(crate) fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        // Invariant: a document always serializes.
        document().to_json().map(plain).unwrap_or_default()
    });
    &TEXT
}

/// The document of the whole router, as pretty JSON with an end of line: the golden copy.
///
/// # Errors
/// It does not serialize.
pub fn pretty() -> Result<String, serde_json::Error> {
    document().to_pretty_json().map(|text| plain(text) + "\n")
}

fn document() -> OpenApi {
    let mut document = router::described();
    document.info = InfoBuilder::new()
        .title("Conduit")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(
            LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build(),
        ))
        .build();
    document.tags = Some(
        TAGS.iter()
            .map(|(name, description)| {
                TagBuilder::new().name(*name).description(Some(*description)).build()
            })
            .collect(),
    );
    let components = document.components.get_or_insert_with(Components::new);
    for (name, scheme) in schemes() {
        components.add_security_scheme(name, scheme);
    }
    components.responses.extend(refusals::all());
    components.parameters.insert(ONCE.to_owned(), RefOr::T(once()));
    document
}

/// Adds what the operations of one group have in common; `needed` is what the router asks for.
pub(crate) fn guard(document: &mut OpenApi, needed: fn(&Method, &str) -> Permission) {
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            let permission = needed(&method, path);
            operation.security = Some(requirements(&method));
            // One extension only: their order is left to chance, and the golden copy has one.
            let role = json!(permission.least().as_str());
            let extension = ExtensionsBuilder::new().add("x-conduit-role", role);
            operation.extensions.get_or_insert_default().merge(extension.build());
            if !is_read(&method) {
                let reference = Ref::new(format!("#/components/parameters/{ONCE}"));
                operation.parameters.get_or_insert_default().push(RefOr::Ref(reference));
                refusals::add_of_once(operation);
            }
            refusals::add(operation, &method);
        }
    }
}

/// What makes a change happen once, however often it is sent.
fn once() -> Parameter {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(KEY_CHARS_MAX))
        .pattern(Some("^[!-~]+$"));
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Something unique, such as a UUID: the same request with the same key is carried out once, \
             and answered as it was for 10 minutes. 409 `under_way` while it is carried out, 422 `key_reused` for \
             another request to the same operation.",
        ))
        .schema(Some(text))
        .build()
}

/// Adds the common refusals to operations that judge their callers themselves.
pub(crate) fn refuse(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        for (method, operation) in operations(item) {
            refusals::add(operation, &method);
        }
    }
}

/// The operations of one path with their methods.
pub(crate) fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    [
        (Method::GET, item.get.as_mut()),
        (Method::POST, item.post.as_mut()),
        (Method::DELETE, item.delete.as_mut()),
        (Method::PUT, item.put.as_mut()),
        (Method::PATCH, item.patch.as_mut()),
    ]
    .into_iter()
    .filter_map(|(method, operation)| operation.map(|operation| (method, operation)))
}

/// Without the links that rustdoc follows in descriptions; no JSON has these pairs elsewhere.
#[expect(clippy::needless_pass_by_value, reason = "fits map")]
fn plain(text: String) -> String {
    text.replace("[`", "`").replace("`]", "`")
}

/// A token in either field, or a session, which changes need its word for.
fn requirements(method: &Method) -> Vec<SecurityRequirement> {
    let of = |scheme: &str| SecurityRequirement::new(scheme, Vec::<String>::new());
    let session = match is_read(method) {
        true => of(SESSION),
        false => of(SESSION).add(WORD, Vec::<String>::new()),
    };
    vec![of(BEARER), of(API_KEY), session]
}

fn schemes() -> [(&'static str, SecurityScheme); 4] {
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description = Some("An API token, `cdt_…`; `conduit token create` makes one.".into());
    let key = ApiKeyValue::with_description("x-api-key", "The same token in the original's field.");
    let session = ApiKeyValue::with_description(
        cookie::NAME,
        "A session of the dashboard, which `POST /api/v1/session` begins.",
    );
    let word = ApiKeyValue::with_description(
        CSRF.as_str(),
        "The `csrf` of the session, with every change within it.",
    );
    [
        (BEARER, SecurityScheme::Http(bearer)),
        (API_KEY, SecurityScheme::ApiKey(ApiKey::Header(key))),
        (SESSION, SecurityScheme::ApiKey(ApiKey::Cookie(session))),
        (WORD, SecurityScheme::ApiKey(ApiKey::Header(word))),
    ]
}

const ONCE: &str = "IdempotencyKey";
const BEARER: &str = "bearer";
const API_KEY: &str = "api_key";
const SESSION: &str = "session";
const WORD: &str = "session_csrf";

const DESCRIPTION: &str = "\
The admin API of a Conduit gateway. Over the Unix socket the kernel says who asks; over TCP an API \
token or a session does. `x-conduit-role` is the role with the fewest rights that an operation \
needs: an admin may everything, an operator what a ca-officer may, and everybody what a viewer \
may. An answer that is not a success has the body of `ErrorBody`: a stable code, a sentence and, \
where there is one, the mend. Unknown fields and options are refused. Times are RFC 3339 in UTC.";

const TAGS: [(&str, &str); 12] = [
    ("services", "What is registered, and how it is doing."),
    ("dns", "What names resolve to."),
    ("tls", "Our authority and the leaves that we serve."),
    ("nodes", "Monitored machines, their GPUs and containers."),
    ("alerts", "Alerts, the rules that raise them, and silences."),
    ("audit", "The signed record."),
    ("routing", "What the proxy serves, and what goes through."),
    ("sessions", "Sessions of the dashboard, and how they begin."),
    ("users", "People who may log in."),
    ("tokens", "API tokens."),
    ("config", "The configuration, backups and upgrades."),
    ("status", "The gateway as a whole."),
];

#[cfg(test)]
mod tests;
