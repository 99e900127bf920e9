//! What the status remembers from earlier passes. Never trusted for safety: each write rests on
//! what is observed now. It tells only what happened before, which nothing else can tell.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use uuid::Uuid;

use crate::azure::{KeyUrl, VaultId};
use crate::crd::{DicomEncryptionStatus, KeyAccessState, Reason};

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
    /// When all was last seen good.
    pub verified_at: Option<Timestamp>,
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
            access: status.key_access.as_ref().map(|access| LastAccess {
                state: access.state,
                reason: access.reason.as_deref().and_then(Reason::from_name),
                lost_since: access.lost_since.as_ref().map(|time| time.0),
                verified_at: access.verified_at.as_ref().map(|time| time.0),
            }),
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
        self.applied = Some(Applied {
            url: url.clone(),
            vault: vault.clone(),
            at,
            principal: Some(principal),
        });
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

    /// The principal for which the key now in use was set, as far as is known.
    pub fn applied_principal(&self, url: &KeyUrl) -> Option<Uuid> {
        self.applied
            .as_ref()
            .filter(|applied| applied.url.is_same(url))?
            .principal
    }
}
