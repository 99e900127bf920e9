//! I20: an operator that has nothing to do does nothing.

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::virtual_time::trace::{AzureCall, Entry};

/// How often `verifiedAt` may be rewritten.
const VERIFIED_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// Every write in a time in which there was nothing to do, but the hourly `verifiedAt`.
pub(crate) fn unquiet(trace: &[Entry]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut last: BTreeMap<String, (Timestamp, Value)> = BTreeMap::new();
    for entry in trace {
        if entry.azure().is_some_and(AzureCall::is_write) {
            broken.push(format!("I20 a write to Azure: {entry}"));
        }
        let Some(call) = entry.kube().filter(|call| call.is_write()) else {
            continue;
        };
        if !call.is_status() {
            broken.push(format!("I20 a write to Kubernetes: {entry}"));
            continue;
        }
        let mut status = call.body["status"].clone();
        status["keyAccess"]["verifiedAt"].take();
        let before = last.insert(call.path.clone(), (entry.at, status.clone()));
        if let Some((at, before)) = before {
            if entry.at.duration_since(at) < VERIFIED_EVERY {
                broken.push(format!("I20 a status within the hour: {entry}"));
            }
            if before != status {
                broken.push(format!("I20 a status that says something new: {entry}"));
            }
        }
    }
    broken
}

/// The most calls to ARM within a minute.
pub(crate) fn busiest_minute(trace: &[Entry]) -> usize {
    let calls: Vec<Timestamp> = trace
        .iter()
        .filter(|entry| entry.azure().is_some_and(|call| !call.is_login()))
        .map(|entry| entry.at)
        .collect();
    let mut first = 0;
    let mut most = 0;
    for (place, at) in calls.iter().enumerate() {
        while at.duration_since(calls[first]) > SignedDuration::from_mins(1) {
            first += 1;
        }
        most = most.max(place - first + 1);
    }
    most
}
