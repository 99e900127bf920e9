//! What is remembered of each key: where it is read, what lists leave out, and how often it may be
//! read without using more than our share of anybody's limits.
//!
//! Pure: time is an argument.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{
    super::source::{Intervals, Keyed, pause},
    KeyId,
};
use crate::{
    arm::vault_data::PAGE_ROWS,
    azure::{KeyName, KeyVersion, VaultId},
    clock::Monotonic,
    domain::observed::KeySource,
};

/// All keys that somebody wants to know of.
#[derive(Debug)]
pub(in crate::observe) struct KeyBook {
    intervals: Intervals,
    vaults: BTreeMap<Keyed<VaultId>, BTreeMap<KeyName, KeyState>>,
}

/// Where a key is to be read now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// At the vault's own host.
    Vault {
        /// It is not known whether that works: any failure is a no.
        is_trial: bool,
    },
    /// Through Azure Resource Manager.
    Arm {
        /// Why not at the vault.
        why: String,
    },
}

/// For how long a vault that cannot be asked is left alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lasts {
    /// Somebody has to change something first.
    Long,
    /// It may pass by itself.
    Short,
}

/// What lists of versions leave out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Details {
    pub(super) key_type: String,
    pub(super) size: Option<u32>,
    pub(super) operations: Vec<String>,
    /// What the version said then of its latest change.
    pub(super) updated: Option<Timestamp>,
    pub(super) read: Monotonic,
}

/// How keys are read, in numbers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct KeyReading {
    /// Vaults whose keys are read at the vault.
    pub vaults_direct: usize,
    /// Vaults with a key that is read through Azure Resource Manager.
    pub vaults_through_arm: usize,
    /// The longest interval of a key that is read at its vault.
    pub interval_direct: Option<SignedDuration>,
    /// The longest interval of a key that is read through Azure Resource Manager.
    pub interval_through_arm: Option<SignedDuration>,
}

#[derive(Debug, Default)]
struct KeyState {
    choice: Choice,
    /// Failures at the vault's host in a row, while it is the choice.
    failures: u32,
    /// How many versions the list showed.
    listed: usize,
    /// How many versions are watched.
    watched: usize,
    details: BTreeMap<KeyVersion, Details>,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
enum Choice {
    #[default]
    Untried,
    Vault,
    Arm {
        why: String,
        /// When the vault is tried again.
        until: Monotonic,
    },
}

impl KeyBook {
    /// No key is known.
    pub(in crate::observe) const fn new(intervals: Intervals) -> Self {
        Self {
            intervals,
            vaults: BTreeMap::new(),
        }
    }

    /// Where a key is to be read now. A trial that is due is given to the first who asks.
    pub(super) fn way(&mut self, key: &Keyed<KeyId>, now: Monotonic) -> Way {
        let again = now.after(pause(self.intervals.configuration));
        match &mut self.state(key).choice {
            Choice::Vault => Way::Vault { is_trial: false },
            Choice::Untried => Way::Vault { is_trial: true },
            Choice::Arm { until, .. } if *until <= now => {
                *until = again;
                Way::Vault { is_trial: true }
            }
            Choice::Arm { why, .. } => Way::Arm { why: why.clone() },
        }
    }

    /// The vault showed this many versions of a key. Says whether that is new of the vault.
    pub(super) fn open(&mut self, key: &Keyed<KeyId>, listed: usize) -> bool {
        let before = self.source_of_vault(&key.with(key.of.vault.clone()));
        let state = self.state(key);
        state.choice = Choice::Vault;
        state.failures = 0;
        state.listed = listed;
        before != Some(KeySource::VaultDataPlane)
            && self.source_of_vault(&key.with(key.of.vault.clone()))
                == Some(KeySource::VaultDataPlane)
    }

    /// The vault does not let us read a key. Says whether that is new of the vault.
    pub(super) fn close(
        &mut self,
        key: &Keyed<KeyId>,
        (why, lasts): (String, Lasts),
        now: Monotonic,
    ) -> bool {
        let until = now.after(pause(match lasts {
            Lasts::Long => self.intervals.configuration,
            Lasts::Short => self.intervals.health,
        }));
        let before = self.source_of_vault(&key.with(key.of.vault.clone()));
        let state = self.state(key);
        state.choice = Choice::Arm { why, until };
        state.failures = 0;
        !matches!(before, Some(KeySource::ControlPlane { .. }))
    }

