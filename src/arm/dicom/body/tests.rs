use proptest::{collection::vec, prelude::*};
use serde_json::{Number, json};

use super::*;

const NEW_KEY: &str =
    "https://clinic-keys.vault.azure.net/keys/dicom-cmk/0123456789abcdef0123456789abcdef";
const IDENTITY: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging/providers/Microsoft.ManagedIdentity/userAssignedIdentities/radiology-identity";

fn new_key() -> KeyUrl {
    NEW_KEY.parse().unwrap()
}

fn service() -> Value {
    serde_json::from_str(
        r#"{
        "id": "/subscriptions/s", "name": "clinic/radiology", "type": "T", "systemData": {"createdBy": "x"},
        "location": "westeurope", "etag": "\"5\"", "tags": {"cost": "1", "": ""},
        "identity": {"type": "UserAssigned", "tenantId": "t", "delegatedResources": {"a": 1},
            "userAssignedIdentities": {"/A/b": {"principalId": "p", "clientId": "c", "x": true}, "/C": null}},
        "properties": {
            "provisioningState": "Succeeded", "serviceUrl": "u", "eventState": "Disabled",
            "privateEndpointConnections": [], "authenticationConfiguration": {"authority": "a"},
            "corsConfiguration": {"maxAge": 1440, "origins": ["*"]},
            "publicNetworkAccess": "Enabled", "storageConfiguration": {}, "enableDataPartitions": false,
            "future": {"big": 123456789012345678901234567890, "small": 1.10, "exp": 1E400, "none": null},
            "encryption": {"other": 1, "customerManagedKeyEncryption": {"keyEncryptionKeyUrl": "old", "y": 2}}
        }}"#,
    )
    .unwrap()
}

#[test]
fn the_body_is_what_was_read_but_for_the_key_and_the_read_only_fields() {
    let body = put_body(&service(), None, &new_key()).unwrap();
    let expected: Value = serde_json::from_str(&format!(
        r#"{{"location": "westeurope", "etag": "\"5\"", "tags": {{"cost": "1", "": ""}},
        "identity": {{"type": "UserAssigned", "delegatedResources": {{"a": 1}},
            "userAssignedIdentities": {{"/A/b": {{"x": true}}, "/C": {{}}}}}},
        "properties": {{
            "corsConfiguration": {{"maxAge": 1440, "origins": ["*"]}},
            "publicNetworkAccess": "Enabled", "storageConfiguration": {{}}, "enableDataPartitions": false,
            "future": {{"big": 123456789012345678901234567890, "small": 1.10, "exp": 1E400, "none": null}},
            "encryption": {{"other": 1, "customerManagedKeyEncryption": {{"keyEncryptionKeyUrl": "{NEW_KEY}", "y": 2}}}}
        }}}}"#
    ))
    .unwrap();
    // the text, not the value: numbers and order are the same too
    assert_eq!(body.to_string(), expected.to_string());
}

#[test]
fn a_service_on_microsofts_keys_gets_an_encryption_block() {
    for encryption in [
        None,
        Some(json!(null)),
        Some(json!({})),
        Some(json!({"customerManagedKeyEncryption": null})),
    ] {
        let mut raw = json!({"location": "westeurope", "properties": {}});
        if let Some(encryption) = encryption {
            raw["properties"]["encryption"] = encryption;
        }
        let body = put_body(&raw, None, &new_key()).unwrap();
        assert_eq!(body.pointer(KEY_POINTER), Some(&json!(NEW_KEY)));
    }
}

#[test]
fn the_region_of_the_workspace_is_used_when_the_service_does_not_tell() {
    for raw in [
        json!({"properties": {}}),
        json!({"properties": {}, "location": null}),
        json!({"properties": {}, "location": ""}),
    ] {
        let body = put_body(&raw, Some("northeurope"), &new_key()).unwrap();
        assert_eq!(body["location"], json!("northeurope"));
        assert_eq!(put_body(&raw, None, &new_key()), Err(BodyError::NoLocation));
        assert_eq!(
            put_body(&raw, Some(""), &new_key()),
            Err(BodyError::NoLocation)
        );
    }
    let told = json!({"properties": {}, "location": "westeurope"});
    let body = put_body(&told, Some("northeurope"), &new_key()).unwrap();
    assert_eq!(body["location"], json!("westeurope"));
}

