//! What is held of each link, one file a link.

pub mod access;
pub mod encryption;
pub mod grant;
pub mod identity;
pub mod key;
pub mod vault;

use k8s_openapi::jiff::Timestamp;

use crate::azure::{KeyName, VaultId};

use super::desired::Desired;
use super::fact::Known;
use super::memory::Memory;
use super::observed::{ListedVersion, Observed};
use super::plan::Settings;
use super::step::Step;
use super::verdict::Verdict;

/// The facts of one decision.
#[derive(Clone, Copy, Debug)]
pub struct Case<'facts> {
    /// What the object asks for.
    pub desired: &'facts Desired,
    /// What was seen in Azure.
    pub observed: &'facts Observed,
    /// What earlier passes left behind.
    pub memory: &'facts Memory,
    /// The waits that hold for every object.
    pub settings: Settings,
    /// The moment of the decision.
    pub now: Timestamp,
}

impl<'facts> Case<'facts> {
    /// The versions of a key, as far as they are known.
    pub fn listing(&self, vault: &VaultId, name: &KeyName) -> Known<'facts, Vec<ListedVersion>> {
        let fact = self.observed.listings.get(&(vault.clone(), name.clone()));
        fact.map_or(Known::UNREAD, |fact| fact.known(self.now))
    }
}

/// What is held of a link, and what the link asks for next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// What is held of it.
    pub verdict: Verdict,
    /// What it asks for.
    pub next: Next,
}

/// What a link asks for next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Next {
    /// Nothing: it is good.
    Nothing,
    /// This write.
    Step {
        /// The write.
        step: Box<Step>,
        /// Whether it puts right what somebody else changed.
        drift: bool,
    },
    /// Time to pass.
    Wait {
        /// Until when; `None` until something is seen to change.
        until: Option<Timestamp>,
    },
    /// A person.
    Person,
    /// To be known first.
    Look,
}

impl Finding {
    /// The link is good.
    pub const fn good(verdict: Verdict) -> Self {
        Self {
            verdict,
            next: Next::Nothing,
        }
    }

    /// A verdict that asks for a person when it is bad, and for a look when it is not known.
    pub const fn plain(verdict: Verdict) -> Self {
        let next = match verdict {
            Verdict::Yes { .. } => Next::Nothing,
            Verdict::No { .. } => Next::Person,
            Verdict::Unknown { .. } => Next::Look,
        };
        Self { verdict, next }
    }
}

#[cfg(test)]
mod tests;
