//! `conduit deregister`.

use super::args::DeregisterArgs;
use super::exit::Failure;
use super::session::Session;

/// Takes a service out again.
pub(crate) async fn run(session: &Session, args: DeregisterArgs) -> Result<(), Failure> {
    let name =
        args.name.or(args.bare).ok_or_else(|| Failure::usage("the service's name is missing"))?;
    let reply = session.client().await?.deregister(&name).await?;
    session.print(args.output.json, &reply, |reply| {
        format!("{} deregistered, generation {}\n", reply.name, reply.generation)
    })
}
