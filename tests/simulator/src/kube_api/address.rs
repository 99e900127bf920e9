//! What a path and a query address.

use http::Uri;

use super::{Failure, Key, Kind};

/// A path, parsed.
#[derive(Clone, Debug)]
pub(super) struct Address {
    /// The kind addressed.
    pub(super) kind: Kind,
    /// The namespace, when the path names one.
    pub(super) namespace: Option<String>,
    /// The object; none: the collection.
    pub(super) name: Option<String>,
    /// Whether the `status` subresource is meant.
    pub(super) is_status: bool,
}

impl Address {
    /// Finds the kind and object that a path names.
    pub(super) fn parse(uri: &Uri, kinds: &[Kind]) -> Result<Self, Failure> {
        let segments: Vec<String> = uri
            .path()
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| {
                percent_encoding::percent_decode_str(segment)
                    .decode_utf8_lossy()
                    .into_owned()
            })
            .collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Err(Failure::no_such_path()),
        };
        let (namespace, rest) = match rest {
            // a namespace itself and its status have the form of a namespaced path
            ["namespaces", _, "status"] | ["namespaces"] | ["namespaces", _] => (None, rest),
            ["namespaces", namespace, rest @ ..] => (Some((*namespace).to_owned()), rest),
            _ => (None, rest),
        };
        let (plural, name, is_status) = match rest {
            [plural] => (*plural, None, false),
            [plural, name] => (*plural, Some((*name).to_owned()), false),
            [plural, name, "status"] => (*plural, Some((*name).to_owned()), true),
            _ => return Err(Failure::no_such_path()),
        };
        let kind = kinds
            .iter()
            .find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
            .ok_or_else(Failure::no_such_path)?;
        let fits = match (&namespace, &name) {
            (Some(_), _) => kind.namespaced,
            (None, Some(_)) => !kind.namespaced,
            (None, None) => true,
        };
        if !fits || (is_status && !kind.has_status) {
            return Err(Failure::no_such_path());
        }
        Ok(Self {
            kind: kind.clone(),
            namespace,
            name,
            is_status,
        })
    }

    /// The key of the object addressed; none for a collection.
    pub(super) fn key(&self) -> Option<Key> {
        self.name.as_deref().map(|name| self.key_of(name))
    }

    /// The key of an object of this name in the collection addressed.
    pub(super) fn key_of(&self, name: &str) -> Key {
        Key {
            group: self.kind.group.clone(),
            plural: self.kind.plural.clone(),
            namespace: self.namespace.clone().unwrap_or_default(),
            name: name.to_owned(),
        }
    }
}

/// The value of a query parameter, when it is there and not empty.
pub(super) fn query(uri: &Uri, name: &str) -> Option<String> {
    url::form_urlencoded::parse(uri.query()?.as_bytes())
        .find(|(key, value)| key == name && !value.is_empty())
        .map(|(_, value)| value.into_owned())
}

/// Whether a query parameter says yes.
pub(super) fn is_set(uri: &Uri, name: &str) -> bool {
    query(uri, name).is_some_and(|value| value == "true" || value == "1")
}

/// Whether a request opens a watch.
pub(super) fn is_watch(uri: &Uri) -> bool {
    is_set(uri, "watch")
}
