//! What is known of lists: which of them are closed to us, and how many calls each of them takes.
//!
//! Pure: time is an argument.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::source::Keyed;
use crate::clock::Monotonic;

/// Lists, by what they list and where.
#[derive(Debug)]
pub(super) struct Lists {
    /// Those that we may not read, and until when we do not ask again.
    closed: BTreeMap<Keyed<String>, Monotonic>,
    /// How many calls each took when it was read last, and when that was.
    prices: BTreeMap<Keyed<String>, (usize, Monotonic)>,
}

impl Lists {
    /// Nothing is known.
    pub(super) const fn new() -> Self {
        Self {
            closed: BTreeMap::new(),
            prices: BTreeMap::new(),
        }
    }

    /// Whether a list is known to be closed to us.
    pub(super) fn is_closed(&self, list: &Keyed<String>, now: Monotonic) -> bool {
        self.closed.get(list).is_some_and(|until| now < *until)
    }

    /// Takes note that we may not read a list, and when to ask again.
    pub(super) fn close(&mut self, list: Keyed<String>, pause: Duration, now: Monotonic) {
        self.closed.retain(|_, until| now < *until);
        self.closed.insert(list, now.after(pause));
    }

    /// How many calls a list takes, if it was read lately.
    pub(super) fn price(&self, list: &Keyed<String>, now: Monotonic) -> Option<usize> {
        let (calls, at) = self.prices.get(list)?;
        (now.since(*at) < PRICE_HOLDS).then_some(*calls)
    }

    /// Takes note of how many calls a list took.
    pub(super) fn note_price(&mut self, list: Keyed<String>, calls: usize, now: Monotonic) {
        self.prices.insert(list, (calls, now));
        self.prices
            .retain(|_, (_, at)| now.since(*at) < PRICE_HOLDS);
    }

    /// What a list is expected to take: one call until it is known better, `None` if it is closed.
    pub(super) fn expected(&self, list: &Keyed<String>, now: Monotonic) -> Option<usize> {
        let is_open = !self.is_closed(list, now);
        is_open.then(|| self.price(list, now).unwrap_or(1))
    }
}

/// What there is to read in one resource group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Group {
    /// How many calls its list takes; `None` if it is closed.
    pub(super) list: Option<usize>,
    /// How many items it has.
    pub(super) items: usize,
}

/// How to read the items of a subscription by resource groups.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct ByGroups {
    /// The groups whose lists are worth it; what is in the others is read one by one.
    pub(super) listed: BTreeSet<String>,
    /// How many calls that takes.
    pub(super) calls: usize,
}

impl ByGroups {
    /// The way with the fewest calls; at the same price the list is taken. One of unknown price is
    /// expected to take one call, so that it is tried once.
    pub(super) fn cheapest(groups: &BTreeMap<String, Group>) -> Self {
        let mut way = Self::default();
        for (name, group) in groups {
            let list = group.list.filter(|calls| *calls <= group.items);
            way.calls = way.calls.saturating_add(list.unwrap_or(group.items));
            if list.is_some() {
                way.listed.insert(name.clone());
            }
        }
        way
    }
}

/// How many of the items that are read one by one are read in each sweep, and how long a sweep
/// has to last so that no more than our share of the reads is used: both stretch before that.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ration {
    /// Items that are read one by one in each sweep.
    pub(super) singles: usize,
    /// The least time between this sweep and the next, however this one ends.
    pub(super) spacing: Duration,
    /// The time between two sweeps that go well.
    pub(super) pace: Duration,
}

impl Ration {
    /// For a sweep that takes `lists` calls of lists and reads `singles` items one by one.
    pub(super) fn new(lists: usize, singles: usize, interval: Duration) -> Self {
        let share = interval.as_millis() / PER_CALL.as_millis();
        let share = usize::try_from(share).unwrap_or(usize::MAX);
        let singles = singles.min(share.saturating_sub(lists).max(1));
        let calls = u32::try_from(lists.saturating_add(singles)).unwrap_or(u32::MAX);
        let spacing = PER_CALL.saturating_mul(calls);
        Self {
            singles,
            spacing,
            pace: interval.max(spacing),
        }
    }

