//! JSON as people read it: indented, without quotes and braces.

use std::fmt::Write;

use serde_json::Value;

/// The value as indented text, one fact a line.
pub(super) fn readable(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value, 0);
    text
}

fn write(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                indent(text, depth);
                text.push_str(name);
                text.push(':');
                write_after_name(text, field, depth);
            }
        }
        Value::Array(items) => {
            for item in items {
                let mut inner = String::new();
                write(&mut inner, item, depth + 1);
                // the dash takes the place of the first line's last two blanks
                indent(text, depth);
                text.push_str("- ");
                text.push_str(inner.trim_start());
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            indent(text, depth);
            text.push_str(&scalar(value));
            text.push('\n');
        }
    }
}

fn write_after_name(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            text.push('\n');
            write(text, value, depth + 1);
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            write(text, value, depth + 1);
        }
        Value::Object(_) | Value::Array(_) => text.push_str(" none\n"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            // writing to a string does not fail
            writeln!(text, " {}", scalar(value)).ok();
        }
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(string) => string.clone(),
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn indent(text: &mut String, depth: usize) {
    for _ in 0..depth {
        text.push_str("  ");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_estate_reads_like_an_indented_list() {
        let estate = json!({
            "vaults": [{"name": "clinic-keys", "rbac": true, "keys": ["a", "b"]}, {"name": "other"}],
            "services": {"radiology": {"key": null, "size": 2048}},
            "faults": [],
        });
        let expected = "\
vaults:
  - name: clinic-keys
    rbac: yes
    keys:
      - a
      - b
  - name: other
services:
  radiology:
    key: -
    size: 2048
faults: none
";
        assert_eq!(readable(&estate), expected);
    }
}
