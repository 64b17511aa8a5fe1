//! `conduit serve`: one gateway as a process.
//!
//! **Invariant:** privileged ports are bound and root is dropped before any other thread exists.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::process::Signal;
use rustix::thread::disable_transparent_huge_pages;
use sd_notify::NotifyState;

use crate::app::{Addresses, App, Bound};
use crate::config::Loaded;
use crate::error::AppError;
use crate::memory;
use crate::reload::Reloader;
use crate::run::Orders;
use crate::signals::Signals;
use crate::telemetry::{self, Output};
use crate::upgrade::{Handover, Predecessor, Program};

/// Runs a gateway until it is told to stop.
///
/// # Errors
/// When it cannot start, or a part of it has died.
pub fn run(loaded: Loaded, predecessor: Option<Predecessor>) -> Result<(), AppError> {
    let program = Program::of_this_process();
    // A heap of many small things fills huge pages badly: with 10,000 services they cost 18 MB. The
    // allocator does not ask for them; some systems give them unasked. A kernel without them has
    // nothing to turn off.
    let small_pages = disable_transparent_huge_pages(true);
    let handle =
        telemetry::start(&loaded.config.log, Output::of_this_process()).map_err(AppError::Log)?;
    if let Err(error) = small_pages {
        tracing::debug!(%error, "huge pages stay as they are");
    }
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::debug!("a crypto provider is installed already");
    }
    let handover = match program {
        Ok(program) => Handover::of(program),
        Err(error) => {
            tracing::warn!(%error, "this process cannot be upgraded");
            Handover::default()
        }
    };
    let reloader = Reloader::new(loaded.source, loaded.config.clone(), Some(handle));
    serve(App::build_after(loaded.config, predecessor)?, reloader, handover)?;
    tracing::info!("stopped");
    Ok(())
}

fn serve(bound: Bound, reloader: Reloader, handover: Handover) -> Result<(), AppError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .on_thread_park(memory::about_to_wait)
        .enable_all()
        .build()
        .map_err(|source| AppError::Runtime { what: "the control runtime", source })?;
    runtime.block_on(async move {
        let orders = Orders { handover: handover.clone(), ..Orders::default() };
        let passing = handover.clone();
        let signals = Signals::listen()
            .map_err(|source| AppError::Runtime { what: "signal handling", source })?;
        let reload = Arc::clone(&orders.reload);
        let reopen = Arc::clone(&orders.reopen);
        let listening = signals.serve(orders.drain.clone(), orders.now.clone(), move |signal| {
            if signal == Signal::HUP {
                reopen.fetch_add(1, Ordering::AcqRel);
                reload.notify_one();
            }
            // A terminal interrupts every process of it; other signals reach this one alone.
            if signal != Signal::INT {
                passing.pass_on_alone(signal);
            }
        });
        let addresses = bound.addresses().clone();
        let draining = orders.drain.clone();
        let takes_over = bound.predecessor.is_some();
        let announce = move || announce(&addresses, takes_over);
        // Large, and polled from the heap.
        let running = Box::pin(bound.run(orders, Some(reloader), announce));
        let running = async {
            running.await?;
            if !handover.is_over() || Handover::is_followed() {
                return Ok(());
            }
            tracing::info!("nothing is open here any more; waiting for the process that took over");
            match handover.successor_ended().await {
                status if status.success() => Ok(()),
                status => Err(AppError::Successor(status)),
            }
        };
        tokio::pin!(running);
        let tell = async {
            draining.cancelled().await;
            // It is the new process's to say, once there is one.
            if !handover.is_over() {
                tell_supervisor(&[NotifyState::Stopping]);
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ended = &mut running => ended,
            () = listening => Ok(()),
            () = tell => Ok(()),
        }
    })
}

fn announce(addresses: &Addresses, takes_over: bool) {
    tracing::info!(
        dns = listed(&addresses.dns),
        dns_tls = listed(&addresses.dns_tls),
        https = listed(&addresses.https),
        http3 = listed(&addresses.http3),
        http = listed(&addresses.http),
        admin = listed(addresses.admin.as_slice()),
        socket = %addresses.socket.display(),
        "ready"
    );
    // The process that was taken over from has said so already, and that this is the main one now.
    if !takes_over {
        tell_supervisor(&[NotifyState::Ready]);
    }
}

/// Addresses as one plain field of the log.
fn listed(addresses: &[SocketAddr]) -> String {
    if addresses.is_empty() {
        return "off".to_owned();
    }
    let all: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    all.join(",")
}

fn tell_supervisor(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the supervisor was not told");
    }
}

/// Threads of the control runtime: the planes have their own.
const CONTROL_THREADS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_plain_text_in_the_log() {
        let address = |text: &str| -> SocketAddr { text.parse().expect("an address") };
        assert_eq!(listed(&[]), "off");
        assert_eq!(listed(Some(address("127.0.0.1:9999")).as_slice()), "127.0.0.1:9999");
        assert_eq!(listed(&[address("0.0.0.0:443"), address("[::]:443")]), "0.0.0.0:443,[::]:443");
    }
}
