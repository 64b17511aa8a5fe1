//! `conduit upgrade`: a new process takes over from the running gateway.

use conduit_api::v1::upgrade::{UpgradeReply, UpgradeRequest};

use super::args::UpgradeArgs;
use super::exit::Failure;
use super::session::Session;

/// Asks the gateway to let its successor in.
pub(crate) async fn run(session: &Session, args: UpgradeArgs) -> Result<(), Failure> {
    let binary = match args.binary {
        None => None,
        Some(path) => {
            let path = session.source.surroundings().absolute(&path);
            let text = path.to_str().ok_or_else(|| {
                Failure::usage("the program's path is not UTF-8, which the API cannot carry")
            })?;
            Some(text.to_owned())
        }
    };
    let wish = UpgradeRequest { binary, timeout_s: Some(args.timeout) };
    let reply = session.client().await?.upgrade(&wish).await?;
    session.print(args.output.json, &reply, told)
}

fn told(reply: &UpgradeReply) -> String {
    let UpgradeReply { pid, previous_pid, version, binary } = reply;
    format!(
        "process {pid} serves now: {binary}, version {version}\n\
         process {previous_pid} finishes what it has open\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_processes_are_named() {
        let reply = UpgradeReply {
            pid: 12,
            previous_pid: 7,
            version: "0.2.0".into(),
            binary: "/usr/bin/conduit".into(),
        };
        assert_eq!(
            told(&reply),
            "process 12 serves now: /usr/bin/conduit, version 0.2.0\n\
             process 7 finishes what it has open\n"
        );
    }
}
