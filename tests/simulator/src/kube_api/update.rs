//! What an update may change, and what the server itself keeps: the same for PUT, PATCH and apply.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Failure, Key, Kind, schema};

/// Which part of an object a request may change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// All but the status, where that is a subresource.
    Main,
    /// The status alone.
    Status,
}

/// The object that an update leads to; none when it changes nothing.
pub(super) fn settle(
    kind: &Kind,
    part: Part,
    old: &Value,
    wanted: Value,
    unknown_status_fields: &[String],
) -> Result<Option<Value>, Failure> {
    let name = text(old, "name").unwrap_or_default();
    let mut new = with_metadata(wanted)?;
    for field in ["resourceVersion", "uid"] {
        match text(&new, field) {
            Some(given) if Some(given) != text(old, field) => {
                return Err(Failure::conflict(&kind.resource(), name));
            }
            Some(_) | None => {}
        }
    }
    match part {
        Part::Status => {
            let status = new.get("status").cloned();
            new = old.clone();
            set(&mut new, "status", status);
        }
        Part::Main => {
            if kind.has_status {
                set(&mut new, "status", old.get("status").cloned());
            }
            keep_what_the_server_owns(&mut new, old);
            if is_deleting(old) && finalizers(&new).any(|it| !finalizers(old).any(|o| o == it)) {
                let message = "metadata.finalizers: no new finalizers can be added if the object is being deleted";
                return Err(Failure::invalid(message));
            }
        }
    }
    prune(kind, &mut new, unknown_status_fields);
    if new == *old {
        return Ok(None);
    }
    if kind.has_generation && spec(&new) != spec(old) {
        bump_generation(&mut new);
    }
    Ok(Some(new))
}

/// The object with a `metadata` object in it.
pub(super) fn with_metadata(mut object: Value) -> Result<Value, Failure> {
    let Some(fields) = object.as_object_mut() else {
        return Err(Failure::bad_request("the body is no JSON object"));
    };
    if !fields
        .entry("metadata")
        .or_insert_with(|| json!({}))
        .is_object()
    {
        return Err(Failure::bad_request("metadata is no JSON object"));
    }
    Ok(object)
}

/// Drops what the kind's schema does not know, and fills in its defaults.
pub(super) fn prune(kind: &Kind, object: &mut Value, unknown_status_fields: &[String]) {
    if let Some(schema) = &kind.schema {
        schema::conform(schema, object);
    }
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        for name in unknown_status_fields {
            status.shift_remove(name);
        }
    }
}

/// Gives a new object what the server gives it: identity, time, generation 1, no status.
pub(super) fn begin(kind: &Kind, object: &mut Value, key: &Key, number: u64, now: Timestamp) {
    set(object, "apiVersion", Some(kind.api_version().into()));
    set(object, "kind", Some(kind.kind.clone().into()));
    if kind.has_status {
        set(object, "status", None);
    }
    if kind.is_namespace() {
        set(object, "status", Some(json!({"phase": "Active"})));
    }
    if kind.is_crd() {
        let conditions = json!([
            {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts", "message": ""},
            {"type": "Established", "status": "True", "reason": "InitialNamesAccepted", "message": ""},
        ]);
        set(object, "status", Some(json!({"conditions": conditions})));
    }
    if let Some(metadata) = object.get_mut("metadata") {
        for field in [
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "managedFields",
        ] {
            set(metadata, field, None);
        }
        set(metadata, "name", Some(key.name.clone().into()));
        set(
            metadata,
            "namespace",
            kind.namespaced.then(|| key.namespace.clone().into()),
        );
        set(
            metadata,
            "uid",
            Some(format!("00000000-0000-4000-8000-{number:012}").into()),
        );
        set(metadata, "creationTimestamp", Some(seconds(now).into()));
        set(
            metadata,
            "generation",
            kind.has_generation.then(|| 1.into()),
        );
    }
}

/// A time as metadata has it: without fractions of a second.
pub(super) fn seconds(now: Timestamp) -> String {
    Timestamp::from_second(now.as_second())
        .unwrap_or(now)
        .to_string()
}

/// A text field of the metadata; none when it is empty.
pub(super) fn text<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    object
        .get("metadata")?
        .get(field)?
        .as_str()
        .filter(|text| !text.is_empty())
}

/// Whether somebody has asked for the object's deletion.
pub(super) fn is_deleting(object: &Value) -> bool {
    text(object, "deletionTimestamp").is_some()
}

/// The object's finalizers.
pub(super) fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    let finalizers = object
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array);
    finalizers.into_iter().flatten().filter_map(Value::as_str)
}

/// Counts one more change of the spec.
pub(super) fn bump_generation(object: &mut Value) {
    let generation = object
        .pointer("/metadata/generation")
        .and_then(Value::as_u64);
    set_metadata(object, "generation", (generation.unwrap_or(0) + 1).into());
}

/// Sets or removes a field of an object.
pub(super) fn set(object: &mut Value, field: &str, value: Option<Value>) {
    if let Some(fields) = object.as_object_mut() {
        match value {
            Some(value) => drop(fields.insert(field.to_owned(), value)),
            None => drop(fields.shift_remove(field)),
        }
    }
}

/// Sets a field of an object's metadata.
pub(super) fn set_metadata(object: &mut Value, field: &str, value: Value) {
    if let Some(metadata) = object.get_mut("metadata") {
        set(metadata, field, Some(value));
    }
}

fn keep_what_the_server_owns(new: &mut Value, old: &Value) {
    for field in ["apiVersion", "kind"] {
        set(new, field, old.get(field).cloned());
    }
    if let Some(metadata) = new.get_mut("metadata") {
        for field in SERVER_OWNED {
            set(
                metadata,
                field,
                old.pointer(&format!("/metadata/{field}")).cloned(),
            );
        }
        let is_empty = |value: &Value| {
            value.is_null()
                || value.as_array().is_some_and(Vec::is_empty)
                || value.as_object().is_some_and(Map::is_empty)
        };
        for field in [
            "finalizers",
            "ownerReferences",
            "labels",
            "annotations",
            "managedFields",
        ] {
            // the server stores no empty ones
            if metadata.get(field).is_some_and(is_empty) || field == "managedFields" {
                set(metadata, field, None);
            }
        }
    }
}

/// All that `generation` counts the changes of.
fn spec(object: &Value) -> Option<Map<String, Value>> {
    let mut fields = object.as_object()?.clone();
    fields.shift_remove("metadata");
    fields.shift_remove("status");
    Some(fields)
}

const SERVER_OWNED: [&str; 8] = [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];
