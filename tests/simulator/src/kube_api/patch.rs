//! JSON patch and merge patch, with the server's own leniency.

use json_patch::{Patch, PatchOperation};
use serde_json::Value;

use super::Failure;

/// Media type of a JSON merge patch (RFC 7396).
pub(super) const MERGE: &str = "application/merge-patch+json";
/// Media type of a JSON patch (RFC 6902).
pub(super) const JSON: &str = "application/json-patch+json";
/// Media type of a server-side apply patch.
pub(super) const APPLY: &str = "application/apply-patch+yaml";

/// The object after a merge patch.
pub(super) fn merge(object: &Value, body: &[u8]) -> Result<Value, Failure> {
    let patch = parse(body)?;
    let mut object = object.clone();
    json_patch::merge(&mut object, &patch);
    Ok(object)
}

/// The object after a JSON patch.
pub(super) fn json(object: &Value, body: &[u8]) -> Result<Value, Failure> {
    let patch: Patch = serde_json::from_slice(body)
        .map_err(|error| Failure::bad_request(format!("the body is no JSON patch: {error}")))?;
    let mut object = object.clone();
    for operation in patch.0 {
        // Kubernetes' library takes an absent value for null; kube's finalizer helper relies on it
        let holds_anyway = match &operation {
            PatchOperation::Test(test) => {
                test.value.is_null() && object.pointer(test.path.as_str()).is_none()
            }
            PatchOperation::Add(_)
            | PatchOperation::Remove(_)
            | PatchOperation::Replace(_)
            | PatchOperation::Move(_)
            | PatchOperation::Copy(_) => false,
        };
        if !holds_anyway {
            json_patch::patch(&mut object, &[operation]).map_err(|error| {
                Failure::invalid(format!("the server rejected our request: {error}"))
            })?;
        }
    }
    Ok(object)
}

/// A body as JSON.
pub(super) fn parse(body: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(body)
        .map_err(|error| Failure::bad_request(format!("the body is no JSON: {error}")))
}
