//! Findings, as they travel.

use conduit_api::v1::doctor as wire;

use crate::finding::{Diagnosis, Finding, Verdict};

/// Everything that was found.
pub(crate) fn diagnosis(diagnosis: &Diagnosis) -> wire::DoctorReply {
    wire::DoctorReply {
        checked_at: diagnosis.at.to_string(),
        findings: diagnosis.findings.iter().map(wire::Finding::from).collect(),
    }
}

impl From<&Finding> for wire::Finding {
    fn from(finding: &Finding) -> Self {
        Self {
            check: finding.check.as_str().into(),
            subject: finding.subject.clone(),
            status: match finding.verdict {
                Verdict::Fail => wire::FindingStatus::Fail,
                Verdict::Warn => wire::FindingStatus::Warn,
                Verdict::Ok => wire::FindingStatus::Ok,
                Verdict::Skipped => wire::FindingStatus::Skipped,
            },
            message: finding.message.clone(),
            hint: finding.hint.clone(),
        }
    }
}
