//! What now? One answer for every error.

use std::{fmt, time::Duration};

use http::StatusCode;

use super::{ArmError, ErrorCode, Refusal};
use crate::arm::credential::CredentialError;

/// What does not exist.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Missing {
    /// The resource itself; everything above it may be there.
    Resource,
    /// The resource that would hold it.
    Parent,
    /// Its resource group.
    ResourceGroup,
    /// Its subscription, as far as the caller may see.
    Subscription,
}

/// What to do about an error.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Advice {
    /// Try again later; nobody is needed.
    Retry {
        /// Not before this time has passed; `None` leaves it to the caller's own pace.
        after: Option<Duration>,
    },
    /// Stay away for this time; nobody is needed.
    Throttled {
        /// How long, from now.
        after: Duration,
    },
    /// The token was refused and dropped; the next call brings a new one.
    Reauthenticate,
    /// Something that was made a moment ago is not known everywhere yet.
    WaitForPropagation,
    /// The caller lacks a permission that a person has to give.
    AskForPermission {
        /// The Azure action.
        action: String,
        /// On what.
        scope: String,
    },
    /// What was asked for exists already under another name: read it, and adopt it.
    AlreadyExists,
    /// The resource is busy or has changed: read it again before anything else.
    Conflict {
        /// Not before this time has passed.
        after: Option<Duration>,
    },
    /// Something does not exist.
    NotFound(Missing),
    /// The request as it is can never succeed: a person has to change something.
    FixRequest {
        /// What to change.
        remedy: &'static str,
    },
    /// The answer makes no sense: a proxy, an outage, or a change in Azure. Believe nothing.
    Garbage,
}

impl ArmError {
    /// What to do now.
    pub fn advice(&self) -> Advice {
        match self {
            Self::Transport {
                subject: _,
                source: _,
            } => Advice::Retry { after: None },
            Self::Credential { subject: _, source } => match source {
                CredentialError::Settings { .. } => Advice::FixRequest {
                    remedy: "mend the operator's credential settings",
                },
                CredentialError::Login { .. } => Advice::Retry { after: None },
                CredentialError::Waiting { wait, .. } => Advice::Retry { after: Some(*wait) },
            },
            Self::Throttled {
                subject: _,
                wait,
                by: _,
            } => Advice::Throttled { after: *wait },
            Self::Refused(refusal) => refusal.advice(),
            Self::Undecodable { .. }
            | Self::Redirected { .. }
            | Self::ForeignLink { .. }
            | Self::Paging { .. } => Advice::Garbage,
            Self::Unsendable { .. } => Advice::FixRequest {
                remedy: "this is a defect of the operator: please report it",
            },
        }
    }

    /// The error and its remedy in a sentence or two, for a person.
    pub fn what_now(&self) -> String {
        format!("{self}; {}", self.advice())
    }
}

