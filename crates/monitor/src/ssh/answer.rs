//! One script run on a machine, and what it printed.

use std::time::Duration;

use conduit_core::clock::Timestamp;
use russh::{ChannelMsg, ChannelReadHalf};
use tokio::time::Instant;

use super::connection::Connection;
use super::fault::{Fault, clean};
use crate::survey::SURVEY_BYTES_MAX;

/// What a script printed.
#[derive(Debug)]
pub(crate) struct Answer {
    /// All of it; bytes that are no UTF-8 are replaced.
    pub(crate) text: String,
    /// What it complained of, cut short and clean.
    pub(crate) complaint: String,
    /// When its first bytes were printed, by our clock: between asking and hearing, in the middle.
    pub(crate) at: Timestamp,
    /// What it ended with; `None` when the machine did not say.
    pub(crate) status: Option<u32>,
}

/// What has come so far.
#[derive(Default)]
struct Heard {
    printed: Vec<u8>,
    complaint: Vec<u8>,
    first_after: Option<Duration>,
    status: Option<u32>,
    is_refused: bool,
    is_ended: bool,
}

impl Connection {
    /// Has a shell run `script`, or the forced command in its place, and hears it to its end.
    ///
    /// Dropping the future leaves the command running and the connection useless: drop that too.
    pub(crate) async fn run(&self, script: &'static str) -> Result<Answer, Fault> {
        self.tether.allow(ANSWER_ALLOWANCE);
        let channel = self.handle.channel_open_session().await.map_err(|error| match error {
            russh::Error::ChannelOpenFailure(_) => Fault::Exec {
                place: self.place.clone(),
                cause: "it opens no session; see MaxSessions and PermitOpen in its sshd_config"
                    .into(),
            },
            _ => self.cut_off(0),
        })?;
        let (mut reader, writer) = channel.split();
        let (asked_at, asked) = (Timestamp::now(), Instant::now());
        let feeding = async {
            // Errors are nothing here: a forced command reads no script, and may have ended.
            if writer.exec(true, COMMAND).await.is_ok()
                && writer.data_bytes(script.as_bytes()).await.is_ok()
            {
                let _ended_already = writer.eof().await;
            }
        };
        let hearing = self.hear(&mut reader, asked);
        tokio::pin!(feeding, hearing);
        let mut is_fed = false;
        let heard = loop {
            tokio::select! {
                heard = &mut hearing => break heard?,
                () = &mut feeding, if !is_fed => is_fed = true,
            }
        };
        // A command that hangs may hold the channel open behind the last line.
        let _closed_already = writer.close().await;
        self.judge(heard, asked_at)
    }

    async fn hear(&self, reader: &mut ChannelReadHalf, asked: Instant) -> Result<Heard, Fault> {
        let mut heard = Heard::default();
        while let Some(message) = reader.wait().await {
            match message {
                ChannelMsg::Data { data } => {
                    heard.first_after.get_or_insert_with(|| asked.elapsed());
                    if heard.printed.len() + data.len() > SURVEY_BYTES_MAX {
                        let limit = SURVEY_BYTES_MAX;
                        return Err(Fault::TooLong { place: self.place.clone(), limit });
                    }
                    heard.printed.extend_from_slice(&data);
                    if is_whole(&heard.printed) {
                        heard.is_ended = true;
                        break;
                    }
                }
                ChannelMsg::ExtendedData { data, .. } => {
                    let room = COMPLAINT_BYTES_MAX.saturating_sub(heard.complaint.len());
                    heard.complaint.extend_from_slice(&data[..data.len().min(room)]);
                }
                ChannelMsg::ExitStatus { exit_status } => heard.status = Some(exit_status),
                ChannelMsg::Failure => heard.is_refused = true,
                ChannelMsg::Close => {
                    heard.is_ended = true;
                    break;
                }
                _ => {}
            }
            if heard.is_refused {
                break;
            }
        }
        Ok(heard)
    }

    fn judge(&self, heard: Heard, asked_at: Timestamp) -> Result<Answer, Fault> {
        let complaint = clean(&heard.complaint);
        let place = self.place.clone();
        if heard.is_refused {
            return Err(Fault::Exec { place, cause: "it refuses to run commands".into() });
        }
        if !heard.is_ended && heard.status.is_none() {
            return Err(self.cut_off(heard.printed.len()));
        }
        if heard.printed.is_empty() {
            let status = heard.status.map_or_else(String::new, |status| format!("status {status}"));
            let cause = if complaint.is_empty() { status } else { complaint };
            return Err(Fault::Exec { place, cause });
        }
        Ok(Answer {
            text: String::from_utf8_lossy(&heard.printed).into_owned(),
            complaint,
            at: asked_at.plus(heard.first_after.unwrap_or_default() / 2),
            status: heard.status,
        })
    }

    /// Why nothing comes any more.
    fn cut_off(&self, bytes: usize) -> Fault {
        let place = self.place.clone();
        if self.tether.is_overrun() {
            return Fault::TooLong { place, limit: SURVEY_BYTES_MAX };
        }
        Fault::Closed { place, bytes }
    }
}

/// Whether the last line of a survey has come.
fn is_whole(printed: &[u8]) -> bool {
    printed.ends_with(LAST_LINE)
}

/// How a survey ends.
const LAST_LINE: &[u8] = b"\n@@end\n";
/// What a machine is asked to run. The script goes to its standard input, so that it is in no list
/// of processes and no log, and is no matter of quoting; a forced command runs in its place.
const COMMAND: &str = "sh -s";
/// The most bytes that may come for one answer, with what the protocol adds and what is complained.
const ANSWER_ALLOWANCE: u64 = (SURVEY_BYTES_MAX + (SURVEY_BYTES_MAX >> 2)) as u64;
/// How much of the complaints is kept, in bytes.
const COMPLAINT_BYTES_MAX: usize = 4 << 10;