    /// How often each of so many items is read, when they take turns.
    pub(super) fn each(&self, items: usize) -> Duration {
        let turns = items.div_ceil(self.singles.max(1)).max(1);
        self.pace
            .saturating_mul(u32::try_from(turns).unwrap_or(u32::MAX))
    }
}

/// What a list took is looked at anew after this time.
const PRICE_HOLDS: Duration = Duration::from_hours(1);
/// One tenth of the 25 reads a second that Azure Resource Manager gives back in each subscription.
const PER_CALL: Duration = Duration::from_millis(400);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{arm::budget::CredentialId, observe::source::CredentialKey};

    fn list(name: &str) -> Keyed<String> {
        Keyed {
            credential: CredentialKey::new(CredentialId::new("operator")),
            of: name.to_owned(),
        }
    }

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_origin(Duration::from_secs(seconds))
    }

    fn groups(groups: &[(&str, Option<usize>, usize)]) -> BTreeMap<String, Group> {
        let named = groups.iter().map(|(name, list, items)| {
            let group = Group {
                list: *list,
                items: *items,
            };
            ((*name).to_owned(), group)
        });
        named.collect()
    }

    #[test]
    fn a_closed_list_is_asked_for_again_after_its_pause() {
        let mut lists = Lists::new();
        lists.close(list("a"), Duration::from_mins(5), at(0));
        assert!(lists.is_closed(&list("a"), at(299)));
        assert_eq!(lists.expected(&list("a"), at(299)), None);
        assert!(!lists.is_closed(&list("a"), at(300)));
        assert_eq!(lists.expected(&list("a"), at(300)), Some(1));
    }

    #[test]
    fn a_price_holds_for_an_hour() {
        let mut lists = Lists::new();
        lists.note_price(list("a"), 6, at(0));
        assert_eq!(lists.expected(&list("a"), at(3_599)), Some(6));
        assert_eq!(lists.expected(&list("a"), at(3_600)), Some(1));
        assert_eq!(lists.price(&list("b"), at(0)), None);
    }

    #[test]
    fn a_groups_list_is_taken_if_it_takes_fewer_calls_than_its_items_one_by_one() {
        for (known, listed, calls) in [
            (vec![("a", Some(1), 9)], vec!["a"], 1),
            (vec![("a", Some(9), 9)], vec!["a"], 9),
            (vec![("a", Some(2), 1)], vec![], 1),
            (
                vec![("a", Some(1), 9), ("b", None, 9), ("c", Some(4), 2)],
                vec!["a"],
                12,
            ),
        ] {
            let way = ByGroups {
                listed: listed.into_iter().map(str::to_owned).collect(),
                calls,
            };
            assert_eq!(ByGroups::cheapest(&groups(&known)), way, "{known:?}");
        }
    }

    #[test]
    fn the_interval_stretches_before_a_tenth_of_the_reads_is_used() {
        let interval = Duration::from_secs(30);
        let ration = |lists, singles| Ration::new(lists, singles, interval);
        let held = |singles, calls| Ration {
            singles,
            spacing: Duration::from_millis(400).saturating_mul(calls),
            pace: interval,
        };
        assert_eq!(ration(6, 0), held(0, 6));
        assert_eq!(ration(0, 75), held(75, 75));
        // a thousand services, of which no list tells: they take turns
        assert_eq!(ration(0, 1_000), held(75, 75));
        assert_eq!(ration(0, 1_000).each(1_000), Duration::from_mins(7));
        assert_eq!(ration(25, 1_000), held(50, 75));
        // a list of a hundred pages
        assert_eq!(ration(100, 0).pace, Duration::from_secs(40));
    }
}
