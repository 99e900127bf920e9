//! The end of the operator: what stays behind, and that nothing hangs. A control plane of its own,
//! for the CRD goes.

use controlplane::{ControlPlane, Options};

use super::estate::Estate;
use super::operator::{Operator, RADIOLOGY, apply, wait_for_ready};

#[test]
fn an_uninstalled_operator_leaves_azure_as_it_is_and_nothing_hangs() {
    let options = Options {
        controllers: true,
        ..Options::default()
    };
    let plane = ControlPlane::start(&options).unwrap();
    let access = plane.access();
    let estate = Estate::start("uninstalled");
    let mut operator = Operator::start(access, &estate, "uninstalled", &[]);
    operator.wait_until_ready();
    apply(access, "default", RADIOLOGY);
    wait_for_ready(access, ("default", "radiology"), ["True", "Healthy"]);
    let before = estate.writes();

    assert!(operator.stop().success());
    let base = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/base");
    let gone = ["delete", "-k", base, "--wait", "--timeout=60s"];
    access.kubectl(&gone).unwrap().into_stdout().unwrap();
    let left = access.kubectl(&["get", "dicomencryptions", "-A"]).unwrap();
    assert!(!left.success, "{}", left.stdout);
    assert_eq!(estate.writes(), before);
    let url = estate.key_url().unwrap_or_default();
    assert!(
        url.starts_with("https://clinic-keys.vault.azure.net/keys/dicom-cmk/"),
        "{url}"
    );
}
