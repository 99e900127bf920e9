//! A request as a value: what to ask, in which budget, and how to read the answer.
//!
//! Pure: building a call touches nothing. Answers are read strictly where the specification is
//! strict (a wrong type is an error that names the place) and leniently where it is not (missing
//! and unknown fields, the case of words).

use std::fmt;

use http::{Method, StatusCode};
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::arm::{
    budget::{Bucket, Urgency},
    error::Subject,
};

/// One request to ARM, with the way to read its answer.
#[derive(Debug)]
pub struct Call<T> {
    /// What it is about.
    pub subject: Subject,
    /// GET, PUT or PATCH: nothing here deletes.
    pub method: Method,
    /// Where it goes.
    pub target: Target,
    /// The body, as JSON.
    pub body: Option<Value>,
    /// The subscription whose budget it uses.
    pub subscription: Option<Uuid>,
    /// Whether it may use the reserve of the budget.
    pub urgency: Urgency,
    /// Reads the body of a successful answer.
    pub decode: Decode<T>,
}

/// Reads the body of a successful answer.
pub struct Decode<T>(pub fn(StatusCode, &[u8]) -> Result<T, Undecodable>);

/// Where a call goes: always to the client's own origin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// A path of ours.
    Path {
        /// Begins with `/`.
        path: String,
        /// The version of the provider's interface.
        api_version: &'static str,
        /// Further parameters.
        query: &'static [(&'static str, &'static str)],
    },
    /// A path of ours that has its version in itself.
    Plain {
        /// Begins with `/`.
        path: &'static str,
    },
    /// A link that an earlier answer gave; refused unless it is of the client's own origin.
    Link(Url),
}

/// One page of a list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page<T> {
    /// The rows of this page.
    pub items: Vec<T>,
    /// The next page, as the answer names it.
    pub next_link: Option<String>,
}

/// The answer to a write whose effect is looked up afterwards: only a later read tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Accepted;

/// What could not be read, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Undecodable {
    /// Where in the JSON; `.` for the whole.
    pub path: String,
    /// What is wrong there.
    pub problem: String,
}

impl<T> Call<T> {
    /// A GET, in the background until [`urgent`](Self::urgent) says otherwise.
    pub fn get(
        subject: Subject,
        target: Target,
        subscription: Option<Uuid>,
        decode: Decode<T>,
    ) -> Self {
        Self {
            subject,
            method: Method::GET,
            target,
            body: None,
            subscription,
            urgency: Urgency::Background,
            decode,
        }
    }

    /// A write: urgent, with a body.
    #[must_use]
    pub fn write(self, method: Method, body: Value) -> Self {
        Self {
            method,
            body: Some(body),
            urgency: Urgency::Foreground,
            ..self
        }
    }

    /// The same call with the right to the reserve of the budget: a probe or a recovery.
    #[must_use]
    pub fn urgent(self) -> Self {
        Self {
            urgency: Urgency::Foreground,
            ..self
        }
    }

    /// The budget that this call counts against.
    pub fn bucket(&self) -> Bucket {
        if self.method == Method::GET {
            Bucket::Read
        } else {
            Bucket::Write
        }
    }

    /// The same question, asked at a link.
    #[must_use]
    pub fn at(&self, link: Url) -> Self {
        Self {
            target: Target::Link(link),
            ..self.clone()
        }
    }
}

impl<T> Clone for Call<T> {
    fn clone(&self) -> Self {
        Self {
            subject: self.subject.clone(),
            method: self.method.clone(),
            target: self.target.clone(),
            body: self.body.clone(),
            subscription: self.subscription,
            urgency: self.urgency,
            decode: self.decode,
        }
    }
}

impl<T> Clone for Decode<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Decode<T> {}

impl<T> fmt::Debug for Decode<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decode")
    }
}

impl Undecodable {
    /// A problem at a place.
    pub fn at(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            problem: problem.into(),
        }
    }
}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}: {}", self.path, self.problem)
    }
}

/// The JSON of an answer: not nested deeper than [`MAX_DEPTH`].
pub fn json(body: &[u8]) -> Result<Value, Undecodable> {
    if depth(body) > MAX_DEPTH {
        return Err(Undecodable::at(
            ".",
            format!("it is nested deeper than {MAX_DEPTH} levels"),
        ));
    }
    serde_json::from_slice(body).map_err(|error| Undecodable::at(".", error.to_string()))
}

