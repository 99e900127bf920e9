//! Two objects that name the same service: the older one acts, the other waits.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;

use crate::crd::{DicomEncryption, Mode};

/// The object that acts on the service that `object` names, when that is another one: the oldest
/// (then the one with the smallest UID) of those that manage it, suspended or not.
pub(super) fn rival(object: &DicomEncryption, all: &[Arc<DicomEncryption>]) -> Option<String> {
    if object.spec.mode != Mode::Manage {
        return None;
    }
    let oldest = all
        .iter()
        .filter(|other| {
            other.spec.mode == Mode::Manage
                && other.metadata.deletion_timestamp.is_none()
                && same_service(object, other)
        })
        .min_by_key(|other| rank(other))?;
    (rank(oldest) < rank(object)).then(|| {
        format!(
            "{}/{}",
            oldest.namespace().unwrap_or_default(),
            oldest.name_any()
        )
    })
}

/// Whether two objects name the same service.
pub(super) fn same_service(left: &DicomEncryption, right: &DicomEncryption) -> bool {
    let [left, right] = [left, right].map(|object| object.spec.dicom_service_id.as_bytes());
    // from the end: the ids of an estate begin alike, and each object is compared with all others
    let mut pairs = left.iter().rev().zip(right.iter().rev());
    left.len() == right.len() && pairs.all(|(one, other)| one.eq_ignore_ascii_case(other))
}

fn rank(object: &DicomEncryption) -> (Option<Timestamp>, Option<String>) {
    (
        object
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0),
        object.uid(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(name: &str, age: i64, uid: &str, mode: &str) -> Arc<DicomEncryption> {
        let created = Timestamp::from_second(1_800_000_000 - age)
            .unwrap()
            .to_string();
        Arc::new(
            serde_json::from_value(json!({
                "apiVersion": "dicomenc.io/v1alpha1", "kind": "DicomEncryption",
                "metadata": { "name": name, "namespace": "imaging", "uid": uid, "creationTimestamp": created },
                "spec": {
                    "dicomServiceId": if age > 50 { "/SUBSCRIPTIONS/a" } else { "/subscriptions/A" },
                    "identity": { "type": "SystemAssigned" },
                    "key": { "vaultId": "/v", "name": "k" },
                    "mode": mode,
                },
            }))
            .unwrap(),
        )
    }

    #[test]
    fn the_older_object_acts_and_the_other_one_names_it() {
        let (old, young) = (
            object("old", 100, "b", "Manage"),
            object("young", 10, "a", "Manage"),
        );
        let all = [Arc::clone(&young), Arc::clone(&old)];
        assert_eq!(rival(&old, &all), None);
        assert_eq!(rival(&young, &all), Some("imaging/old".to_owned()));
    }

    #[test]
    fn of_two_of_the_same_age_the_smaller_uid_acts() {
        let (first, second) = (
            object("first", 10, "a", "Manage"),
            object("second", 10, "b", "Manage"),
        );
        let all = [Arc::clone(&second), Arc::clone(&first)];
        assert_eq!(rival(&first, &all), None);
        assert_eq!(rival(&second, &all), Some("imaging/first".to_owned()));
    }

    #[test]
    fn an_observer_is_nobodys_rival() {
        let (old, young) = (
            object("old", 100, "a", "Observe"),
            object("young", 10, "b", "Manage"),
        );
        let all = [Arc::clone(&young), Arc::clone(&old)];
        assert_eq!(rival(&old, &all), None);
        assert_eq!(rival(&young, &all), None);
    }
}
