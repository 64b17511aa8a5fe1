//! What an entry is about.

use std::borrow::Cow;
use std::fmt;

/// Declares the actions and their words once.
macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident => $word:literal,)*) => {
        /// The closed list of actions; views, filters and auditors rely on these words.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {
            $($(#[$doc])* $variant,)*
            /// A command failed; the word before `_error` is the command's.
            CommandError(&'static str),
        }

        impl Action {
            /// Every action but [`Action::CommandError`], in the order of their words.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word that is recorded.
            pub fn as_str(&self) -> Cow<'static, str> {
                match self {
                    $(Self::$variant => Cow::Borrowed($word),)*
                    Self::CommandError(command) => Cow::Owned(format!("{command}_error")),
                }
            }
        }
    };
}

actions! {
    /// An alert was silenced.
    AlertSilence => "alert_silence",
    /// A request came with wrong credentials.
    AuthFailure => "auth_failure",
    /// A backup was taken.
    Backup => "backup",
    /// The trust bundle was installed on a machine.
    CaTrustInstall => "ca_trust_install",
    /// A leaf was revoked.
    CertRevoke => "cert_revoke",
    /// A service's leaves were replaced on request.
    CertRotate => "cert_rotate",
    /// A state directory was set up.
    ConduitSetup => "conduit_setup",
    /// The configuration was read again.
    ConfigReload => "config_reload",
    /// The daemon started.
    DaemonStart => "daemon_start",
    /// The daemon stopped.
    DaemonStop => "daemon_stop",
    /// A DNS record was added.
    DnsAdd => "dns_add",
    /// The DNS cache was emptied.
    DnsFlush => "dns_flush",
    /// The zone was rebuilt.
    DnsReload => "dns_reload",
    /// A DNS record was removed.
    DnsRemove => "dns_remove",
    /// Observations were lost before they could be recorded.
    Gap => "gap",
    /// A service changed between healthy, degraded and down.
    HealthChange => "health_change",
    /// A setup of another tool was taken over.
    Import => "import",
    /// Somebody began a session of the dashboard.
    Login => "login",
    /// A one-time code for the dashboard was made.
    LoginCode => "login_code",
    /// Somebody ended their session of the dashboard.
    Logout => "logout",
    /// An alert was raised or cleared.
    MonitorAlert => "monitor_alert",
    /// A monitored machine was added.
    NodeAdd => "node_add",
    /// A monitored machine was removed.
    NodeRemove => "node_remove",
    /// A person may log in with one more device.
    PasskeyAdd => "passkey_add",
    /// A device opens no session any more.
    PasskeyRemove => "passkey_remove",
    /// A backup was restored.
    Restore => "restore",
    /// A service was deregistered.
    ServiceDeregister => "service_deregister",
    /// A service was registered.
    ServiceRegister => "service_register",
    /// A registered service was replaced.
    ServiceUpdate => "service_update",
    /// Leaves were issued.
    TlsIssue => "tls_issue",
    /// Leaves were renewed before their end.
    TlsRenew => "tls_renew",
    /// An API token was made.
    TokenCreate => "token_create",
    /// An API token was revoked.
    TokenRevoke => "token_revoke",
    /// An upstream was admitted by hand.
    UpstreamAdmit => "upstream_admit",
    /// An upstream was drained by hand.
    UpstreamDrain => "upstream_drain",
    /// An upstream was ejected by hand.
    UpstreamEject => "upstream_eject",
    /// A person was added who may log in.
    UserAdd => "user_add",
    /// A person's password was set.
    UserPasswordSet => "user_password_set",
    /// A person was removed.
    UserRemove => "user_remove",
    /// A person got another role.
    UserRoleSet => "user_role_set",
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_is_named_in_its_action() {
        assert_eq!(Action::CommandError("register").to_string(), "register_error");
    }

    #[test]
    fn the_words_are_in_order_and_each_is_there_once() {
        let words: Vec<_> = Action::ALL.iter().map(Action::as_str).collect();
        assert!(words.is_sorted_by(|a, b| a < b), "{words:?}");
    }
}
