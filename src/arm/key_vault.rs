//! `Microsoft.KeyVault`, control plane only: vaults and keys as ARM shows them.
//!
//! No firewall applies here and Reader is enough. A deleted key and a purged one both read as
//! absent. Lists of keys and versions leave out type, size and operations: read one version to
//! know it.

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    arm::{
        call::{Call, Decode, Page, Target, Undecodable, guid, json, null_as_default, page, typed},
        error::Subject,
    },
    azure::{KeyName, KeyVersion, VaultId},
};

/// The version of the interface: all earlier ones end on 2027-02-27.
pub const API_VERSION: &str = "2026-02-01";

/// A vault as Azure shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Vault {
    /// The id in Azure's spelling.
    pub id: String,
    /// The region.
    pub location: Option<String>,
    /// The tenant that it trusts.
    pub tenant_id: Option<Uuid>,
    /// Where its data plane answers.
    pub uri: Option<String>,
    /// Whether deleted keys can be recovered; absent means Azure's default, which is yes.
    pub soft_delete: Option<bool>,
    /// Whether deleted keys cannot be destroyed early; absent means no.
    pub purge_protection: Option<bool>,
    /// Whether roles decide who may use keys; absent means access policies do.
    pub role_based: Option<bool>,
    /// Whether the public endpoint answers at all: `Enabled`, `Disabled`, `SecuredByPerimeter`.
    pub public_network_access: Option<String>,
    /// Who gets past the firewall; absent without a firewall.
    pub firewall: Option<Firewall>,
    /// `RegisteringDns` until the vault's host name is known to the world, then `Succeeded`.
    pub provisioning_state: Option<String>,
}

/// A vault's firewall.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Firewall {
    /// `AzureServices` or `None`; absent means `AzureServices`.
    pub bypass: Option<String>,
    /// `Allow` or `Deny`; absent means `Allow`.
    pub default_action: Option<String>,
}

/// A key, or a version of one, as Azure shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    /// The id in Azure's spelling.
    pub id: String,
    /// The type; lists leave it out.
    pub key_type: Option<KeyType>,
    /// The size in bits; lists leave it out.
    pub size: Option<u32>,
    /// What it may be used for; `None` where a list leaves it out.
    pub operations: Option<Vec<String>>,
    /// Whether it may be used; absent means yes.
    pub enabled: Option<bool>,
    /// Not usable before.
    pub not_before: Option<Timestamp>,
    /// Not usable after.
    pub expires: Option<Timestamp>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When its attributes were changed last.
    pub updated: Option<Timestamp>,
    /// How deletion works, such as `Recoverable`; `Purgeable` in it means no purge protection.
    pub recovery_level: Option<String>,
    /// Its url with the version; of a key, its newest version.
    pub uri_with_version: Option<String>,
}

/// The type of a key.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum KeyType {
    /// RSA in software.
    Rsa,
    /// RSA in a hardware security module.
    RsaHsm,
    /// An elliptic curve, or any other word.
    Other(String),
}

impl KeyType {
    /// Reads Azure's word without regard to case.
    pub fn parse(word: &str) -> Self {
        match word.trim().to_ascii_uppercase().as_str() {
            "RSA" => Self::Rsa,
            "RSA-HSM" => Self::RsaHsm,
            _ => Self::Other(word.trim().to_owned()),
        }
    }
}

impl Key {
    /// The version in the key's url, or at the end of a version's id.
    pub fn version(&self) -> Option<KeyVersion> {
        let last = |text: &str| text.trim_end_matches('/').rsplit('/').next()?.parse().ok();
        self.uri_with_version
            .as_deref()
            .and_then(last)
            .or_else(|| last(&self.id))
    }
}

/// Reads a vault.
pub fn vault(vault: &VaultId) -> Call<Vault> {
    let path = vault.id().as_str().to_owned();
    let subject = subject("read the vault", VAULTS_READ, &path);
    Call::get(
        subject,
        target(path),
        subscription(vault),
        Decode(|_, bytes| decode_vault(&json(bytes)?)),
    )
}

/// Lists the vaults of a subscription. Rows are whole.
pub fn vaults(subscription: Uuid) -> Call<Page<Vault>> {
    let scope = format!("/subscriptions/{subscription}");
    let path = format!("{scope}/providers/Microsoft.KeyVault/vaults");
    let subject = subject("list the vaults in", VAULTS_READ, &scope);
    Call::get(
        subject,
        target(path),
        Some(subscription),
        Decode(|_, bytes| page(bytes, |raw| decode_vault(&raw))),
    )
}

