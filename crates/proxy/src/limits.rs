//! Every bound of the request path, with its unit.
//!
//! What clients are held to is one value, [`Limits`], whatever they speak; a few of its parts can be
//! configured. The rest are constants. What was reached is counted in `hits`.
//!
//! **Invariant:** nothing on the request path waits, grows or repeats without a bound named here,
//! except the duration of a response and of a tunnel, which streams need to be without one.

pub(crate) mod admission;
pub(crate) mod flood;
mod frames;
pub(crate) mod hits;
pub(crate) mod watched;

use std::time::Duration;

pub use self::flood::{FrameBudget, FrameBudgets};

/// What clients are held to, in every protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections that may be open at once, over all workers; more wait in the listen queue.
    pub connections_max: usize,
    /// How many of them may be of one client: an address, or a /64 of IPv6; more are closed. 0 is no
    /// limit. Trusted proxies have none.
    pub connections_per_client_max: usize,
    /// How long requests in flight may go on after stopping began.
    pub drain: Duration,
    /// From the accepted connection to the end of the TLS handshake.
    pub handshake: Duration,
    /// From the first byte of a request's head to its last, over HTTP/1.1 and HTTP/3. Over HTTP/2 a head that is
    /// not whole is no request, and `idle` ends its connection.
    pub head: Duration,
    /// How long a connection without a request in flight is kept.
    pub idle: Duration,
    /// Bytes of a request's head; longer ones get 431.
    pub head_bytes_max: usize,
    /// Lines of a head; more get 431.
    pub head_lines_max: usize,
    /// Bytes of a request's path and query; longer ones get 414.
    pub target_bytes_max: usize,
    /// Bytes per second that a request's body has to bring, while it is the client that is waited
    /// for; 0 is no limit.
    pub body_rate_min: u64,
    /// Over HTTP/2.
    pub h2: Http2Limits,
}

/// What clients are held to over HTTP/2, beside the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http2Limits {
    /// Requests in flight per connection.
    pub streams_max: u32,
    /// Streams that were reset before anything accepted them, per connection (CVE-2023-44487).
    pub resets_pending_max: usize,
    /// Resets that a client may provoke from us, per connection (CVE-2025-8671).
    pub resets_provoked_max: usize,
    /// Frames per connection.
    pub frames: FrameBudgets,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: CONNECTIONS_MAX,
            connections_per_client_max: CONNECTIONS_PER_CLIENT_MAX,
            drain: DRAIN_TIMEOUT,
            handshake: HANDSHAKE_TIMEOUT,
            head: HEAD_TIMEOUT,
            idle: IDLE_TIMEOUT,
            head_bytes_max: HEAD_BYTES_MAX,
            head_lines_max: HEAD_LINES_MAX,
            target_bytes_max: TARGET_BYTES_MAX,
            body_rate_min: BODY_RATE_MIN,
            h2: Http2Limits {
                streams_max: H2_STREAMS_MAX,
                resets_pending_max: H2_RESETS_PENDING_MAX,
                resets_provoked_max: H2_RESETS_PROVOKED_MAX,
                frames: CLIENT_FRAMES,
            },
        }
    }
}

