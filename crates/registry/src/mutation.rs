//! What a caller may wish for, and what a granted wish tells them.

use std::fmt;
use std::sync::Arc;

use conduit_audit::Draft;
use conduit_core::actor::Role;
use conduit_core::catalog::{Generation, Version};
use conduit_core::certificate::{Issuance, IssuedCertificate, RevocationReason, Signed};
use conduit_core::clock::Timestamp;
use conduit_core::hold::HoldKind;
use conduit_core::name::ServiceName;
use conduit_core::node::{Node, NodeName};
use conduit_core::passkey::{Passkey, PasskeyId};
use conduit_core::policy::Policy;
use conduit_core::record::Record;
use conduit_core::record::data::RecordData;
use conduit_core::record::kind::RecordType;
use conduit_core::record::name::RecordName;
use conduit_core::scope::Scopes;
use conduit_core::service::{
    DnsMode, Monitoring, ProbePath, Protocol, Service, TlsMode, WhenAllEjected,
};
use conduit_core::title::Title;
use conduit_core::upstream::UpstreamAddr;
use conduit_core::user::{PasswordHash, UserName};

use crate::rejection::Rejection;

/// A wish to change the truth or its record.
#[derive(Debug, Clone)]
pub enum Mutation {
    /// Watch a machine; when it was added is written by the rules.
    AddNode(Box<Node>),
    /// Let a person log in with a device of theirs; when it was added is written by the rules.
    AddPasskey {
        /// Whose it is.
        name: UserName,
        /// What the device sent.
        passkey: Box<Passkey>,
    },
    /// Answer with a record; when it was added is written by the rules.
    AddRecord(Box<Record>),
    /// Let a person log in.
    AddUser {
        /// What they are called.
        name: UserName,
        /// What they may do.
        role: Role,
        /// Their password's hash, if they are to have one.
        password: Option<PasswordHash>,
    },
    /// Change records: all of it, or nothing.
    ChangeRecords(Box<RecordsToChange>),
    /// Make an API token.
    CreateToken {
        /// What it is called.
        name: String,
        /// What its holder may do.
        role: Role,
        /// Of which parts; none is all.
        scopes: Scopes,
        /// From when on it is worthless, if ever.
        expires_at: Option<Timestamp>,
    },
    /// Take a service away; its row stays, inactive.
    Deregister {
        /// Which one.
        name: ServiceName,
    },
    /// Hold an upstream of a service back, or let it in again.
    Hold {
        /// Which service.
        name: ServiceName,
        /// Which of its upstreams.
        upstream: UpstreamAddr,
        /// Why it is held back; `None` admits it.
        kind: Option<HoldKind>,
        /// Who asked, for people who look at the service later.
        by: String,
    },
    /// Take over what somebody else's file asks for.
    Import(Box<Importing>),
    /// Issue a certificate for somebody else to use.
    Issue(Box<Issuance>),
    /// Put a decision on record that changes nothing else, such as `dns_flush`.
    Record(Box<Draft>),
    /// Register services: all of them, or none.
    Register {
        /// The services as they are to be.
        services: Vec<Registration>,
        /// How to treat those that exist.
        options: RegisterOptions,
    },
    /// Issue new leaves for services.
    Reissue {
        /// Which ones.
        names: Vec<ServiceName>,
        /// Why.
        cause: Cause,
    },
    /// Watch a machine no more; its row stays.
    RemoveNode {
        /// Which one.
        name: NodeName,
    },
    /// Let a person log in with a device of theirs no more.
    RemovePasskey {
        /// Whose it is.
        name: UserName,
        /// Which one.
        id: PasskeyId,
    },
    /// Answer with some records no more; their rows stay.
    RemoveRecords(Box<RecordsToRemove>),
    /// Let a person log in no more; their row stays, their passkeys go.
    RemoveUser {
        /// Who.
        name: UserName,
    },
    /// Declare certificates not to be believed any more, for good.
    Revoke(Box<Revoking>),
    /// Make a token worthless; its row stays.
    RevokeToken {
        /// The token's id, never its secret.
        id: String,
    },
    /// Set a person's password.
    SetPassword {
        /// Whose.
        name: UserName,
        /// Its hash.
        password: PasswordHash,
    },
    /// Give a person another role.
    SetRole {
        /// Who gets it.
        name: UserName,
        /// What they may do from now on.
        role: Role,
    },
    /// Note that somebody logged in with a passkey.
    UsePasskey {
        /// Whose it is.
        name: UserName,
        /// Which one.
        id: PasskeyId,
        /// Its counter and what else changed, encoded.
        state: Arc<[u8]>,
        /// The record of the login.
        record: Box<Draft>,
    },
    /// Do something, but only while an active service is still as its caller saw it; what is held
    /// back does not count.
    WhileUnchanged {
        /// The service as it was seen.
        seen: Arc<Service>,
        /// What to do then.
        then: Box<Self>,
    },
}