#[test]
fn no_body_is_made_from_a_document_of_another_shape() {
    for raw in [
        json!(null),
        json!([]),
        json!({"location": "x"}),
        json!({"location": "x", "properties": 5}),
        json!({"location": 5, "properties": {}}),
        json!({"location": "x", "properties": {}, "identity": "SystemAssigned"}),
        json!({"location": "x", "properties": {"encryption": []}}),
        json!({"location": "x", "properties": {"encryption": {"customerManagedKeyEncryption": ""}}}),
        json!({"location": "x", "properties": {}, "identity": {"userAssignedIdentities": []}}),
    ] {
        let made = put_body(&raw, None, &new_key());
        assert!(
            matches!(made, Err(BodyError::Shape { .. })),
            "{raw} {made:?}"
        );
    }
    let unversioned = "https://clinic-keys.vault.azure.net/keys/dicom-cmk"
        .parse()
        .unwrap();
    assert_eq!(
        put_body(&service(), None, &unversioned),
        Err(BodyError::NoVersion)
    );
}

#[test]
fn a_revalidation_changes_nothing_not_even_the_spelling_of_the_key() {
    let body = revalidation_body(&service(), None).unwrap();
    assert_eq!(body.pointer(KEY_POINTER), Some(&json!("old")));
    for url in [json!(null), json!(""), json!("  "), json!(7)] {
        let mut raw = service();
        *raw.pointer_mut(KEY_POINTER).unwrap() = url;
        assert_eq!(revalidation_body(&raw, None), Err(BodyError::NoKey));
    }
    let without = json!({"location": "x", "properties": {}});
    assert_eq!(revalidation_body(&without, None), Err(BodyError::NoKey));
}

#[test]
fn a_patch_switches_the_identity_on_and_says_nothing_else() {
    let raw = json!({"tags": {"a": "b"}, "properties": {}, "identity": {"type": "None", "principalId": null}});
    let system = identity_patch(&raw, &WantedIdentity::SystemAssigned).unwrap();
    assert_eq!(system, json!({"identity": {"type": "SystemAssigned"}}));
    let user = WantedIdentity::UserAssigned(IDENTITY.parse().unwrap());
    let attached =
        json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": {IDENTITY: {}}}});
    assert_eq!(
        identity_patch(&json!({"properties": {}}), &user).unwrap(),
        attached
    );
}

#[test]
fn a_patch_keeps_the_identities_that_are_there() {
    let user = WantedIdentity::UserAssigned(IDENTITY.parse().unwrap());
    let other = json!({"identity": {"type": "systemassigned,UserAssigned",
        "userAssignedIdentities": {"/other": {"clientId": "c"}, IDENTITY.to_uppercase(): null}}});
    let body = identity_patch(&other, &user).unwrap();
    assert_eq!(
        body["identity"]["type"],
        json!("SystemAssigned,UserAssigned")
    );
    let kept = body["identity"]["userAssignedIdentities"]
        .as_object()
        .unwrap();
    assert_eq!(
        kept.keys().collect::<Vec<_>>(),
        ["/other", &IDENTITY.to_uppercase()]
    );
    assert!(kept.values().all(|value| *value == json!({})));
    let odd = json!({"identity": {"type": "Martian"}});
    let refused = identity_patch(&odd, &WantedIdentity::SystemAssigned);
    assert_eq!(
        refused,
        Err(BodyError::UnknownIdentity("Martian".to_owned()))
    );
}

