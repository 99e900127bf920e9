//! What is sent to a DICOM service: the JSON that was read, with only our own part changed.
//!
//! A write replaces the whole resource, so whatever is left out is lost: storage, tags, rules of
//! access. Therefore bodies are made from the raw JSON and never from a model. Fields that only
//! Azure may set are removed by a list; everything else goes back as it came, numbers included.
//! No body of ours ever lacks the encryption of a service that has one, or drops an identity.

use serde_json::{Map, Value};
use thiserror::Error;

use super::IdentityKind;
use crate::azure::{IdentityId, KeyUrl};

/// Why no body can be made from what was read. Nothing is sent then.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum BodyError {
    /// The document is not of the shape that Azure documents.
    #[error("failed to make a body: {place} is not {expected}")]
    Shape {
        /// Where in the document.
        place: &'static str,
        /// What should be there.
        expected: &'static str,
    },
    /// The region is nowhere to be found.
    #[error("failed to make a body: neither the service nor its workspace tells the region")]
    NoLocation,
    /// The key URL has no version; the service needs one.
    #[error("failed to make a body: the key url has no version")]
    NoVersion,
    /// There is no key to validate again.
    #[error("failed to make a body: the service has no customer-managed key")]
    NoKey,
    /// The service has an identity of a kind that we do not know.
    #[error("failed to make a body: unknown kind of identity {0:?}")]
    UnknownIdentity(String),
}

/// The identity that a service should have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum WantedIdentity {
    /// The system-assigned one.
    SystemAssigned,
    /// This user-assigned one.
    UserAssigned(IdentityId),
}

/// The body of a PUT that sets the key and leaves all else as it is.
///
/// `workspace_location` is used when the answer to the GET leaves out the region.
pub fn put_body(
    raw: &Value,
    workspace_location: Option<&str>,
    key_url: &KeyUrl,
) -> Result<Value, BodyError> {
    if key_url.version().is_none() {
        return Err(BodyError::NoVersion);
    }
    let mut body = writable(raw, workspace_location)?;
    let properties = object(&mut body, "properties", "properties")?;
    let encryption = object_or_new(properties, "encryption", "properties.encryption")?;
    let key = object_or_new(
        encryption,
        CMK,
        "properties.encryption.customerManagedKeyEncryption",
    )?;
    key.insert(URL.to_owned(), Value::String(key_url.to_string()));
    Ok(Value::Object(body))
}

/// The body of a PUT that changes nothing at all: it makes the service try its key again.
pub fn revalidation_body(
    raw: &Value,
    workspace_location: Option<&str>,
) -> Result<Value, BodyError> {
    let url = raw
        .pointer(KEY_POINTER)
        .and_then(Value::as_str)
        .unwrap_or_default();
    if url.trim().is_empty() {
        return Err(BodyError::NoKey);
    }
    writable(raw, workspace_location).map(Value::Object)
}

/// The body of a PATCH that adds an identity and keeps the ones that are there.
pub fn identity_patch(raw: &Value, wanted: &WantedIdentity) -> Result<Value, BodyError> {
    let mut identity = match raw.get("identity") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(identity)) => identity.clone(),
        Some(_) => return Err(shape("identity", "an object")),
    };
    writable_identity(&mut identity)?;
    let kind = IdentityKind::parse(identity.get("type").and_then(Value::as_str));
    if let Some(word) = kind.unknown {
        return Err(BodyError::UnknownIdentity(word));
    }
    let (mut system, mut user) = (kind.system, kind.user);
    match wanted {
        WantedIdentity::SystemAssigned => system = true,
        WantedIdentity::UserAssigned(id) => {
            user = true;
            let place = "identity.userAssignedIdentities";
            let attached = object_or_new(&mut identity, "userAssignedIdentities", place)?;
            // a second spelling of the same id would be a second identity
            if !attached
                .keys()
                .any(|key| key.eq_ignore_ascii_case(id.id().as_str()))
            {
                attached.insert(id.id().as_str().to_owned(), Value::Object(Map::new()));
            }
        }
    }
    let word = match (system, user) {
        (true, true) => "SystemAssigned,UserAssigned",
        (true, false) => "SystemAssigned",
        (false, true) => "UserAssigned",
        (false, false) => "None",
    };
    identity.insert("type".to_owned(), Value::String(word.to_owned()));
    Ok(Value::Object(Map::from_iter([(
        "identity".to_owned(),
        Value::Object(identity),
    )])))
}

