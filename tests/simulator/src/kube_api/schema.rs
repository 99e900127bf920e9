//! Structural schemas: unknown fields are dropped, defaults are filled in.

use serde_json::Value;

use super::update;

/// Makes an object conform to its CRD's schema.
pub(super) fn conform(schema: &Value, object: &mut Value) {
    // these belong to every object, whatever its schema says of them
    let kept = ["apiVersion", "kind", "metadata"].map(|name| (name, object.get(name).cloned()));
    walk(schema, object);
    for (name, value) in kept {
        update::set(object, name, value);
    }
}

fn walk(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let additional = schema
                .get("additionalProperties")
                .filter(|it| it.is_object());
            let is_true = |name: &str| schema.get(name) == Some(&Value::Bool(true));
            let keeps_unknown =
                is_true("x-kubernetes-preserve-unknown-fields") || is_true("additionalProperties");
            let of_name = |name: &str| properties.and_then(|properties| properties.get(name));
            fields.retain(|name, _| keeps_unknown || of_name(name).or(additional).is_some());
            for (name, property) in properties.into_iter().flatten() {
                if let Some(default) = property.get("default")
                    && !fields.contains_key(name)
                {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, field) in fields {
                if let Some(of_field) = of_name(name).or(additional) {
                    walk(of_field, field);
                }
            }
        }
        Value::Array(items) => {
            if let Some(of_item) = schema.get("items") {
                for item in items {
                    walk(of_item, item);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_fields_are_dropped_and_defaults_filled_in() {
        let schema = json!({"type": "object", "properties": {
            "metadata": {"type": "object"},
            "spec": {"type": "object", "properties": {
                "mode": {"type": "string", "default": "Manage"},
                "tags": {"type": "object", "additionalProperties": {"type": "string"}},
                "raw": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "rules": {"type": "array", "items": {"type": "object", "properties": {
                    "name": {"type": "string"}, "weight": {"type": "integer", "default": 1},
                }}},
            }},
        }});
        let mut object = json!({
            "apiVersion": "v1", "kind": "X", "metadata": {"name": "a"}, "other": 1,
            "spec": {"tags": {"a": "b"}, "raw": {"x": 1}, "rules": [{"name": "r", "colour": 2}], "no": 3},
        });
        conform(&schema, &mut object);
        let expected = json!({
            "apiVersion": "v1", "kind": "X", "metadata": {"name": "a"},
            "spec": {
                "tags": {"a": "b"}, "raw": {"x": 1}, "rules": [{"name": "r", "weight": 1}], "mode": "Manage",
            },
        });
        assert_eq!(object, expected);
    }
}