/// Connections open at once, over all workers.
pub const CONNECTIONS_MAX: usize = 20_000;
/// Connections of one client: a quarter, so that it takes several to keep everybody else out, and
/// everybody behind one address still fits.
pub const CONNECTIONS_PER_CLIENT_MAX: usize = CONNECTIONS_MAX / 4;
/// What requests in flight get after stopping began.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Closes a connection that asks nothing.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// For connecting to an upstream, TLS included. The time to its first byte has no bound here: a busy inference
/// engine may take minutes. Bounds per service come with their own configuration.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the accepted connection to the end of the TLS handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// For a request's head: heads fit in a few packets, and Apache gives as much (20 s, mod_reqtimeout).
/// Looked at by the sweep, so it may be one `SWEEP_INTERVAL` late.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The same as an idle connection gets while few more connections are possible.
pub(crate) const SCARCE_IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes per second of a request's body: Kestrel's default, half of Apache's.
pub const BODY_RATE_MIN: u64 = 240;
/// How often the clocks of requests are looked at. A clock runs out at most two of these late.
pub(crate) const CLOCK_TICK: Duration = Duration::from_secs(1);
/// How long a client may take nothing of a response that is there, or send nothing of a body that it
/// announced, unless its service says otherwise.
pub(crate) const CLIENT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an upstream that was asked whether a body may follow can leave it open; then the body
/// follows all the same (RFC 9110 §10.1.1).
pub(crate) const CONTINUE_TIMEOUT: Duration = Duration::from_secs(1);
/// How often idle connections, downstream and upstream, are looked for; a multiple of [`CLOCK_TICK`].
pub(crate) const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// The same while stopping.
pub(crate) const DRAIN_SWEEP_INTERVAL: Duration = Duration::from_millis(250);
/// After how much silence a connection of HTTP/1.1 gives its buffers back; looked at by the sweep.
pub(crate) const REST_AFTER: Duration = Duration::from_secs(1);
/// How many connections of a worker end or come to rest within a [`CLOCK_TICK`] before it looks for
/// memory to give back.
pub(crate) const RELEASED_MANY: usize = 32;
/// What is read at once from a connection that was at rest; the rest follows from the buffers of TLS.
pub(crate) const REST_READ_BYTES: usize = 512;
/// What a connection accepted just before a stop gets to send its first request.
pub(crate) const FRESH_GRACE: Duration = Duration::from_secs(1);
/// What a client has to take between two sweeps for its connection not to be idle, when its last
/// response was handed over whole and is still on its way.
pub(crate) const PROGRESS_BYTES_MIN: u64 = 1_024;
/// How long accepting pauses when the process has no file descriptors left.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What a connection that was told to finish gets when nothing is in flight on it.
pub(crate) const GOODBYE_TIMEOUT: Duration = Duration::from_secs(10);

/// How TCP notices that the other side of a silent connection is gone: streams and tunnels may be
/// silent for hours, and half-open ones would stay for ever.
pub(crate) fn keepalive() -> socket2::TcpKeepalive {
    socket2::TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_TRIES_MAX)
}

/// How long a connection is silent before TCP asks whether the other side is still there.
pub(crate) const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
/// How often it asks.
pub(crate) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// How often it asks in vain before the connection is closed.
pub(crate) const KEEPALIVE_TRIES_MAX: u32 = 4;

