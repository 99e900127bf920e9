//! What the status remembers from earlier passes. Never trusted for safety: each write rests on
//! what is observed now. It tells only what happened before, which nothing else can tell.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use uuid::Uuid;

use super::judge::access::Access;
use crate::azure::{KeyUrl, VaultId};
use crate::crd::{
    DicomEncryptionStatus, KeyAccessState, KeyAccessStatus, KeyOrigin, Reason, RevalidationOutcome,
};

/// What earlier passes left behind.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Memory {
    /// The key that was last seen in use as asked.
    pub applied: Option<Applied>,
    /// The version that was chosen and recorded.
    pub pending: Option<KeyUrl>,
    /// Every version that the service is known to have used, or is about to.
    pub versions: BTreeSet<KeyUrl>,
    /// Key access as it was last told.
    pub access: Option<LastAccess>,
    /// When this process last saw all of it good: somebody was watching then.
    pub watched_at: Option<Timestamp>,
    /// The revalidation that this process decided on and may send now: its time.
    pub intent: Option<Timestamp>,
    /// When this process last sent a PUT of the service that Azure accepted, as long as nothing but
    /// its principal stood between the service and its key since.
    pub put_at: Option<Timestamp>,
    /// Whether Azure accepted such a PUT whose end has not been seen yet.
    pub is_put_pending: bool,
    /// When this process last saw an operation on the service, whoever began it.
    pub operation_at: Option<Timestamp>,
}

/// A key that was in use as asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Applied {
    /// Its url.
    pub url: KeyUrl,
    /// Its vault.
    pub vault: VaultId,
    /// When that was first seen.
    pub at: Option<Timestamp>,
    /// The principal for which it was set.
    pub principal: Option<Uuid>,
    /// Who set it first.
    pub origin: Option<KeyOrigin>,
}

/// Key access as it was last told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LastAccess {
    /// In one word.
    pub state: KeyAccessState,
    /// Why.
    pub reason: Option<Reason>,
    /// Since when it is lost.
    pub lost_since: Option<Timestamp>,
    /// When the loss was first seen.
    pub lost_seen_at: Option<Timestamp>,
    /// When what was lost was first seen good again.
    pub restored_at: Option<Timestamp>,
    /// The latest PUT that was to bring the service back.
    pub revalidation: Option<Revalidation>,
    /// When all was last seen good.
    pub verified_at: Option<Timestamp>,
    /// The latest loss that ended.
    pub last_loss: Option<EndedLoss>,
}

/// A loss that ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EndedLoss {
    /// The earliest that it can have begun.
    pub since: Timestamp,
    /// When it was first seen.
    pub seen_at: Timestamp,
    /// When what was lost was first seen good again.
    pub restored_at: Timestamp,
    /// When the service was first seen well again.
    pub ended_at: Timestamp,
}

/// A PUT that was to bring a service back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Revalidation {
    /// When it was decided on.
    pub at: Timestamp,
    /// How many there were in this loss.
    pub attempts: i32,
    /// What became of it.
    pub outcome: RevalidationOutcome,
    /// What support asks for.
    pub details: Option<String>,
}

impl LastAccess {
    fn of(access: &KeyAccessStatus) -> Self {
        let time = |time: &Option<Time>| time.as_ref().map(|time| time.0);
        Self {
            state: access.state,
            reason: access.reason.as_deref().and_then(Reason::from_name),
            lost_since: time(&access.lost_since),
            lost_seen_at: time(&access.lost_seen_at),
            restored_at: time(&access.restored_at),
            revalidation: access.revalidation.as_ref().map(|last| Revalidation {
                at: last.at.0,
                attempts: last.attempts,
                outcome: last.outcome,
                details: last.details.clone(),
            }),
            verified_at: time(&access.verified_at),
            last_loss: access.last_loss.as_ref().map(|last| EndedLoss {
                since: last.lost_since.0,
                seen_at: last.lost_seen_at.0,
                restored_at: last.restored_at.0,
                ended_at: last.ended_at.0,
            }),
        }
    }
}

