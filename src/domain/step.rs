//! The writes that the operator makes, as values. There are four.

use std::fmt;

use uuid::Uuid;

use crate::azure::{DicomServiceId, IdentityId, KeyUrl, VaultRole};
use crate::crd::Reason;

/// One write to Azure. Nothing is left to be chosen when it is carried out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Enable an identity on a service that has none.
    EnableIdentity {
        /// The service.
        service: DicomServiceId,
        /// The identity; `None` for the service's own.
        identity: Option<IdentityId>,
    },
    /// Assign the role to the identity.
    AssignRole {
        /// ARM id of the vault or the key.
        scope: String,
        /// The role.
        role: VaultRole,
        /// Object id of the identity.
        principal: Uuid,
        /// Name of the assignment, derived from the three above.
        name: Uuid,
    },
    /// Set the key url on the service.
    SetKeyUrl {
        /// The service.
        service: DicomServiceId,
        /// The key, with its version.
        url: KeyUrl,
        /// The identity that will read the key, as it was when this was decided.
        principal: Uuid,
    },
    /// Send the service back to Azure unchanged, so that it looks at its key again.
    Revalidate {
        /// The service.
        service: DicomServiceId,
        /// The key that it uses, and goes on to use.
        url: KeyUrl,
        /// The identity that reads the key, as it was when this was decided.
        principal: Uuid,
    },
}

impl Step {
    /// The reason that is told while the step is due or under way.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::EnableIdentity { .. } => Reason::EnablingIdentity,
            Self::AssignRole { .. } => Reason::CreatingGrant,
            Self::SetKeyUrl { .. } => Reason::ApplyingKey,
            Self::Revalidate { .. } => Reason::Revalidating,
        }
    }

    /// The word by which metrics count it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::EnableIdentity { .. } => "enable_identity",
            Self::AssignRole { .. } => "assign_role",
            Self::SetKeyUrl { .. } => "set_key_url",
            Self::Revalidate { .. } => "revalidate",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EnableIdentity { identity: None, .. } => {
                formatter.write_str("enable the system-assigned identity on the service")
            }
            Self::EnableIdentity {
                identity: Some(identity),
                ..
            } => {
                write!(
                    formatter,
                    "attach the identity {} to the service",
                    identity.id().name()
                )
            }
            Self::AssignRole {
                scope,
                role,
                principal,
                ..
            } => {
                write!(
                    formatter,
                    "assign the role {role} at {scope} to the principal {principal}"
                )
            }
            Self::SetKeyUrl { url, .. } => {
                write!(formatter, "set the key url {url} on the service")
            }
            Self::Revalidate { url, .. } => {
                write!(
                    formatter,
                    "send the service back unchanged, so that it looks at its key {url} again"
                )
            }
        }
    }
}

/// The name of a role assignment: the same for the same scope, principal and role, so that any
/// replica, restart or cluster makes the same one (a name without the principal would clash once
/// an identity is made anew: `RoleAssignmentUpdateNotPermitted`).
pub fn assignment_name(scope: &str, principal: Uuid, role: VaultRole) -> Uuid {
    let seed = format!("{}|{principal}|{}", scope.to_lowercase(), role.guid());
    Uuid::new_v5(&Uuid::NAMESPACE_URL, seed.as_bytes())
}
