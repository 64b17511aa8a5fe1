//! Telling secondaries that there is something new (NOTIFY, RFC 1996).
//!
//! **Invariant:** changes that come together are told once; who does not answer is told again, less and
//! less often, and is given up until the next change.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use conduit_core::live;
use conduit_core::tasks::Tasks;
use hickory_proto::rr::{Name, RecordType};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::content::name_of;
use super::now_s;
use crate::access::Policy;
use crate::metrics::{Metrics, Notice};
use crate::peers::{Notified, Peers};
use crate::reply::HEADER_BYTES;
use crate::tsig::{Key, sign_request};
use crate::zone::Zone;

/// Tells of every change, for as long as there are any.
pub(crate) async fn tell(
    mut zones: live::Reader<Zone>,
    policy: live::Reader<Policy>,
    metrics: Metrics,
    tasks: Tasks,
) {
    let mut told = None;
    let mut round: Option<Tasks> = None;
    loop {
        let (zone, peers) = (zones.load_full(), Arc::clone(&policy.load().peers));
        if told != Some(zone.serial()) {
            told = Some(zone.serial());
            if let Some(former) = round.take() {
                // Nobody needs to hear of what was before.
                former.stop().cancel();
            }
            round = Some(begin(&zone, &peers, &metrics, &tasks));
        }
        zones.changed().await;
        tokio::time::sleep(GATHERING).await;
    }
}

/// Tells everybody of every zone.
fn begin(zone: &Zone, peers: &Peers, metrics: &Metrics, tasks: &Tasks) -> Tasks {
    let round = tasks.child();
    for notified in &peers.notify {
        let holder = notified.key.as_ref().and_then(|name| peers.holder(name));
        let reverses = zone.frame.reverses.iter().map(|reverse| &reverse.apex);
        for apex in zone.frame.apexes.iter().chain(reverses) {
            let Some(name) = name_of(apex.key.as_slice()) else { continue };
            let notice = Message {
                to: notified.clone(),
                key: holder.map(|holder| Arc::clone(&holder.key)),
                name,
            };
            let (metrics, stop, serial) = (metrics.clone(), round.stop().clone(), zone.serial());
            round.job("dns-notify", async move {
                if let Some(heard) = stop.run_until_cancelled(notice.deliver()).await {
                    metrics.count_notice(if heard { Notice::Heard } else { Notice::Unheard });
                    if !heard {
                        let (to, zone) = (&notice.to.address, &notice.name);
                        tracing::warn!(%to, %zone, serial, "a secondary does not answer a NOTIFY");
                    }
                }
            });
        }
    }
    round
}

/// What one secondary is told of one zone.
struct Message {
    to: Notified,
    key: Option<Arc<Key>>,
    name: Name,
}

impl Message {
    /// Sends it until it is answered; whether it was.
    async fn deliver(&self) -> bool {
        let mut patience = PATIENCE_FIRST;
        for _ in 0..TRIES_MAX {
            match timeout(patience, self.send()).await {
                Ok(Ok(())) => return true,
                Ok(Err(error)) => {
                    tracing::debug!(%error, to = %self.to, "a NOTIFY could not be sent");
                    tokio::time::sleep(patience).await;
                }
                Err(_elapsed) => {}
            }
            patience = (patience * 2).min(PATIENCE_MAX);
        }
        false
    }

    async fn send(&self) -> std::io::Result<()> {
        let any = match self.to.address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(self.to.address).await?;
        let mut id = [0; 2];
        getrandom::fill(&mut id).map_err(std::io::Error::other)?;
        socket.send(&self.bytes(id)).await?;
        let mut reply = [0; REPLY_BYTES_MAX];
        loop {
            let length = socket.recv(&mut reply).await?;
            if let Some([id0, id1, flags, ..]) = reply.get(..length.min(HEADER_BYTES))
                && [*id0, *id1] == id
                && flags & OPCODE_MASK == RESPONSE | NOTIFY
            {
                // Whatever it says: it has heard (RFC 1996 §3.6).
                return Ok(());
            }
        }
    }

    fn bytes(&self, [id0, id1]: [u8; 2]) -> Vec<u8> {
        let mut message = vec![id0, id1, NOTIFY | AUTHORITATIVE, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in self.name.iter() {
            super::push_label(&mut message, label);
        }
        message.push(0);
        message.extend_from_slice(&u16::from(RecordType::SOA).to_be_bytes());
        message.extend_from_slice(&super::CLASS_IN.to_be_bytes());
        if let Some(key) = &self.key {
            sign_request(key, &mut message, now_s());
        }
        message
    }
}

/// Changes within this are told together.
const GATHERING: Duration = Duration::from_millis(100);
/// For the first answer; twice as long each time.
const PATIENCE_FIRST: Duration = Duration::from_secs(1);
const PATIENCE_MAX: Duration = Duration::from_secs(30);
/// Then a secondary is given up until the next change: about two minutes.
const TRIES_MAX: u32 = 8;
const REPLY_BYTES_MAX: usize = 512;
/// The opcode in its place.
const NOTIFY: u8 = 4 << 3;
const AUTHORITATIVE: u8 = 0x04;
const RESPONSE: u8 = 0x80;
const OPCODE_MASK: u8 = 0xf8;
