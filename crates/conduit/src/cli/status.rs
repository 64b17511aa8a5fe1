//! `conduit status`: how the gateway and its services are doing.

use std::time::Duration;

use conduit_api::client::Client;
use conduit_api::v1::health::HealthStatus;
use conduit_api::v1::services::{Service, ServiceStatus};

use super::args::StatusArgs;
use super::exit::{Exit, Failure};
use super::output::notice;
use super::session::Session;
use super::status_lines::{details, header, services};

/// Shows it once, or again and again.
pub(crate) async fn run(session: &Session, args: &StatusArgs) -> Result<Exit, Failure> {
    let client = session.client().await?;
    if !args.watch {
        let down = show(session, &client, args, "").await?;
        return Ok(if args.check && down { Exit::Down } else { Exit::Success });
    }
    let clear = if session.printer.terminal { CLEAR_SCREEN } else { "" };
    loop {
        match show(session, &client, args, clear).await {
            Ok(_) => {}
            // Watching goes on through a restart of the gateway.
            Err(failure) if failure.exit == Exit::Failed => notice(failure.to_string().trim_end()),
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
}

/// Prints one view; whether something in it is down.
async fn show(
    session: &Session,
    client: &Client,
    args: &StatusArgs,
    clear: &str,
) -> Result<bool, Failure> {
    let paint = session.printer.paint;
    if let Some(name) = &args.name {
        let reply = client.service(name, true).await?;
        let service = &reply.value.service;
        session.print(args.output.json, &reply, |reply| {
            let line = services(&[&reply.service], paint);
            format!("{clear}{line}{}", details(&reply.service))
        })?;
        return Ok(is_down(service));
    }
    let reply = client.services(false).await?;
    let down = reply.value.services.iter().any(is_down);
    if args.output.json {
        session.printer.body(&reply.body)?;
        return Ok(down);
    }
    let head = header(&client.status().await?.value);
    let active: Vec<&Service> = reply.value.services.iter().collect();
    let lines = if active.is_empty() {
        "No services yet. Register one: conduit register NAME HOST:PORT\n".to_owned()
    } else {
        services(&active, paint)
    };
    session.printer.text(&format!("{clear}{head}{lines}"))?;
    Ok(down)
}

fn is_down(service: &Service) -> bool {
    service.status == ServiceStatus::Active && service.health_status == HealthStatus::Down
}

const WATCH_INTERVAL: Duration = Duration::from_secs(2);
/// Clears the screen and goes to its top left corner.
const CLEAR_SCREEN: &str = "\x1b[2J\x1b[H";
