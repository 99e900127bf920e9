//! What a test sees of the rig: waits, states, and the list of what was done.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use tokio::time::sleep;

use dicomenc::clock::Clock as _;

use super::{OBJECTS, Rig};
use crate::virtual_time::invariants;
use crate::virtual_time::trace::Entry;

/// How finely a wait looks.
const STEP: Duration = Duration::from_millis(200);

/// How many calls the message of a wait that failed shows.
const SHOWN: usize = 25;

impl Rig {
    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        self.outside.clock.now()
    }

    /// Waits until something is so, or fails when it is not so in time.
    pub(crate) async fn until(&self, what: &str, limit: Duration, so: impl Fn(&Self) -> bool) {
        let is_so = self.comes_true(limit, so).await;
        assert!(is_so, "not within {limit:?}: {what}\n{}", self.tale());
    }

    /// Waits until something is so; false when it is not so in time.
    pub(crate) async fn comes_true(&self, limit: Duration, so: impl Fn(&Self) -> bool) -> bool {
        let end = self.outside.clock.monotonic().after(limit);
        while !so(self) {
            if self.outside.clock.monotonic() > end {
                return false;
            }
            sleep(STEP).await;
        }
        true
    }

    /// Waits until an object is ready.
    pub(crate) async fn until_ready(&self, name: &str, limit: Duration) {
        let what = format!("{name} is ready");
        self.until(&what, limit, |rig| rig.is_ready(name)).await;
    }

    /// Waits until a condition is so, such as `KeyAccessible=False/KeyDisabled`.
    pub(crate) async fn until_condition(&self, name: &str, condition: &str, limit: Duration) {
        let what = format!("{name} has {condition}");
        self.until(&what, limit, |rig| rig.has(name, condition))
            .await;
    }

    /// Lets time pass.
    pub(crate) async fn pass(&self, time: Duration) {
        sleep(time).await;
    }

    /// An object's status.
    pub(crate) fn status(&self, name: &str) -> Value {
        let path = format!("{OBJECTS}/{name}");
        let kube = self.outside.kube.lock().unwrap();
        let status = kube.object(&path).map(|object| object["status"].clone());
        drop(kube);
        status.unwrap_or_default()
    }

    /// One condition of an object, as JSON.
    pub(crate) fn condition(&self, name: &str, kind: &str) -> Option<Value> {
        let status = self.status(name);
        let conditions = status["conditions"].as_array()?;
        conditions
            .iter()
            .find(|condition| condition["type"] == kind)
            .cloned()
    }

    /// Whether an object has a condition: `Ready=True`, or with a reason `Ready=False/KeyDisabled`.
    pub(crate) fn has(&self, name: &str, condition: &str) -> bool {
        let (kind, rest) = condition.split_once('=').unwrap();
        let (status, reason) = rest.split_once('/').unwrap_or((rest, ""));
        self.condition(name, kind).is_some_and(|found| {
            found["status"] == status && (reason.is_empty() || found["reason"] == reason)
        })
    }

    /// Whether an object is ready.
    pub(crate) fn is_ready(&self, name: &str) -> bool {
        self.has(name, "Ready=True")
    }

    /// A place in the list of calls, for [`Self::writes`] and the like.
    pub(crate) fn mark(&self) -> usize {
        self.outside.trace.mark()
    }

    /// What happened since a mark.
    pub(crate) fn since(&self, mark: usize) -> Vec<Entry> {
        self.outside.trace.since(mark)
    }

    /// The writes to ARM since a mark, each as `PUT <last two segments>`.
    pub(crate) fn writes(&self, mark: usize) -> Vec<String> {
        let entries = self.since(mark);
        let writes = entries.iter().filter_map(Entry::azure);
        writes
            .filter(|call| call.is_write())
            .map(|call| {
                let path = call.path();
                let mut end: Vec<&str> = path.rsplit('/').take(2).collect();
                end.reverse();
                // the name of an assignment is checked elsewhere
                let end = if call.is_of_assignment() {
                    end[0].to_owned()
                } else {
                    end.join("/")
                };
                format!("{} {end}", call.method)
            })
            .collect()
    }

    /// How many status patches there were since a mark.
    pub(crate) fn status_patches(&self, mark: usize) -> usize {
        let entries = self.since(mark);
        let patches = entries.iter().filter_map(Entry::kube);
        patches.filter(|call| call.is_status()).count()
    }

    /// Checks the safety rules on everything that happened.
    pub(crate) fn assert_safe(&self) {
        let broken = invariants::violations(&self.since(0), self.settings.propagation_wait);
        assert!(broken.is_empty(), "{}\n{}", broken.join("\n"), self.tale());
    }

    /// What a reader of a failed test wants to see.
    pub(crate) fn tale(&self) -> String {
        let kube = self.outside.kube.lock().unwrap();
        let objects = kube
            .objects("dicomencryptions")
            .map(|object| format!("{}: {:#}", object["metadata"]["name"], object["status"]));
        let objects: Vec<String> = objects.collect();
        drop(kube);
        let entries = self.since(0);
        let last = entries.iter().skip(entries.len().saturating_sub(SHOWN));
        let last: Vec<String> = last.map(ToString::to_string).collect();
        format!(
            "now: {}\n{}\nlast calls:\n{}",
            self.now(),
            objects.join("\n"),
            last.join("\n")
        )
    }
}
