//! The samples: each does what its name says.

use dicomenc::azure::{Cloud, VaultRole};
use dicomenc::crd::{AccessManagement, AssignmentScope, DicomEncryption, Mode, OnDrift};
use dicomenc::domain::Desired;

use super::{project, text};
use crate::cluster::cluster;

const SAMPLES: [&str; 4] = [
    "system-assigned",
    "user-assigned",
    "crypto-officer",
    "observe-only",
];

fn sample(name: &str) -> String {
    text(&format!("deploy/samples/{name}.yaml"))
}

fn desired(name: &str) -> Desired {
    let object: DicomEncryption =
        serde_saphyr::from_str(&sample(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    Desired::try_new(&object.spec, &Cloud::public().vault_suffix)
        .unwrap_or_else(|wrong| panic!("{name}: {wrong:?}"))
}

#[test]
fn every_sample_is_told_of_here() {
    let files = std::fs::read_dir(project("deploy/samples")).expect("the folder can be read");
    let mut found: Vec<String> = files
        .map(|file| file.expect("an entry can be read").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    found.sort();
    let mut known = SAMPLES.map(|name| format!("{name}.yaml"));
    known.sort();
    assert_eq!(found, known);
}

#[test]
fn the_api_server_takes_every_sample_to_the_letter() {
    let namespace = cluster().namespace("samples");
    for name in SAMPLES {
        let manifest =
            sample(name).replace("namespace: imaging", &format!("namespace: {namespace}"));
        let arguments = ["create", "--dry-run=server", "--validate=strict", "-f", "-"];
        let output = cluster().access().kubectl_with_input(&arguments, &manifest);
        let taken = output.expect("kubectl can be started").into_stdout();
        assert!(taken.is_ok(), "{name}: {taken:?}");
    }
}

#[test]
fn the_first_sample_is_ten_lines_and_leaves_everything_at_its_default() {
    let lines = sample("system-assigned");
    let lines = lines.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(lines.count(), 10);
    let desired = desired("system-assigned");
    assert_eq!(desired.identity, None);
    assert_eq!(desired.key.version, None);
    assert_eq!(desired.role, VaultRole::CryptoServiceEncryptionUser);
    assert_eq!(desired.scope, AssignmentScope::Vault);
    assert_eq!(desired.management, AccessManagement::Manage);
    assert_eq!(desired.on_drift, OnDrift::Correct);
    assert_eq!(desired.mode, Mode::Manage);
    assert!(!desired.replace_existing && !desired.suspend);
}

#[test]
fn the_user_assigned_sample_names_an_identity_and_a_version_and_grants_at_the_key() {
    let desired = desired("user-assigned");
    assert!(desired.identity.is_some());
    assert!(desired.key.version.is_some());
    assert_eq!(desired.scope, AssignmentScope::Key);
}

#[test]
fn the_crypto_officer_sample_asks_for_that_role_and_names_the_key_by_its_url() {
    let desired = desired("crypto-officer");
    assert_eq!(desired.role, VaultRole::CryptoOfficer);
    assert_eq!(desired.key.name.as_str(), "dicom-cmk");
    assert_eq!(desired.key.version, None);
}

#[test]
fn the_observing_sample_writes_nothing_whichever_way_one_looks_at_it() {
    let desired = desired("observe-only");
    assert_eq!(desired.mode, Mode::Observe);
    assert_eq!(desired.management, AccessManagement::Observe);
    assert_eq!(desired.on_drift, OnDrift::Report);
}
