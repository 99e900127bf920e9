//! Writes the status, and tells of transitions by events.

mod measure;

use std::fmt;

use kube::api::{Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Api, Resource as _, ResourceExt as _};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::timeout;

use crate::crd::{DicomEncryption, DicomEncryptionStatus};
use crate::domain::report::differs;
use crate::metrics::KubeWrite;

use super::context::{Context, KUBE_DEADLINE};
use super::transitions::{Action, Transition, find, transitions};

/// The field manager of everything that this operator writes to Kubernetes.
pub const FIELD_MANAGER: &str = "dicomenc.io";

/// How often fields that an older CRD does not know are taken out of one status.
const MOST_UNKNOWN: u8 = 8;

/// Why a status was not written. It is tried again in the next pass.
#[derive(Debug, Error)]
pub enum PublishError {
    /// The API server refused, or did not understand.
    #[error("failed to write the status")]
    Write(#[source] Box<kube::Error>),
    /// The API server names ever more fields that it does not know.
    #[error("failed to write the status: the CRD knows next to nothing of it")]
    Undeclared,
    /// The API server did not answer in time.
    #[error("the API server did not answer about the status within {} s", KUBE_DEADLINE.as_secs())]
    Silent,
    /// The status is not JSON.
    #[error("failed to put together the status")]
    Encode(#[source] serde_json::Error),
}

/// Writes the status if it differs from `old`, and tells of transitions.
pub(super) async fn publish(
    context: &Context,
    object: &DicomEncryption,
    old: Option<&DicomEncryptionStatus>,
    new: &DicomEncryptionStatus,
) -> Result<(), PublishError> {
    measure(context, object, new);
    let uid = object.uid().unwrap_or_default();
    // an older CRD is asked again and again: only its answer tells that it was replaced
    if !differs(old, new) && !context.states.of(&uid).crd_outdated {
        return Ok(());
    }
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<DicomEncryption> = Api::namespaced(context.parts.client.clone(), &namespace);
    let sent = serde_json::to_value(new).map_err(PublishError::Encode)?;
    let answer = write(&api, object, sent.clone()).await?;
    context.parts.metrics.kube.kube_written(KubeWrite::Status);
    let kept = serde_json::to_value(&answer.status).map_err(PublishError::Encode)?;
    context
        .states
        .change(&object.uid().unwrap_or_default(), |state| {
            state.crd_outdated = !holds(&kept, &sent);
            state.published = Some(new.clone());
        });
    for transition in transitions(old, new, context.parts.clock.now()) {
        tell(context, object, transition).await;
    }
    Ok(())
}

/// Applies the status. The API server drops what an older CRD does not know from most writes, but
/// refuses it in an apply, and says what it is: then all the rest is applied, as if it were dropped.
async fn write(
    api: &Api<DicomEncryption>,
    object: &DicomEncryption,
    mut status: Value,
) -> Result<DicomEncryption, PublishError> {
    let name = object.name_any();
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    for _ in 0..MOST_UNKNOWN {
        let patch = json!({
            "apiVersion": DicomEncryption::api_version(&()),
            "kind": DicomEncryption::kind(&()),
            "metadata": { "name": name, "uid": object.uid() },
            "status": status,
        });
        let patch = Patch::Apply(&patch);
        let written = api.patch_status(&name, &parameters, &patch);
        let refused = match timeout(KUBE_DEADLINE, written).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            Err(_) => return Err(PublishError::Silent),
        };
        let unknown = undeclared(&refused);
        if unknown.is_empty() {
            return Err(PublishError::Write(Box::new(refused)));
        }
        for path in &unknown {
            remove(&mut status, path);
        }
    }
    Err(PublishError::Undeclared)
}

/// The paths below the status that the API server does not know, if that is why it refused.
fn undeclared(error: &kube::Error) -> Vec<Vec<String>> {
    let kube::Error::Api(answer) = error else {
        return Vec::new();
    };
    let lines = answer.message.split(['\n', ' ']);
    let lines = lines.filter_map(|word| word.trim_end_matches(',').strip_suffix(':'));
    let paths = lines.filter_map(|path| path.strip_prefix(".status."));
    if answer.message.contains("field not declared in schema") {
        paths.map(names).filter(|path| !path.is_empty()).collect()
    } else {
        Vec::new()
    }
}

/// The field names of a path such as `keyVersions[url="https://a.b"].expires`.
fn names(path: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let mut plain = String::new();
    for letter in path.chars() {
        match letter {
            '[' => depth = depth.saturating_add(1),
            ']' => depth = depth.saturating_sub(1),
            _ if depth == 0 => plain.push(letter),
            _ => {}
        }
    }
    plain.split('.').map(str::to_owned).collect()
}

/// Takes a field out, of every item where the path leads through a list.
fn remove(value: &mut Value, path: &[String]) {
    if let Value::Array(items) = value {
        for item in items {
            remove(item, path);
        }
    } else if let (Value::Object(fields), Some((name, rest))) = (value, path.split_first()) {
        if rest.is_empty() {
            fields.remove(name);
        } else if let Some(inner) = fields.get_mut(name) {
            remove(inner, rest);
        }
    }
}

/// Whether all that was sent came back: an older CRD drops what it does not know.
fn holds(kept: &Value, sent: &Value) -> bool {
    match (kept, sent) {
        (Value::Object(kept), Value::Object(sent)) => sent
            .iter()
            .all(|(name, value)| kept.get(name).is_some_and(|kept| holds(kept, value))),
        (Value::Array(kept), Value::Array(sent)) => {
            // the API server keeps the items of a keyed list in an order of its own
            kept.len() == sent.len()
                && sent
                    .iter()
                    .all(|sent| kept.iter().any(|kept| holds(kept, sent)))
        }
        (
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_)
            | Value::Array(_),
            _,
        ) => kept == sent,
    }
}

