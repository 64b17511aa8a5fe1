//! Processors: where their time went.

/// What `/proc/stat` and `/proc/schedstat` say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Processors {
    /// All of them together.
    pub total: Option<ProcessorTimes>,
    /// Each that is on line, by its number.
    pub each: Vec<Processor>,
    /// What the scheduler counted for each, by its number; few kernels count it.
    pub schedule: Vec<Schedule>,
    /// Interrupts since start.
    pub interrupts: Option<u64>,
    /// Context switches since start.
    pub context_switches: Option<u64>,
    /// When the machine was started, in seconds since 1970.
    pub boot_time: Option<u64>,
    /// Processes made since start.
    pub forks: Option<u64>,
    /// Processes that run or could.
    pub running: Option<u64>,
    /// Processes that wait for a disk.
    pub blocked: Option<u64>,
}

/// One processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Processor {
    /// Its number.
    pub number: u32,
    /// Where its time went.
    pub times: ProcessorTimes,
}

/// Where a processor's time went since start, in ticks. Old kernels do not count the later kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProcessorTimes {
    /// Programs, guests of a virtual machine among them.
    pub user: u64,
    /// Programs of low priority.
    pub nice: u64,
    /// The kernel.
    pub system: u64,
    /// Nothing to do.
    pub idle: u64,
    /// Nothing to do while a disk was waited for.
    pub iowait: Option<u64>,
    /// Interrupts.
    pub irq: Option<u64>,
    /// Interrupts' deferred work.
    pub softirq: Option<u64>,
    /// Taken by other virtual machines.
    pub steal: Option<u64>,
    /// Guests; counted in `user` too.
    pub guest: Option<u64>,
    /// Guests of low priority; counted in `nice` too.
    pub guest_nice: Option<u64>,
}

impl ProcessorTimes {
    /// Ticks in which it worked, or was taken away.
    pub fn busy(&self) -> u64 {
        let later = [self.irq, self.softirq, self.steal].into_iter().flatten();
        let first = [self.user, self.nice, self.system].into_iter();
        first.chain(later).fold(0, u64::saturating_add)
    }

    /// Ticks in which it had nothing to do; waiting for a disk is having nothing to do.
    pub fn unused(&self) -> u64 {
        self.idle.saturating_add(self.iowait.unwrap_or(0))
    }
}

/// What the scheduler counted for a processor since start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Schedule {
    /// The processor's number.
    pub number: u32,
    /// Nanoseconds in which tasks ran on it.
    pub running_ns: u64,
    /// Nanoseconds in which tasks waited for it.
    pub waiting_ns: u64,
    /// How often a task was given it.
    pub timeslices: u64,
}

/// Packets that a processor handled since start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Softnet {
    /// The processor's number.
    pub number: u32,
    /// Packets handled.
    pub processed: u64,
    /// Packets dropped since the queue was full.
    pub dropped: u64,
    /// How often it had to stop with packets left.
    pub squeezed: u64,
    /// How often another processor woke it for packets.
    pub received_rps: Option<u64>,
    /// How often one flow had too many packets.
    pub flow_limit: Option<u64>,
}
