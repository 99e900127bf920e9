//! The rules for writes to a DICOM service.

use http::Method;
use k8s_openapi::jiff::SignedDuration;
use serde_json::{Map, Value};

use super::{Place, truth};
use crate::virtual_time::trace::{AzureCall, Truth, What};

pub(super) const CMK: &str =
    "/properties/encryption/customerManagedKeyEncryption/keyEncryptionKeyUrl";

/// How old the read before a write may be.
const READ_BEFORE_WRITE: SignedDuration = SignedDuration::from_secs(2);

/// What only Azure may set, so that it may be left out of a body.
const READ_ONLY: [&str; 13] = [
    "/id",
    "/name",
    "/type",
    "/systemData",
    "/etag",
    "/identity/principalId",
    "/identity/tenantId",
    "/properties/authenticationConfiguration",
    "/properties/eventState",
    "/properties/privateEndpointConnections",
    "/properties/provisioningState",
    "/properties/serviceUrl",
    "/location",
];

/// The rules broken by a write to a service.
pub(super) fn check(at: &Place<'_>, propagation_wait: SignedDuration) -> Vec<String> {
    let (call, path) = (at.call, at.call.path());
    let now = at.trace[at.index].at;
    let mut broken = Vec::new();
    let Some(now_true) = &call.truth else {
        return vec!["a write without its truth".to_owned()];
    };
    if !truth::is_idle(now_true, &path) {
        broken.push("I9 a write while an operation runs".to_owned());
    }
    let Some(read) = at.last_read() else {
        broken.push("I8 a write without a read".to_owned());
        return broken;
    };
    if now.duration_since(read.at) > READ_BEFORE_WRITE {
        broken.push("I8 the read before the write is too old".to_owned());
    }
    let seen = read.azure().map_or(&Value::Null, |read| &read.answer);
    broken.extend(identity_grows(
        &seen["identity"],
        &call.body["identity"],
        call,
    ));
    if call.method == Method::PATCH {
        if call.body.get("properties").is_some() {
            broken.push("I5 a PATCH of something else than the identity".to_owned());
        }
        return broken;
    }
    broken.extend(lossless(seen, &call.body));
    let url = call.body.pointer(CMK).and_then(Value::as_str);
    let Some(key) = url.and_then(truth::Key::parse) else {
        broken.push("I7 a PUT without a key version".to_owned());
        return broken;
    };
    let asked = truth::Asked {
        path: &path,
        key: &key,
        propagation_wait,
        now,
    };
    for (words, condition) in truth::PRECONDITIONS {
        if !at.held(|truth| condition(truth, asked)) {
            broken.push(format!("I1 not so: {words}"));
        }
    }
    if !at.held(|truth| acting(truth, &path).is_some_and(|own| remembers(own, url))) {
        broken.push("I4 a version is used before it is on record".to_owned());
    }
    broken
}

fn remembers(object: &Value, url: Option<&str>) -> bool {
    let versions = object["status"]["keyVersions"].as_array();
    versions
        .into_iter()
        .flatten()
        .any(|version| version["url"].as_str() == url)
}

/// I6: nothing of the identity that was read is missing in what is sent.
fn identity_grows(read: &Value, sent: &Value, call: &AzureCall) -> Vec<String> {
    let broken = || vec!["I6 an identity is taken away".to_owned()];
    if call.method == Method::PATCH && sent.is_null() {
        return Vec::new();
    }
    let kinds = |identity: &Value| -> Vec<String> {
        let word = identity["type"].as_str().unwrap_or_default();
        let kinds = word.split(',').map(|kind| kind.trim().to_lowercase());
        kinds
            .filter(|kind| !kind.is_empty() && kind != "none")
            .collect()
    };
    let kept = kinds(sent);
    if kinds(read).iter().any(|kind| !kept.contains(kind)) {
        return broken();
    }
    let ids = |identity: &Value| -> Vec<String> {
        let attached = identity["userAssignedIdentities"].as_object();
        let attached = attached.into_iter().flatten();
        // null means: take it away
        let attached = attached.filter(|(_, value)| value.is_object());
        attached.map(|(id, _)| id.to_lowercase()).collect()
    };
    let attached = ids(sent);
    if ids(read).iter().any(|id| !attached.contains(id)) {
        return broken();
    }
    Vec::new()
}

