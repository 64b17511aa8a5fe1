//! What can be typed behind `conduit dns`.

use std::net::IpAddr;

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;

use super::super::candidates;
use super::Json;

/// `conduit dns`.
#[derive(Debug, Default, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct DnsArgs {
    /// What to do; without it, list
    #[command(subcommand)]
    pub(crate) action: Option<DnsAction>,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// What to do with names.
#[derive(Debug, Subcommand)]
pub(crate) enum DnsAction {
    /// Answer with a record of your own
    Add(AddRecordArgs),
    /// Answer with it no more
    Remove(RemoveRecordArgs),
    /// List names and what they answer with
    List(Json),
    /// Ask the running gateway's own listener
    Resolve(ResolveArgs),
    /// Tell step by step why a name is answered as it is
    Why(WhyArgs),
    /// Drop cached answers of forwarders
    Flush(FlushArgs),
    /// Show hosts files and lists: what they hold, what they did, and which lines were skipped
    Lists(Json),
    /// Show where answers come from: zones, hosts files and lists, multicast DNS, and who copies or changes zones
    Sources(Json),
    /// Show the cache of forwarders' answers, how the forwarders do, and the lists
    Stats(Json),
}

/// `conduit dns flush`.
#[derive(Debug, Args)]
pub(crate) struct FlushArgs {
    /// The one name whose answers are dropped; without it, all are
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// `conduit dns resolve`.
#[derive(Debug, Args)]
pub(crate) struct ResolveArgs {
    /// The name to ask for
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(candidates::names))]
    pub(crate) name: String,
    /// The type of record
    #[arg(long = "type", value_name = "TYPE", default_value = "A",
        add = ArgValueCandidates::new(candidates::asked_types))]
    pub(crate) record_type: String,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// `conduit dns why`.
#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// The name to explain
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(candidates::names))]
    pub(crate) name: String,
    /// The type of record
    #[arg(value_name = "TYPE", default_value = "A",
        add = ArgValueCandidates::new(candidates::asked_types))]
    pub(crate) record_type: String,
    /// For a client with this address; this machine without it
    #[arg(long, value_name = "IP")]
    pub(crate) client: Option<IpAddr>,
    /// Also ask the running gateway's own listener, which may ask a forwarder
    #[arg(long)]
    pub(crate) ask: bool,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// `conduit dns add`.
#[derive(Debug, Args)]
#[command(after_help = "Types: A, AAAA, CAA, CNAME, HTTPS, MX, PTR, SRV, SVCB, TXT.\n\
    Examples:\n  conduit dns add nas.internal A 10.0.0.7\n  \
    conduit dns add '*.apps.internal' CNAME ingress.internal --ttl 5m\n  \
    conduit dns add internal MX 10 mail.internal\n  \
    conduit dns add _pg._tcp.internal SRV 0 0 5432 db.internal\n  \
    conduit dns add nas.internal TXT 'one text' 'another'")]
pub(crate) struct AddRecordArgs {
    /// Which record
    #[command(flatten)]
    pub(crate) record: RecordArgs,
    /// How long it may be kept, up to 7d; the zone's own time (dns.ttl) when absent
    #[arg(long, value_name = "TIME")]
    pub(crate) ttl: Option<String>,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}

/// A whole record.
#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// A name under a configured domain, also a wildcard such as '*.apps.internal', or a reverse name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// The type of record
    #[arg(value_name = "TYPE", add = ArgValueCandidates::new(candidates::record_types))]
    pub(crate) record_type: String,
    /// What it holds, as in a zone file; of TXT each word is one text
    #[arg(value_name = "DATA", required = true, num_args = 1..)]
    pub(crate) data: Vec<String>,
}

/// `conduit dns remove`.
#[derive(Debug, Args)]
#[command(
    after_help = "Without DATA every record of that type goes, without TYPE every record of that name. \
    What the configuration gives ([[dns.records]]) is taken out there."
)]
pub(crate) struct RemoveRecordArgs {
    /// Whose records
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(candidates::record_names))]
    pub(crate) name: String,
    /// Those of this type only
    #[arg(value_name = "TYPE", add = ArgValueCandidates::new(candidates::record_types))]
    pub(crate) record_type: Option<String>,
    /// The one with this data only
    #[arg(value_name = "DATA", num_args = 0..)]
    pub(crate) data: Vec<String>,
    /// Output
    #[command(flatten)]
    pub(crate) output: Json,
}
