//! Which provider vouches for people, and what they may do for it.

use conduit_core::actor::Role;

use super::claims::Claims;

/// The provider, and how it knows this gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcSettings {
    /// Its URL, as it writes it itself; `/.well-known/openid-configuration` is under it.
    pub issuer: String,
    /// What it calls this gateway.
    pub client_id: String,
    /// What to ask about people, beside `openid`.
    pub scopes: Vec<String>,
    /// The claim that is a person's name.
    pub name_claim: String,
    /// The claim that lists their groups; a dot goes into what a claim holds.
    pub roles_claim: String,
    /// What groups may do.
    pub roles: RoleMap,
    /// What the button says.
    pub label: String,
}

impl OidcSettings {
    /// Whether a token says too little, so that the provider's userinfo is asked as well.
    pub(super) fn lacks(&self, claims: &Claims) -> bool {
        let asks_groups = self.roles.asks_groups();
        claims.get(&self.name_claim).is_none()
            || (asks_groups && claims.get(&self.roles_claim).is_none())
    }
}

/// What groups may do. [`EVERYBODY`] is whomever the provider vouches for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleMap(Vec<(Role, Vec<String>)>);

impl RoleMap {
    /// Of a person with several groups, the first role of [`ORDER`] counts.
    pub fn new(groups: impl IntoIterator<Item = (Role, Vec<String>)>) -> Self {
        let mut map: Vec<_> = groups.into_iter().collect();
        map.sort_by_key(|(role, _)| ORDER.iter().position(|known| known == role));
        Self(map)
    }

    /// Whether nobody gets in.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, groups)| groups.is_empty())
    }

    /// The groups that are given a role.
    pub fn groups(&self, role: Role) -> &[String] {
        let found = self.0.iter().find(|(given, _)| *given == role);
        found.map_or(&[], |(_, groups)| groups)
    }

    /// What somebody with these groups may do; `None` when nothing.
    pub fn role_of(&self, groups: &[String]) -> Option<Role> {
        let has = |named: &String| named == EVERYBODY || groups.contains(named);
        self.0.iter().find(|(_, named)| named.iter().any(has)).map(|(role, _)| *role)
    }

    fn asks_groups(&self) -> bool {
        self.0.iter().any(|(_, groups)| groups.iter().any(|group| group != EVERYBODY))
    }
}

/// The roles by how much they may.
pub const ORDER: [Role; 5] =
    [Role::Admin, Role::Operator, Role::CaOfficer, Role::Auditor, Role::Viewer];
/// In the place of a group: whomever the provider vouches for.
pub const EVERYBODY: &str = "*";

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_strongest_role_of_a_persons_groups_counts() {
        let map = RoleMap::new([
            (Role::Viewer, words(&["staff", "guests"])),
            (Role::Admin, words(&["conduit-admins"])),
            (Role::Auditor, words(&["audit"])),
        ]);
        for (groups, role) in [
            (&["staff"][..], Some(Role::Viewer)),
            (&["staff", "conduit-admins"], Some(Role::Admin)),
            (&["audit", "guests"], Some(Role::Auditor)),
            (&["Staff"], None),
            (&["conduit-admins "], None),
            (&[], None),
        ] {
            assert_eq!(map.role_of(&words(groups)), role, "{groups:?}");
        }
        let open = RoleMap::new([(Role::Viewer, words(&["*"]))]);
        assert_eq!(open.role_of(&[]), Some(Role::Viewer));
        assert!(!open.asks_groups() && map.asks_groups());
        assert_eq!(RoleMap::default().role_of(&words(&["*"])), None, "a group called so");
        assert!(RoleMap::new([(Role::Admin, vec![])]).is_empty());
    }

    #[test]
    fn every_role_has_a_place() {
        let all = ["admin", "operator", "ca-officer", "auditor", "viewer"];
        assert_eq!(ORDER.map(Role::as_str), all);
    }
}
