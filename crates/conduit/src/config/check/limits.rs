//! What clients of the proxy are held to.

use std::time::Duration;

use conduit_proxy::limits::{BODY_RATE_MIN, BUFFER_BYTES_MAX, Limits};

use super::super::ProxyLimits;
use super::super::file;
use super::judge::Judge;
use super::parse;

/// The section.
pub(super) fn limits(judge: &mut Judge, given: &file::ProxyLimits) -> ProxyLimits {
    let usual = Limits::default();
    let connections =
        judge.take("proxy.limits.connections", &given.connections, usual.connections_max, |text| {
            parse::number(text, CONNECTIONS_MIN, CONNECTIONS_MAX).map(|n| n as usize)
        });
    // Nobody who changes the one should have to change the other as well.
    let part = usual.connections_max / usual.connections_per_client_max;
    let connections_per_client = judge.take(
        "proxy.limits.connections_per_client",
        &given.connections_per_client,
        connections / part,
        |text| {
            let count = parse::number(text, 0, CONNECTIONS_MAX)? as usize;
            if count > connections {
                return Err("is more than proxy.limits.connections; 0 is no limit".to_owned());
            }
            Ok(count)
        },
    );
    ProxyLimits {
        connections,
        connections_per_client,
        idle_timeout: judge.take(
            "proxy.limits.idle_timeout",
            &given.idle_timeout,
            usual.idle,
            |text| parse::duration(text, SECOND, TIMEOUT_MAX),
        ),
        head_timeout: judge.take(
            "proxy.limits.head_timeout",
            &given.head_timeout,
            usual.head,
            |text| parse::duration(text, SECOND, TIMEOUT_MAX),
        ),
        head_size: judge.take(
            "proxy.limits.head_size",
            &given.head_size,
            usual.head_bytes_max as u64,
            |text| parse::size(text, HEAD_SIZE_MIN, BUFFER_BYTES_MAX as u64),
        ),
        body_rate: judge.take("proxy.limits.body_rate", &given.body_rate, BODY_RATE_MIN, |text| {
            parse::size(text, 0, BODY_RATE_MAX)
        }),
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// As long as a tunnel of most firewalls.
const TIMEOUT_MAX: Duration = Duration::from_secs(3_600);
/// Fewer would not let a browser and a probe in at the same time.
const CONNECTIONS_MIN: u32 = 16;
const CONNECTIONS_MAX: u32 = 1_000_000;
/// Bytes: what every client may expect of a server (RFC 9112 §3).
const HEAD_SIZE_MIN: u64 = 8 * 1_024;
/// Bytes per second; more would end what a slow line can do.
const BODY_RATE_MAX: u64 = 1_000_000;
