use serde_json::json;

use super::*;

fn version_of_a_key() -> Value {
    json!({
        "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v/keys/k/versions/0123456789ABCDEF0123456789abcdef",
        "properties": {
            "kty": "rsa-hsm", "keySize": 3072, "keyOps": ["wrapKey", "UNWRAPKEY"],
            "keyUriWithVersion": "https://v.vault.azure.net:443/keys/k/0123456789abcdef0123456789abcdef/",
            "attributes": {"enabled": true, "nbf": 1_767_225_600, "exp": 1_798_761_600, "created": 5, "recoveryLevel": "Recoverable"},
        },
    })
}

#[test]
fn a_key_version_is_read_with_type_size_operations_and_dates() {
    let read = decode_key(version_of_a_key()).unwrap();
    assert_eq!(
        (read.key_type.clone(), read.size),
        (Some(KeyType::RsaHsm), Some(3072))
    );
    let operations = ["wrapKey", "UNWRAPKEY"].map(str::to_owned).to_vec();
    assert_eq!(read.operations, Some(operations));
    assert_eq!(
        read.not_before,
        Some("2026-01-01T00:00:00Z".parse().unwrap())
    );
    assert_eq!(read.expires, Some("2027-01-01T00:00:00Z".parse().unwrap()));
    assert_eq!(
        read.version(),
        "0123456789abcdef0123456789abcdef".parse().ok()
    );
    let without_url = Key {
        uri_with_version: None,
        ..read
    };
    assert_eq!(
        without_url.version(),
        "0123456789abcdef0123456789abcdef".parse().ok()
    );
}

#[test]
fn dates_that_cannot_be_read_are_an_error_and_never_an_absence() {
    for wrong in [json!("2027-01-01"), json!(1.5), json!(i64::MAX), json!("5")] {
        let mut raw = version_of_a_key();
        raw["properties"]["attributes"]["exp"] = wrong;
        assert_eq!(
            decode_key(raw).unwrap_err().path,
            "properties.attributes.exp"
        );
    }
    let mut without = version_of_a_key();
    without["properties"]["attributes"]["exp"] = json!(null);
    assert_eq!(decode_key(without).unwrap().expires, None);
}

#[test]
fn rows_of_a_list_are_read_without_type_size_and_operations() {
    let row = json!({"id": "/x/keys/k", "properties": {"attributes": {"enabled": false}, "keyUri": "https://v/keys/k"}});
    let read = decode_key(row).unwrap();
    assert_eq!(
        (read.enabled, read.key_type, read.operations),
        (Some(false), None, None)
    );
    let bare = decode_key(json!({"id": "/x", "properties": {"attributes": null}})).unwrap();
    assert_eq!((bare.enabled, bare.version()), (None, None));
}

#[test]
fn types_that_cannot_encrypt_a_service_keep_their_word() {
    assert_eq!(KeyType::parse("RSA"), KeyType::Rsa);
    assert_eq!(
        KeyType::parse("EC-HSM"),
        KeyType::Other("EC-HSM".to_owned())
    );
}

#[test]
fn a_vault_keeps_apart_what_is_off_and_what_is_not_said() {
    let read = decode_vault(&json!({
        "id": "/v", "location": "westeurope",
        "properties": {
            "tenantId": "99999999-9999-9999-9999-999999999999", "vaultUri": "https://v.vault.azure.net/",
            "enableSoftDelete": true, "enableRbacAuthorization": false, "publicNetworkAccess": "Disabled",
            "networkAcls": {"bypass": "None", "defaultAction": "Deny", "ipRules": []},
        },
    }))
    .unwrap();
    assert_eq!(
        (read.soft_delete, read.purge_protection, read.role_based),
        (Some(true), None, Some(false))
    );
    let firewall = Firewall {
        bypass: Some("None".to_owned()),
        default_action: Some("Deny".to_owned()),
    };
    assert_eq!(read.firewall, Some(firewall));
    let odd = json!({"id": "/v", "properties": {"enablePurgeProtection": "yes"}});
    assert_eq!(
        decode_vault(&odd).unwrap_err().path,
        "properties.enablePurgeProtection"
    );
}

#[test]
fn calls_name_the_key_and_its_version() {
    let vault_id: VaultId = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging/providers/Microsoft.KeyVault/vaults/clinic-keys"
        .parse()
        .unwrap();
    let (name, version) = (
        "dicom-cmk".parse().unwrap(),
        "0123456789abcdef0123456789abcdef".parse().unwrap(),
    );
    let call = key_version(&vault_id, &name, &version);
    let Target::Path {
        path,
        api_version,
        query: [],
    } = call.target
    else {
        panic!()
    };
    assert_eq!(
        path,
        format!("{vault_id}/keys/dicom-cmk/versions/0123456789abcdef0123456789abcdef")
    );
    assert_eq!(api_version, "2026-02-01");
    assert_eq!(
        call.subscription,
        Some(Uuid::from_u128(0x1111_1111_1111_1111_1111_1111_1111_1111))
    );
}
