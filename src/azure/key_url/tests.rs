//! What is a Key Identifier, and what only looks like one.

use proptest::prelude::*;

use super::*;

const VERSION: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn a_key_identifier_gives_its_parts() {
    let url: KeyUrl = format!("https://Clinic-Keys.vault.azure.net/keys/dicom-cmk/{VERSION}")
        .parse()
        .unwrap();
    assert_eq!(url.vault_name(), "clinic-keys");
    assert_eq!(url.vault_suffix(), "vault.azure.net");
    assert_eq!(url.name().as_str(), "dicom-cmk");
    assert_eq!(url.version().unwrap().as_str(), VERSION);
}

#[test]
fn the_default_port_and_a_trailing_slash_do_not_matter() {
    let plain: KeyUrl = "https://clinic-keys.vault.azure.net/keys/dicom-cmk"
        .parse()
        .unwrap();
    let azure: KeyUrl = "https://clinic-keys.vault.azure.net:443/keys/dicom-cmk/"
        .parse()
        .unwrap();
    assert_eq!(plain, azure);
    assert_eq!(
        azure.to_string(),
        "https://clinic-keys.vault.azure.net/keys/dicom-cmk"
    );
}

#[test]
fn names_and_versions_compare_without_regard_to_case() {
    let lower: KeyUrl = format!("https://clinic-keys.vault.azure.net/keys/dicom-cmk/{VERSION}")
        .parse()
        .unwrap();
    let upper: KeyUrl = format!(
        "https://CLINIC-KEYS.vault.azure.net/keys/DICOM-CMK/{}",
        VERSION.to_uppercase()
    )
    .parse()
    .unwrap();
    assert!(lower.is_same(&upper));
}

#[test]
fn a_managed_hsm_is_named_as_not_supported() {
    let error = "https://hsm.managedhsm.azure.net/keys/k"
        .parse::<KeyUrl>()
        .unwrap_err();
    assert!(matches!(error, KeyUrlError::ManagedHsm(_)), "{error}");
}

#[test]
fn hostile_urls_are_refused() {
    let wrong = [
        "http://clinic-keys.vault.azure.net/keys/k",
        "https://user@clinic-keys.vault.azure.net/keys/k",
        "https://clinic-keys.vault.azure.net:8443/keys/k",
        "https://clinic-keys.vault.azure.net/keys/k?x=1",
        "https://clinic-keys.vault.azure.net/keys/k#x",
        "https://clinic-keys.vault.azure.net/secrets/k",
        "https://clinic-keys.vault.azure.net/keys/",
        "https://clinic-keys.vault.azure.net/keys/../keys/k",
        "https://clinic-keys.vault.azure.net./keys/k",
        "https://clinic-keys.vault.azure.net\\@evil.example/keys/k",
        "https://clinic\u{2024}keys.vault.azure.net/keys/k",
        "https://clinic-keys.vault.azure.net/keys/k\r\nHost: evil",
        "https://clinic-keys.vault.azure.net/keys/k/123",
        "https://clinic-keys.vault.azure.net/keys/k%2f",
        "https://clinic-keys/keys/k",
        "https://[::1]/keys/k",
    ];
    for text in wrong {
        assert!(text.parse::<KeyUrl>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn parsing_never_panics_and_the_normal_form_is_stable(text in "https://[a-zA-Z0-9.:/@%-]{0,80}") {
        if let Ok(url) = text.parse::<KeyUrl>() {
            prop_assert_eq!(url.to_string().parse::<KeyUrl>().unwrap(), url);
        }
    }
}