/// A service as somebody asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// What it is to be called.
    pub name: ServiceName,
    /// What people read instead.
    pub title: Option<Title>,
    /// A configured domain to be under, or a whole host under one; the first domain when absent.
    pub domain: Option<String>,
    /// More hosts, each in one of the forms of `domain`.
    pub aliases: Vec<String>,
    /// Where its traffic goes.
    pub upstreams: Vec<UpstreamAddr>,
    /// What the upstreams speak.
    pub protocol: Protocol,
    /// Whether it gets certificates; a `tcp` service never does.
    pub tls: TlsMode,
    /// What its hosts resolve to; the fitting mode when absent.
    pub dns: Option<DnsMode>,
    /// A path to probe; the default probe of the protocol when absent.
    pub probe: Option<ProbePath>,
    /// What happens when no upstream is admitted.
    pub when_all_ejected: WhenAllEjected,
    /// What the monitor should tie it to.
    pub monitoring: Monitoring,
    /// What is asked of its traffic.
    pub policy: Arc<Policy>,
}

impl Registration {
    /// Asks for a service with defaults for everything but its name and upstreams.
    pub fn new(name: ServiceName, upstreams: Vec<UpstreamAddr>) -> Self {
        Self {
            name,
            title: None,
            domain: None,
            aliases: Vec::new(),
            upstreams,
            protocol: Protocol::Http,
            tls: TlsMode::Issued,
            dns: None,
            probe: None,
            when_all_ejected: WhenAllEjected::default(),
            monitoring: Monitoring::default(),
            policy: Policy::default().shared(),
        }
    }
}

/// Which records of a name are to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordsToRemove {
    /// Whose.
    pub name: RecordName,
    /// Those of this type; of every type when absent.
    pub kind: Option<RecordType>,
    /// The one with this data; whatever they hold when absent.
    pub data: Option<RecordData>,
}

/// Records that are to come and go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordsToChange {
    /// The generation that whoever asks has seen: nothing may have changed since.
    pub seen: Generation,
    /// One after the other.
    pub wishes: Vec<RecordWish>,
}

/// What is to become of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordWish {
    /// This one is to be there.
    Add(Record),
    /// These are not to be; that they are not is fine.
    Remove(RecordsToRemove),
}

/// What an import asks for.
#[derive(Debug, Clone)]
pub struct Importing {
    /// Services: all of them, or nothing at all.
    pub services: Vec<Registration>,
    /// Whether they may replace active services of the same names.
    pub replace: bool,
    /// Records; those that cannot be are left out and told.
    pub records: Vec<Record>,
    /// What is recorded about it, when it changes anything.
    pub draft: Box<Draft>,
    /// Only say what would happen.
    pub dry_run: bool,
}

/// What is to be revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoking {
    /// Certificates of the inventory, as they were seen there.
    pub certificates: Vec<Arc<IssuedCertificate>>,
    /// A service: it gets new leaves, and those that it has and had are revoked.
    pub service: Option<ServiceName>,
    /// Why.
    pub reason: RevocationReason,
}

/// How a registration treats what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RegisterOptions {
    /// Only say what would happen.
    pub dry_run: bool,
    /// Deregister every active service that is not among the registrations.
    pub prune: bool,
    /// Let a registration replace an active service of the same name.
    pub replace: bool,
}

/// Why leaves are issued again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Two thirds of their validity are over.
    Renew,
    /// Somebody asked for it.
    Rotate,
}

/// A wish that was granted; it is durable and live when the caller reads this.
#[derive(Debug, Clone)]
pub struct Committed {
    /// Of the catalog after the mutation.
    pub generation: Generation,
    /// Of the tables after the mutation.
    pub version: Version,
    /// Whether anything was written.
    pub changed: bool,
    /// What became of each service, in the order of the wish; pruned ones last.
    pub outcomes: Vec<ServiceOutcome>,
    /// After a dry run, the services as they would be, in the order of the wish.
    pub planned: Vec<Arc<Service>>,
    /// The records that the wish was about, as they are, or were until now.
    pub records: Vec<Record>,
    /// Records of an import that cannot be, by their places in the wish, and why.
    pub refused: Vec<(usize, Rejection)>,
    /// The certificate that was issued: the only time its key is seen.
    pub issued: Option<Box<Signed>>,
    /// The token that was made: the only time its secret is seen.
    pub token: Option<NewToken>,
    /// The sequence number of the last capsule that was written.
    pub sequence: Option<u64>,
}

/// What became of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceOutcome {
    /// Which service.
    pub name: ServiceName,
    /// What became of it.
    pub kind: OutcomeKind,
}

/// What a mutation did, or in a dry run would do, to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeKind {
    /// It was not there.
    Created,
    /// It is there no more.
    Deregistered,
    /// It has new leaves.
    Reissued,
    /// It was there with other content.
    Replaced,
    /// It was there with the same content.
    Unchanged,
}

impl OutcomeKind {
    /// The word for it, the same in CLI and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Deregistered => "deregistered",
            Self::Reissued => "reissued",
            Self::Replaced => "replaced",
            Self::Unchanged => "unchanged",
        }
    }
}

impl fmt::Display for OutcomeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A token that was just made.
#[derive(Clone, PartialEq, Eq)]
pub struct NewToken {
    /// How to name it.
    pub id: String,
    /// What its holder shows; stored nowhere.
    pub secret: String,
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewToken").field("id", &self.id).finish_non_exhaustive()
    }
}
