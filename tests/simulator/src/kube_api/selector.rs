//! Label and field selectors.

use http::Uri;
use serde_json::Value;

use super::{Failure, address};

/// The conditions of a label and a field selector, all of which must hold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct Requirement {
    subject: Subject,
    /// The values that satisfy it; none: any value does.
    values: Option<Vec<String>>,
    negated: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Subject {
    Label(String),
    /// A field, as a JSON pointer.
    Field(String),
}

impl Selector {
    /// Reads `labelSelector` and `fieldSelector` of a request.
    pub(super) fn of(uri: &Uri) -> Result<Self, Failure> {
        let mut requirements = Vec::new();
        for text in terms(&address::query(uri, "labelSelector").unwrap_or_default()) {
            requirements.push(label(&text)?);
        }
        for text in terms(&address::query(uri, "fieldSelector").unwrap_or_default()) {
            requirements.push(field(&text)?);
        }
        Ok(Self(requirements))
    }

    /// Whether an object satisfies all conditions.
    pub(super) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|requirement| requirement.holds(object))
    }
}

impl Requirement {
    fn holds(&self, object: &Value) -> bool {
        let found = match &self.subject {
            Subject::Label(name) => object
                .pointer("/metadata/labels")
                .and_then(|all| all.get(name)),
            Subject::Field(pointer) => object.pointer(pointer),
        };
        let found = found.and_then(Value::as_str);
        let is_selected = match (&self.values, found) {
            (None, found) => found.is_some(),
            (Some(values), Some(found)) => values.iter().any(|value| value == found),
            // an absent field counts as the empty string
            (Some(values), None) => {
                matches!(self.subject, Subject::Field(_)) && values.iter().any(String::is_empty)
            }
        };
        is_selected != self.negated
    }
}

/// The terms of a selector: split at the commas outside parentheses.
fn terms(text: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut depth = 0_u32;
    for character in text.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match terms.last_mut() {
            Some(last) if character != ',' || depth > 0 => last.push(character),
            Some(_) | None => terms.push(String::new()),
        }
    }
    terms.retain(|term| !term.trim().is_empty());
    terms
}

fn label(text: &str) -> Result<Requirement, Failure> {
    let text = text.trim();
    let requirement = |name: &str, values, negated| Requirement {
        subject: Subject::Label(name.trim().to_owned()),
        values,
        negated,
    };
    if let Some((name, values)) = text
        .split_once(" notin ")
        .or_else(|| text.split_once(" in "))
    {
        let values = values.trim().trim_start_matches('(').trim_end_matches(')');
        let values = values
            .split(',')
            .map(|value| value.trim().to_owned())
            .collect();
        return Ok(requirement(name, Some(values), text.contains(" notin ")));
    }
    if let Some((name, value, negated)) = comparison(text) {
        return Ok(requirement(name, Some(vec![value]), negated));
    }
    if text.contains(char::is_whitespace) {
        return Err(Failure::bad_request(format!(
            "unable to parse requirement: {text}"
        )));
    }
    Ok(requirement(
        text.trim_start_matches('!'),
        None,
        text.starts_with('!'),
    ))
}

fn field(text: &str) -> Result<Requirement, Failure> {
    let (name, value, negated) = comparison(text.trim())
        .ok_or_else(|| Failure::bad_request(format!("invalid field selector: {text}")))?;
    let pointer = format!("/{}", name.replace('.', "/"));
    Ok(Requirement {
        subject: Subject::Field(pointer),
        values: Some(vec![value]),
        negated,
    })
}

fn comparison(text: &str) -> Option<(&str, String, bool)> {
    let (name, value, negated) = if let Some((name, value)) = text.split_once("!=") {
        (name, value, true)
    } else {
        let (name, value) = text.split_once('=')?;
        (name, value.trim_start_matches('='), false)
    };
    Some((name.trim(), value.trim().to_owned(), negated))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_select_as_kubernetes_documents_them() {
        let object =
            json!({"metadata": {"name": "a", "labels": {"tier": "gold", "site": "north"}}});
        for (query, selected) in [
            ("labelSelector=tier%3Dgold", true),
            ("labelSelector=tier%3D%3Dgold%2Csite%3Dnorth", true),
            ("labelSelector=tier%3Dgold%2Csite%3Dsouth", false),
            ("labelSelector=tier!%3Dgold", false),
            ("labelSelector=colour!%3Dblue", true),
            ("labelSelector=tier", true),
            ("labelSelector=!tier", false),
            ("labelSelector=!colour", true),
            ("labelSelector=tier+in+(silver%2Cgold)%2Csite", true),
            ("labelSelector=tier+notin+(silver%2Cgold)", false),
            ("labelSelector=colour+notin+(blue)", true),
            ("fieldSelector=metadata.name%3Da", true),
            ("fieldSelector=metadata.name!%3Da", false),
            ("fieldSelector=metadata.namespace%3D", true),
            ("", true),
        ] {
            let selector = Selector::of(&format!("/x?{query}").parse().unwrap()).unwrap();
            assert_eq!(selector.matches(&object), selected, "{query}");
        }
    }
}
