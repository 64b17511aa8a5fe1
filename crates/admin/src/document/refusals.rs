//! The refusals that stand around every handler, for the document.

use conduit_api::v1::error::ErrorBody;
use http::Method;
use utoipa::ToSchema;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};

/// Every common refusal, by its name among the document's components.
pub(super) fn all() -> impl Iterator<Item = (String, RefOr<Response>)> {
    COMMON.iter().map(|refusal| {
        let schema = Ref::from_schema_name(ErrorBody::name());
        let response = ResponseBuilder::new()
            .description(refusal.description)
            .content("application/json", Content::new(Some(schema)))
            .build();
        (refusal.name.to_owned(), RefOr::T(response))
    })
}

/// Adds those that one operation can give and does not tell of itself.
pub(super) fn add(operation: &mut Operation, method: &Method) {
    let asked = Asked {
        changes: !matches!(*method, Method::GET | Method::HEAD),
        has_body: operation.request_body.is_some(),
        has_path: has_path(operation),
    };
    for refusal in COMMON.iter().filter(|refusal| (refusal.when)(&asked)) {
        let reference = Ref::from_response_name(refusal.name);
        operation
            .responses
            .responses
            .entry(refusal.status.to_owned())
            .or_insert(RefOr::Ref(reference));
    }
}

/// Adds those of a request that is to be carried out once.
pub(super) fn add_of_once(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    for (status, name) in [("409", UNDER_WAY), ("422", KEY_REFUSED)] {
        responses.entry(status.to_owned()).or_insert(RefOr::Ref(Ref::from_response_name(name)));
    }
}

fn has_path(operation: &Operation) -> bool {
    let mut parameters = operation.parameters.iter().flatten();
    parameters.any(|parameter| match parameter {
        RefOr::T(parameter) => matches!(parameter.parameter_in, ParameterIn::Path),
        RefOr::Ref(_) => false,
    })
}

/// What decides which refusals an operation can give.
struct Asked {
    changes: bool,
    has_body: bool,
    has_path: bool,
}

struct Refusal {
    status: &'static str,
    name: &'static str,
    description: &'static str,
    when: fn(&Asked) -> bool,
}

const UNDER_WAY: &str = "UnderWay";
const KEY_REFUSED: &str = "KeyRefused";
/// The first of each status that fits is taken.
const COMMON: [Refusal; 15] = [
    Refusal {
        status: "409",
        name: UNDER_WAY,
        description: "`under_way`: a request with this Idempotency-Key is being carried out",
        when: |_| false,
    },
    Refusal {
        status: "422",
        name: KEY_REFUSED,
        description: "`invalid_body`: a field is unknown, missing or of another type; `key_reused`: \
                      the Idempotency-Key was used for another request, or `invalid`: it is none",
        when: |_| false,
    },
    Refusal {
        status: "400",
        name: "BadBody",
        description: "`invalid_body`: the body is no JSON; `incomplete_body`; `invalid_path`",
        when: |asked| asked.has_body,
    },
    Refusal {
        status: "400",
        name: "BadPath",
        description: "`invalid_path`: the path is not UTF-8",
        when: |asked| asked.has_path,
    },
    Refusal {
        status: "401",
        name: "Unauthorized",
        description: "`unauthorized`: no valid API token was sent; `session_over`",
        when: |_| true,
    },
    Refusal {
        status: "403",
        name: "Forbidden",
        description: "`forbidden`: the caller's role does not suffice; `host_refused`: over TCP, the \
                      Host is not ours; within a session `csrf`, `cross_site`",
        when: |_| true,
    },
    Refusal {
        status: "408",
        name: "SlowBody",
        description: "`slow_body`: the body did not arrive in time",
        when: |asked| asked.has_body,
    },
    Refusal {
        status: "413",
        name: "TooLarge",
        description: "`too_large`: the body is larger than it may be",
        when: |asked| asked.has_body,
    },
    Refusal {
        status: "415",
        name: "NotJson",
        description: "`not_json`: the body does not say that it is JSON",
        when: |asked| asked.has_body,
    },
    Refusal {
        status: "422",
        name: "Invalid",
        description: "`invalid_body`: a field is unknown, missing or of another type",
        when: |asked| asked.has_body,
    },
    Refusal {
        status: "429",
        name: "TooMany",
        description: "`busy`: too many requests are in progress; `too_many_requests`: this token or \
                      session asks too often; `too_many_failures`: too many came without a valid \
                      token; Retry-After says when to come back",
        when: |_| true,
    },
    Refusal {
        status: "500",
        name: "Internal",
        description: "`internal` or `failed`: our own fault; the log has the reason under the \
                      answer's x-request-id",
        when: |_| true,
    },
    Refusal {
        status: "503",
        name: "UnavailableForChanges",
        description: "`shutting_down`; `unavailable`: nothing was changed; `timeout` or \
                      `outcome_unknown`: ask what is true now",
        when: |asked| asked.changes,
    },
    Refusal {
        status: "503",
        name: "Unavailable",
        description: "`timeout`: no answer in time; `unavailable`: it cannot be read now",
        when: |_| true,
    },
    Refusal {
        status: "507",
        name: "DiskFull",
        description: "`disk_full`: the state directory's disk is full; nothing was changed",
        when: |asked| asked.changes,
    },
];
