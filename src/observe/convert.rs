//! From Azure's words to the facts that decisions are made of.
//!
//! Words are compared without regard to case. What Azure leaves out is read as its documentation
//! says; an answer without something that it must have is no fact at all.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use thiserror::Error;

use super::{ending::Failure, value::Value};
use crate::{
    arm::{
        authorization::{RoleAssignment, RoleDefinition},
        dicom::{DicomService, ProvisioningState, ServiceIdentity},
        identity::UserAssignedIdentity,
        key_vault::{self, Key, KeyType},
        resource_health::{Availability, AvailabilityStatus},
        text,
    },
    azure::role::{built_in_gives_key_use, data_actions_give_key_use},
    domain::observed::{
        Assignment, Attached, Encryption, Health, HealthState, KeyAttributes, KeyVersionFacts,
        ListedVersion, Provisioning, Service, UserAttached, UserIdentity, Vault, VaultNetwork,
    },
};

/// An answer that lacks something that it must have, or has something that nobody knows.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{0}")]
pub struct OddAnswer(String);

impl From<OddAnswer> for Failure {
    fn from(OddAnswer(message): OddAnswer) -> Self {
        Self::odd(message)
    }
}

/// A DICOM service.
pub fn service(read: &DicomService) -> Result<Service, OddAnswer> {
    let encryption = read
        .key_url
        .as_ref()
        .map_or(Encryption::MicrosoftManaged, |url| {
            url.parse().map_or_else(
                |_| Encryption::Unreadable(text::printable(url, URL_LIMIT, &[])),
                Encryption::CustomerManaged,
            )
        });
    Ok(Service {
        provisioning: provisioning(&read.provisioning_state),
        modified_at: read.modified_at,
        identity: attached(&read.identity)?,
        encryption,
    })
}

fn provisioning(state: &ProvisioningState) -> Provisioning {
    match state {
        ProvisioningState::Succeeded => Provisioning::Succeeded,
        ProvisioningState::Failed => Provisioning::Failed("Failed".to_owned()),
        ProvisioningState::Canceled => Provisioning::Failed("Canceled".to_owned()),
        // neither working nor ended: nothing may be written to it
        ProvisioningState::Stuck(word) | ProvisioningState::Busy(word) => {
            Provisioning::Busy(text::printable(word, WORD_LIMIT, &[]))
        }
        ProvisioningState::Absent => Provisioning::Busy("not told".to_owned()),
    }
}

fn attached(identity: &ServiceIdentity) -> Result<Attached, OddAnswer> {
    if let Some(kind) = &identity.unknown_kind {
        let kind = text::printable(kind, WORD_LIMIT, &[]);
        return Err(OddAnswer(format!(
            "the service has an identity of the unknown kind {kind:?}"
        )));
    }
    match (identity.system_assigned, identity.user_assigned.as_slice()) {
        (false, []) => Ok(Attached::None),
        (true, []) => identity
            .principal_id
            .map(|principal| Attached::System { principal })
            .ok_or_else(|| {
                OddAnswer(
                    "the service's identity is on, but the answer does not name it".to_owned(),
                )
            }),
        (true, _) => Ok(Attached::Both),
        (false, users) => {
            let users = users.iter().map(|user| {
                let id = user.id.parse().map_err(|error| {
                    OddAnswer(format!("the id of an identity of the service {error}"))
                });
                Ok(UserAttached {
                    id: id?,
                    principal: user.principal_id,
                })
            });
            users.collect::<Result<_, _>>().map(Attached::User)
        }
    }
}

/// A user-assigned identity.
pub(super) fn identity(read: &UserAssignedIdentity) -> Result<Value, OddAnswer> {
    let principal = read
        .principal_id
        .ok_or_else(|| OddAnswer("the identity has no principal".to_owned()))?;
    Ok(Value::Identity(UserIdentity { principal }))
}

/// A vault.
pub(super) fn vault(read: &key_vault::Vault) -> Result<Value, OddAnswer> {
    let tenant = read
        .tenant_id
        .ok_or_else(|| OddAnswer("the vault has no tenant".to_owned()))?;
    Ok(Value::Vault(Vault {
        tenant,
        soft_delete: read.soft_delete.unwrap_or(true),
        purge_protection: read.purge_protection.unwrap_or(false),
        rbac: read.role_based.unwrap_or(false),
        network: network(read),
        bypass: read
            .firewall
            .as_ref()
            .and_then(|firewall| firewall.bypass.as_deref())
            .is_none_or(|word| word.trim().eq_ignore_ascii_case("AzureServices")),
        resolvable: !read
            .provisioning_state
            .as_deref()
            .is_some_and(|word| word.trim().eq_ignore_ascii_case("RegisteringDns")),
    }))
}

