//! Roles, in and out.

use conduit_api::v1::tokens as wire;
use conduit_core::actor::Role;

/// As it goes out.
pub(crate) fn shown(role: Role) -> wire::Role {
    match role {
        Role::Admin => wire::Role::Admin,
        Role::Auditor => wire::Role::Auditor,
        Role::CaOfficer => wire::Role::CaOfficer,
        Role::Operator => wire::Role::Operator,
        Role::Viewer => wire::Role::Viewer,
    }
}

/// As it came in.
pub(crate) fn wanted(role: wire::Role) -> Role {
    match role {
        wire::Role::Admin => Role::Admin,
        wire::Role::Auditor => Role::Auditor,
        wire::Role::CaOfficer => Role::CaOfficer,
        wire::Role::Operator => Role::Operator,
        wire::Role::Viewer => Role::Viewer,
    }
}
