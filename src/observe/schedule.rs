//! When each source is due: a queue of moments, kept apart so that a thousand sources do not start
//! together.
//!
//! Pure: time is an argument.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    time::Duration,
};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::source::{Intervals, Item, Keyed, Source, pause};
use crate::clock::Monotonic;

/// All sources that somebody needs.
#[derive(Debug)]
pub(super) struct Schedule {
    intervals: Intervals,
    slots: BTreeMap<Keyed<Source>, Slot>,
    queue: BTreeSet<(Monotonic, Keyed<Source>)>,
    /// Somebody takes what is due.
    is_served: bool,
}

/// How a sweep of a source ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Swept {
    /// Every item got an answer, of whatever kind.
    pub(super) complete: bool,
    /// At least one item got one.
    pub(super) answered: bool,
    /// Every item is there.
    pub(super) present: bool,
    /// Not to be tried again before this time has passed.
    pub(super) wait: Option<Duration>,
    /// Not to be read more often than this while all goes well.
    pub(super) pace: Option<Duration>,
    /// Not to be begun again before so long after it began, however it ended.
    pub(super) spacing: Option<Duration>,
    /// Since when what was left for a later sweep has been read.
    pub(super) since: Option<Monotonic>,
}

/// How old the reads of one kind of source are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SweepAge {
    /// The kind of source.
    pub kind: &'static str,
    /// The time since the least recent complete sweep of a source began, or since the source was
    /// needed first.
    pub oldest: SignedDuration,
    /// Each source of this kind has had a complete sweep.
    pub complete: bool,
}

/// How a sweep ended, for those who count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SweepEnd {
    /// The kind of source.
    pub kind: &'static str,
    /// When it began.
    pub began: Timestamp,
    /// Every item got an answer, of whatever kind.
    pub complete: bool,
    /// At least one item got one.
    pub answered: bool,
}

#[derive(Debug, Default)]
struct Slot {
    items: BTreeSet<Item>,
    /// When it was needed first.
    added: Monotonic,
    /// Where it stands in the queue; nowhere while it is being read.
    due: Option<Monotonic>,
    started: Option<Monotonic>,
    completed: Option<Monotonic>,
    /// Cancelled when the sweep that is due or under way has ended.
    ended: CancellationToken,
    /// An item came while it was being read.
    again: bool,
    failures: u32,
}

impl Slot {
    fn new(added: Monotonic) -> Self {
        let mut slot = Self::default();
        slot.added = added;
        slot
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

impl Swept {
    /// Everything is there.
    pub(super) const GOOD: Self = Self {
        answered: true,
        ..Self::NOTHING
    };

    /// There was nothing to look for.
    pub(super) const NOTHING: Self = Self {
        complete: true,
        answered: false,
        present: true,
        wait: None,
        pace: None,
        spacing: None,
        since: None,
    };

    /// Nothing was learned.
    pub(super) const fn failed(wait: Option<Duration>) -> Self {
        Self {
            complete: false,
            answered: false,
            present: false,
            wait,
            ..Self::NOTHING
        }
    }

    /// Both of them together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            complete: self.complete && other.complete,
            answered: self.answered || other.answered,
            present: self.present && other.present,
            wait: self.wait.max(other.wait),
            pace: self.pace.max(other.pace),
            spacing: self.spacing.max(other.spacing),
            since: [self.since, other.since].into_iter().flatten().min(),
        }
    }
}

impl Schedule {
    /// No sources.
    pub(super) const fn new(intervals: Intervals) -> Self {
        Self {
            intervals,
            slots: BTreeMap::new(),
            queue: BTreeSet::new(),
            is_served: false,
        }
    }

    /// Whether somebody takes what is due from now on. Nobody waits for what nobody takes.
    pub(super) fn serve(&mut self, is_served: bool) {
        self.is_served = is_served;
        if !is_served {
            for slot in self.slots.values_mut() {
                mem::take(&mut slot.ended).cancel();
            }
        }
    }

    /// The end of the sweep of an item's source, if one is under way or due by now.
    pub(super) fn end_of_sweep(
        &self,
        item: &Keyed<Item>,
        now: Monotonic,
    ) -> Option<CancellationToken> {
        let slot = self.slots.get(&item.with(Source::of(&item.of)))?;
        let is_soon = slot.due.is_none_or(|due| due <= now);
        (self.is_served && is_soon).then(|| slot.ended.clone())
    }

    /// Adds an item to its source. A new source is due at once, a known one soon.
    pub(super) fn add(&mut self, item: &Keyed<Item>, now: Monotonic) {
        let source = item.with(Source::of(&item.of));
        let slot = self
            .slots
            .entry(source.clone())
            .or_insert_with(|| Slot::new(now));
        if !slot.items.insert(item.of.clone()) {
            return;
        }
        let soonest = slot
            .started
            .map_or(now, |started| started.after(GAP).max(now));
        match slot.due {
            Some(due) if due <= soonest => {}
            None if slot.started.is_some() => slot.again = true,
            Some(_) | None => put(&mut self.queue, source, slot, soonest),
        }
    }

