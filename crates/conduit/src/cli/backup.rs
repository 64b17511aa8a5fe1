//! `conduit backup`: the whole state into one file, while the gateway runs.

use super::args::BackupArgs;
use super::exit::Failure;
use super::session::Session;

/// Asks the gateway, which is on this machine, to write the file.
pub(crate) async fn run(session: &Session, args: BackupArgs) -> Result<(), Failure> {
    let path = session.source.surroundings().absolute(&args.file);
    let path = path.to_str().ok_or_else(|| {
        Failure::usage("the file's name is not UTF-8, which the API cannot carry")
    })?;
    let reply = session.client().await?.backup(path).await?;
    session.print(args.output.json, &reply, |reply| {
        format!("{} written, {} bytes\n", reply.path, reply.bytes)
    })
}
