//! The CRD on a real API server: what `kubectl apply` takes, and what it says to the rest.

use crate::cluster::cluster;

#[test]
fn a_ten_line_object_is_accepted() {
    let namespace = cluster().namespace("schema");
    let output = cluster().apply(&namespace, TEN_LINES);
    assert!(output.success, "{}", output.stderr);
}

const TEN_LINES: &str = "\
apiVersion: dicomenc.io/v1alpha1
kind: DicomEncryption
metadata: { name: radiology }
spec:
  dicomServiceId: /subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging/providers/Microsoft.HealthcareApis/workspaces/clinic/dicomservices/radiology
  identity: { type: SystemAssigned }
  key:
    vaultId: /subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging/providers/Microsoft.KeyVault/vaults/clinic-keys
    name: dicom-cmk
";
