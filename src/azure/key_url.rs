//! Keys of Key Vault: names, versions, and the Key Identifier (a url) that names one version.
//!
//! Source: Key Vault's OpenAPI (name and version patterns) and "About keys, secrets and
//! certificates" (object identifiers, which are compared without regard to case).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use url::Url;

use super::cloud::MANAGED_HSM_SUFFIXES;
use super::resource_id::VaultId;

/// The longest key url that is accepted.
pub const MAX_LENGTH: usize = 512;

/// Why a text is not a key's name, version or url.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum KeyUrlError {
    /// Not 1 to 127 letters, digits and dashes.
    #[error("{0:?} is not a key name: write 1 to 127 letters, digits and dashes")]
    Name(String),
    /// Not 32 hexadecimal digits.
    #[error("{0:?} is not a key version: write its 32 hexadecimal digits")]
    Version(String),
    /// Not the form of a Key Identifier.
    #[error(
        "{0:?} is not a Key Identifier: write https://<vault>.<suffix>/keys/<name>[/<version>]"
    )]
    Shape(String),
    /// The host is a managed HSM.
    #[error("{0:?} names a managed HSM, which is not supported yet; use a key in a vault")]
    ManagedHsm(String),
}

/// The name of a key, which all its versions share.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyName(String);

impl KeyName {
    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both name the same key: Key Vault ignores case.
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }

    /// The name in lower case, which is one for all spellings.
    #[must_use]
    pub fn folded(&self) -> Self {
        Self(self.0.to_ascii_lowercase())
    }
}

impl FromStr for KeyName {
    type Err = KeyUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = (1..=127).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if allowed {
            Ok(Self(text.to_owned()))
        } else {
            Err(KeyUrlError::Name(shorten(text)))
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One version of a key: 32 hexadecimal digits, kept in lower case.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyVersion(String);

impl KeyVersion {
    /// The version in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyVersion {
    type Err = KeyUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(KeyUrlError::Version(shorten(text)))
        }
    }
}

impl fmt::Display for KeyVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A key's url, with or without a version, in its normal form: lower-case host, no port, no
/// trailing slash.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyUrl {
    host: String,
    name: KeyName,
    version: Option<KeyVersion>,
}

impl KeyUrl {
    /// The url of a version of a key in a vault, built from parts that were parsed before.
    pub fn new(vault: &VaultId, vault_suffix: &str, name: &KeyName, version: &KeyVersion) -> Self {
        Self {
            host: format!("{}.{vault_suffix}", vault.name()).to_lowercase(),
            name: name.clone(),
            version: Some(version.clone()),
        }
    }

    /// The host, such as `clinic-keys.vault.azure.net`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The first label of the host: the vault's name, in lower case.
    pub fn vault_name(&self) -> &str {
        self.host.split('.').next().unwrap_or_default()
    }

    /// What follows the vault's name in the host.
    pub fn vault_suffix(&self) -> &str {
        self.host.split_once('.').map_or("", |(_, suffix)| suffix)
    }

    /// The key's name.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The version, when the url has one.
    pub fn version(&self) -> Option<&KeyVersion> {
        self.version.as_ref()
    }

    /// Whether both name the same key, whatever the version.
    pub fn is_same_key(&self, other: &Self) -> bool {
        self.host == other.host && self.name.is_same(&other.name)
    }

    /// The url of another version of the same key.
    #[must_use = "another url is returned, this one stays"]
    pub fn with_version(&self, version: &KeyVersion) -> Self {
        Self {
            version: Some(version.clone()),
            ..self.clone()
        }
    }

    /// Whether both name the same version of the same key.
    pub fn is_same(&self, other: &Self) -> bool {
        self.is_same_key(other) && self.version == other.version
    }
}

impl FromStr for KeyUrl {
    type Err = KeyUrlError;

    /// Reads a Key Identifier. The default port, as Azure's own examples write it, and a trailing
    /// slash are dropped; user info, other ports, queries, fragments and other schemes are refused.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shape = || KeyUrlError::Shape(shorten(text));
        if text.len() > MAX_LENGTH || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(shape());
        }
        let url = Url::parse(text).map_err(|_| shape())?;
        if url.scheme() != "https"
            || !url.username().is_empty()
            || url.password().is_some()
            || url.port().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(shape());
        }
        let host = url.host_str().ok_or_else(shape)?.to_lowercase();
        if !is_vault_host(&host) || text.contains(['\\', '%', '@']) || text.contains("..") {
            return Err(shape());
        }
        if MANAGED_HSM_SUFFIXES
            .iter()
            .any(|suffix| host.ends_with(&format!(".{suffix}")))
        {
            return Err(KeyUrlError::ManagedHsm(shorten(text)));
        }
        let path = url.path().strip_suffix('/').unwrap_or_else(|| url.path());
        let segments: Vec<&str> = path.split('/').collect();
        match segments.as_slice() {
            ["", keys, name] if keys.eq_ignore_ascii_case("keys") => Ok(Self {
                host,
                name: name.parse()?,
                version: None,
            }),
            ["", keys, name, version] if keys.eq_ignore_ascii_case("keys") => Ok(Self {
                host,
                name: name.parse()?,
                version: Some(version.parse()?),
            }),
            _ => Err(shape()),
        }
    }
}

impl fmt::Display for KeyUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "https://{}/keys/{}", self.host, self.name)?;
        self.version
            .as_ref()
            .map_or(Ok(()), |version| write!(formatter, "/{version}"))
    }
}

/// A vault's label followed by at least one more: ASCII letters, digits, dashes and dots.
fn is_vault_host(host: &str) -> bool {
    let mut labels = host.split('.');
    let vault = labels.next().unwrap_or_default();
    (3..=24).contains(&vault.len())
        && labels.clone().next().is_some()
        && host.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

/// At most 80 characters of a text that came from outside.
fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests;
