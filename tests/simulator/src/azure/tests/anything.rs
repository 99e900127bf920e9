//! Requests that nobody would send.

use bytes::Bytes;
use http::Request;
use jiff::SignedDuration;
use proptest::prelude::*;

use crate::azure::{
    Operator,
    caller::token,
    rig::{Rig, TENANT},
};

/// Words that paths are made of, known and unknown ones.
const WORDS: [&str; 24] = [
    "subscriptions",
    "11111111-1111-1111-1111-111111111111",
    "resourceGroups",
    "imaging",
    "providers",
    "Microsoft.HealthcareApis",
    "workspaces",
    "clinic",
    "dicomservices",
    "radiology",
    "Microsoft.KeyVault",
    "vaults",
    "clinic-keys",
    "keys",
    "dicom-cmk",
    "versions",
    "Microsoft.Authorization",
    "roleAssignments",
    "roleDefinitions",
    "availabilityStatuses",
    "Microsoft.ResourceHealth",
    "deletedVaults",
    "%2e%2e",
    "",
];

proptest! {
    #[test]
    fn whatever_is_sent_is_answered_with_json_and_never_as_a_fault_of_the_server(
        method in prop::sample::select(vec!["GET", "PUT", "PATCH", "POST", "DELETE"]),
        words in prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..12),
        host in prop::sample::select(vec![
            "https://management.azure.com", "http://127.0.0.1:1",
            "https://clinic-keys.vault.azure.net", "https://login.microsoftonline.com",
        ]),
        query in "[?][$a-z=&%0-9-]{0,12}|[?]api-version=2024-03-31",
        body in "[{}\\[\\]\":a-z0-9,]{0,20}|[{]\"(properties|identity|tags)\":(null|1|[{][}]|\\[\\])[}]",
    ) {
        let mut rig = Rig::encrypted();
        let url = format!("{host}/{}{query}", words.join("/"));
        let Ok(request) = Request::builder().method(method).uri(&url).body(Bytes::new()) else {
            return Ok(());
        };
        let ends = rig.now.checked_add(SignedDuration::from_hours(1)).unwrap();
        let audience = if host.contains("vault") { "https://vault.azure.net" } else { "https://management.azure.com" };
        let times = (audience, rig.now, ends);
        let token = token("me", TENANT, &Operator::default(), times);
        let (mut parts, _) = request.into_parts();
        parts.headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
        let answer = rig.send(&Request::from_parts(parts, Bytes::from(body)));
        prop_assert!(answer.status < 500, "{method} {url}: {answer:?}");
        let told = !answer.code().is_empty() || !answer.text("/error").is_empty();
        prop_assert!(answer.status < 400 || told, "{method} {url}: {answer:?}");
    }
}