    /// A read at the vault failed. Says whether that was once too often.
    pub(super) fn fail(&mut self, key: &Keyed<KeyId>) -> bool {
        let state = self.state(key);
        state.failures = state.failures.saturating_add(1);
        state.failures >= STRIKES
    }

    /// These versions of a key are watched; what was known of others is dropped.
    pub(super) fn watch(&mut self, key: &Keyed<KeyId>, versions: &BTreeSet<KeyVersion>) {
        let state = self.state(key);
        state.watched = versions.len();
        state
            .details
            .retain(|version, _| versions.contains(version));
    }

    /// What lists leave out, if it was read.
    pub(super) fn details(&self, key: &Keyed<KeyId>, version: &KeyVersion) -> Option<&Details> {
        self.known(key)?.details.get(version)
    }

    /// Keeps what lists leave out.
    pub(super) fn keep(&mut self, key: &Keyed<KeyId>, version: KeyVersion, details: Details) {
        self.state(key).details.insert(version, details);
    }

    /// Nobody wants to know of a key any more.
    pub(in crate::observe) fn forget(&mut self, key: &Keyed<KeyId>) {
        let vault = key.with(key.of.vault.clone());
        if let Some(keys) = self.vaults.get_mut(&vault) {
            keys.remove(&key.of.name);
            if keys.is_empty() {
                self.vaults.remove(&vault);
            }
        }
    }

    /// Where a key is read, once that is known.
    pub(in crate::observe) fn source(&self, key: &Keyed<KeyId>) -> Option<KeySource> {
        self.known(key).and_then(KeyState::source)
    }

    /// How often the keys of a vault are listed: as often as asked, but with many keys so seldom
    /// that all lists together stay within our share of the vault's limit.
    pub(super) fn pace_direct(&self, vault: &Keyed<VaultId>) -> SignedDuration {
        let weight: u64 = self.states(vault).map(KeyState::weight).sum();
        self.intervals
            .vault
            .max(paced(weight, LISTS_PER_TEN_SECONDS))
    }

    /// How old what lists leave out may become.
    pub(super) fn details_age(&self, vault: &Keyed<VaultId>) -> SignedDuration {
        let reads = self
            .states(vault)
            .map(|state| count(state.watched).saturating_mul(state.class()))
            .sum();
        self.intervals
            .configuration
            .max(paced(reads, DETAILS_PER_TEN_SECONDS))
    }

    /// How often the keys of a subscription are read through Azure Resource Manager: each minute
    /// (the interval of health), but with many of them so seldom that they all use less than a
    /// tenth of what the subscription lets us read.
    pub(super) fn pace_through_arm(&self, subscription: Uuid) -> SignedDuration {
        let reads = self
            .through_arm(subscription)
            .map(|state| count(state.watched));
        self.intervals
            .health
            .max(paced(reads.sum(), ARM_READS_PER_TEN_SECONDS))
    }

    /// How often lists of versions are read through Azure Resource Manager.
    pub(super) fn lists_through_arm(&self, subscription: Uuid) -> SignedDuration {
        let lists = count(self.through_arm(subscription).count());
        self.intervals
            .configuration
            .max(paced(lists, ARM_LISTS_PER_TEN_SECONDS))
            .max(self.pace_through_arm(subscription))
    }

    /// How keys are read, in numbers.
    pub(in crate::observe) fn reading(&self) -> KeyReading {
        let mut reading = KeyReading::default();
        for vault in self.vaults.keys() {
            match self.source_of_vault(vault) {
                Some(KeySource::VaultDataPlane) => {
                    reading.vaults_direct = reading.vaults_direct.saturating_add(1);
                    let pace = Some(self.pace_direct(vault));
                    reading.interval_direct = reading.interval_direct.max(pace);
                }
                Some(KeySource::ControlPlane { .. }) => {
                    reading.vaults_through_arm = reading.vaults_through_arm.saturating_add(1);
                    let pace = Some(self.pace_through_arm(vault.of.id().subscription()));
                    reading.interval_through_arm = reading.interval_through_arm.max(pace);
                }
                None => {}
            }
        }
        reading
    }

