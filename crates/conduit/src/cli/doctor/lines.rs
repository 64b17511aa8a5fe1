//! The lines of `conduit doctor`.

use conduit_api::v1::doctor::{DoctorReply, Finding, FindingStatus};

use crate::cli::output::{Colour, Paint, pad, width};

/// One line for each finding, its mend beneath, and a count at the end.
pub(super) fn told(reply: &DoctorReply, paint: Paint) -> String {
    let widest = reply.findings.iter().map(|finding| width(&finding.check)).max().unwrap_or(0);
    let each = reply.findings.iter().map(|finding| line(finding, widest, paint));
    let mut text: String = each.collect();
    text.push_str(&format!("\n{}\n", count(&reply.findings)));
    text
}

/// The gravest first.
pub(super) fn gravity(status: FindingStatus) -> u8 {
    match status {
        FindingStatus::Fail => 0,
        FindingStatus::Warn => 1,
        FindingStatus::Ok => 2,
        FindingStatus::Skipped => 3,
    }
}

fn line(finding: &Finding, widest: usize, paint: Paint) -> String {
    let (mark, colour) = match finding.status {
        FindingStatus::Fail => ("✗", Colour::Red),
        FindingStatus::Ok => ("✓", Colour::Green),
        FindingStatus::Skipped => ("-", Colour::Dim),
        FindingStatus::Warn => ("!", Colour::Yellow),
    };
    let about = finding.subject.as_ref().map_or_else(String::new, |about| format!("{about}: "));
    let check = pad(&finding.check, widest);
    let mut text = format!("{} {check}  {about}{}\n", paint.colour(colour, mark), finding.message);
    if let Some(hint) = &finding.hint {
        // Under the message: the mark, two gaps and the column of checks are before it.
        text.push_str(&format!("{}{hint}\n", " ".repeat(widest + 4)));
    }
    text
}

fn count(findings: &[Finding]) -> String {
    let of = |status| findings.iter().filter(|finding| finding.status == status).count();
    let (warnings, failed) = (of(FindingStatus::Warn), of(FindingStatus::Fail));
    let ending = if warnings == 1 { "" } else { "s" };
    format!(
        "{failed} failed, {warnings} warning{ending}, {} ok, {} skipped",
        of(FindingStatus::Ok),
        of(FindingStatus::Skipped)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_has_its_mend_beneath() {
        let finding = |check: &str, subject: Option<&str>, status, hint: Option<&str>| Finding {
            check: check.into(),
            subject: subject.map(str::to_owned),
            status,
            message: "as found".into(),
            hint: hint.map(str::to_owned),
        };
        let reply = DoctorReply {
            checked_at: String::new(),
            findings: vec![
                finding("dns", None, FindingStatus::Ok, None),
                finding("upstreams", Some("web"), FindingStatus::Fail, Some("start it")),
                finding("clock", None, FindingStatus::Warn, Some("set it")),
                finding("gpu", None, FindingStatus::Skipped, None),
            ],
        };
        assert_eq!(
            told(&reply, Paint(false)),
            "✓ dns        as found\n\
             ✗ upstreams  web: as found\n             start it\n\
             ! clock      as found\n             set it\n\
             - gpu        as found\n\
             \n1 failed, 1 warning, 1 ok, 1 skipped\n"
        );
        assert!(told(&reply, Paint(true)).starts_with("\x1b[32m✓\x1b[0m dns "));
    }
}
