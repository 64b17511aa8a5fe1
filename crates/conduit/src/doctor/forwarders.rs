//! Whether those who get other people's names answer.

use std::net::SocketAddr;

use conduit_admin::finding::{Check, Finding, Verdict};
use conduit_core::error::Chain;
use conduit_dns::client::ask;
use futures_util::future::join_all;

use crate::selfcheck::PATIENCE;

/// Asks each of them for the root's name servers: a question that tells nothing about us.
pub(crate) async fn look(forwarders: Vec<SocketAddr>) -> Vec<Finding> {
    let one = |server: SocketAddr| async move {
        let asked = ask(server, ".", "NS", PATIENCE).await;
        (server, asked.map(|reply| reply.status).map_err(|error| Chain(&error).to_string()))
    };
    judge(&join_all(forwarders.into_iter().map(one)).await)
}

/// Judges what each of them said: a response code, or why there was none.
fn judge(asked: &[(SocketAddr, Result<String, String>)]) -> Vec<Finding> {
    if asked.is_empty() {
        let message = "none: other names are not answered (dns.forwarders is empty)";
        return vec![Finding::skipped(CHECK, message)];
    }
    let is_alone = !asked.iter().any(|(_, said)| said.is_ok());
    let finding = |(server, said): &(SocketAddr, Result<String, String>)| {
        let finding = match said.as_deref() {
            Ok(REFUSED) => Finding::warn(CHECK, "answers, and refuses us")
                .hint("let it answer the gateway's address, or change dns.forwarders"),
            Ok(status) => Finding::ok(CHECK, format!("answers ({status})")),
            Err(reason) => {
                let hint = "see that it runs and that nothing between drops port 53, or change dns.forwarders";
                // With another one left, names are still answered, only more slowly.
                let verdict = if is_alone { Verdict::Fail } else { Verdict::Warn };
                Finding { verdict, ..Finding::fail(CHECK, reason).hint(hint) }
            }
        };
        finding.about(server.to_string())
    };
    asked.iter().map(finding).collect()
}

const CHECK: Check = Check::Forwarders;
/// The response code of a server that does not serve us.
const REFUSED: &str = "REFUSED";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_silent_matters_more_when_it_is_the_only_one() {
        let at = |last: u8| SocketAddr::from(([10, 0, 0, last], 53));
        let ok = |word: &str| Ok(word.to_owned());
        let silent = || Err("10.0.0.2:53 did not answer within 2s".to_owned());
        let verdicts = |asked: &[(SocketAddr, Result<String, String>)]| {
            judge(asked).iter().map(|finding| finding.verdict).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(&[]), [Verdict::Skipped]);
        assert_eq!(
            verdicts(&[(at(1), ok("NOERROR")), (at(2), ok("REFUSED")), (at(3), ok("SERVFAIL"))]),
            [Verdict::Ok, Verdict::Warn, Verdict::Ok]
        );
        assert_eq!(
            verdicts(&[(at(1), ok("NOERROR")), (at(2), silent())]),
            [Verdict::Ok, Verdict::Warn]
        );
        assert_eq!(verdicts(&[(at(2), silent())]), [Verdict::Fail]);
    }
}