/// The document without what only Azure may set, and with a region.
fn writable(
    raw: &Value,
    workspace_location: Option<&str>,
) -> Result<Map<String, Value>, BodyError> {
    let mut body = raw
        .as_object()
        .cloned()
        .ok_or(shape("the resource", "an object"))?;
    for field in READ_ONLY {
        body.shift_remove(field);
    }
    let properties = object(&mut body, "properties", "properties")?;
    for field in READ_ONLY_PROPERTIES {
        properties.shift_remove(field);
    }
    match body.get_mut("identity") {
        None | Some(Value::Null) => {}
        Some(Value::Object(identity)) => writable_identity(identity)?,
        Some(_) => return Err(shape("identity", "an object")),
    }
    match body.get("location") {
        Some(Value::String(location)) if !location.is_empty() => {}
        None | Some(Value::Null | Value::String(_)) => {
            let location = workspace_location.filter(|location| !location.is_empty());
            let location = location.ok_or(BodyError::NoLocation)?;
            body.insert("location".to_owned(), Value::String(location.to_owned()));
        }
        Some(_) => return Err(shape("location", "a text")),
    }
    Ok(body)
}

fn writable_identity(identity: &mut Map<String, Value>) -> Result<(), BodyError> {
    for field in READ_ONLY_IDENTITY {
        identity.shift_remove(field);
    }
    match identity.get_mut("userAssignedIdentities") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Object(attached)) => {
            for shown in attached.values_mut() {
                if let Value::Object(shown) = shown {
                    for field in READ_ONLY_ATTACHED {
                        shown.shift_remove(field);
                    }
                } else {
                    // in a request `null` would take the identity away
                    *shown = Value::Object(Map::new());
                }
            }
            Ok(())
        }
        Some(_) => Err(shape("identity.userAssignedIdentities", "an object")),
    }
}

fn object<'a>(
    parent: &'a mut Map<String, Value>,
    field: &str,
    place: &'static str,
) -> Result<&'a mut Map<String, Value>, BodyError> {
    let value = parent.get_mut(field);
    value
        .and_then(Value::as_object_mut)
        .ok_or_else(|| shape(place, "an object"))
}

fn object_or_new<'a>(
    parent: &'a mut Map<String, Value>,
    field: &str,
    place: &'static str,
) -> Result<&'a mut Map<String, Value>, BodyError> {
    let value = parent.entry(field).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value
        .as_object_mut()
        .ok_or_else(|| shape(place, "an object"))
}

const fn shape(place: &'static str, expected: &'static str) -> BodyError {
    BodyError::Shape { place, expected }
}

const CMK: &str = "customerManagedKeyEncryption";
const URL: &str = "keyEncryptionKeyUrl";
const KEY_POINTER: &str = "/properties/encryption/customerManagedKeyEncryption/keyEncryptionKeyUrl";

// What only Azure may set, from the OpenAPI of 2024-03-31 (`readOnly: true`). A PUT that sends a
// `provisioningState` other than the current one may even be refused (ARM's contract).
const READ_ONLY: [&str; 4] = ["id", "name", "type", "systemData"];
const READ_ONLY_IDENTITY: [&str; 2] = ["principalId", "tenantId"];
const READ_ONLY_ATTACHED: [&str; 2] = ["principalId", "clientId"];
const READ_ONLY_PROPERTIES: [&str; 5] = [
    "authenticationConfiguration",
    "eventState",
    "privateEndpointConnections",
    "provisioningState",
    "serviceUrl",
];

#[cfg(test)]
mod tests;