fn network(read: &key_vault::Vault) -> VaultNetwork {
    let is = |word: Option<&str>, expected: &str| {
        word.is_some_and(|word| word.trim().eq_ignore_ascii_case(expected))
    };
    let access = read.public_network_access.as_deref();
    let firewall = read.firewall.as_ref();
    if is(access, "SecuredByPerimeter") {
        return VaultNetwork::Perimeter;
    }
    let denies = firewall.is_some_and(|firewall| is(firewall.default_action.as_deref(), "Deny"));
    if !denies && !is(access, "Disabled") {
        return VaultNetwork::Open;
    }
    let bypass = firewall.and_then(|firewall| firewall.bypass.as_deref());
    if bypass.is_none() || is(bypass, "AzureServices") {
        VaultNetwork::TrustedServices
    } else {
        VaultNetwork::Closed
    }
}

/// One version of a key.
pub(super) fn version(read: &Key) -> Result<Value, OddAnswer> {
    let missing = |what| OddAnswer(format!("the key version has no {what}"));
    let key_type = match read.key_type.as_ref().ok_or_else(|| missing("type"))? {
        KeyType::Rsa => "RSA".to_owned(),
        KeyType::RsaHsm => "RSA-HSM".to_owned(),
        KeyType::Other(word) => text::printable(word, WORD_LIMIT, &[]),
    };
    let operations = read.operations.as_ref();
    Ok(Value::Version(KeyVersionFacts {
        key_type,
        size: read.size,
        operations: operations
            .ok_or_else(|| missing("list of operations"))?
            .clone(),
        attributes: attributes(read),
    }))
}

/// The versions of a key, in an order of their own. Rows without a version are left out.
pub(super) fn listing(rows: &[Key]) -> Value {
    let row = |key: &Key| {
        key.version().map(|version| ListedVersion {
            version,
            attributes: attributes(key),
        })
    };
    let mut versions: Vec<_> = rows.iter().filter_map(row).collect();
    versions.sort_by(|left, right| left.version.cmp(&right.version));
    Value::Listing(versions)
}

/// The attributes of a key or a version of one.
pub(super) fn attributes(key: &Key) -> KeyAttributes {
    KeyAttributes {
        enabled: key.enabled.unwrap_or(true),
        not_before: key.not_before,
        expires: key.expires,
        created: key.created,
        updated: key.updated,
        purgeable: key
            .recovery_level
            .as_deref()
            .map(|level| level.to_ascii_lowercase().contains("purgeable")),
    }
}

/// A role assignment; `None` for one that names no role or principal, or that is made above
/// subscriptions, where it is not counted. `date` is Azure's clock when it answered.
pub(super) fn assignment(read: &RoleAssignment, date: Option<Timestamp>) -> Option<Assignment> {
    let (role, principal) = (read.role?, read.principal_id?);
    if !read
        .scope
        .to_ascii_lowercase()
        .starts_with("/subscriptions/")
    {
        return None;
    }
    let age = date.zip(read.created_on);
    Some(Assignment {
        id: read.id.clone(),
        principal,
        role,
        gives_key_use: built_in_gives_key_use(role),
        scope: read.scope.clone(),
        conditional: read.condition.is_some(),
        created: read.created_on,
        // an answer is dated in whole seconds, an assignment to the fraction of one
        age: age
            .map(|(answered, created)| answered.duration_since(created).max(SignedDuration::ZERO)),
    })
}

/// Whether a role lets its holder use keys.
pub(super) fn role(read: &RoleDefinition) -> Value {
    let gives = read.permissions.iter().any(|permission| {
        data_actions_give_key_use(&permission.data_actions, &permission.not_data_actions)
    });
    Value::Role(gives)
}

/// What Resource Health says.
pub(super) fn health(read: &AvailabilityStatus) -> Health {
    let words = [&read.summary, &read.title];
    Health {
        state: match read.state {
            Availability::Available => HealthState::Available,
            Availability::Degraded => HealthState::Degraded,
            Availability::Unavailable => HealthState::Unavailable,
            Availability::Unknown | Availability::Absent | Availability::Other(_) => {
                HealthState::Unknown
            }
        },
        summary: words
            .into_iter()
            .find(|words| !words.is_empty())
            .cloned()
            .unwrap_or_default(),
        actions: read.recommended_actions.clone(),
        occurred: read.occurred_at,
    }
}

const URL_LIMIT: usize = 200;
const WORD_LIMIT: usize = 60;

#[cfg(test)]
mod tests;
