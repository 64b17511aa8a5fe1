//! What the driver's error codes mean, in short.

/// The meaning of a code; dcgm-exporter too calls one that it does not know `Unknown Error`.
pub(super) fn meaning(code: u64) -> &'static str {
    let known = MEANINGS.iter().find(|(known, _)| *known == code);
    known.map_or("Unknown Error", |(_, meaning)| meaning)
}

/// After NVIDIA's public catalogue of XIDs: those that name a cause.
const MEANINGS: &[(u64, &str)] = &[
    (0, "No Error"),
    (13, "Graphics engine exception"),
    (31, "GPU memory page fault"),
    (43, "GPU stopped processing"),
    (45, "Preemptive cleanup, due to previous errors"),
    (46, "GPU stopped processing"),
    (48, "Double bit ECC error"),
    (61, "Internal micro-controller breakpoint"),
    (62, "Internal micro-controller halt"),
    (63, "ECC page retirement or row remapping recorded"),
    (64, "ECC page retirement or row remapping failed"),
    (68, "Video processor exception"),
    (69, "Graphics engine class error"),
    (74, "NVLINK error"),
    (79, "GPU has fallen off the bus"),
    (92, "High single-bit ECC error rate"),
    (94, "Contained ECC error"),
    (95, "Uncontained ECC error"),
    (109, "Context switch timeout"),
    (119, "GSP RPC timeout"),
    (120, "GSP error"),
];