/// I5: what is sent is what was read, but for our leaf and what only Azure may set.
fn lossless(read: &Value, sent: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    compare("", read, sent, &mut broken);
    broken
}

fn compare(place: &str, read: &Value, sent: &Value, broken: &mut Vec<String>) {
    let is_ours = CMK == place;
    let is_readonly = READ_ONLY.contains(&place)
        || place.starts_with("/identity/userAssignedIdentities/") && place.ends_with("Id");
    if is_ours || is_readonly && (sent.is_null() || read.is_null()) || read == sent {
        return;
    }
    let nothing = Map::new();
    match (read, sent) {
        (Value::Object(_) | Value::Null, Value::Object(_) | Value::Null)
            if read.is_object() || CMK.starts_with(place) =>
        {
            let left = read.as_object().unwrap_or(&nothing);
            let right = sent.as_object().unwrap_or(&nothing);
            let mut names: Vec<&String> = left.keys().chain(right.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let below = format!("{place}/{name}");
                compare(&below, &read[name.as_str()], &sent[name.as_str()], broken);
            }
        }
        _ => broken.push(format!("I5 {place} was {read} and is sent as {sent}")),
    }
}

/// The object that acts on a service: the oldest that manages it.
pub(super) fn acting<'truth>(truth: &'truth Truth, path: &str) -> Option<&'truth Value> {
    let manages = |object: &&Value| {
        let mode = object["spec"]["mode"].as_str().unwrap_or("Manage");
        let target = object["spec"]["dicomServiceId"]
            .as_str()
            .unwrap_or_default();
        mode == "Manage"
            && target.eq_ignore_ascii_case(path)
            && object["metadata"]["deletionTimestamp"].is_null()
    };
    let objects = truth.objects.iter().filter(manages);
    objects.min_by_key(|object| {
        let metadata = &object["metadata"];
        (
            metadata["creationTimestamp"].to_string(),
            metadata["uid"].to_string(),
        )
    })
}

/// I12: only the oldest object that manages a service causes writes, unless it is suspended, and
/// only such as it asks for.
pub(super) fn one_writer(at: &Place<'_>) -> Vec<String> {
    let call = at.call;
    let path = call.path();
    let fits = |truth: &Truth| {
        let mut targets: Vec<String> = truth
            .objects
            .iter()
            .map(|object| object["spec"]["dicomServiceId"].to_string())
            .collect();
        targets.sort();
        targets.dedup();
        let targets = targets.iter().map(|target| target.trim_matches('"'));
        let mut acting = targets.filter_map(|target| acting(truth, target));
        acting.any(|object| asks_for(&object["spec"], call, &path))
    };
    // an edit of the object counts at once: it is read again before each write
    let oldest = at.trace[at.index].at - READ_BEFORE_WRITE;
    let place = at.trace[..at.index]
        .iter()
        .rposition(|entry| entry.at < oldest);
    let recent = &at.trace[place.unwrap_or_default()..=at.index];
    let changes = recent.iter().filter_map(|entry| match &entry.what {
        What::Changed(_, truth) => Some(truth),
        What::Azure(_) | What::Kube(_) => None,
    });
    if call.truth.iter().chain(changes).any(fits) {
        return Vec::new();
    }
    vec!["I12 a write that no acting object asks for".to_owned()]
}

fn asks_for(spec: &Value, call: &AzureCall, path: &str) -> bool {
    if spec["suspend"] == true {
        return false;
    }
    if call.is_of_assignment() {
        let vault = spec["key"]["vaultId"].as_str().unwrap_or_default();
        return path.starts_with(&vault.to_lowercase());
    }
    let target = spec["dicomServiceId"].as_str().unwrap_or_default();
    let url = call.body.pointer(CMK).and_then(Value::as_str);
    let key_fits = url
        .and_then(truth::Key::parse)
        .is_none_or(|key| key.is_asked_for(spec));
    target.eq_ignore_ascii_case(path) && key_fits
}
