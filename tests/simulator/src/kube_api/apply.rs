//! Server-side apply: fields that a manager applied before and leaves out now go, the rest is merged.
//! Lists are replaced as a whole, except those that Kubernetes merges by key.

use serde_json::{Map, Value};

/// A manager's fields out of the body it sent: no identity, and either the status or all else.
pub(super) fn owned(body: &Value, is_status: bool, has_status: bool) -> Value {
    let mut fields = body.as_object().cloned().unwrap_or_default();
    if is_status {
        fields.retain(|name, _| name == "status");
        return Value::Object(fields);
    }
    fields.shift_remove("apiVersion");
    fields.shift_remove("kind");
    if has_status {
        fields.shift_remove("status");
    }
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        for name in ["name", "namespace", "uid", "resourceVersion"] {
            metadata.shift_remove(name);
        }
    }
    Value::Object(fields)
}

/// Applies `next` to an object on which the same manager applied `previous` before. Fields that are in
/// `others`, applied by other managers, are not removed.
pub(super) fn merge(object: &mut Value, previous: &Value, next: &Value, others: &[&Value]) {
    merge_value("", object, Some(previous), next, others);
}

/// The first field that another manager owns and `next` would change, as a path.
pub(super) fn conflict(live: &Value, next: &Value, other: &Value) -> Option<String> {
    conflict_at("", "", Some(live), next, other)
}

/// Takes from another manager's fields those that `next` has overruled.
pub(super) fn disown(name: &str, other: &mut Value, next: &Value) {
    match (other, next) {
        (Value::Object(other), Value::Object(next)) => {
            other.retain(|field, value| {
                next.get(field).is_none_or(|wanted| {
                    disown(field, value, wanted);
                    !is_leaf(field, wanted) || value == wanted
                })
            });
        }
        (Value::Array(other), Value::Array(next)) => {
            if let Some(key) = list_key(name) {
                for item in other {
                    if let Some(wanted) = find(next, key, item) {
                        disown("", item, wanted);
                    }
                }
            }
        }
        _ => {}
    }
}

fn merge_value(
    name: &str,
    slot: &mut Value,
    previous: Option<&Value>,
    next: &Value,
    others: &[&Value],
) {
    match (next, list_key(name)) {
        (Value::Object(next), _) => {
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            if let Some(slot) = slot.as_object_mut() {
                merge_object(slot, previous.and_then(Value::as_object), next, others);
            }
        }
        (Value::Array(next), Some(key)) => {
            if !slot.is_array() {
                *slot = Value::Array(Vec::new());
            }
            if let Some(slot) = slot.as_array_mut() {
                merge_list(
                    slot,
                    previous.and_then(Value::as_array),
                    next,
                    (key, others),
                );
            }
        }
        _ => *slot = next.clone(),
    }
}

fn merge_object(
    slot: &mut Map<String, Value>,
    previous: Option<&Map<String, Value>>,
    next: &Map<String, Value>,
    others: &[&Value],
) {
    for (name, value) in previous.into_iter().flatten() {
        if !next.contains_key(name) {
            remove(slot, name, value, &within(others, name));
        }
    }
    for (name, value) in next {
        let slot = slot.entry(name.clone()).or_insert(Value::Null);
        let previous = previous.and_then(|previous| previous.get(name));
        merge_value(name, slot, previous, value, &within(others, name));
    }
}

fn merge_list(
    slot: &mut Vec<Value>,
    previous: Option<&Vec<Value>>,
    next: &[Value],
    (key, others): (&str, &[&Value]),
) {
    let of_others = |item: &Value| -> Vec<&Value> {
        let lists = others.iter().filter_map(|other| other.as_array());
        lists.filter_map(|list| find(list, key, item)).collect()
    };
    let before = |item: &Value| previous.and_then(|previous| find(previous, key, item));
    slot.retain(|item| {
        find(next, key, item).is_some() || before(item).is_none() || !of_others(item).is_empty()
    });
    for item in next {
        let owned_by_others = of_others(item);
        match slot.iter_mut().find(|there| is_same(there, key, item)) {
            Some(there) => merge_value("", there, before(item), item, &owned_by_others),
            None => slot.push(item.clone()),
        }
    }
}

/// Removes what was applied as `value` under `name`, as far as nobody else owns it.
fn remove(slot: &mut Map<String, Value>, name: &str, value: &Value, others: &[&Value]) {
    let mut is_empty = others.is_empty();
    match (slot.get_mut(name), value, list_key(name)) {
        (Some(Value::Object(slot)), Value::Object(fields), _) => {
            for (field, applied) in fields {
                remove(slot, field, applied, &within(others, field));
            }
            is_empty &= slot.is_empty();
        }
        (Some(Value::Array(slot)), Value::Array(items), Some(key)) => {
            merge_list(slot, Some(items), &[], (key, others));
            is_empty &= slot.is_empty();
        }
        _ => {}
    }
    if is_empty {
        slot.shift_remove(name);
    }
}

fn conflict_at(
    path: &str,
    name: &str,
    live: Option<&Value>,
    next: &Value,
    other: &Value,
) -> Option<String> {
    match (next, other, list_key(name)) {
        (Value::Object(next), Value::Object(other), _) => {
            next.iter().find_map(|(field, wanted)| {
                let stored = live.and_then(|live| live.get(field));
                conflict_at(
                    &format!("{path}.{field}"),
                    field,
                    stored,
                    wanted,
                    other.get(field)?,
                )
            })
        }
        (Value::Array(next), Value::Array(other), Some(key)) => next.iter().find_map(|wanted| {
            let stored = live
                .and_then(Value::as_array)
                .and_then(|live| find(live, key, wanted));
            let item = format!("{path}[{key}={}]", wanted.get(key).unwrap_or(wanted));
            conflict_at(&item, "", stored, wanted, find(other, key, wanted)?)
        }),
        _ => (live != Some(next)).then(|| path.to_owned()),
    }
}

/// The same field of each of these values, where they have it.
fn within<'a>(values: &[&'a Value], name: &str) -> Vec<&'a Value> {
    values.iter().filter_map(|value| value.get(name)).collect()
}

fn find<'a>(list: &'a [Value], key: &str, like: &Value) -> Option<&'a Value> {
    list.iter().find(|item| is_same(item, key, like))
}

fn is_same(item: &Value, key: &str, like: &Value) -> bool {
    // a set (no key) has its items for keys
    if key.is_empty() {
        item == like
    } else {
        item.get(key) == like.get(key)
    }
}

fn is_leaf(name: &str, value: &Value) -> bool {
    match value {
        Value::Object(_) => false,
        Value::Array(_) => list_key(name).is_none(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// The field by which the items of a list are told apart; empty for a set, none for an atomic list.
fn list_key(name: &str) -> Option<&'static str> {
    match name {
        "conditions" => Some("type"),
        "ownerReferences" => Some("uid"),
        "finalizers" => Some(""),
        _ => None,
    }
}