    /// Where the keys of a vault are read: one that is read through ARM stands for all.
    fn source_of_vault(&self, vault: &Keyed<VaultId>) -> Option<KeySource> {
        let sources = self.states(vault).filter_map(KeyState::source);
        sources.reduce(slower)
    }

    fn known(&self, key: &Keyed<KeyId>) -> Option<&KeyState> {
        self.vaults
            .get(&key.with(key.of.vault.clone()))?
            .get(&key.of.name)
    }

    fn state(&mut self, key: &Keyed<KeyId>) -> &mut KeyState {
        let vault = self.vaults.entry(key.with(key.of.vault.clone()));
        vault.or_default().entry(key.of.name.clone()).or_default()
    }

    fn states(&self, vault: &Keyed<VaultId>) -> impl Iterator<Item = &KeyState> {
        self.vaults
            .get(vault)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    fn through_arm(&self, subscription: Uuid) -> impl Iterator<Item = &KeyState> {
        self.vaults
            .iter()
            .filter(move |(vault, _)| vault.of.id().subscription() == subscription)
            .flat_map(|(_, keys)| keys.values())
            .filter(|state| matches!(state.choice, Choice::Arm { .. }))
    }
}

impl KeyState {
    fn source(&self) -> Option<KeySource> {
        match &self.choice {
            Choice::Untried => None,
            Choice::Vault => Some(KeySource::VaultDataPlane),
            Choice::Arm { why, .. } => Some(KeySource::ControlPlane { why: why.clone() }),
        }
    }

    /// What one list costs, in transactions of the cheapest kind: each page counts.
    fn weight(&self) -> u64 {
        count(self.listed.div_ceil(PAGE_ROWS).max(1)).saturating_mul(self.class())
    }

    /// How many transactions of the cheapest kind one on this key counts for.
    fn class(&self) -> u64 {
        let classes = self.details.values().map(Details::class);
        classes.max().unwrap_or(1)
    }
}

impl Details {
    /// Source: "Azure Key Vault service limits", key transactions in 10 seconds per vault: RSA
    /// 2048 4,000, 3072 1,000, 4096 500; in an HSM 2,000, 500 and 250. Whether reads of a large
    /// key count as its other transactions do is not said: they are taken to.
    fn class(&self) -> u64 {
        let by_size = match self.size {
            Some(4096) => 8,
            Some(3072) => 4,
            Some(_) | None => 1,
        };
        if self.key_type.to_ascii_uppercase().ends_with("-HSM") {
            by_size * 2
        } else {
            by_size
        }
    }
}

/// Of two sources the one that notices later.
pub(in crate::observe) fn slower(one: KeySource, other: KeySource) -> KeySource {
    match (&one, &other) {
        (KeySource::ControlPlane { .. }, _)
        | (KeySource::VaultDataPlane, KeySource::VaultDataPlane) => one,
        (KeySource::VaultDataPlane, KeySource::ControlPlane { .. }) => other,
    }
}

/// The time in which so many reads are within so many in ten seconds.
fn paced(reads: u64, in_ten_seconds: u64) -> SignedDuration {
    let millis = reads.saturating_mul(10_000).div_ceil(in_ten_seconds);
    SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Of the 40 that are 1 % of a vault's limit; the rest is for details, second looks and probes.
const LISTS_PER_TEN_SECONDS: u64 = 25;
const DETAILS_PER_TEN_SECONDS: u64 = 5;
/// A tenth of the 25 reads a second that a subscription lets us make, with room for lists and
/// second looks.
const ARM_READS_PER_TEN_SECONDS: u64 = 20;
const ARM_LISTS_PER_TEN_SECONDS: u64 = 3;
/// A host that fails so often in a row is given up for a while.
const STRIKES: u32 = 2;

#[cfg(test)]
mod tests;