/// Clients that wait to be accepted, per listening socket.
pub(crate) const BACKLOG: i32 = 1_024;
/// A request's head, as it is over HTTP/1.1 and unpacked over HTTP/2; longer ones get 431.
pub const HEAD_BYTES_MAX: usize = 64 * 1_024;
/// Lines in a head; more get 431.
pub const HEAD_LINES_MAX: usize = 128;
/// A request's path and query; longer ones get 414. Twice what RFC 9112 §3 asks for, and what others
/// take.
pub const TARGET_BYTES_MAX: usize = 16 * 1_024;
/// The head of an upstream's answer over HTTP/2.
pub(crate) const H2_UPSTREAM_HEAD_BYTES_MAX: u32 = 64 * 1_024;
/// What an upstream over HTTP/1.1 may send without the head of its answer being whole: 1xx answers
/// in any number, and the largest head with the body that comes along.
pub(crate) const UPSTREAM_HEAD_BYTES_MAX: usize = 3 * BUFFER_BYTES_MAX;
/// What is read or queued per HTTP/1.1 connection at once.
pub const BUFFER_BYTES_MAX: usize = 128 * 1_024;
/// What is read of an upstream's answer at once, at first; up to [`BUFFER_BYTES_MAX`] while much comes.
pub(crate) const UPSTREAM_READ_BYTES: usize = 16 * 1_024;
/// Lines in the head or the trailers of an upstream's answer over HTTP/1.1.
pub(crate) const UPSTREAM_LINES_MAX: usize = 100;
/// Trailers of an upstream's answer.
pub(crate) const TRAILER_BYTES_MAX: usize = 16 * 1_024;
/// The first line of a chunk, extensions included.
pub(crate) const CHUNK_LINE_BYTES_MAX: usize = 4 * 1_024;
/// What is read ahead of TLS while a client sends a lot; nothing while it does not.
pub(crate) const READ_AHEAD_BYTES: usize = 64 * 1_024;
/// Requests in flight per HTTP/2 connection.
pub const H2_STREAMS_MAX: u32 = 256;
/// Streams that were reset before anything accepted them, per connection (CVE-2023-44487).
pub const H2_RESETS_PENDING_MAX: usize = 20;
/// Resets that a client may provoke from us, per connection (CVE-2025-8671), as in Sōzu.
pub const H2_RESETS_PROVOKED_MAX: usize = 500;
/// Frames of clients per second and connection. PING and SETTINGS as in Sōzu; a page that is left may
/// give up all its streams at once, beside Sōzu's 100; a client that takes much may ask much.
pub const CLIENT_FRAMES: FrameBudgets = FrameBudgets {
    headers: FrameBudget { per_second: u32::MAX, bytes_per_more: 0 },
    priority: FrameBudget { per_second: 2 * H2_STREAMS_MAX, bytes_per_more: 0 },
    reset: FrameBudget { per_second: H2_STREAMS_MAX + 100, bytes_per_more: 0 },
    settings: FrameBudget { per_second: 50, bytes_per_more: 0 },
    // Clients of gRPC measure a download with one in each round trip.
    ping: FrameBudget { per_second: 100, bytes_per_more: 1_024 },
    // Two for each DATA frame, however small.
    window_update: FrameBudget { per_second: 1_000, bytes_per_more: 8 },
    other: FrameBudget { per_second: 100, bytes_per_more: 0 },
};
/// Frames of upstreams per second and connection. They answer: what is sent to them is what they may
/// send, and 1xx answers beside.
pub(crate) const UPSTREAM_FRAMES: FrameBudgets = FrameBudgets {
    headers: FrameBudget { per_second: 1_000, bytes_per_more: 8 },
    reset: FrameBudget { per_second: 1_000, bytes_per_more: 8 },
    ..CLIENT_FRAMES
};
/// What a client may send ahead per stream.
pub(crate) const H2_STREAM_WINDOW_BYTES: u32 = 256 * 1_024;
/// What a client may send ahead per connection.
pub(crate) const H2_CONNECTION_WINDOW_BYTES: u32 = 1_024 * 1_024;
/// What is queued to be sent per stream.
pub(crate) const H2_SEND_BYTES_MAX: usize = 128 * 1_024;

/// A frame of HTTP/3 that is kept until it is whole: as long as a head may ever be. Longer ones end
/// the request.
pub(crate) const H3_FRAME_BYTES_MAX: u64 = BUFFER_BYTES_MAX as u64;
/// Requests in flight per HTTP/3 connection.
pub(crate) const H3_STREAMS_MAX: u32 = 256;
/// Other streams that an HTTP/3 client may have: one for control, two for QPACK, and what means
/// nothing.
pub(crate) const H3_UNIDIRECTIONAL_MAX: u32 = 16;
/// What a client may send ahead per stream over HTTP/3.
pub(crate) const H3_STREAM_WINDOW_BYTES: u32 = 256 * 1_024;
/// What a client may send ahead per connection over HTTP/3.
pub(crate) const H3_CONNECTION_WINDOW_BYTES: u32 = 1_024 * 1_024;
/// What is queued and unacknowledged per HTTP/3 connection.
pub(crate) const H3_SEND_BYTES_MAX: u64 = 1_024 * 1_024;
/// A silent HTTP/3 client is gone after this, in milliseconds: it does not answer our pings.
pub(crate) const H3_IDLE_TIMEOUT_MS: u32 = 30_000;
/// How often a silent HTTP/3 client is asked whether it is there. Connections without a request end
/// after [`Limits::idle`] all the same.
pub(crate) const H3_PING_INTERVAL: Duration = Duration::from_secs(10);
/// Requests over an HTTP/3 connection that came to nothing, less those that were answered; one more
/// closes it.
pub(crate) const H3_LEFT_MAX: u64 = 256;
/// QUIC handshakes under way per worker and address; from here on clients prove their address first.
pub(crate) const H3_HANDSHAKES_MAX: usize = 64;
/// QUIC clients per worker and address whose first packet waits to be looked at.
pub(crate) const H3_INCOMING_MAX: usize = 1_024;
/// What each of them may send ahead.
pub(crate) const H3_INCOMING_BYTES_MAX: u64 = 16 * 1_024;
/// How long the end of a response that broke waits, so as not to overtake what was sent before.
pub(crate) const H3_BREAK_PAUSE_MAX: Duration = Duration::from_millis(100);
/// What a UDP socket is asked to buffer, each way.
pub(crate) const UDP_BUFFER_BYTES: usize = 2 * 1_024 * 1_024;
/// How long clients remember that there is HTTP/3.
pub(crate) const ALT_SVC_SECONDS: u32 = 3_600;

