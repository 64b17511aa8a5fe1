//! Every bound of the admin room, in one place.
//!
//! **Invariant:** nothing here waits, grows or repeats without one of these.

use std::time::Duration;

/// Connections at a time on each listener; further ones wait in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 512;
/// Requests in progress at a time, on both listeners together; further ones get 429.
pub const REQUESTS_MAX: usize = 256;
/// How long a client may take to send the head of a request, and to stay idle between two.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to send the body of a request.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a request may take once it was read, unless it says itself how long it waits.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The same for requests that may have much to do: bulk registration, verification, backup.
pub const BULK_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a new process gets to take over, unless the caller says otherwise.
pub const UPGRADE_SECONDS: u64 = 60;
/// The most that can be asked for.
pub const UPGRADE_SECONDS_MAX: u64 = 240;
/// What a connection accepted just before the end gets to send its first request.
pub(crate) const FRESH_GRACE: Duration = Duration::from_millis(500);
/// The largest head of a request.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;
/// The largest body of a request.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The largest body of a bulk registration.
pub const BULK_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bodies of bulk registrations that are read at a time.
pub const BULKS_MAX: usize = 2;
/// The longest `wait_healthy`.
pub const WAIT_HEALTHY_SECONDS_MAX: u64 = 60;
/// Services with the preset `auto` in one bulk; each is looked at before anything is registered.
pub const AUTO_MAX: usize = 64;
/// How long the checks of one service through our own listeners may take.
pub const SELF_CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a look at the whole gateway may take; what has not answered by then is said so.
pub const DOCTOR_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests of one token or session in a second; further ones get 429. The Unix socket has no such limit.
pub const REQUESTS_EACH: u32 = 250;
/// The same at once.
pub const REQUESTS_EACH_BURST: u32 = 1_000;
/// How long the answer to a request with an `Idempotency-Key` is kept.
pub const ANSWER_KEPT: Duration = Duration::from_secs(600);
/// Such answers; the oldest go first.
pub const ANSWERS_MAX: usize = 1_000;
/// Bytes of all of them, and of one.
pub const ANSWERS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Elements of a list in one answer, when a limit is given.
pub const PAGE_MAX: u32 = 1_000;
/// Records of hosts files in a list of names; more are told in parts, since there may be a million.
pub const HOSTS_LISTED_MAX: usize = 100_000;
/// Lines of the query log in one answer: all that are kept.
pub const QUERIES_MAX: u32 = 1_000;
/// The same when no number is given.
pub const QUERIES_DEFAULT: u32 = 100;
/// Entries of the record that are looked through for who added something.
pub(crate) const ADDED_ENTRIES_MAX: u32 = 500;
/// Entries of the record in one answer.
pub const AUDIT_LIMIT_MAX: u32 = conduit_api::v1::audit::PAGE_MAX;
/// Entries of the record in an answer when no number is given, as in the original.
pub const AUDIT_LIMIT_DEFAULT: u32 = 50;
/// Failed authentications that are answered with 401 and reported, per minute; further ones get
/// 429 and are only counted.
pub const AUTH_FAILURES_PER_MINUTE_MAX: u32 = 60;
/// How long open requests may go on once the room is to close.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest secret that is looked at.
pub const SECRET_BYTES_MAX: usize = 512;
/// Sessions of the dashboard at a time; one more ends the one that was idle for longest.
pub const SESSIONS_MAX: usize = 1_000;
/// The same for one person or token.
pub const SESSIONS_EACH_MAX: usize = 16;
/// How long a session may be idle.
pub const SESSION_IDLE: Duration = Duration::from_secs(30 * 60);
/// How long a session lasts at most.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(12 * 3_600);
/// How long a one-time code of `conduit login` is good.
pub const LOGIN_CODE_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// One-time codes that are good at a time; one more makes the oldest worthless.
pub const LOGIN_CODES_MAX: usize = 32;
/// Logins by passkey, logins through a provider, and additions of passkeys, that began and are not
/// finished, each; of more, the one that began first gives way.
pub const CEREMONIES_MAX: usize = 1_024;
/// The same of one address, or of one person.
pub const CEREMONIES_EACH_MAX: usize = 32;
/// How long such a login or addition may take.
pub const CEREMONY_LIFETIME: Duration = Duration::from_secs(300);
/// The longest code of a provider of identities that is looked at.
pub const PROVIDER_CODE_BYTES_MAX: usize = 4 * 1024;
/// The longest answer of a device that is looked at.
pub const PASSKEY_BYTES_MAX: usize = 64 * 1024;
/// Addresses and names whose failed logins are remembered.
pub const LOCKED_MAX: usize = 10_000;
/// Failed logins of one name before it has to wait.
pub const FAILURES_PER_NAME: u32 = 5;
/// Failed logins from one address (of IPv6, one /64) before it has to wait.
pub const FAILURES_PER_ADDRESS: u32 = 20;
/// The first wait; each further failure doubles it.
pub const LOCKED_FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
pub const LOCKED_LAST: Duration = Duration::from_secs(15 * 60);
/// How long after its last failure an address or name is remembered.
pub const LOCKED_FORGET: Duration = Duration::from_secs(3_600);
/// Intervals without a reading after which a node counts as lost.
pub const STALE_INTERVALS: u32 = 3;
/// Points of one series in an answer.
pub const HISTORY_POINTS_MAX: u64 = 2_000;
/// Points of one series in an answer when no step is given.
pub const HISTORY_POINTS: u64 = 500;
/// Series in one answer of the history.
pub const HISTORY_SERIES_MAX: usize = 64;
/// The longest time that one question to the history may span.
pub const HISTORY_SPAN_MAX: Duration = Duration::from_secs(400 * 86_400);
/// The same when no beginning is given.
pub const HISTORY_SPAN: Duration = Duration::from_secs(86_400);
/// The longest silence: 30 days.
pub const SILENCE_SECONDS_MAX: u64 = 30 * 86_400;
/// Characters of a comment or of the subject of a silence.
pub const TEXT_CHARS_MAX: usize = 200;
/// Streams of events, and of containers' logs, that are open at a time; further ones get 429.
pub const STREAMS_MAX: usize = 128;
/// From one sign of life of a silent stream to the next.
pub const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often a stream looks whether the gateway is stopping and its caller's credentials are good.
pub(crate) const STREAM_LOOK: Duration = Duration::from_secs(1);
/// From one comparison for the streams of events to the next; what changes meanwhile is told at once.
pub(crate) const GATHER: Duration = Duration::from_millis(250);
/// From one event about traffic to the next.
pub(crate) const TRAFFIC_PACE: Duration = Duration::from_secs(2);
/// Services in one event about traffic; of more, the busiest.
pub const TRAFFIC_SERVICES_MAX: usize = 200;
/// Batches of events that are kept for a client that is slow.
pub(crate) const FEED_BACKLOG: usize = 64;
/// Events of nodes, and other ones, in one batch; what is beyond is told as one.
pub const EVENTS_AT_ONCE_MAX: usize = 1_000;
/// Lines that a container's log begins with at most.
pub const LOG_TAIL_MAX: u32 = 100_000;
/// How long scanning, pinning or trying a machine may take.
pub const NODE_TIMEOUT: Duration = Duration::from_secs(60);
