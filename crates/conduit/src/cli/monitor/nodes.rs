//! `conduit monitor add|remove|test`.

use conduit_api::error::ClientError;
use conduit_api::v1::nodes::{AddNode, TestNode, TestReply};
use conduit_core::destination::Destination;
use conduit_core::node::NodeName;

use crate::cli::args::{AddNodeArgs, MachineArgs, NodeNamed, TestNodeArgs};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{counted, notice};
use crate::cli::session::Session;

/// Watches another machine, once its host key was accepted by name.
pub(super) async fn add(session: &Session, args: AddNodeArgs) -> Result<(), Failure> {
    check(&args.machine)?;
    let wish = AddNode { fingerprint: args.accept_fingerprint, ..wish(&args.machine) };
    let client = session.client().await?;
    let is_named = wish.fingerprint.is_some();
    match client.add_node(&wish).await {
        Ok(reply) => session.print(args.output.json, &reply, |added| {
            format!(
                "{} added: {}, pinned to {}\n",
                added.name, added.destination, added.fingerprint
            )
        }),
        Err(ClientError::Api { error, .. }) if !is_named && error.code == NOT_ACCEPTED => {
            let machine = AddNode { fingerprint: None, ..wish };
            let seen = client.test_node(&TestNode { node: None, machine: Some(machine) }).await?;
            if args.output.json {
                session.printer.body(&seen.body)?;
            } else {
                notice(&shown(&seen.value));
            }
            let command = command(&args.machine, &seen.value.fingerprint);
            Err(Failure::new("the host key is not accepted yet")
                .hint(format!("if it is the same, run: {command}")))
        }
        Err(error) => Err(error.into()),
    }
}

/// Watches it no more.
pub(super) async fn remove(session: &Session, which: NodeNamed) -> Result<(), Failure> {
    let reply = session.client().await?.remove_node(&which.name).await?;
    session.print(which.output.json, &reply, |removed| format!("{} removed\n", removed.name))
}

/// Reads it once; fails when nothing came.
pub(super) async fn test(session: &Session, args: TestNodeArgs) -> Result<(), Failure> {
    let client = session.client().await?;
    let is_bare = args.key.is_none() && args.jump.is_none();
    let named = TestNode { node: Some(args.which.clone()), machine: None };
    let reply = match client.test_node(&named).await {
        Err(ClientError::Api { status: NOT_FOUND, error }) if error.code == "not_found" => {
            let machine = MachineArgs {
                destination: args.which.clone(),
                key: args.key,
                jump: args.jump,
                ..MachineArgs::default()
            };
            check(&machine)?;
            let wish = TestNode { node: None, machine: Some(wish(&machine)) };
            client.test_node(&wish).await?
        }
        Ok(_) if !is_bare => {
            let message = format!("{} is a node, with a key and a way of its own", args.which);
            return Err(Failure::usage(message).hint("leave --key and --jump out"));
        }
        other => other?,
    };
    session.print(args.output.json, &reply, tried)?;
    match &reply.value.error {
        Some(error) => Err(Failure::new(error.clone())),
        None => Ok(()),
    }
}

/// Says what is wrong before the gateway has to.
fn check(machine: &MachineArgs) -> Result<(), Failure> {
    let usage = |error: &(dyn std::error::Error + 'static)| Failure {
        exit: Exit::Usage,
        ..Failure::of(error)
    };
    for destination in std::iter::once(&machine.destination).chain(&machine.jump) {
        Destination::parse(destination).map_err(|error| usage(&error))?;
    }
    if let Some(name) = &machine.name {
        NodeName::parse(name).map_err(|error| usage(&error))?;
    }
    for (flag, path) in [("--key", &machine.key), ("--known-hosts", &machine.known_hosts)] {
        if path.as_ref().is_some_and(|path| !path.starts_with('/')) {
            return Err(Failure::usage(format!("{flag} must be an absolute path"))
                .hint("the gateway reads the file, on its own machine"));
        }
    }
    Ok(())
}

fn wish(machine: &MachineArgs) -> AddNode {
    let MachineArgs { destination, name, key, jump, known_hosts, tag } = machine.clone();
    AddNode { destination, name, key, jump, known_hosts, tags: tag, fingerprint: None }
}

