//! What a look at the whole found: one line about one thing, and its mend.
//!
//! **Invariant:** sorted, findings are by check, in the order of [`Check::ALL`], and within one the
//! gravest first; two looks at the same thing say the same.

use std::cmp::Ordering;

use conduit_core::clock::Timestamp;

/// Everything that was found at one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// When the look began.
    pub at: Timestamp,
    /// Sorted.
    pub findings: Vec<Finding>,
}

/// What was found about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// Which one, when there are several.
    pub subject: Option<String>,
    /// How it is.
    pub verdict: Verdict,
    /// In words for people; one line.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    /// It is as it should be.
    pub fn ok(check: Check, message: impl Into<String>) -> Self {
        Self::new(check, Verdict::Ok, message)
    }

    /// It works, and may not for long, or not for everybody.
    pub fn warn(check: Check, message: impl Into<String>) -> Self {
        Self::new(check, Verdict::Warn, message)
    }

    /// It must be mended.
    pub fn fail(check: Check, message: impl Into<String>) -> Self {
        Self::new(check, Verdict::Fail, message)
    }

    /// It was not looked at, or does not apply here.
    pub fn skipped(check: Check, message: impl Into<String>) -> Self {
        Self::new(check, Verdict::Skipped, message)
    }

    /// The same about one of several.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// The same with the mend.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// How two of them are sorted.
    pub fn order(&self, other: &Self) -> Ordering {
        let key = |finding: &Self| (finding.check, finding.verdict);
        key(self).cmp(&key(other)).then_with(|| self.subject.cmp(&other.subject))
    }

    fn new(check: Check, verdict: Verdict, message: impl Into<String>) -> Self {
        // One line for each finding, whatever the error that it quotes looks like.
        let message = message.into().lines().map(str::trim).collect::<Vec<_>>().join("; ");
        Self { check, subject: None, verdict, message, hint: None }
    }
}

/// How something is, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It must be mended.
    Fail,
    /// It works, and may not for long, or not for everybody.
    Warn,
    /// It is as it should be.
    Ok,
    /// It was not looked at, or does not apply here.
    Skipped,
}

/// What is looked at, in the order in which it is told: what everything else stands on comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// Whether the file is legal, and in force.
    Config,
    /// Whether a gateway answers.
    Gateway,
    /// Whether every listener has its address.
    Ports,
    /// Whether our own DNS answers for a host of ours.
    Dns,
    /// Whether this machine's resolver leads to us.
    DnsPath,
    /// Whether our own HTTPS shows what our roots vouch for.
    Https,
    /// Whether this machine trusts us.
    TrustStore,
    /// Whether those who get others' names answer.
    Forwarders,
    /// Whether services are reached.
    Upstreams,
    /// Whether roots, intermediates and leaves are in their time.
    Certificates,
    /// Whether the time is right.
    Clock,
    /// Whether the state is ours alone.
    State,
    /// Whether there is room to write.
    Disk,
    /// Whether as many connections as are allowed can be open.
    Descriptors,
    /// Whether the container engine lets us in.
    Containers,
    /// Whether the GPUs' drivers let us in.
    Gpu,
    /// Whether other machines can be read.
    Nodes,
    /// Whether alerts arrive.
    Channels,
    /// Whether the record holds everything that was observed.
    Record,
}

impl Check {
    /// All of them, in their order.
    pub const ALL: [Self; 19] = [
        Self::Config,
        Self::Gateway,
        Self::Ports,
        Self::Dns,
        Self::DnsPath,
        Self::Https,
        Self::TrustStore,
        Self::Forwarders,
        Self::Upstreams,
        Self::Certificates,
        Self::Clock,
        Self::State,
        Self::Disk,
        Self::Descriptors,
        Self::Containers,
        Self::Gpu,
        Self::Nodes,
        Self::Channels,
        Self::Record,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Gateway => "gateway",
            Self::Ports => "ports",
            Self::Dns => "dns",
            Self::DnsPath => "dns-path",
            Self::Https => "https",
            Self::TrustStore => "trust-store",
            Self::Forwarders => "forwarders",
            Self::Upstreams => "upstreams",
            Self::Certificates => "certificates",
            Self::Clock => "clock",
            Self::State => "state",
            Self::Disk => "disk",
            Self::Descriptors => "descriptors",
            Self::Containers => "containers",
            Self::Gpu => "gpu",
            Self::Nodes => "nodes",
            Self::Channels => "channels",
            Self::Record => "record",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_told_in_their_order() {
        assert!(Check::ALL.is_sorted());
        let words: Vec<&str> = Check::ALL.iter().map(|check| check.as_str()).collect();
        assert!(words.iter().all(|word| words.iter().filter(|other| *other == word).count() == 1));
    }

    #[test]
    fn the_gravest_of_a_check_comes_first() {
        let mut findings = [
            Finding::ok(Check::Dns, "it answers").about("b"),
            Finding::fail(Check::Upstreams, "down"),
            Finding::ok(Check::Dns, "it answers").about("a"),
            Finding::warn(Check::Dns, "slow").about("c"),
            Finding::skipped(Check::Config, "none"),
        ];
        findings.sort_by(Finding::order);
        let told: Vec<_> =
            findings.iter().map(|f| (f.check.as_str(), f.subject.as_deref())).collect();
        assert_eq!(
            told,
            [
                ("config", None),
                ("dns", Some("c")),
                ("dns", Some("a")),
                ("dns", Some("b")),
                ("upstreams", None)
            ]
        );
    }

    #[test]
    fn a_finding_is_one_line() {
        let finding = Finding::fail(Check::Config, "a.toml:1:1: no\n  a.toml:2:1: nor this\n");
        assert_eq!(finding.message, "a.toml:1:1: no; a.toml:2:1: nor this");
    }
}
