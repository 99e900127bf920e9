//! A vault's own host (data plane): the versions of a key, one version, a deleted key.
//!
//! Needs `Microsoft.KeyVault/vaults/keys/read` as a data action (Key Vault Reader, or the access
//! policy permissions `list` and `get`) and a way through the vault's firewall. Nothing here uses
//! a key or changes one.
//!
//! Source: Key Vault's data-plane `OpenAPI`, 7.5. The calls and the fields that are read are the
//! same in later versions.

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    arm::{
        call::{Call, Decode, Page, Target, Undecodable, json, null_as_default, page, typed},
        error::Subject,
        key_vault::{Key, KeyType, WireAttributes, epoch},
    },
    azure::{KeyName, KeyVersion, VaultId},
};

/// The version of the interface.
pub const API_VERSION: &str = "7.5";

/// Rows on a page of any list: the most that Key Vault gives.
pub const PAGE_ROWS: usize = 25;

/// A key that was deleted and can still be recovered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DeletedKey {
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// When it will be gone for good.
    pub purge_at: Option<Timestamp>,
}

/// Lists all versions of a key, disabled ones too, without type, size and operations.
pub fn versions(vault: &VaultId, name: &KeyName) -> Call<Page<Key>> {
    let subject = subject("list the versions of the key", vault, name);
    let path = format!("/keys/{name}/versions");
    Call::get(
        subject,
        target(path),
        None,
        Decode(|_, bytes| page(bytes, decode_row)),
    )
}

/// Reads one version of a key. A disabled one may be refused.
pub fn version(vault: &VaultId, name: &KeyName, version: &KeyVersion) -> Call<Key> {
    let subject = subject("read the version of the key", vault, name);
    let path = format!("/keys/{name}/{version}");
    Call::get(
        subject,
        target(path),
        None,
        Decode(|_, bytes| decode_bundle(&json(bytes)?)),
    )
}

/// Reads a deleted key; a purged one is not there, nor is one that never was.
pub fn deleted_key(vault: &VaultId, name: &KeyName) -> Call<DeletedKey> {
    let subject = subject("read the deleted key", vault, name);
    let path = format!("/deletedkeys/{name}");
    Call::get(
        subject,
        target(path),
        None,
        Decode(|_, bytes| decode_deleted(&json(bytes)?)),
    )
}

fn subject(what: &'static str, vault: &VaultId, name: &KeyName) -> Subject {
    Subject {
        what,
        action: "Microsoft.KeyVault/vaults/keys/read",
        target: format!("{name} of the vault {vault}, at its own host"),
    }
}

const fn target(path: String) -> Target {
    Target::Path {
        path,
        api_version: API_VERSION,
        query: &[],
    }
}

#[derive(Deserialize)]
struct WireRow {
    kid: String,
    #[serde(default, deserialize_with = "null_as_default")]
    attributes: WireAttributes,
}

#[derive(Deserialize)]
struct WireBundle {
    key: WireJwk,
    #[serde(default, deserialize_with = "null_as_default")]
    attributes: WireAttributes,
}

#[derive(Deserialize)]
struct WireJwk {
    kid: String,
    kty: Option<String>,
    key_ops: Option<Vec<String>>,
    n: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireDeleted {
    #[serde(default, deserialize_with = "epoch")]
    deleted_date: Option<Timestamp>,
    #[serde(default, deserialize_with = "epoch")]
    scheduled_purge_date: Option<Timestamp>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape of every row decoder"
)]
fn decode_row(raw: Value) -> Result<Key, Undecodable> {
    let WireRow { kid, attributes } = typed(&raw)?;
    Ok(key(kid, attributes))
}

fn decode_bundle(raw: &Value) -> Result<Key, Undecodable> {
    let WireBundle {
        key: jwk,
        attributes,
    } = typed(raw)?;
    Ok(Key {
        key_type: jwk.kty.as_deref().map(KeyType::parse),
        size: jwk.n.as_deref().and_then(bits),
        operations: jwk.key_ops,
        ..key(jwk.kid, attributes)
    })
}

fn decode_deleted(raw: &Value) -> Result<DeletedKey, Undecodable> {
    let WireDeleted {
        deleted_date,
        scheduled_purge_date,
    } = typed(raw)?;
    Ok(DeletedKey {
        deleted_at: deleted_date,
        purge_at: scheduled_purge_date,
    })
}

fn key(kid: String, attributes: WireAttributes) -> Key {
    let WireAttributes {
        enabled,
        nbf,
        exp,
        created,
        updated,
        recovery_level,
    } = attributes;
    Key {
        id: kid.clone(),
        key_type: None,
        size: None,
        operations: None,
        enabled,
        not_before: nbf,
        expires: exp,
        created,
        updated,
        recovery_level,
        uri_with_version: Some(kid),
    }
}

/// The size of an RSA key: the bits of its modulus, a whole number of bytes in base64url. Some
/// writers put an empty byte before it.
fn bits(modulus: &str) -> Option<u32> {
    let digits = modulus.trim_end_matches('=');
    let values: Option<Vec<u8>> = digits.bytes().map(sextet).collect();
    let values = values?;
    let zeros: u32 = values
        .iter()
        .scan(true, |leading, value| {
            let counted = if *leading {
                value.leading_zeros().saturating_sub(2)
            } else {
                0
            };
            *leading = *leading && *value == 0;
            Some(counted)
        })
        .sum();
    let bytes = u32::try_from(values.len()).ok()?.saturating_mul(6) / 8;
    let size = bytes.saturating_sub(zeros / 8).saturating_mul(8);
    (size > 0).then_some(size)
}

const fn sextet(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'-' | b'+' => Some(62),
        b'_' | b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