/// Reads one version of a key.
pub fn key_version(vault: &VaultId, name: &KeyName, version: &KeyVersion) -> Call<Key> {
    let path = format!("{}/versions/{version}", vault.key(name));
    let subject = subject("read the key version", VERSIONS_READ, &path);
    Call::get(
        subject,
        target(path),
        subscription(vault),
        Decode(|_, bytes| decode_key(json(bytes)?)),
    )
}

/// Lists the versions of a key, without type, size and operations.
pub fn key_versions(vault: &VaultId, name: &KeyName) -> Call<Page<Key>> {
    let path = format!("{}/versions", vault.key(name));
    let subject = subject("list the versions of the key", VERSIONS_READ, &path);
    Call::get(
        subject,
        target(path),
        subscription(vault),
        Decode(|_, bytes| page(bytes, decode_key)),
    )
}

fn subject(what: &'static str, action: &'static str, path: &str) -> Subject {
    Subject {
        what,
        action,
        target: path.to_owned(),
    }
}

fn target(path: String) -> Target {
    Target::Path {
        path,
        api_version: API_VERSION,
        query: &[],
    }
}

#[expect(clippy::unnecessary_wraps, reason = "what every call wants")]
fn subscription(vault: &VaultId) -> Option<Uuid> {
    Some(vault.id().subscription())
}

#[derive(Deserialize)]
struct WireVault {
    id: String,
    location: Option<String>,
    properties: WireVaultProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireVaultProperties {
    #[serde(default, deserialize_with = "guid")]
    tenant_id: Option<Uuid>,
    vault_uri: Option<String>,
    enable_soft_delete: Option<bool>,
    enable_purge_protection: Option<bool>,
    enable_rbac_authorization: Option<bool>,
    public_network_access: Option<String>,
    network_acls: Option<Firewall>,
    provisioning_state: Option<String>,
}

#[derive(Deserialize)]
struct WireKey {
    id: String,
    properties: WireKeyProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireKeyProperties {
    kty: Option<String>,
    key_size: Option<u32>,
    key_ops: Option<Vec<String>>,
    key_uri_with_version: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    attributes: WireAttributes,
}

/// The attributes of a key: the same here and on the vault's own host.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::arm) struct WireAttributes {
    pub(in crate::arm) enabled: Option<bool>,
    #[serde(deserialize_with = "epoch")]
    pub(in crate::arm) nbf: Option<Timestamp>,
    #[serde(deserialize_with = "epoch")]
    pub(in crate::arm) exp: Option<Timestamp>,
    #[serde(deserialize_with = "epoch")]
    pub(in crate::arm) created: Option<Timestamp>,
    #[serde(deserialize_with = "epoch")]
    pub(in crate::arm) updated: Option<Timestamp>,
    pub(in crate::arm) recovery_level: Option<String>,
}

fn decode_vault(raw: &Value) -> Result<Vault, Undecodable> {
    let WireVault {
        id,
        location,
        properties,
    } = typed(raw)?;
    Ok(Vault {
        id,
        location,
        tenant_id: properties.tenant_id,
        uri: properties.vault_uri,
        soft_delete: properties.enable_soft_delete,
        purge_protection: properties.enable_purge_protection,
        role_based: properties.enable_rbac_authorization,
        public_network_access: properties.public_network_access,
        firewall: properties.network_acls,
        provisioning_state: properties.provisioning_state,
    })
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape of every row decoder"
)]
fn decode_key(raw: Value) -> Result<Key, Undecodable> {
    let WireKey { id, properties } = typed(&raw)?;
    let WireAttributes {
        enabled,
        nbf,
        exp,
        created,
        updated,
        recovery_level,
    } = properties.attributes;
    Ok(Key {
        id,
        key_type: properties.kty.as_deref().map(KeyType::parse),
        size: properties.key_size,
        operations: properties.key_ops,
        enabled,
        not_before: nbf,
        expires: exp,
        created,
        updated,
        recovery_level,
        uri_with_version: properties.key_uri_with_version,
    })
}

/// Seconds since 1970. Unlike other moments a wrong one is an error: a key must not look as if it
/// never expired because its end could not be read.
pub(in crate::arm) fn epoch<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let seconds = Option::<i64>::deserialize(deserializer)?;
    let moment = seconds.map(Timestamp::from_second).transpose();
    moment.map_err(|_| D::Error::custom("expected seconds since 1970"))
}

const VAULTS_READ: &str = "Microsoft.KeyVault/vaults/read";
const VERSIONS_READ: &str = "Microsoft.KeyVault/vaults/keys/versions/read";

#[cfg(test)]
mod tests;
