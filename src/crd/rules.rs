//! The CEL rules of the schema: regular expressions and the sentences that a refused `kubectl
//! apply` shows. The same rules hold in `domain::desired`, because admission can be off.

macro_rules! guid {
    () => {
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    };
}

macro_rules! arm_id {
    ($resource:literal) => {
        concat!(
            "self.matches('(?i)^/subscriptions/",
            guid!(),
            "/resourceGroups/[-a-z0-9_.()]{1,90}/providers/",
            $resource,
            "$')"
        )
    };
}

/// The form of a DICOM service's id.
pub const DICOM_SERVICE_ID: &str = arm_id!(
    "Microsoft\\\\.HealthcareApis/workspaces/[a-z0-9-]{3,24}/dicomservices/[a-z0-9-]{3,24}"
);
/// What a wrong one is told.
pub const DICOM_SERVICE_ID_MESSAGE: &str = "is not the ARM id of a DICOM service; write /subscriptions/<guid>/resourceGroups/<group>/providers/Microsoft.HealthcareApis/workspaces/<workspace>/dicomservices/<name>";

/// The target of an object never changes.
pub const DICOM_SERVICE_ID_IMMUTABLE: &str = "self.lowerAscii() == oldSelf.lowerAscii()";
/// What a change is told.
pub const DICOM_SERVICE_ID_IMMUTABLE_MESSAGE: &str = "dicomServiceId cannot be changed; delete this object (nothing changes in Azure) and apply another one for the other service";

/// The form of a user-assigned identity's id.
pub const IDENTITY_ID: &str =
    arm_id!("Microsoft\\\\.ManagedIdentity/userAssignedIdentities/[-a-z0-9_]{3,128}");
/// What a wrong one is told.
pub const IDENTITY_ID_MESSAGE: &str = "is not the ARM id of a user-assigned identity; write /subscriptions/<guid>/resourceGroups/<group>/providers/Microsoft.ManagedIdentity/userAssignedIdentities/<name>";

/// `UserAssigned` names its identity.
pub const USER_ASSIGNED_NAMES_IDENTITY: &str =
    "self.type != 'UserAssigned' || has(self.userAssignedIdentityId)";
/// What a missing name is told.
pub const USER_ASSIGNED_NAMES_IDENTITY_MESSAGE: &str =
    "type UserAssigned needs userAssignedIdentityId: write the ARM id of the identity";

/// `SystemAssigned` names none.
pub const SYSTEM_ASSIGNED_NAMES_NONE: &str =
    "self.type != 'SystemAssigned' || !has(self.userAssignedIdentityId)";
/// What a superfluous name is told.
pub const SYSTEM_ASSIGNED_NAMES_NONE_MESSAGE: &str =
    "type SystemAssigned takes no userAssignedIdentityId: remove it, or write type UserAssigned";

/// The form of a vault's id. A managed HSM is let through to its own rule.
pub const VAULT_ID: &str =
    arm_id!("Microsoft\\\\.KeyVault/(vaults/[a-z0-9-]{3,24}|managedHSMs/[a-z0-9-]{3,24})");
/// What a wrong one is told.
pub const VAULT_ID_MESSAGE: &str = "is not the ARM id of a vault; write /subscriptions/<guid>/resourceGroups/<group>/providers/Microsoft.KeyVault/vaults/<name>";

/// Managed HSMs are recognised, and refused.
pub const NO_MANAGED_HSM_ID: &str =
    "!self.lowerAscii().contains('/microsoft.keyvault/managedhsms/')";
/// The same for a key's url.
pub const NO_MANAGED_HSM_URL: &str = "!self.lowerAscii().contains('.managedhsm.')";
/// What a managed HSM is told.
pub const NO_MANAGED_HSM_MESSAGE: &str =
    "a managed HSM is not supported yet; use a key in a vault (Microsoft.KeyVault/vaults)";

/// The form of a key's name.
pub const KEY_NAME: &str = "self.matches('^[0-9a-zA-Z-]{1,127}$')";
/// What a wrong one is told.
pub const KEY_NAME_MESSAGE: &str = "is not a key name; write 1 to 127 letters, digits and dashes";

/// The form of a key's version.
pub const KEY_VERSION: &str = "self.matches('^[0-9a-fA-F]{32}$')";
/// What a wrong one is told.
pub const KEY_VERSION_MESSAGE: &str = "is not a key version; write its 32 hexadecimal digits, or leave it out to keep the version in use, else take the newest usable one";

/// The form of a Key Identifier on a host of a known cloud. A managed HSM has a rule of its own.
pub const KEY_URL: &str = "self.matches('^https://[0-9a-zA-Z-]{3,24}[.]((vault[.]azure[.]net|vault[.]usgovcloudapi[.]net|vault[.]azure[.]cn)|managedhsm[.](azure[.]net|usgovcloudapi[.]net|azure[.]cn))(:443)?/keys/[0-9a-zA-Z-]{1,127}(/[0-9a-fA-F]{32})?/?$')";
/// What a wrong one is told.
pub const KEY_URL_MESSAGE: &str = "is not a Key Identifier of a vault in a known cloud; write https://<vault>.vault.azure.net/keys/<name>[/<version>] as the portal shows it (US Government: vault.usgovcloudapi.net, China: vault.azure.cn)";

/// A key is named in exactly one way.
pub const KEY_NAMED_ONCE: &str = "has(self.name) != has(self.url)";
/// What neither or both are told.
pub const KEY_NAMED_ONCE_MESSAGE: &str =
    "write either name (with an optional version) or url, not both and not neither";

/// A url brings its own version.
pub const VERSION_WITH_NAME: &str = "!(has(self.url) && has(self.version))";
/// What both are told.
pub const VERSION_WITH_NAME_MESSAGE: &str =
    "version goes with name; with url, write the version at the end of the url";

/// The url's vault is the vault that `vaultId` names.
pub const URL_MATCHES_VAULT: &str = "!has(self.url) || self.vaultId.split('/').size() != 9 || self.url.lowerAscii().startsWith('https://' + self.vaultId.split('/')[8].lowerAscii() + '.')";
/// What another vault is told.
pub const URL_MATCHES_VAULT_MESSAGE: &str = "url and vaultId name different vaults; the first part of the url's host must be the last segment of vaultId";