impl Refusal {
    /// What to do now. The code decides; where it says nothing, the status does.
    pub fn advice(&self) -> Advice {
        let fix = |remedy| Advice::FixRequest { remedy };
        match &self.code {
            ErrorCode::AuthorizationFailed
            | ErrorCode::LinkedAuthorizationFailed
            | ErrorCode::DenyAssignmentAuthorizationFailed => {
                let (action, scope) = self.permission();
                Advice::AskForPermission { action, scope }
            }
            ErrorCode::RoleAssignmentExists => Advice::AlreadyExists,
            ErrorCode::PrincipalNotFound => Advice::WaitForPropagation,
            ErrorCode::RoleAssignmentUpdateNotPermitted => {
                fix("remove the role assignment of this name, which belongs to another principal")
            }
            ErrorCode::RoleAssignmentLimitExceeded => fix(
                "remove role assignments that are not needed: the subscription has no room for more",
            ),
            ErrorCode::RoleDefinitionDoesNotExist => fix("name a role that exists in this cloud"),
            ErrorCode::RequestDisallowedByPolicy => fix(
                "change the request or exempt the resource from the Azure Policy that forbids it",
            ),
            ErrorCode::ScopeLocked => {
                fix("remove the lock, or the disabled state of the subscription")
            }
            ErrorCode::InvalidAuthenticationTokenTenant => {
                fix("let the operator log in to the tenant of the subscription")
            }
            ErrorCode::MissingSubscriptionRegistration => {
                fix("register the resource provider in the subscription")
            }
            ErrorCode::SubscriptionNotFound => Advice::NotFound(Missing::Subscription),
            ErrorCode::ResourceGroupNotFound => Advice::NotFound(Missing::ResourceGroup),
            ErrorCode::ParentResourceNotFound => Advice::NotFound(Missing::Parent),
            ErrorCode::ResourceNotFound | ErrorCode::NotFound | ErrorCode::KeyNotFound => {
                Advice::NotFound(Missing::Resource)
            }
            ErrorCode::Conflict
            | ErrorCode::AnotherOperationInProgress
            | ErrorCode::PreconditionFailed => Advice::Conflict {
                after: self.retry_after,
            },
            ErrorCode::TooManyRequests => Advice::Throttled {
                after: self.retry_after.unwrap_or(UNTOLD_THROTTLE),
            },
            ErrorCode::InvalidAuthenticationToken => Advice::Reauthenticate,
            ErrorCode::Absent | ErrorCode::Other(_) => self.advice_by_status(),
        }
    }

    fn advice_by_status(&self) -> Advice {
        match self.status {
            StatusCode::UNAUTHORIZED => Advice::Reauthenticate,
            StatusCode::FORBIDDEN => {
                let (action, scope) = self.permission();
                Advice::AskForPermission { action, scope }
            }
            StatusCode::NOT_FOUND => Advice::NotFound(Missing::Resource),
            StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED | StatusCode::LOCKED => {
                Advice::Conflict {
                    after: self.retry_after,
                }
            }
            StatusCode::TOO_MANY_REQUESTS => Advice::Throttled {
                after: self.retry_after.unwrap_or(UNTOLD_THROTTLE),
            },
            StatusCode::REQUEST_TIMEOUT => Advice::Retry {
                after: self.retry_after,
            },
            status if status.is_server_error() => Advice::Retry {
                after: self.retry_after,
            },
            status if status.is_client_error() => match self.retry_after {
                Some(after) => Advice::Retry { after: Some(after) },
                None => Advice::FixRequest {
                    remedy: "read Azure's words and change what they name",
                },
            },
            _ => Advice::Garbage,
        }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retry { after: Some(after) } => {
                write!(f, "the operator tries again in {} s", after.as_secs())
            }
            Self::Retry { after: None } => f.write_str("the operator tries again"),
            Self::Throttled { after } => {
                write!(f, "the operator goes on in {} s", after.as_secs())
            }
            Self::Reauthenticate => f.write_str("the operator logs in again"),
            Self::WaitForPropagation => {
                f.write_str("Azure does not know it everywhere yet; the operator tries again")
            }
            Self::AskForPermission { action, scope } => {
                write!(f, "give the operator's identity a role with the action {action} on {scope}")
            }
            Self::AlreadyExists => f.write_str("the operator reads what exists and uses it"),
            Self::Conflict { after: _ } => {
                f.write_str("somebody else is at work on it; the operator looks again")
            }
            Self::NotFound(missing) => f.write_str(match missing {
                Missing::Resource => "check the id: the resource does not exist",
                Missing::Parent => "check the id: the resource that would hold it does not exist",
                Missing::ResourceGroup => "check the id: the resource group does not exist",
                Missing::Subscription => {
                    "check the id and the operator's tenant: it sees no such subscription"
                }
            }),
            Self::FixRequest { remedy } => f.write_str(remedy),
            Self::Garbage => f.write_str(
                "the operator believes nothing of it and tries again; look at proxies and at Azure's status",
            ),
        }
    }
}

const UNTOLD_THROTTLE: Duration = Duration::from_secs(10);