/// Any JSON at all, with numbers of any size and precision.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?(e-?[0-9]{1,3})?"
            .prop_map(|text| Value::Number(serde_json::from_str::<Number>(&text).unwrap())),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((any_field(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_field() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z]{0,8}",
        Just("type".to_owned()),
        Just("userAssignedIdentities".to_owned()),
        Just("customerManagedKeyEncryption".to_owned()),
        Just("keyEncryptionKeyUrl".to_owned()),
    ]
}

fn any_service() -> impl Strategy<Value = Value> {
    let object = || {
        vec((any_field(), any_json()), 0..5)
            .prop_map(|fields| Value::Object(fields.into_iter().collect()))
    };
    (object(), object(), prop::option::of(object()), any_json()).prop_map(
        |(mut raw, mut properties, encryption, identity)| {
            for (field, value) in [
                ("provisioningState", json!("Succeeded")),
                ("serviceUrl", json!("u")),
            ] {
                properties[field] = value;
            }
            if let Some(encryption) = encryption {
                properties["encryption"] = encryption;
            }
            raw["id"] = json!("/x");
            raw["location"] = json!("westeurope");
            raw["identity"] = identity;
            raw["properties"] = properties;
            raw
        },
    )
}

/// Every leaf of a document, by its place.
fn leaves(value: &Value, place: &str, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (field, inner) in fields {
                leaves(inner, &format!("{place}/{field}"), out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, inner) in items.iter().enumerate() {
                leaves(inner, &format!("{place}/{index}"), out);
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {
            out.push((place.to_owned(), value.to_string()));
        }
    }
}

fn is_ours(place: &str) -> bool {
    let read_only = READ_ONLY.iter().map(|field| format!("/{field}"));
    let properties = READ_ONLY_PROPERTIES
        .iter()
        .map(|field| format!("/properties/{field}"));
    // identities are compared as a set in a property of their own
    let owned = [
        "/identity".to_owned(),
        "/properties/encryption/customerManagedKeyEncryption/keyEncryptionKeyUrl".to_owned(),
    ];
    read_only
        .chain(properties)
        .chain(owned)
        .any(|ours| place == ours || place.starts_with(&format!("{ours}/")))
}

proptest! {
    #[test]
    fn whatever_is_not_ours_goes_back_exactly_as_it_came(raw in any_service()) {
        let made = put_body(&raw, None, &new_key());
        prop_assume!(made.is_ok());
        let body = made.unwrap();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        leaves(&raw, "", &mut before);
        leaves(&body, "", &mut after);
        before.retain(|(place, value)| !is_ours(place) && !is_hollow_encryption(place, value));
        after.retain(|(place, _)| !is_ours(place));
        prop_assert_eq!(before, after);
        prop_assert_eq!(body.pointer(KEY_POINTER), Some(&json!(NEW_KEY)));
    }

    #[test]
    fn no_identity_is_ever_dropped(raw in any_service()) {
        let before = raw.pointer("/identity/userAssignedIdentities").and_then(Value::as_object);
        let names = |value: Option<&Map<String, Value>>| -> Vec<String> {
            value.into_iter().flatten().map(|(name, _)| name.clone()).collect()
        };
        let wanted = WantedIdentity::UserAssigned(IDENTITY.parse().unwrap());
        for made in [put_body(&raw, None, &new_key()), identity_patch(&raw, &wanted)] {
            let Ok(body) = made else { continue };
            let after = body.pointer("/identity/userAssignedIdentities").and_then(Value::as_object);
            let kept = names(after);
            prop_assert!(names(before).iter().all(|name| kept.contains(name)));
            prop_assert!(after.into_iter().flatten().all(|(_, value)| value.is_object()));
        }
    }
}

/// An encryption block without content, which becomes one with content.
fn is_hollow_encryption(place: &str, value: &str) -> bool {
    let hollow = [
        "/properties/encryption",
        "/properties/encryption/customerManagedKeyEncryption",
    ];
    hollow.contains(&place) && matches!(value, "null" | "{}")
}
