//! I21: a PUT that changes nothing is rare, recorded before it is sent, and follows a loss.

use http::Method;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Place, service, truth};
use crate::virtual_time::trace::{Entry, Truth};

/// The shortest time between two of them.
const EVERY: SignedDuration = SignedDuration::from_hours(1);

/// Everything that breaks the rule.
pub(super) fn check(trace: &[Entry]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut last: std::collections::BTreeMap<String, Timestamp> = <_>::default();
    for (index, entry) in trace.iter().enumerate() {
        let Some(call) = entry.azure() else { continue };
        let at = Place { trace, index, call };
        if call.method != Method::PUT || !call.is_of_service() || !is_unchanged(&at) {
            continue;
        }
        let path = call.path();
        let is_recorded = |truth: &Truth| {
            service::acting(truth, &path).is_some_and(|own| {
                let access = &own["status"]["keyAccess"];
                access["revalidation"]["outcome"] == "Begun" && access["lostSince"].is_string()
            })
        };
        if !at.held(is_recorded) {
            broken.push(format!(
                "I21 a PUT of an unchanged service that is not on record: {entry}"
            ));
        }
        // what Azure surely refused was none
        if call
            .status
            .is_some_and(|status| (400..500).contains(&status))
        {
            continue;
        }
        if last
            .get(&path)
            .is_some_and(|before| entry.at.duration_since(*before) < EVERY)
        {
            broken.push(format!(
                "I21 a second PUT of an unchanged service within the hour: {entry}"
            ));
        }
        last.insert(path, entry.at);
    }
    broken
}

/// Whether a PUT sends the url that was read, for the principal for which it was set.
fn is_unchanged(at: &Place<'_>) -> bool {
    let path = at.call.path();
    let read = at.last_read().and_then(Entry::azure);
    let url = |document: &Value| document.pointer(service::CMK).cloned();
    let same_url = read.is_some_and(|read| url(&read.answer) == url(&at.call.body));
    let same_principal = at.call.truth.as_ref().is_some_and(|now| {
        let principal = &truth::service(now, &path)["principal"];
        let own = service::acting(now, &path);
        own.is_some_and(|own| own["status"]["key"]["appliedFor"] == *principal)
    });
    same_url && same_principal
}

mod tests {
    use std::time::Duration;

    use super::*;
    use crate::virtual_time::estate::{encrypted_clinic, object};
    use crate::virtual_time::rig::{Rig, Settings};
    use crate::virtual_time::trace::{AzureCall, What};

    fn put(trace: &mut [Entry]) -> &mut AzureCall {
        let calls = trace.iter_mut().filter_map(|entry| match &mut entry.what {
            What::Azure(call) => Some(call),
            What::Kube(_) | What::Changed(..) => None,
        });
        let mut puts = calls.filter(|call| call.is_of_service() && call.method == Method::PUT);
        puts.next().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_revalidation_that_is_not_on_record_or_comes_twice_within_the_hour_is_caught() {
        let rig = Rig::with_objects(
            encrypted_clinic(),
            Settings::default(),
            &[object("radiology")],
        );
        rig.until_ready("radiology", Duration::from_mins(30)).await;
        rig.change("key clinic-keys/dicom-cmk disabled");
        rig.pass(Duration::from_mins(40)).await;
        rig.change("key clinic-keys/dicom-cmk enabled");
        rig.until_ready("radiology", Duration::from_mins(20)).await;
        let sound = rig.since(0);
        let broken = |trace: &[Entry]| check(trace).len();
        assert_eq!(broken(&sound), 0);

        let mut twice = sound.clone();
        let again = put(&mut twice).clone();
        let last = twice.last().unwrap().at;
        twice.push(Entry {
            at: last,
            what: What::Azure(again),
        });
        assert_eq!(broken(&twice), 1);

        let mut unrecorded = sound;
        for entry in &mut unrecorded {
            if let What::Changed(_, truth) = &mut entry.what {
                truth.objects.clear();
            }
        }
        for object in &mut put(&mut unrecorded).truth.as_mut().unwrap().objects {
            object["status"]["keyAccess"]["revalidation"] = Value::Null;
        }
        assert_eq!(broken(&unrecorded), 1);
    }
}
