//! What is an ARM id, and what is not.

use proptest::prelude::*;

use super::*;

const SERVICE: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging/providers/Microsoft.HealthcareApis/workspaces/clinic/dicomservices/radiology";

#[test]
fn a_dicom_service_id_gives_its_parts() {
    let id: DicomServiceId = SERVICE.parse().unwrap();
    assert_eq!(id.name(), "radiology");
    assert_eq!(id.id().resource_group(), "imaging");
    assert_eq!(
        id.id().subscription_scope(),
        "/subscriptions/11111111-1111-1111-1111-111111111111"
    );
    assert!(id.workspace().to_string().ends_with("/workspaces/clinic"));
    assert_eq!(id.workspace().service("radiology").unwrap(), id);
}

#[test]
fn ids_that_differ_only_in_case_are_equal() {
    let written: DicomServiceId = SERVICE.parse().unwrap();
    let shouted: DicomServiceId = SERVICE.to_uppercase().parse().unwrap();
    assert_eq!(written, shouted);
    assert_ne!(written.to_string(), shouted.to_string());
}

#[test]
fn a_managed_hsm_is_named_as_not_supported() {
    let id = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/a/providers/Microsoft.KeyVault/managedHSMs/hsm";
    assert_eq!(id.parse::<VaultId>(), Err(ResourceIdError::ManagedHsm));
}

#[test]
fn an_id_of_another_type_is_refused_with_both_types_named() {
    let error = SERVICE.parse::<VaultId>().unwrap_err().to_string();
    assert!(
        error.contains("dicomservices") && error.contains("a vault"),
        "{error}"
    );
}

#[test]
fn malformed_ids_are_refused() {
    let wrong = [
        "",
        "/",
        "radiology",
        "/subscriptions/x/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v",
        "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/g/providers/Microsoft.KeyVault/vaults",
        "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/g/providers/Microsoft.KeyVault/vaults/../v",
        "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v%2f",
        "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups//providers/Microsoft.KeyVault/vaults/vault",
        "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/g/providers/Microsoft.KeyVault/vaults/vault/",
        "//subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/g/providers/Microsoft.KeyVault/vaults/vault",
        "/subscriptions/11111111111111111111111111111111/resourceGroups/g/providers/Microsoft.KeyVault/vaults/vault",
    ];
    for text in wrong {
        assert!(text.parse::<VaultId>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn parsing_never_panics_and_display_round_trips(text in "\\PC{0,200}") {
        if let Ok(id) = text.parse::<ResourceId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }
}