impl Memory {
    /// Reads a status. What makes no sense, as after a forged or very old status, is left out.
    pub fn of(status: Option<&DicomEncryptionStatus>) -> Self {
        let Some(status) = status else {
            return Self::default();
        };
        Self {
            applied: status.key.as_ref().and_then(|key| {
                Some(Applied {
                    url: key.url.parse().ok()?,
                    vault: key.vault_id.parse().ok()?,
                    at: key.applied_at.as_ref().map(|time| time.0),
                    principal: key.applied_for.as_ref().and_then(|text| text.parse().ok()),
                    origin: key.origin,
                })
            }),
            pending: status
                .pending_key
                .as_ref()
                .and_then(|key| key.url.parse().ok()),
            versions: status
                .key_versions
                .iter()
                .filter_map(|version| version.url.parse().ok())
                .collect(),
            access: status.key_access.as_ref().map(LastAccess::of),
            ..Self::default()
        }
    }

    /// Takes note that a key was set for a principal, and that this was seen to take effect: Azure
    /// itself does not show for which principal a key was set.
    pub fn note_set(&mut self, url: &KeyUrl, vault: &VaultId, principal: Uuid) {
        let at = self
            .applied
            .as_ref()
            .filter(|applied| applied.url.is_same(url))
            .and_then(|applied| applied.at);
        // a service that was taken over may have used more than is on record
        let is_sole = self.versions.iter().all(|known| known.is_same(url));
        let first = if is_sole {
            KeyOrigin::Applied
        } else {
            KeyOrigin::Adopted
        };
        let origin = self.key_origin().or(Some(first));
        self.applied = Some(Applied {
            url: url.clone(),
            vault: vault.clone(),
            at,
            principal: Some(principal),
            origin,
        });
    }

    /// Takes note of a loss that was seen before a write of the same pass: what the write mends is
    /// a loss all the same.
    pub fn note_loss(&mut self, access: &Access) {
        let Some(loss) = access.loss.filter(|_| !self.is_lost()) else {
            return;
        };
        let before = self.access.take();
        self.access = Some(LastAccess {
            state: access.state,
            reason: Some(access.verdict.reason()),
            lost_since: Some(loss.since),
            lost_seen_at: Some(loss.seen_at),
            restored_at: loss.restored_at,
            revalidation: before.as_ref().and_then(|last| last.revalidation.clone()),
            verified_at: before.as_ref().and_then(|last| last.verified_at),
            last_loss: before.and_then(|last| last.last_loss),
        });
    }

    /// Takes note of what became of the revalidation that was decided on.
    pub fn note_revalidation(&mut self, outcome: RevalidationOutcome, details: Option<String>) {
        let access = self.access.as_mut();
        if let Some(last) = access.and_then(|access| access.revalidation.as_mut()) {
            last.outcome = outcome;
            last.details = details.or_else(|| last.details.take());
        }
    }

    /// Who encrypted the service first, as far as is known.
    pub fn key_origin(&self) -> Option<KeyOrigin> {
        self.applied.as_ref().and_then(|applied| applied.origin)
    }

    /// Whether access was lost when it was last told, and has not been told to be back.
    pub fn is_lost(&self) -> bool {
        self.access
            .as_ref()
            .is_some_and(|access| match access.state {
                KeyAccessState::Lost | KeyAccessState::Recovering => true,
                KeyAccessState::Accessible | KeyAccessState::AtRisk => false,
                // Unknown keeps an alarm that was raised before it.
                KeyAccessState::Unknown => access.lost_since.is_some(),
            })
    }

    /// Whether access was lost, when it was last told, for this reason.
    pub fn lost_by(&self, reason: Reason) -> bool {
        let last = self.access.as_ref().and_then(|access| access.reason);
        self.is_lost() && last == Some(reason)
    }

    /// The principal for which the key now in use was set, as far as is known.
    pub fn applied_principal(&self, url: &KeyUrl) -> Option<Uuid> {
        self.applied
            .as_ref()
            .filter(|applied| applied.url.is_same(url))?
            .principal
    }
}
