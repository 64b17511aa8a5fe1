//! Disks and file systems.

/// A block device and what it did since start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Disk {
    /// Such as `nvme0n1`.
    pub name: String,
    /// The kernel's number for its kind.
    pub major: u32,
    /// The kernel's number for it.
    pub minor: u32,
    /// Reads.
    pub reads: Operations,
    /// Writes.
    pub writes: Operations,
    /// Requests under way now.
    pub in_progress: u64,
    /// Milliseconds with at least one request under way.
    pub busy_ms: u64,
    /// Milliseconds of all requests together.
    pub weighted_ms: u64,
    /// Blocks given back; older kernels do not count it.
    pub discards: Option<Operations>,
    /// Flushes; older kernels do not count it.
    pub flushes: Option<Flushes>,
}

/// Requests of one kind since start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Operations {
    /// How many were completed.
    pub completed: u64,
    /// How many were merged into others.
    pub merged: u64,
    /// Sectors of 512 bytes.
    pub sectors: u64,
    /// Milliseconds of all of them together.
    pub time_ms: u64,
}

/// Requests to write a disk's own cache out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flushes {
    /// How many were completed.
    pub completed: u64,
    /// Milliseconds of all of them together.
    pub time_ms: u64,
}

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileSystem {
    /// What is mounted, such as `/dev/sda1`, `tank/home` or `nas:/export`.
    pub device: String,
    /// Where.
    pub mount_point: String,
    /// Its type, such as `ext4`; empty when it is not known.
    pub kind: String,
    /// Whether it cannot be written to.
    pub read_only: bool,
    /// How full it is; `None` when it was not asked (network file systems) or did not answer.
    pub space: Option<Space>,
    /// Files; `None` when it was not asked, or has no fixed number of them.
    pub files: Option<Files>,
    /// Whether it was asked and did not answer.
    pub is_silent: bool,
}

/// How full a file system is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Space {
    /// All of it.
    pub size: u64,
    /// What nobody uses, with what is kept for root.
    pub free: u64,
    /// What anybody may use.
    pub available: u64,
}

/// How many files there can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Files {
    /// All.
    pub total: u64,
    /// How many more.
    pub free: u64,
}