/// The command that accepts a host key, with everything that was typed.
fn command(machine: &MachineArgs, fingerprint: &str) -> String {
    let mut words = vec!["conduit monitor add".to_owned(), quoted(&machine.destination)];
    for (flag, value) in [
        ("--name", &machine.name),
        ("--key", &machine.key),
        ("--jump", &machine.jump),
        ("--known-hosts", &machine.known_hosts),
    ] {
        if let Some(value) = value {
            words.push(format!("{flag} {}", quoted(value)));
        }
    }
    words.extend(machine.tag.iter().map(|tag| format!("--tag {}", quoted(tag))));
    words.push(format!("--accept-fingerprint {}", quoted(fingerprint)));
    words.join(" ")
}

/// As a shell reads it back.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./_-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn shown(seen: &TestReply) -> String {
    let file = match seen.key_type.as_str() {
        "ssh-ed25519" => "ssh_host_ed25519_key.pub",
        "ssh-rsa" => "ssh_host_rsa_key.pub",
        _ => "ssh_host_ecdsa_key.pub",
    };
    format!(
        "{} shows the host key {} ({}).\nCompare it on that machine: ssh-keygen -lf /etc/ssh/{file}",
        seen.destination, seen.fingerprint, seen.key_type
    )
}

fn tried(reply: &TestReply) -> String {
    let pinned = if reply.pinned { "pinned" } else { "not pinned" };
    let mut text = format!(
        "{}: host key {} ({}), {pinned}\n",
        reply.destination, reply.fingerprint, reply.key_type
    );
    if reply.ok {
        let name = reply.hostname.as_deref().unwrap_or("a machine without a name");
        let gpus = reply.gpus.map_or_else(String::new, |n| format!(", {}", counted(n, "GPU")));
        let containers =
            reply.containers.map_or_else(String::new, |n| format!(", {}", counted(n, "container")));
        text.push_str(&format!("read {name}{gpus}{containers} in {} ms\n", reply.took_ms));
    }
    for problem in &reply.problems {
        text.push_str(&format!("missing: {problem}\n"));
    }
    text
}

const NOT_ACCEPTED: &str = "key_not_accepted";
const NOT_FOUND: u16 = 404;

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> MachineArgs {
        MachineArgs {
            destination: "ops@10.0.1.20".into(),
            name: Some("gpu-server".into()),
            key: Some("/etc/conduit/my key".into()),
            tag: vec!["gpu".into()],
            ..MachineArgs::default()
        }
    }

    #[test]
    fn the_command_that_accepts_has_everything_that_was_typed() {
        assert_eq!(
            command(&machine(), "SHA256:ab+/c"),
            "conduit monitor add ops@10.0.1.20 --name gpu-server --key '/etc/conduit/my key' \
             --tag gpu --accept-fingerprint SHA256:ab+/c"
        );
    }

    #[test]
    fn what_cannot_be_is_refused_before_anybody_is_asked() {
        check(&machine()).expect("legal");
        for wrong in [
            MachineArgs { destination: "-oProxyCommand=x".into(), ..machine() },
            MachineArgs { jump: Some("a b".into()), ..machine() },
            MachineArgs { name: Some("a/b".into()), ..machine() },
            MachineArgs { key: Some("id_ed25519".into()), ..machine() },
        ] {
            assert_eq!(check(&wrong).expect_err("refused").exit, Exit::Usage, "{wrong:?}");
        }
    }

    #[test]
    fn what_came_of_a_test_is_told() {
        let reply = TestReply {
            destination: "10.0.1.20".into(),
            fingerprint: "SHA256:ab".into(),
            key_type: "ssh-ed25519".into(),
            pinned: true,
            ok: true,
            error: None,
            problems: vec!["docker: permission denied".into()],
            hostname: Some("gpu-server".into()),
            gpus: Some(2),
            containers: None,
            took_ms: 480,
        };
        assert_eq!(
            tried(&reply),
            "10.0.1.20: host key SHA256:ab (ssh-ed25519), pinned\n\
             read gpu-server, 2 GPUs in 480 ms\nmissing: docker: permission denied\n"
        );
        assert!(shown(&reply).contains("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"));
    }
}
