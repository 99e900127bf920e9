//! What comes from the API server: pruned, guarded, filtered, backed off.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use kube::core::DeserializeGuard;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{PredicateConfig, WatchStreamExt as _, watcher as watch};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::mpsc::UnboundedSender;

use crate::crd::DicomEncryption;
use crate::telemetry::error_chain;

use super::roster::Roster;

/// The API of the objects that are watched.
pub(super) fn api(
    client: Client,
    namespace: Option<&str>,
) -> Api<DeserializeGuard<DicomEncryption>> {
    match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    }
}

/// What happens to objects beside being reconciled.
pub(super) trait Attendance: Send + Sync + 'static {
    /// All objects were listed, and are in the store.
    fn listed(&self);

    /// The object with this UID is gone.
    fn gone(&self, uid: &str, object: &ObjectRef<DicomEncryption>);
}

/// The stream of objects to reconcile. Objects that name the same service as one that changed or
/// went are sent to `wake`.
pub(super) fn objects(
    objects: Api<DeserializeGuard<DicomEncryption>>,
    writer: Writer<DicomEncryption>,
    roster: Arc<Roster>,
    wake: UnboundedSender<ObjectRef<DicomEncryption>>,
    attendance: impl Attendance,
) -> impl Stream<Item = Result<DicomEncryption, watcher::Error>> + Send {
    watch(objects, watcher::Config::default().any_semantic())
        .default_backoff()
        .filter_map(|event| async move { guard(event) })
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .inspect(move |event| match event {
            Ok(event) => {
                let noted = roster.note(event);
                for (uid, object) in &noted.gone {
                    attendance.gone(uid, object);
                }
                if matches!(event, Event::InitDone) {
                    attendance.listed();
                }
                for namesake in noted.namesakes {
                    // the receiver is gone only while the process ends
                    let _sent = wake.send(namesake);
                }
            }
            Err(error) => {
                tracing::warn!(error = %error_chain(error), "the watch failed and begins again");
            }
        })
        .applied_objects()
        .predicate_filter(relevant, PredicateConfig::default())
}

/// Lets a well-formed object pass; a malformed one is told of, and the others go on.
fn guard(
    event: Result<Event<DeserializeGuard<DicomEncryption>>, watcher::Error>,
) -> Option<Result<Event<DicomEncryption>, watcher::Error>> {
    let sound = |guarded: DeserializeGuard<DicomEncryption>| match guarded.0 {
        Ok(object) => Some(object),
        Err(invalid) => {
            tracing::error!(
                namespace = invalid.metadata.namespace,
                name = invalid.metadata.name,
                error = %invalid.error,
                "an object cannot be read and is left alone: correct or delete it"
            );
            None
        }
    };
    match event {
        Ok(Event::Apply(object)) => sound(object).map(|object| Ok(Event::Apply(object))),
        Ok(Event::InitApply(object)) => sound(object).map(|object| Ok(Event::InitApply(object))),
        Ok(Event::Delete(object)) => sound(object).map(|object| Ok(Event::Delete(object))),
        Ok(Event::Init) => Some(Ok(Event::Init)),
        Ok(Event::InitDone) => Some(Ok(Event::InitDone)),
        Err(error) => Some(Err(error)),
    }
}

/// A status of our own, or a label, is no reason to reconcile.
#[expect(clippy::unnecessary_wraps, reason = "the signature is kube's")]
fn relevant(object: &DicomEncryption) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    (
        object.metadata.generation,
        &object.metadata.uid,
        object.metadata.deletion_timestamp.is_some(),
    )
        .hash(&mut hasher);
    Some(hasher.finish())
}