/// An event that cannot be written is lost: the status says the same.
async fn tell(context: &Context, object: &DicomEncryption, transition: Transition) {
    let Transition {
        warning,
        reason,
        action,
        note,
    } = transition;
    let event = Event {
        type_: if warning {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason,
        note: Some(note.chars().take(1000).collect()),
        action: action.as_str().to_owned(),
        secondary: None,
    };
    let reference = object.object_ref(&());
    // a recorder without a past folds nothing
    let apart = Recorder::new(context.parts.client.clone(), context.reporter.clone());
    let recorder = match action {
        Action::Watch => &apart,
        Action::Reconcile => &context.recorder,
    };
    match timeout(KUBE_DEADLINE, recorder.publish(&event, &reference)).await {
        Ok(Ok(())) => context.parts.metrics.kube.kube_written(KubeWrite::Event),
        Ok(Err(error)) => tracing::warn!(error = %Shown(&error), "an event is not written"),
        Err(_) => tracing::warn!("an event is not written: the API server does not answer"),
    }
}

struct Shown<'error>(&'error kube::Error);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&crate::telemetry::error_chain(self.0))
    }
}

fn measure(context: &Context, object: &DicomEncryption, status: &DicomEncryptionStatus) {
    let wait = context.parts.settings.plan.propagation_wait;
    let namespace = object.namespace().unwrap_or_default();
    let report = measure::report(status, wait);
    let metrics = &context.parts.metrics.objects;
    metrics.object_reported(&namespace, &object.name_any(), report);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_held_in_whatever_order_the_api_server_keeps_its_lists() {
        let sent = json!({ "conditions": [
            { "type": "Ready", "status": "False" },
            { "type": "Stalled", "status": "True" },
            { "type": "KeyUsable", "status": "True" },
        ] });
        let kept = json!({ "conditions": [
            { "type": "Ready", "status": "False" },
            { "type": "KeyUsable", "status": "True" },
            { "type": "Stalled", "status": "True" },
        ] });
        assert!(holds(&kept, &sent));
    }

    #[test]
    fn what_an_older_crd_refuses_in_an_apply_is_taken_out_and_nothing_else() {
        let refused = kube::Error::Api(Box::new(kube::core::Status::failure(
            "failed to create typed patch object (/radiology; dicomenc.io/v1alpha1, \
             Kind=DicomEncryption): errors:\n  .status.keyAccess: field not declared in schema\n  \
             .status.keyVersions[url=\"https://a.b\"].expires: field not declared in schema",
            "InternalError",
        )));
        let mut status = json!({
            "keyAccess": { "state": "Lost" },
            "key": { "version": "1" },
            "keyVersions": [{ "url": "https://a.b", "expires": "never" }],
        });
        for path in undeclared(&refused) {
            remove(&mut status, &path);
        }
        let rest = json!({ "key": { "version": "1" }, "keyVersions": [{ "url": "https://a.b" }] });
        assert_eq!(status, rest);
    }

    #[test]
    fn a_status_is_not_held_when_an_item_or_a_field_of_one_is_dropped() {
        let sent = json!({ "keyVersions": [{ "url": "a", "state": "Enabled" }, { "url": "b" }] });
        for kept in [
            json!({ "keyVersions": [{ "url": "a", "state": "Enabled" }] }),
            json!({ "keyVersions": [{ "url": "b" }, { "url": "a" }] }),
            json!({}),
        ] {
            assert!(!holds(&kept, &sent), "{kept}");
        }
    }
}
