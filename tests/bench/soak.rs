//! Many short lives of one object in a world where keys, grants and identities are lost and given
//! back, calls go wrong and the process dies, each drawn from a seed; and whether the status was
//! ever wrong for longer than it may be.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use azure_simulator::azure::FaultAnswer;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::figures::{Figure, count};
use crate::jobs::in_virtual_time;
use crate::scale::settings;
use crate::statuses::{Reader, Written, has};
use crate::virtual_time::estate::{encrypted_clinic, object};
use crate::virtual_time::rig::Rig;
use crate::virtual_time::schedule::{Event, UPSETS, happen, schedule};

/// For how long things go wrong.
const LENGTH: Duration = Duration::from_hours(3);

/// How often the truth is looked at.
const LOOK: SignedDuration = SignedDuration::from_secs(5);

/// The oldest that a fact may be: three times the longest interval, and what it takes to read it.
const FRESHNESS: SignedDuration = SignedDuration::from_secs(3 * 120 + 30);

/// The same for deny assignments, which are read less often.
const FRESHNESS_OF_DENIALS: SignedDuration = SignedDuration::from_secs(3 * 300 + 30);

/// The longest that everything may take to be well again once nothing goes wrong any more.
const RECOVERY: Duration = Duration::from_hours(2);

/// The ways to be wrong, as the figures name them.
const WRONG: [&str; 4] = [
    "soak_false_accessible",
    "soak_false_lost",
    "soak_alarms_cleared_without_evidence",
    "soak_not_well_again",
];

/// Runs so many lives, on so many threads. A life that shows something wrong is told by its seed;
/// a single one is told whole.
pub(crate) fn run(seeds: &Range<u64>, threads: usize) -> Vec<Figure> {
    eprintln!("soak: the schedules of the seeds {seeds:?}");
    let next = AtomicU64::new(seeds.start);
    let wrong = Mutex::new(Vec::new());
    let tells = seeds.end - seeds.start == 1;
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let found = in_virtual_time(Life::live(seed, tells));
                    wrong.lock().unwrap().extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    let mut figures = WRONG
        .map(|name| {
            let number = wrong.iter().filter(|found| **found == name).count();
            Figure::new(name, count(number), "lives", 0.0)
        })
        .to_vec();
    let lives = count(usize::try_from(seeds.end - seeds.start).unwrap());
    figures.push(Figure::new("soak_schedules", lives, "lives", 10_000.0));
    figures
}

struct Life {
    seed: u64,
    rig: Rig,
    reader: Reader,
    /// From when on the service reached its key, or did not.
    truth: Vec<(Timestamp, bool)>,
    /// Whether a deny assignment takes the key.
    is_denied: bool,
    /// What the status said last.
    state: String,
    /// Whether it said that the key is lost.
    alarm: bool,
    wrong: BTreeSet<&'static str>,
}

