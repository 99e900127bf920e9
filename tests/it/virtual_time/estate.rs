//! The estates and objects that the tests start from.

use azure_simulator::azure::World;
use serde_json::{Map, Value, json};

/// The service of the built-in estate.
pub(crate) const SERVICE: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging/providers/Microsoft.HealthcareApis/workspaces/clinic/dicomservices/radiology";

/// The vault of the built-in estate.
pub(crate) const VAULT: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging/providers/Microsoft.KeyVault/vaults/clinic-keys";

/// The user-assigned identity of the built-in estate.
pub(crate) const IDENTITY: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging/providers/Microsoft.ManagedIdentity/userAssignedIdentities/radiology-identity";

/// The built-in estate, whose service has all kinds of settings that a careless write would lose.
pub(crate) fn clinic() -> World {
    let mut world = World::builtin();
    let service = &mut world.services[0];
    service.tags = fields(json!({ "owner": "radiology", "cost": "4711" }));
    // numbers that neither a double nor a 64-bit integer can hold
    let text = r#"{
        "corsConfiguration": { "origins": ["https://viewer.example"], "maxAge": 1440, "allowCredentials": false },
        "storageConfiguration": { "fileSystemName": "dicom", "storageResourceId": "/subscriptions/x/lake" },
        "publicNetworkAccess": "Disabled",
        "enableDataPartitions": true,
        "notYetInvented": { "factor": 1.10, "large": 123456789012345678901234567890, "list": [null, 1e400] }
    }"#;
    service.properties = serde_json::from_str(text).unwrap();
    world
}

/// The same, but the service is encrypted already just as [`object`] asks.
pub(crate) fn encrypted_clinic() -> World {
    let mut world = clinic();
    world.services[0].identity = Some("SystemAssigned".to_owned());
    world.services[0].key = Some("clinic-keys/dicom-cmk".to_owned());
    world
}

/// Ten lines of YAML, as JSON.
pub(crate) fn object(name: &str) -> Value {
    json!({
        "apiVersion": "dicomenc.io/v1alpha1",
        "kind": "DicomEncryption",
        "metadata": { "name": name, "namespace": "default" },
        "spec": {
            "dicomServiceId": SERVICE,
            "identity": { "type": "SystemAssigned" },
            "key": { "vaultId": VAULT, "name": "dicom-cmk" },
        },
    })
}

/// An object whose spec also says this.
pub(crate) fn object_with(name: &str, spec: &Value) -> Value {
    let mut object = object(name);
    json_patch::merge(&mut object["spec"], spec);
    object
}

/// The fields of a JSON object.
pub(crate) fn fields(value: Value) -> Map<String, Value> {
    let Value::Object(fields) = value else {
        panic!("not an object: {value}");
    };
    fields
}
