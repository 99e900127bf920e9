//! The rules for role assignments.

use std::collections::BTreeMap;

use super::Place;
use crate::virtual_time::trace::Entry;

/// The roles of the API: Key Vault Crypto Service Encryption User and Key Vault Crypto Officer.
const ROLES: [&str; 2] = [
    "e147488a-f6f5-4113-8e2d-b22465e65bf6",
    "14b46e9e-c2b7-41b4-b07b-48a6ebf60603",
];

/// The rules broken by one assignment.
pub(super) fn check(at: &Place<'_>) -> Vec<String> {
    let properties = &at.call.body["properties"];
    let mut broken = Vec::new();
    if properties["principalType"] != "ServicePrincipal" {
        broken.push("I10 the type of the principal is not sent".to_owned());
    }
    let name = at.call.path();
    let name = name.rsplit('/').next().unwrap_or_default();
    // the third group of a GUID that is derived by SHA-1 begins with 5
    if name
        .split('-')
        .nth(2)
        .is_none_or(|group| !group.starts_with('5'))
    {
        broken.push("I10 the name is not derived".to_owned());
    }
    let role = properties["roleDefinitionId"].as_str().unwrap_or_default();
    let role = role.rsplit('/').next().unwrap_or_default();
    if !ROLES.contains(&role) {
        broken.push("I10 a role that the API does not offer".to_owned());
    }
    let principal = &properties["principalId"];
    let is_known = at.held(|truth| {
        let services = truth.estate["services"].as_array();
        let mut services = services.into_iter().flatten();
        principal.is_string() && services.any(|own| own["principal"] == *principal)
    });
    if !is_known {
        broken.push("I11 a principal that no service has".to_owned());
    }
    broken
}

/// I10: one name for each scope, principal and role, and one of these for each name.
pub(super) fn names(trace: &[Entry]) -> Vec<String> {
    let mut by_name: BTreeMap<String, String> = BTreeMap::new();
    let mut by_triple: BTreeMap<String, String> = BTreeMap::new();
    let mut broken = Vec::new();
    let calls = trace.iter().filter_map(Entry::azure);
    for call in calls.filter(|call| call.is_write() && call.is_of_assignment()) {
        let path = call.path();
        let (scope, name) = path
            .split_once("/providers/microsoft.authorization/")
            .map_or((path.as_str(), ""), |(scope, end)| {
                (scope, end.rsplit('/').next().unwrap_or_default())
            });
        let properties = &call.body["properties"];
        let text = |field: &str| {
            properties[field]
                .as_str()
                .unwrap_or_default()
                .to_lowercase()
        };
        let triple = format!(
            "{scope} {} {}",
            text("principalId"),
            text("roleDefinitionId")
        );
        let same_triple = by_name
            .entry(name.to_owned())
            .or_insert_with(|| triple.clone());
        let same_name = by_triple
            .entry(triple.clone())
            .or_insert_with(|| name.to_owned());
        if *same_triple != triple || *same_name != name {
            broken.push(format!(
                "I10 another name for the same assignment: {}",
                call.url
            ));
        }
    }
    broken
}
