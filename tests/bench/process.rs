//! What a process has used, as Linux tells it.

use std::fs;

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    /// Seconds of processor time, of all its threads, in its own code and in the kernel's.
    pub(crate) cpu: f64,
    /// Resident memory now, in MB.
    pub(crate) resident: f64,
    /// The most resident memory that it ever had, in MB.
    pub(crate) peak: f64,
}

/// What a process has used.
pub(crate) fn used(process: u32) -> Used {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // the fields behind the name, which may hold anything but a later ')'
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |place: usize| fields[place].parse::<f64>().unwrap();
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let megabytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.unwrap().parse::<f64>().unwrap() / 1_024.0
    };
    Used {
        // user and kernel time; a tick is a hundredth of a second wherever Linux runs us
        cpu: (ticks(11) + ticks(12)) / 100.0,
        resident: megabytes("VmRSS:"),
        peak: megabytes("VmHWM:"),
    }
}

/// Seconds of processor time of the thread that asks.
pub(crate) fn own_thread() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds = text.split_whitespace().next().unwrap();
    nanoseconds.parse::<f64>().unwrap() / 1e9
}
