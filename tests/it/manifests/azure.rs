//! The rights in Azure: exactly what the operator's calls need.

use azure_simulator::azure::Operator;
use dicomenc::arm::{
    authorization, deny_assignment, dicom, identity, key_vault, operation, resource_health,
    subscription,
};
use dicomenc::azure::{DicomServiceId, IdentityId, KeyName, KeyVersion, VaultId, VaultRole};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{base, only, strings, text};

fn role(file: &str) -> Value {
    serde_json::from_str(&text(&format!("deploy/azure/{file}"))).expect("a role is JSON")
}

/// The action of each call that the operator makes, and the one that attaching an identity needs.
fn used() -> Vec<&'static str> {
    let group =
        "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging/providers";
    let service =
        format!("{group}/Microsoft.HealthcareApis/workspaces/clinic/dicomservices/radiology");
    let service: DicomServiceId = service.parse().expect("it is a DICOM service");
    let vault = format!("{group}/Microsoft.KeyVault/vaults/clinic-keys");
    let vault: VaultId = vault.parse().expect("it is a vault");
    let own = format!("{group}/Microsoft.ManagedIdentity/userAssignedIdentities/radiology");
    let own: IdentityId = own.parse().expect("it is an identity");
    let key: KeyName = "dicom-cmk".parse().expect("it is a key's name");
    let version = "0123456789abcdef0123456789abcdef";
    let version: KeyVersion = version.parse().expect("it is a version");
    let assignment = authorization::NewAssignment {
        scope: vault.id().clone(),
        name: Uuid::nil(),
        role: VaultRole::CryptoOfficer.guid(),
        principal_id: Uuid::nil(),
    };
    let link = "https://management.azure.com/result"
        .parse()
        .expect("it is a url");
    let mut actions = vec![
        subscription::get(Uuid::nil()).subject.action,
        dicom::get(&service).subject.action,
        dicom::list(&service.workspace()).subject.action,
        dicom::workspace(&service.workspace()).subject.action,
        dicom::patch_identity(&service, json!({})).subject.action,
        dicom::put(&service, json!({})).subject.action,
        operation::status(link, None).subject.action,
        identity::get(&own).subject.action,
        "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
        key_vault::vault(&vault).subject.action,
        key_vault::vaults(Uuid::nil()).subject.action,
        key_vault::key_version(&vault, &key, &version)
            .subject
            .action,
        key_vault::key_versions(&vault, &key).subject.action,
        deny_assignment::list_in_subscription(Uuid::nil())
            .subject
            .action,
        authorization::list_in_subscription(Uuid::nil())
            .subject
            .action,
        authorization::list_at(vault.id()).subject.action,
        authorization::put(&assignment).subject.action,
        authorization::role_definition(Uuid::nil(), Uuid::nil())
            .subject
            .action,
        resource_health::list_in_subscription(Uuid::nil())
            .subject
            .action,
        resource_health::current(service.id()).subject.action,
    ];
    actions.sort_unstable();
    actions.dedup();
    actions
}

#[test]
fn the_custom_role_has_exactly_the_actions_of_the_operators_calls() {
    let role = role("operator-role.json");
    assert_eq!(strings(&role["Actions"]), used());
    for none in ["NotActions", "DataActions", "NotDataActions"] {
        assert_eq!(role[none], json!([]), "{none}");
    }
}

#[test]
fn no_role_deletes_or_has_a_wildcard() {
    for file in ["operator-role.json", "subscription-role.json"] {
        let role = role(file);
        for action in strings(&role["Actions"]) {
            let (_, verb) = action.rsplit_once('/').expect("an action ends in a verb");
            let harmless = matches!(verb, "read" | "write" | "action");
            assert!(harmless && !action.contains('*'), "{file}: {action}");
        }
        let scopes = strings(&role["AssignableScopes"]);
        assert_eq!(
            scopes,
            ["/subscriptions/11111111-1111-1111-1111-111111111111"]
        );
    }
}

#[test]
fn the_role_at_the_subscription_reads_a_part_of_what_the_operators_own_does() {
    let (own, small) = (role("operator-role.json"), role("subscription-role.json"));
    let own = strings(&own["Actions"]);
    for action in strings(&small["Actions"]) {
        assert!(
            own.contains(&action) && action.ends_with("/read"),
            "{action}"
        );
    }
}

#[test]
fn the_simulated_operator_may_do_what_the_custom_role_and_its_condition_allow() {
    let simulated = Operator::default();
    let role = role("operator-role.json");
    assert_eq!(simulated.actions, strings(&role["Actions"]));
    let guids = [
        VaultRole::CryptoServiceEncryptionUser,
        VaultRole::CryptoOfficer,
    ]
    .map(|given| given.guid().to_string());
    assert_eq!(simulated.grantable_roles, guids);
    assert_eq!(simulated.grantable_principal_types, ["ServicePrincipal"]);
}

#[test]
fn the_condition_lets_two_roles_be_given_and_to_service_principals_only() {
    let condition = text("deploy/azure/role-assignment-condition.txt");
    let words: Vec<&str> = condition.split_whitespace().collect();
    let [user, officer] = [
        VaultRole::CryptoServiceEncryptionUser,
        VaultRole::CryptoOfficer,
    ]
    .map(VaultRole::guid);
    let attribute = "@Request[Microsoft.Authorization/roleAssignments";
    assert_eq!(
        words.join(" "),
        format!(
            "( ( !(ActionMatches{{'Microsoft.Authorization/roleAssignments/write'}}) ) OR \
             ( {attribute}:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{user}, {officer}}} AND \
             {attribute}:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {{'ServicePrincipal'}} ) )"
        )
    );
}

#[test]
fn the_federated_credential_of_the_guide_is_for_the_account_of_the_base() {
    let account = &only(base(), "ServiceAccount")["metadata"];
    let word = |field: &str| account[field].as_str().expect("it is a text").to_owned();
    let subject = format!(
        "--subject system:serviceaccount:{}:{}\n",
        word("namespace"),
        word("name")
    );
    assert!(
        text("deploy/azure/README.md").contains(&subject),
        "{subject}"
    );
}