/// Reads a value of a wire model, naming the place of what does not fit.
pub fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, Undecodable> {
    serde_path_to_error::deserialize(value)
        .map_err(|error| Undecodable::at(error.path().to_string(), error.inner().to_string()))
}

/// Reads a whole answer as a wire model.
pub fn document<T: DeserializeOwned>(_: StatusCode, body: &[u8]) -> Result<T, Undecodable> {
    typed(&json(body)?)
}

/// Reads a page of a list, row by row.
pub fn page<T>(
    body: &[u8],
    row: fn(Value) -> Result<T, Undecodable>,
) -> Result<Page<T>, Undecodable> {
    let mut whole = json(body)?;
    let next_link = match whole.get("nextLink") {
        None | Some(Value::Null) => None,
        Some(Value::String(link)) if link.is_empty() => None,
        Some(Value::String(link)) => Some(link.clone()),
        Some(_) => return Err(Undecodable::at("nextLink", "expected a text")),
    };
    let Some(Value::Array(rows)) = whole.get_mut("value").map(Value::take) else {
        return Err(Undecodable::at("value", "expected a list"));
    };
    let items = rows.into_iter().enumerate().map(|(index, value)| {
        row(value).map_err(|inner| Undecodable {
            path: format!("value[{index}].{}", inner.path),
            ..inner
        })
    });
    Ok(Page {
        items: items.collect::<Result<_, _>>()?,
        next_link,
    })
}

/// Takes note of an answer without reading it.
pub fn accepted(_: StatusCode, _: &[u8]) -> Result<Accepted, Undecodable> {
    Ok(Accepted)
}

/// For fields that Azure sends as `null` where it means nothing or an empty list.
pub(in crate::arm) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// For GUIDs: `null`, an empty text and a text that is no GUID are all absent.
pub(in crate::arm) fn guid<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Uuid>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| Uuid::try_parse(text.trim()).ok()))
}

/// For moments: `null` and a text that is no RFC 3339 moment are absent.
pub(in crate::arm) fn moment<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.trim().parse().ok()))
}

/// How deep lists and objects are nested, without building anything.
fn depth(body: &[u8]) -> usize {
    let (mut deepest, mut open) = (0_usize, 0_usize);
    let (mut in_text, mut escaped) = (false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                open = open.saturating_add(1);
                deepest = deepest.max(open);
            }
            b'}' | b']' if !in_text => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Deeper than anything that ARM sends.
pub const MAX_DEPTH: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Inner {
        size: Option<u32>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Outer {
        properties: Inner,
    }

    #[test]
    fn a_wrong_type_is_an_error_that_names_the_place() {
        let error = typed::<Outer>(&json!({"properties": {"size": "large"}})).unwrap_err();
        assert_eq!(error.path, "properties.size");
        assert!(error.problem.contains("large"), "{error}");
    }

    #[test]
    fn unknown_and_missing_fields_are_no_error() {
        let outer = typed::<Outer>(&json!({"properties": {"new": [1]}, "x": null})).unwrap();
        assert_eq!(
            outer,
            Outer {
                properties: Inner { size: None }
            }
        );
    }

    #[test]
    fn deep_json_is_refused_before_it_is_built() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(json(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(json(nested(MAX_DEPTH + 1).as_bytes()).is_err());
        assert!(json(nested(1_000_000).as_bytes()).is_err());
        let brackets_in_text = format!("{{\"a\\\"{}\": 1}}", "[".repeat(100));
        assert!(json(brackets_in_text.as_bytes()).is_ok());
    }

    #[test]
    fn a_bad_row_of_a_list_names_its_number() {
        let row: fn(Value) -> Result<Outer, Undecodable> = |value| typed(&value);
        let body = br#"{"value":[{"properties":{}},{"properties":{"size":-1}}],"nextLink":""}"#;
        assert_eq!(
            page(body, row).unwrap_err().path,
            "value[1].properties.size"
        );
        for not_a_list in [
            &b"{}"[..],
            b"[]",
            b"null",
            br#"{"value":{}}"#,
            b"",
            b"<html>",
        ] {
            assert!(page(not_a_list, row).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_the_readers_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _result = json(&body);
            let _page = page::<Value>(&body, Ok);
        }
    }
}
