//! What is held of one link of the chain between a service and its key.

use crate::crd::{ConditionType, Reason};

use super::fact::{Denial, Doubt, TroubleKind};

/// The links of the chain, in its order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Link {
    /// The service has the identity asked for.
    Identity,
    /// The vault is safe to depend on.
    Vault,
    /// The key version can be used.
    Key,
    /// The identity may use the key.
    Grant,
    /// The service uses the key asked for.
    Encryption,
    /// The service can reach the key that it uses.
    Access,
}

impl Link {
    /// All links, in order.
    pub const ALL: [Self; 6] = [
        Self::Identity,
        Self::Vault,
        Self::Key,
        Self::Grant,
        Self::Encryption,
        Self::Access,
    ];

    /// The condition that shows it.
    pub const fn condition(self) -> ConditionType {
        match self {
            Self::Identity => ConditionType::IdentityReady,
            Self::Vault => ConditionType::VaultProtected,
            Self::Key => ConditionType::KeyUsable,
            Self::Grant => ConditionType::AccessGranted,
            Self::Encryption => ConditionType::EncryptionApplied,
            Self::Access => ConditionType::KeyAccessible,
        }
    }
}

/// Yes, no, or not known. Doubt never becomes an alarm, nor a green light.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The link is good.
    Yes {
        /// What there is to say about it.
        message: String,
    },
    /// There is positive evidence that it is not.
    No {
        /// Why.
        reason: Reason,
        /// What is wrong and what to do.
        message: String,
    },
    /// Not known.
    Unknown {
        /// Why not.
        reason: Reason,
        /// What is in the way.
        message: String,
    },
}

impl Verdict {
    /// The link is good.
    pub fn yes(message: impl Into<String>) -> Self {
        Self::Yes {
            message: message.into(),
        }
    }

    /// The link is bad.
    pub fn no(reason: Reason, message: impl Into<String>) -> Self {
        Self::No {
            reason,
            message: message.into(),
        }
    }

    /// Nothing is known of the link.
    pub fn unknown(reason: Reason, message: impl Into<String>) -> Self {
        Self::Unknown {
            reason,
            message: message.into(),
        }
    }

    /// A fact that the link needs is not known.
    pub fn doubt(what: &str, doubt: &Doubt<'_>) -> Self {
        let (reason, cause) = match doubt.trouble {
            None => (Reason::NotRead, String::new()),
            Some(trouble) => (
                match trouble.kind {
                    TroubleKind::Unreachable => Reason::AzureUnreachable,
                    TroubleKind::Throttled => Reason::Throttled,
                    TroubleKind::NotAuthorised => Reason::NotAuthorised,
                },
                format!(": {}", trouble.message),
            ),
        };
        let seen = doubt.last_seen.map_or_else(
            || format!("{what} has not been read yet"),
            |at| format!("{what} was last read at {at:.0}"),
        );
        Self::unknown(reason, format!("{seen}{cause}"))
    }

    /// The operator may not look.
    pub fn refused(what: &str, denial: &Denial) -> Self {
        Self::unknown(
            Reason::NotAuthorised,
            format!("{what} cannot be read: {}", denial.message),
        )
    }

    /// Whether the link is good.
    pub const fn is_yes(&self) -> bool {
        matches!(self, Self::Yes { .. })
    }

    /// Whether the link is bad.
    pub const fn is_no(&self) -> bool {
        matches!(self, Self::No { .. })
    }

    /// The reason in the API.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Yes { .. } => Reason::AsSpecified,
            Self::No { reason, .. } | Self::Unknown { reason, .. } => *reason,
        }
    }

    /// The message for people.
    pub fn message(&self) -> &str {
        match self {
            Self::Yes { message } | Self::No { message, .. } | Self::Unknown { message, .. } => {
                message
            }
        }
    }
}

/// The verdicts on all links.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdicts {
    /// The service has the identity asked for.
    pub identity: Verdict,
    /// The vault is safe to depend on.
    pub vault: Verdict,
    /// The key version can be used.
    pub key: Verdict,
    /// The identity may use the key.
    pub grant: Verdict,
    /// The service uses the key asked for.
    pub encryption: Verdict,
    /// The service can reach the key that it uses.
    pub access: Verdict,
}

impl Verdicts {
    /// The same verdict on every link.
    pub fn all(verdict: &Verdict) -> Self {
        Self {
            identity: verdict.clone(),
            vault: verdict.clone(),
            key: verdict.clone(),
            grant: verdict.clone(),
            encryption: verdict.clone(),
            access: verdict.clone(),
        }
    }

    /// The verdict on one link.
    pub const fn of(&self, link: Link) -> &Verdict {
        match link {
            Link::Identity => &self.identity,
            Link::Vault => &self.vault,
            Link::Key => &self.key,
            Link::Grant => &self.grant,
            Link::Encryption => &self.encryption,
            Link::Access => &self.access,
        }
    }
}
