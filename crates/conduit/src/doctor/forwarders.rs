//! Whether those who get other people's names answer.

use conduit_admin::finding::{Check, Finding, Verdict};
use conduit_core::error::Chain;
use conduit_dns::forward::address::ForwarderAddr;
use conduit_dns::forward::check::{check, passes_signatures};
use futures_util::future::join_all;

use crate::config::Config;
use crate::forwarding;
use crate::selfcheck::PATIENCE;

/// Asks each of them for the root's name servers: a question that tells nothing about us.
pub(crate) async fn look(config: &Config) -> Vec<Finding> {
    let settings = match forwarding::settings(config) {
        Ok(settings) => settings,
        Err(error) => return vec![Finding::fail(CHECK, Chain(&error).to_string())],
    };
    let trust = settings.trust.as_ref();
    let one = |server: ForwarderAddr| async move {
        let said = check(&server, trust, PATIENCE).await;
        (server, said)
    };
    let mut findings = judge(&join_all(settings.servers().into_iter().map(one)).await);
    if settings.validation.is_some() {
        // Those of certain names need not know the root.
        let one = |server: &ForwarderAddr| {
            let server = server.clone();
            async move {
                let said = passes_signatures(&server, trust, PATIENCE).await;
                (server, said)
            }
        };
        let asked = join_all(settings.forwarders.iter().map(one)).await;
        findings.extend(asked.iter().filter_map(without_signatures));
    }
    findings
}

/// A finding about one that answers, and leaves out what judging its answers needs.
fn without_signatures((server, said): &(ForwarderAddr, Result<bool, String>)) -> Option<Finding> {
    // One that does not answer has its finding.
    let leaves_out = said.as_ref().is_ok_and(|passes| !passes);
    leaves_out.then(|| {
        Finding::fail(CHECK, "passes no signatures on, so that every signed name is SERVFAIL")
            .hint("name a forwarder that does in dns.forwarders, or set dns.dnssec = false")
            .about(server.to_string())
    })
}

/// Judges what each of them said: a response code, or why there was none.
fn judge(asked: &[(ForwarderAddr, Result<String, String>)]) -> Vec<Finding> {
    if asked.is_empty() {
        let message = "none: other names are not answered (dns.forwarders is empty)";
        return vec![Finding::skipped(CHECK, message)];
    }
    let is_alone = !asked.iter().any(|(_, said)| said.is_ok());
    let finding = |(server, said): &(ForwarderAddr, Result<String, String>)| {
        let finding = match said.as_deref() {
            Ok(REFUSED) => Finding::warn(CHECK, "answers, and refuses us")
                .hint("let it answer the gateway's address, or change dns.forwarders"),
            Ok(status) => Finding::ok(CHECK, format!("answers ({status})")),
            Err(reason) => {
                let hint = match server.is_encrypted() {
                    true => {
                        "see that it runs, that its certificate has the name after # and a root of the \
                         system or of dns.forward_ca, or change dns.forwarders"
                    }
                    false => {
                        "see that it runs and that nothing between drops port 53, or change \
                         dns.forwarders"
                    }
                };
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
        let at = |last: u8| -> ForwarderAddr { format!("10.0.0.{last}").parse().expect("valid") };
        let ok = |word: &str| Ok(word.to_owned());
        let silent = || Err("10.0.0.2:53 did not answer within 2s".to_owned());
        let verdicts = |asked: &[(ForwarderAddr, Result<String, String>)]| {
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

    #[test]
    fn one_that_leaves_signatures_out_is_told() {
        let at: ForwarderAddr = "10.0.0.1".parse().expect("valid");
        for (said, told) in
            [(Ok(true), false), (Ok(false), true), (Err("silent".to_owned()), false)]
        {
            let finding = without_signatures(&(at.clone(), said));
            assert_eq!(finding.map(|finding| finding.verdict), told.then_some(Verdict::Fail));
        }
    }
}
