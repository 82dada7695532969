//! How long a call takes.

use std::time::Instant;

use serde::Serialize;

/// A repetition lasts at least this many seconds, which the clock can tell.
const LEAST: f64 = 2e-4;

#[derive(Serialize)]
pub struct Times {
    /// Nanoseconds an element, of the best repetition.
    best: f64,
    /// CPU time over time: how many cores were busy.
    cores: f64,
    /// Pages that the system had to bring for a call: memory given back and asked for again.
    faults: f64,
}

/// Repeats a call for so many seconds, three times at least.
pub fn time(call: &mut dyn FnMut() -> f64, elements: usize, seconds: f64) -> Times {
    // Off the clock: other peers have had the caches since, and the allocator asks for its rooms in the first calls.
    repetition(call, 3);
    let mut count = 1_u32;
    while repetition(call, count) < LEAST {
        count *= 2;
    }
    let (start, before) = (Instant::now(), Usage::now());
    let (mut best, mut repetitions) = (f64::INFINITY, 0_u32);
    while repetitions < 3 || start.elapsed().as_secs_f64() < seconds {
        best = best.min(repetition(call, count) / f64::from(count));
        repetitions += 1;
    }
    let (elapsed, after) = (start.elapsed().as_secs_f64(), Usage::now());
    Times {
        best: best * 1e9 / elements as f64,
        cores: (after.seconds - before.seconds) / elapsed,
        faults: (after.faults - before.faults) / f64::from(repetitions * count),
    }
}

/// Seconds of so many calls.
fn repetition(call: &mut dyn FnMut() -> f64, count: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..count {
        std::hint::black_box(call());
    }
    start.elapsed().as_secs_f64()
}

/// What the process has used.
struct Usage {
    seconds: f64,
    faults: f64,
}

impl Usage {
    /// From Linux's own account (`man proc_pid_stat`); zeros elsewhere.
    fn now() -> Self {
        const TICKS_A_SECOND: f64 = 100.0;
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // Behind the name, which may hold spaces, the fields count from the third.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse().ok()).unwrap_or(0.0);
        Usage { seconds: (field(14) + field(15)) / TICKS_A_SECOND, faults: field(10) }
    }
}