    /// Takes an item from its source. A source without items is gone.
    pub(super) fn remove(&mut self, item: &Keyed<Item>) {
        let source = item.with(Source::of(&item.of));
        let Some(slot) = self.slots.get_mut(&source) else {
            return;
        };
        slot.items.remove(&item.of);
        if slot.items.is_empty() {
            let due = slot.due;
            self.slots.remove(&source);
            due.map(|due| self.queue.remove(&(due, source)));
        }
    }

    /// Whether a source is read for anything.
    pub(super) fn has(&self, source: &Keyed<Source>) -> bool {
        self.slots.contains_key(source)
    }

    /// The items that a source is read for.
    pub(super) fn items(&self, source: &Keyed<Source>) -> BTreeSet<Item> {
        let slot = self.slots.get(source);
        slot.map(|slot| slot.items.clone()).unwrap_or_default()
    }

    /// The sources that are due, which from now on are being read.
    pub(super) fn take_due(&mut self, now: Monotonic) -> Vec<Keyed<Source>> {
        let mut taken = Vec::new();
        while let Some((due, _)) = self.queue.first()
            && *due <= now
            && let Some((_, source)) = self.queue.pop_first()
        {
            if let Some(slot) = self.slots.get_mut(&source) {
                slot.due = None;
                slot.started = Some(now);
                slot.again = false;
            }
            taken.push(source);
        }
        taken
    }

    /// When the next source is due.
    pub(super) fn next_due(&self) -> Option<Monotonic> {
        self.queue.first().map(|(due, _)| *due)
    }

    /// Takes note of how a sweep ended, and says when the source is due again.
    pub(super) fn finish(&mut self, source: Keyed<Source>, swept: Swept, now: Monotonic) {
        let Some(slot) = self.slots.get_mut(&source) else {
            return;
        };
        mem::take(&mut slot.ended).cancel();
        // dropped and added again while it was being read: the new one stands in the queue
        if slot.due.is_some() {
            return;
        }
        let started = slot.started.unwrap_or(now);
        let interval = pause(source.of.interval(&self.intervals));
        let spacing = swept.spacing.unwrap_or_default();
        let pace = swept.pace.unwrap_or_default().max(spacing);
        let interval = interval.max(pace);
        let quick = interval.min(pause(self.intervals.health).max(pace));
        let mut due = if swept.complete {
            slot.failures = 0;
            slot.completed = Some(swept.since.map_or(started, |since| since.min(started)));
            let usual = if swept.present { interval } else { quick };
            aligned(started, usual, source.of.spread())
        } else {
            let backoff = BACKOFF.saturating_mul(1 << slot.failures.min(MAX_DOUBLINGS));
            slot.failures = slot.failures.saturating_add(1);
            let half = backoff.min(quick) / 2;
            let wait = swept.wait.unwrap_or_default().max(half);
            now.after(wait + spread_below(half, source.of.spread()))
        };
        if slot.again {
            due = due.min(started.after(GAP));
        }
        due = due.max(now).max(started.after(spacing));
        put(&mut self.queue, source, slot, due);
    }

    /// How old the reads are, by kind of source.
    pub(super) fn ages(&self, now: Monotonic) -> Vec<SweepAge> {
        let mut kinds: BTreeMap<&'static str, (Monotonic, bool)> = BTreeMap::new();
        for (source, slot) in &self.slots {
            let since = slot.completed.unwrap_or(slot.added);
            let (oldest, complete) = kinds.entry(source.of.kind()).or_insert((since, true));
            *oldest = (*oldest).min(since);
            *complete &= slot.completed.is_some();
        }
        let age = |at| SignedDuration::try_from(now.since(at)).unwrap_or(SignedDuration::MAX);
        let kinds = kinds.into_iter();
        kinds
            .map(|(kind, (oldest, complete))| SweepAge {
                kind,
                oldest: age(oldest),
                complete,
            })
            .collect()
    }
}

fn put(
    queue: &mut BTreeSet<(Monotonic, Keyed<Source>)>,
    source: Keyed<Source>,
    slot: &mut Slot,
    due: Monotonic,
) {
    if let Some(before) = slot.due.replace(due) {
        queue.remove(&(before, source.clone()));
    }
    queue.insert((due, source));
}

/// The source's own moment within each interval, and the first one after `started` that is not
/// right upon it.
fn aligned(started: Monotonic, interval: Duration, spread: u64) -> Monotonic {
    let length = millis(interval);
    let offset = spread % length;
    let earliest = millis(started.since_origin()).saturating_add(length / 10);
    let rounds = earliest.saturating_sub(offset).div_ceil(length);
    let due = rounds.saturating_mul(length).saturating_add(offset);
    Monotonic::from_origin(Duration::from_millis(due))
}

/// A part of a time that is the source's own.
fn spread_below(time: Duration, spread: u64) -> Duration {
    Duration::from_millis(spread % millis(time))
}

/// Whole milliseconds, at least one.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// Between two sweeps of one source, however many objects come.
const GAP: Duration = Duration::from_secs(2);
/// After a first failure, doubled up to the interval of health.
const BACKOFF: Duration = Duration::from_secs(5);
const MAX_DOUBLINGS: u32 = 5;

#[cfg(test)]
mod tests;
