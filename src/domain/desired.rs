//! What an object asks for, parsed and checked. After this the raw spec is not read again.

use crate::azure::{DicomServiceId, IdentityId, KeyName, KeyUrl, KeyVersion, VaultId, VaultRole};
use crate::crd::{
    AccessManagement, AccessSpec, AssignmentScope, CanaryWatch, DeletionPolicy,
    DicomEncryptionSpec, IdentitySpec, IdentityType, KeySpec, Mode, OnDrift, RecoverySpec,
    Revalidate, RoleName, WatchSpec, rules,
};

/// What an object asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Desired {
    /// The service.
    pub service: DicomServiceId,
    /// The user-assigned identity that it shall have; `None` for its own.
    pub identity: Option<IdentityId>,
    /// The key.
    pub key: DesiredKey,
    /// Whether another key may be replaced at first contact.
    pub replace_existing: bool,
    /// The role to assign.
    pub role: VaultRole,
    /// Where to assign it.
    pub scope: AssignmentScope,
    /// Who assigns it.
    pub management: AccessManagement,
    /// What to do about changes by others.
    pub on_drift: OnDrift,
    /// Who sends the PUT that a service needs after it was without its key for too long.
    pub revalidate: Revalidate,
    /// Whether the service itself is asked for data.
    pub canary: bool,
    /// Whether to write to Azure.
    pub mode: Mode,
    /// Whether writes are stopped.
    pub suspend: bool,
}

/// The key that is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DesiredKey {
    /// Its vault.
    pub vault: VaultId,
    /// What follows the vault's name in the key's host.
    pub vault_suffix: String,
    /// Its name.
    pub name: KeyName,
    /// Its version, when the object names one.
    pub version: Option<KeyVersion>,
}

impl DesiredKey {
    /// The url of a version of this key.
    pub fn url(&self, version: &KeyVersion) -> KeyUrl {
        KeyUrl::new(&self.vault, &self.vault_suffix, &self.name, version)
    }

    /// Whether a url names this key, whatever the version.
    pub fn is_key_of(&self, url: &KeyUrl) -> bool {
        url.vault_name().eq_ignore_ascii_case(self.vault.name())
            && url.vault_suffix().eq_ignore_ascii_case(&self.vault_suffix)
            && url.name().is_same(&self.name)
    }
}

impl Desired {
    /// Parses a spec for the cloud whose vaults end in `vault_suffix`.
    ///
    /// # Errors
    /// One sentence for each field that is wrong, saying what to write instead.
    pub fn try_new(spec: &DicomEncryptionSpec, vault_suffix: &str) -> Result<Self, Vec<String>> {
        let DicomEncryptionSpec {
            dicom_service_id,
            identity,
            key,
            access:
                AccessSpec {
                    role,
                    scope,
                    management,
                },
            on_drift,
            recovery: RecoverySpec { revalidate },
            watch: WatchSpec { canary },
            mode,
            suspend,
            deletion_policy: DeletionPolicy::Detach,
        } = spec;
        let mut wrong = Vec::new();
        let service = parsed(dicom_service_id, "dicomServiceId", &mut wrong);
        let identity = desired_identity(identity, &mut wrong);
        let replace_existing = key.replace_existing;
        let key = desired_key(key, vault_suffix, &mut wrong);
        match (service, key) {
            (Some(service), Some(key)) if wrong.is_empty() => Ok(Self {
                service,
                identity,
                key,
                replace_existing,
                role: match role {
                    RoleName::KeyVaultCryptoServiceEncryptionUser => {
                        VaultRole::CryptoServiceEncryptionUser
                    }
                    RoleName::KeyVaultCryptoOfficer => VaultRole::CryptoOfficer,
                },
                scope: *scope,
                management: *management,
                on_drift: *on_drift,
                revalidate: *revalidate,
                canary: *canary == CanaryWatch::Enabled,
                mode: *mode,
                suspend: *suspend,
            }),
            _ => Err(wrong),
        }
    }

    /// ARM id of where the role is to be assigned.
    pub fn grant_scope(&self) -> String {
        self.grant_scope_of(&self.key.vault, &self.key.name)
    }

    /// The same for another key, which the service may still use.
    pub fn grant_scope_of(&self, vault: &VaultId, key: &KeyName) -> String {
        match self.scope {
            AssignmentScope::Vault => vault.to_string(),
            AssignmentScope::Key => vault.key(key).to_string(),
        }
    }
}

/// `None` for the service's own identity, and for one that is wrong, which `wrong` then tells.
fn desired_identity(spec: &IdentitySpec, wrong: &mut Vec<String>) -> Option<IdentityId> {
    match (spec.identity_type, &spec.user_assigned_identity_id) {
        (IdentityType::SystemAssigned, None) => None,
        (IdentityType::SystemAssigned, Some(_)) => {
            wrong.push(format!(
                "identity: {}",
                rules::SYSTEM_ASSIGNED_NAMES_NONE_MESSAGE
            ));
            None
        }
        (IdentityType::UserAssigned, None) => {
            wrong.push(format!(
                "identity: {}",
                rules::USER_ASSIGNED_NAMES_IDENTITY_MESSAGE
            ));
            None
        }
        (IdentityType::UserAssigned, Some(id)) => {
            parsed(id, "identity.userAssignedIdentityId", wrong)
        }
    }
}

fn desired_key(spec: &KeySpec, vault_suffix: &str, wrong: &mut Vec<String>) -> Option<DesiredKey> {
    let vault: VaultId = parsed(&spec.vault_id, "key.vaultId", wrong)?;
    let (name, version) = match (&spec.name, &spec.version, &spec.url) {
        (Some(name), version, None) => {
            let name = parsed(name, "key.name", wrong)?;
            match version {
                None => (name, None),
                Some(version) => (name, Some(parsed(version, "key.version", wrong)?)),
            }
        }
        (None, None, Some(url)) => {
            let url: KeyUrl = parsed(url, "key.url", wrong)?;
            if !url.vault_name().eq_ignore_ascii_case(vault.name()) {
                wrong.push(format!("key: {}", rules::URL_MATCHES_VAULT_MESSAGE));
                return None;
            }
            if !url.vault_suffix().eq_ignore_ascii_case(vault_suffix) {
                wrong.push(format!(
                    "key.url: the host {} is not a vault of the cloud in which the operator works; its vaults end in .{vault_suffix}",
                    url.host()
                ));
                return None;
            }
            (url.name().clone(), url.version().cloned())
        }
        (Some(_), _, Some(_)) | (None, _, None) => {
            wrong.push(format!("key: {}", rules::KEY_NAMED_ONCE_MESSAGE));
            return None;
        }
        (None, Some(_), Some(_)) => {
            wrong.push(format!("key: {}", rules::VERSION_WITH_NAME_MESSAGE));
            return None;
        }
    };
    Some(DesiredKey {
        vault,
        vault_suffix: vault_suffix.to_owned(),
        name,
        version,
    })
}

fn parsed<T>(text: &str, field: &str, wrong: &mut Vec<String>) -> Option<T>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            wrong.push(format!("{field} {error}"));
            None
        }
    }
}
