use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::arm::{dicom::AttachedIdentity, key_vault::Firewall};

fn dicom(identity: ServiceIdentity, state: &str, key_url: Option<&str>) -> DicomService {
    DicomService {
        id: "/x".to_owned(),
        location: None,
        etag: None,
        modified_at: None,
        identity,
        provisioning_state: ProvisioningState::parse(Some(state)),
        key_url: key_url.map(str::to_owned),
        service_url: None,
        raw: json!({}),
    }
}

fn user(id: &str) -> AttachedIdentity {
    AttachedIdentity {
        id: id.to_owned(),
        principal_id: Some(Uuid::from_u128(5)),
        client_id: None,
    }
}

const IDENTITY: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/radiology";

#[test]
fn the_identities_of_a_service_are_told_apart() {
    let system = ServiceIdentity {
        system_assigned: true,
        principal_id: Some(Uuid::from_u128(4)),
        ..ServiceIdentity::default()
    };
    let users = ServiceIdentity {
        user_assigned: vec![user(IDENTITY)],
        ..ServiceIdentity::default()
    };
    let both = ServiceIdentity {
        user_assigned: vec![user(IDENTITY)],
        ..system.clone()
    };
    let attached =
        |identity| service(&dicom(identity, "Succeeded", None)).map(|read| read.identity);
    assert_eq!(attached(ServiceIdentity::default()), Ok(Attached::None));
    let principal = Uuid::from_u128(4);
    assert_eq!(attached(system), Ok(Attached::System { principal }));
    assert_eq!(attached(both), Ok(Attached::Both));
    let expected = UserAttached {
        id: IDENTITY.parse().unwrap(),
        principal: Some(Uuid::from_u128(5)),
    };
    assert_eq!(attached(users), Ok(Attached::User(vec![expected])));
}

#[test]
fn an_identity_that_makes_no_sense_is_no_fact() {
    let odd = [
        ServiceIdentity {
            system_assigned: true,
            ..ServiceIdentity::default()
        },
        ServiceIdentity {
            unknown_kind: Some("Cloud".to_owned()),
            ..ServiceIdentity::default()
        },
        ServiceIdentity {
            user_assigned: vec![user("/x")],
            ..ServiceIdentity::default()
        },
    ];
    for identity in odd {
        assert!(
            service(&dicom(identity.clone(), "Succeeded", None)).is_err(),
            "{identity:?}"
        );
    }
}

#[test]
fn only_a_service_at_rest_is_not_busy() {
    let read = |state| {
        let none = ServiceIdentity::default();
        service(&dicom(none, state, None)).unwrap().provisioning
    };
    assert_eq!(read("succeeded"), Provisioning::Succeeded);
    assert_eq!(read("FAILED"), Provisioning::Failed("Failed".to_owned()));
    assert_eq!(
        read("Canceled"),
        Provisioning::Failed("Canceled".to_owned())
    );
    for word in ["Updating", "Suspended", "Whatever", ""] {
        assert!(matches!(read(word), Provisioning::Busy(_)), "{word}");
    }
}

#[test]
fn the_key_of_a_service_is_read_in_its_normal_form_or_kept_as_it_is() {
    let read = |url| {
        let none = ServiceIdentity::default();
        service(&dicom(none, "Succeeded", url)).unwrap().encryption
    };
    let url =
        "https://clinic-keys.vault.azure.net:443/keys/dicom-cmk/0123456789ABCDEF0123456789abcdef";
    assert_eq!(read(None), Encryption::MicrosoftManaged);
    assert_eq!(
        read(Some(url)),
        Encryption::CustomerManaged(url.parse().unwrap())
    );
    assert_eq!(
        read(Some("ftp://x")),
        Encryption::Unreadable("ftp://x".to_owned())
    );
}

fn bare_vault() -> key_vault::Vault {
    key_vault::Vault {
        id: "/x".to_owned(),
        location: None,
        tenant_id: Some(Uuid::from_u128(9)),
        uri: None,
        soft_delete: None,
        purge_protection: None,
        role_based: None,
        public_network_access: None,
        firewall: None,
        provisioning_state: None,
    }
}

