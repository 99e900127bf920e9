use http::StatusCode;
use serde_json::json;

use super::*;

const VERSION: &str = "0123456789abcdef0123456789abcdef";

fn decoded<T>(call: &Call<T>, body: &Value) -> Result<T, Undecodable> {
    (call.decode.0)(StatusCode::OK, body.to_string().as_bytes())
}

fn vault() -> VaultId {
    "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging/providers/Microsoft.KeyVault/vaults/clinic-keys"
        .parse()
        .unwrap()
}

fn name() -> KeyName {
    "dicom-cmk".parse().unwrap()
}

fn bundle(modulus: &str) -> Value {
    json!({
        "key": {
            "kid": format!("https://clinic-keys.vault.azure.net/keys/dicom-cmk/{VERSION}"),
            "kty": "RSA-HSM", "key_ops": ["wrapKey", "unwrapKey"], "n": modulus, "e": "AQAB",
        },
        "attributes": {
            "enabled": true, "exp": 1_798_761_600, "created": 1_767_225_600, "updated": 1_767_225_700,
            "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90,
        },
        "tags": {},
    })
}

/// A modulus of so many bytes.
fn modulus(bytes: usize) -> String {
    // whole groups of four digits hold three bytes; the last group holds the rest
    let digits = (bytes * 8).div_ceil(6);
    "_".repeat(digits)
}

#[test]
fn a_list_shows_every_version_with_its_attributes_and_its_page() {
    let body = json!({
        "value": [
            {"kid": format!("https://clinic-keys.vault.azure.net/keys/dicom-cmk/{VERSION}"),
             "attributes": {"enabled": false, "nbf": 5, "updated": 7, "recoveryLevel": "Recoverable"}},
            {"kid": "https://clinic-keys.vault.azure.net/keys/dicom-cmk/ffffffffffffffffffffffffffffffff"},
        ],
        "nextLink": "https://clinic-keys.vault.azure.net:443/keys/dicom-cmk/versions?api-version=7.5&$skiptoken=x",
    });
    let page = decoded(&versions(&vault(), &name()), &body).unwrap();
    assert!(page.next_link.is_some());
    let (first, second) = (&page.items[0], &page.items[1]);
    assert_eq!(first.version(), VERSION.parse().ok());
    assert_eq!(first.enabled, Some(false));
    assert_eq!(first.not_before, Timestamp::from_second(5).ok());
    assert_eq!(first.updated, Timestamp::from_second(7).ok());
    assert_eq!((first.size, &first.operations), (None, &None));
    assert_eq!(second.enabled, None);
}

#[test]
fn a_version_is_read_with_type_operations_and_the_size_of_its_modulus() {
    let call = version(&vault(), &name(), &VERSION.parse().unwrap());
    for (bytes, size) in [(256, 2048), (384, 3072), (512, 4096)] {
        let read = decoded(&call, &bundle(&modulus(bytes))).unwrap();
        assert_eq!(
            (read.key_type, read.size),
            (Some(KeyType::RsaHsm), Some(size))
        );
        assert_eq!(read.operations.as_ref().map(Vec::len), Some(2));
        assert_eq!(read.updated, Timestamp::from_second(1_767_225_700).ok());
        assert_eq!(
            read.recovery_level.as_deref(),
            Some("Recoverable+Purgeable")
        );
    }
    // an empty byte in front, as some writers put it, does not count
    let padded = format!("AA{}", modulus(257).split_at(2).1);
    assert_eq!(bits(&padded), Some(2048));
    // the first bits of the first byte may be 0 where the number is made up
    assert_eq!(
        bits(&format!("M{}", modulus(256).split_at(1).1)),
        Some(2048)
    );
    for wrong in ["", "AAAA", "not base64!", "==="] {
        assert_eq!(bits(wrong), None, "{wrong}");
    }
    let elliptic = json!({"key": {"kid": "https://v/keys/k/x", "kty": "EC", "crv": "P-256"}});
    let read = decoded(&call, &elliptic).unwrap();
    assert_eq!(
        (read.key_type, read.size),
        (Some(KeyType::Other("EC".to_owned())), None)
    );
}

#[test]
fn a_deleted_key_tells_when_it_was_deleted_and_when_it_goes() {
    let call = deleted_key(&vault(), &name());
    let mut body = bundle(&modulus(256));
    body["deletedDate"] = json!(1_767_225_600);
    body["scheduledPurgeDate"] = json!(1_775_001_600);
    let read = decoded(&call, &body).unwrap();
    assert_eq!(read.deleted_at, "2026-01-01T00:00:00Z".parse().ok());
    assert_eq!(read.purge_at, "2026-04-01T00:00:00Z".parse().ok());
    let without = decoded(&call, &json!({"key": {}})).unwrap();
    assert_eq!((without.deleted_at, without.purge_at), (None, None));
}

#[test]
fn dates_that_cannot_be_read_are_an_error_and_never_an_absence() {
    let call = version(&vault(), &name(), &VERSION.parse().unwrap());
    for wrong in [json!("2027-01-01"), json!(1.5), json!(i64::MAX)] {
        let mut body = bundle(&modulus(256));
        body["attributes"]["exp"] = wrong;
        assert_eq!(decoded(&call, &body).unwrap_err().path, "attributes.exp");
    }
}

#[test]
fn calls_name_the_key_by_path_and_never_a_host() {
    let version = version(&vault(), &name(), &VERSION.parse().unwrap());
    let paths = [
        (
            versions(&vault(), &name()).target,
            "/keys/dicom-cmk/versions".to_owned(),
        ),
        (version.target, format!("/keys/dicom-cmk/{VERSION}")),
        (
            deleted_key(&vault(), &name()).target,
            "/deletedkeys/dicom-cmk".to_owned(),
        ),
    ];
    for (target, path) in paths {
        let expected = Target::Path {
            path,
            api_version: "7.5",
            query: &[],
        };
        assert_eq!(target, expected);
    }
}