/// Leaves whose keys are kept parsed, for each listener; others are parsed again when they are asked
/// for.
pub(crate) const PARSED_MAX: usize = 512;

/// HTTP/2 connections per upstream and worker. When all are full, requests wait in their queues.
pub(crate) const H2_UPSTREAM_CONNECTIONS_MAX: usize = 8;
/// Requests in flight per HTTP/2 connection to an upstream, or fewer when it says so.
pub(crate) const H2_UPSTREAM_STREAMS_MAX: usize = 100;
/// What an upstream may send ahead per stream.
pub(crate) const H2_UPSTREAM_STREAM_WINDOW_BYTES: u32 = 256 * 1_024;
/// What an upstream may send ahead per connection: as much as on all its streams.
pub(crate) const H2_UPSTREAM_CONNECTION_WINDOW_BYTES: u32 =
    H2_UPSTREAM_STREAMS_MAX as u32 * H2_UPSTREAM_STREAM_WINDOW_BYTES;
/// From this silence on, an HTTP/2 upstream with requests in flight is asked whether it lives. More
/// than five minutes: gRPC servers end connections, and the streams on them, that ask more often.
pub(crate) const H2_PING_AFTER: Duration = Duration::from_secs(310);
/// What it gets to answer.
pub(crate) const H2_PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Idle connections kept per upstream and worker. Between two rounds of requests over HTTP/2, as
/// many as were in flight are idle: fewer would be closed and opened again all the time.
pub(crate) const UPSTREAM_IDLE_MAX: usize = 1_024;
/// How long an idle connection to an upstream is kept. Servers often close sooner; see
/// [`REPLAY_AFTER`].
pub(crate) const UPSTREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a connection may have been idle for a request that can be sent only once: uvicorn and
/// Node.js close after 5 s, and one on its way then would be lost.
pub(crate) const ONCE_IDLE_MAX: Duration = Duration::from_secs(4);
/// From this idle time on, an upstream may be closing the connection at the very moment it is
/// used again, so requests that can be repeated are kept for one more try.
pub(crate) const REPLAY_AFTER: Duration = Duration::from_secs(1);
/// How often a request may be moved to another upstream, where the policy does not say.
pub(crate) const RETRIES_MAX: usize = 1;
/// Retries in percent of the requests of the last ten seconds, where the policy does not say.
pub(crate) const RETRY_PERCENT: u8 = 20;
/// Dead pooled connections that one request may meet before a fresh one is opened.
pub(crate) const STALE_MAX: u32 = 3;
/// What a client is told to wait after a 503.
pub(crate) const RETRY_AFTER_SECONDS: u16 = 5;
/// What a client is told to wait while a service is closed for maintenance.
pub(crate) const MAINTENANCE_SECONDS: u16 = 60;
/// What is read and thrown away of a request's body that was too large, so that its client gets to
/// read why instead of a reset.
pub(crate) const LINGER_BYTES_MAX: u64 = 16 * 1_024 * 1_024;
/// How long that goes on.
pub(crate) const LINGER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer request ids of clients are replaced by our own.
pub(crate) const REQUEST_ID_BYTES_MAX: usize = 64;
/// Access lines that wait for their writer; more are dropped and counted.
pub(crate) const LOG_LINES_MAX: usize = 16_384;
/// What of a path goes into the access log.
pub(crate) const LOG_PATH_BYTES_MAX: usize = 512;
/// Records of requests that wait for their exporter; more are dropped and counted.
pub(crate) const TRACES_MAX: usize = 8_192;
/// What of a path goes into a trace; a longer user agent is left out.
pub(crate) const TRACE_TEXT_BYTES_MAX: usize = 512;
/// What a client gets to close its side of a tunnel after the upstream has closed the other.
pub(crate) const TUNNEL_LINGER: Duration = Duration::from_secs(5);