#[test]
fn what_a_vault_leaves_out_is_read_as_azure_documents_it() {
    let expected = Vault {
        tenant: Uuid::from_u128(9),
        soft_delete: true,
        purge_protection: false,
        rbac: false,
        network: VaultNetwork::Open,
        bypass: true,
        resolvable: true,
    };
    assert_eq!(vault(&bare_vault()), Ok(Value::Vault(expected)));
    let no_tenant = key_vault::Vault {
        tenant_id: None,
        ..bare_vault()
    };
    assert!(vault(&no_tenant).is_err());
}

#[test]
fn who_gets_through_to_a_vault_follows_from_three_words() {
    use VaultNetwork::{Closed, Open, Perimeter, TrustedServices};
    let table = [
        (None, None, Open),
        (Some("Enabled"), None, Open),
        (Some("disabled"), None, TrustedServices),
        (Some("Enabled"), Some((None, Some("Allow"))), Open),
        (None, Some((Some("None"), None)), Open),
        (None, Some((None, Some("deny"))), TrustedServices),
        (
            None,
            Some((Some("azureservices"), Some("Deny"))),
            TrustedServices,
        ),
        (None, Some((Some("None"), Some("Deny"))), Closed),
        (
            Some("Disabled"),
            Some((Some("None"), Some("Allow"))),
            Closed,
        ),
        (
            Some("securedByPerimeter"),
            Some((Some("AzureServices"), Some("Allow"))),
            Perimeter,
        ),
    ];
    for (access, firewall, expected) in table {
        let read = key_vault::Vault {
            public_network_access: access.map(str::to_owned),
            firewall: firewall.map(|(bypass, action)| Firewall {
                bypass: bypass.map(str::to_owned),
                default_action: action.map(str::to_owned),
            }),
            ..bare_vault()
        };
        assert_eq!(network(&read), expected, "{access:?} {firewall:?}");
    }
}

fn assigned(scope: &str) -> RoleAssignment {
    RoleAssignment {
        id: format!("{scope}/providers/Microsoft.Authorization/roleAssignments/x"),
        scope: scope.to_owned(),
        role: Some(Uuid::from_u128(1)),
        principal_id: Some(Uuid::from_u128(2)),
        principal_type: None,
        condition: Some("a condition".to_owned()),
        created_on: Some("2026-03-01T08:00:00Z".parse().unwrap()),
        updated_on: None,
    }
}

#[test]
fn the_age_of_an_assignment_is_by_azures_own_clock() {
    let date: Timestamp = "2026-03-01T08:07:00Z".parse().unwrap();
    let read = assignment(&assigned("/subscriptions/s"), Some(date)).unwrap();
    assert_eq!(read.age.map(|age| age.as_secs()), Some(420));
    assert!(read.conditional);
    assert_eq!(read.gives_key_use, None);
    assert_eq!(
        assignment(&assigned("/subscriptions/s"), None).unwrap().age,
        None
    );
}

#[test]
fn an_assignment_made_within_the_second_of_the_answer_has_no_age_yet() {
    let mut made = assigned("/subscriptions/s");
    made.created_on = Some("2026-03-01T08:07:00.9Z".parse().unwrap());
    let date: Timestamp = "2026-03-01T08:07:00Z".parse().unwrap();
    let read = assignment(&made, Some(date)).unwrap();
    assert_eq!(read.age, Some(SignedDuration::ZERO));
}

#[test]
fn an_assignment_above_subscriptions_or_to_nobody_is_not_counted() {
    let above = "/providers/Microsoft.Management/managementGroups/m";
    assert_eq!(assignment(&assigned(above), None), None);
    let nobody = RoleAssignment {
        principal_id: None,
        ..assigned("/subscriptions/s")
    };
    assert_eq!(assignment(&nobody, None), None);
}

#[test]
fn a_key_version_must_say_its_type_and_operations() {
    let key = Key {
        id: "/x".to_owned(),
        key_type: Some(KeyType::RsaHsm),
        size: Some(3072),
        operations: Some(vec!["wrapKey".to_owned()]),
        enabled: None,
        not_before: None,
        expires: None,
        created: None,
        updated: None,
        recovery_level: None,
        uri_with_version: None,
    };
    let Ok(Value::Version(facts)) = version(&key) else {
        panic!("a version");
    };
    assert_eq!(
        (facts.key_type.as_str(), facts.attributes.enabled),
        ("RSA-HSM", true)
    );
    assert!(
        version(&Key {
            key_type: None,
            ..key.clone()
        })
        .is_err()
    );
    assert!(
        version(&Key {
            operations: None,
            ..key
        })
        .is_err()
    );
}
