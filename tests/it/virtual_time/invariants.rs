//! The safety rules, checked on the list of everything that happened. They know nothing of how
//! the operator decides: only what it sent, what it had read, and what was true.
//!
//! The truth at the moment of a write may be a little newer than what the operator could know:
//! a precondition counts as kept when it held at some moment of the last minute, which is how
//! fresh evidence has to be (I2).

mod grant;
mod quiet;
mod revalidation;
mod service;
mod tests;
mod truth;

use http::Method;
use k8s_openapi::jiff::SignedDuration;

use super::trace::{AzureCall, Entry, Truth, What};

pub(crate) use self::quiet::{busiest_minute, unquiet};

/// How fresh the evidence for a write has to be.
const FRESHNESS: SignedDuration = SignedDuration::from_secs(60);

/// Everything that breaks a safety rule, in words.
pub(crate) fn violations(trace: &[Entry], propagation_wait: SignedDuration) -> Vec<String> {
    let mut broken = Vec::new();
    for (index, entry) in trace.iter().enumerate() {
        let Some(call) = entry.azure() else { continue };
        let at = Place { trace, index, call };
        let mut found = confinement(call);
        found.extend(never_taken_away(call));
        if call.is_write() && call.is_of_service() {
            found.extend(service::check(&at, propagation_wait));
        }
        if call.is_write() && call.is_of_assignment() {
            found.extend(grant::check(&at));
        }
        if call.is_write() {
            found.extend(service::one_writer(&at));
        }
        broken.extend(found.into_iter().map(|rule| format!("{rule}: {entry}")));
    }
    broken.extend(grant::names(trace));
    broken.extend(revalidation::check(trace));
    broken.extend(versions_only_grow(trace));
    broken
}

/// A call, and what happened before it.
pub(super) struct Place<'trace> {
    trace: &'trace [Entry],
    index: usize,
    call: &'trace AzureCall,
}

impl<'trace> Place<'trace> {
    /// What was true at some moment of the last minute, the latest first.
    fn truths(&self) -> Vec<&'trace Truth> {
        let oldest = self.trace[self.index].at - FRESHNESS;
        let before = self.trace[..self.index].iter().rev();
        let changes =
            before
                .take_while(|entry| entry.at >= oldest)
                .filter_map(|entry| match &entry.what {
                    What::Changed(_, truth) => Some(truth),
                    What::Azure(_) | What::Kube(_) => None,
                });
        self.call.truth.iter().chain(changes).collect()
    }

    fn held(&self, condition: impl Fn(&Truth) -> bool) -> bool {
        self.truths().into_iter().any(condition)
    }

    /// The latest direct read of the resource that this call writes.
    fn last_read(&self) -> Option<&'trace Entry> {
        let path = self.call.path();
        self.trace[..self.index].iter().rev().find(|entry| {
            entry.azure().is_some_and(|read| {
                read.method == Method::GET && read.status == Some(200) && read.path() == path
            })
        })
    }
}

/// I22: a token goes to ARM, to a vault or to a DICOM service, to each its own, and nowhere else;
/// nothing goes to anybody else, and nothing is written but through ARM.
fn confinement(call: &AzureCall) -> Vec<String> {
    let host = call.host();
    let audience = match host.split_once('.') {
        _ if host == "management.azure.com" => Some("https://management.azure.com"),
        Some((_, "vault.azure.net")) => Some("https://vault.azure.net"),
        Some((_, "dicom.azurehealthcareapis.com")) => {
            Some("https://dicom.healthcareapis.azure.com")
        }
        _ => None,
    };
    let mut broken = Vec::new();
    if call.audience.is_some() && call.audience.as_deref() != audience {
        broken.push("I22 a token leaves for a host that it is not for".to_owned());
    }
    if audience.is_none() && !call.is_login() {
        broken.push("I22 a call goes to a foreign host".to_owned());
    }
    if call.is_write() && host != "management.azure.com" {
        broken.push("I3 a write goes to a data plane".to_owned());
    }
    broken
}

/// I3: nothing is deleted, and nothing but services and role assignments is written.
fn never_taken_away(call: &AzureCall) -> Vec<String> {
    let allowed = match call.method {
        Method::GET => true,
        Method::POST => call.is_login(),
        Method::PUT => call.is_of_service() || call.is_of_assignment(),
        Method::PATCH => call.is_of_service(),
        _ => false,
    };
    let broken = || "I3 a write of a kind that is never made".to_owned();
    (!allowed).then(broken).into_iter().collect()
}

/// I4: the list of versions that a service ever used only grows.
fn versions_only_grow(trace: &[Entry]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut known: std::collections::BTreeMap<String, Vec<String>> = <_>::default();
    for entry in trace {
        let Some(patch) = entry.kube().filter(|call| call.is_status()) else {
            continue;
        };
        let versions = patch.body["status"]["keyVersions"].as_array();
        let urls: Vec<String> = versions
            .into_iter()
            .flatten()
            .map(|version| version["url"].to_string())
            .collect();
        let uid = patch.body["metadata"]["uid"].to_string();
        let before = known.entry(uid).or_default();
        if before.iter().any(|url| !urls.contains(url)) {
            broken.push(format!("I4 a key version is forgotten: {entry}"));
        }
        *before = urls;
    }
    broken
}