impl Life {
    /// The ways in which its status was wrong.
    async fn live(seed: u64, tells: bool) -> BTreeSet<&'static str> {
        let mut world = encrypted_clinic();
        // every other one reads keys through ARM
        if seed % 2 == 1 {
            world.open_data_planes();
        }
        let rig = Rig::with_objects(world, settings(), &[object("radiology")]);
        rig.until_ready("radiology", Duration::from_mins(30)).await;
        let mut life = Self {
            seed,
            truth: vec![(rig.now(), true)],
            rig,
            reader: Reader::new(tells),
            is_denied: false,
            state: "Accessible".to_owned(),
            alarm: false,
            wrong: BTreeSet::new(),
        };
        let begin = life.rig.now();
        for (at, event) in schedule(seed, LENGTH) {
            let at = begin + SignedDuration::try_from(at).unwrap();
            life.pass_until(at).await;
            if let Event::Words(words) = event
                && words.starts_with("deny-assignments")
            {
                life.is_denied = words.ends_with("added");
            }
            happen(&mut life.rig, &honest(event));
            life.look();
        }
        life.rig.heal();
        life.rig.edit("radiology", &json!({ "suspend": false }));
        for (_, repair) in UPSETS.iter().filter(|(_, repair)| !repair.is_empty()) {
            life.rig.try_change(repair);
        }
        // an operation that failed is taken up again by another process, and the last one may have
        // been bound to fail since long before
        for _ in 0..2 {
            life.rig.restart();
            let end = life.rig.now() + SignedDuration::try_from(RECOVERY).unwrap();
            while !life.is_well() && life.rig.now() < end {
                life.pass_until(life.rig.now() + LOOK).await;
            }
        }
        if !life.is_well() {
            life.is_wrong("soak_not_well_again");
        }
        life.wrong
    }

    fn is_well(&self) -> bool {
        self.state == "Accessible" && self.rig.is_ready("radiology")
    }

    async fn pass_until(&mut self, end: Timestamp) {
        while self.rig.now() < end {
            let wake = end.min(self.rig.now() + LOOK);
            let wait = wake.duration_since(self.rig.now());
            self.rig.pass(wait.try_into().unwrap_or_default()).await;
            self.look();
        }
    }

    /// Compares what is with what the status says.
    fn look(&mut self) {
        let now = self.rig.now();
        let reaches = {
            let mut azure = self.rig.outside.azure.lock().unwrap();
            azure.reaches_key("radiology", now)
        };
        // a service on Microsoft's keys has lost nothing
        let reaches = reaches.unwrap_or(true);
        if self.truth.last().is_none_or(|(_, last)| *last != reaches) {
            self.truth.push((now, reaches));
        }
        for Written { at, status, .. } in self.reader.new_ones(&self.rig) {
            if self.reader.tells {
                eprintln!("{at} status {:#}", status["keyAccess"]);
            }
            self.said(&status, at);
        }
        let says_good = self.state == "Accessible" || self.state == "AtRisk";
        if says_good && !self.was(true, now) {
            self.is_wrong("soak_false_accessible");
        }
    }

    fn said(&mut self, status: &Value, at: Timestamp) {
        let state = status["keyAccess"]["state"].as_str().unwrap_or_default();
        // on the way back, while a new grant takes effect say, the alarm stays
        let after = has(status, "KeyAccessible", "False", "");
        let before = std::mem::replace(&mut self.alarm, after);
        if !before && after && !self.was(false, at) {
            self.is_wrong("soak_false_lost");
        }
        if before && !after && !self.was(true, at) {
            self.is_wrong("soak_alarms_cleared_without_evidence");
        }
        state.clone_into(&mut self.state);
    }

    /// Whether it was so at some moment that the operator may still go by.
    fn was(&self, reaches: bool, at: Timestamp) -> bool {
        let freshness = if self.is_denied {
            FRESHNESS_OF_DENIALS
        } else {
            FRESHNESS
        };
        let oldest = at - freshness - LOOK;
        let ends = self.truth.iter().skip(1).map(|(end, _)| *end);
        let mut spans = self.truth.iter().zip(ends.chain([Timestamp::MAX]));
        spans.any(|((from, was), end)| *was == reaches && end >= oldest && *from <= at + LOOK)
    }

    fn is_wrong(&mut self, how: &'static str) {
        if self.wrong.insert(how) {
            let now = self.rig.now();
            eprintln!(
                "soak: seed {}, {now}: {how}: {:#}",
                self.seed,
                self.rig.status("radiology")["keyAccess"]
            );
        }
    }
}

/// An absence is told by Azure twice before it counts, so one that is not true may come once.
fn honest(event: Event) -> Event {
    match event {
        Event::Fault(mut rule)
            if matches!(rule.answer, FaultAnswer::Status { status: 404, .. }) =>
        {
            rule.times = Some(1);
            Event::Fault(rule)
        }
        Event::Fault(_)
        | Event::Words(_)
        | Event::Suspend(_)
        | Event::Restart
        | Event::BreakWatches => event,
    }
}
