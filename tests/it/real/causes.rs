//! Every cause of a loss, of a risk and of doubt, made one by one in Azure: each has its own reason
//! in the status, and a message with what to do.

use azure_simulator::azure::{KeySpec, NamedSpec, ServiceSpec, VaultSpec, World};
use controlplane::{Access, KubectlOutput};
use serde_json::{Map, Value, json};

use super::estate::Estate;
use super::operator::{LONG_LIMIT, Operator, within};
use crate::cluster::cluster;

const GROUP: &str =
    "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging/providers";

/// What somebody does in the portal, to a service, its vault, its key `cmk` (with versions `OLD` and
/// `NEW`, of which the service uses the second) or its identity, which all have one name, `@` here;
/// and what the object says then.
struct Cause {
    name: &'static str,
    done: &'static [&'static str],
    state: &'static str,
    reason: &'static str,
    remedy: &'static str,
}

#[test]
fn each_cause_has_a_reason_of_its_own_and_a_message_that_names_the_remedy() {
    let cluster = cluster();
    let access = cluster.access();
    let namespace = cluster.namespace("causes");
    let estate = Estate::with("causes", world(CAUSES));
    // slower than in the other tests, or the budget of calls would hold some back
    let flags = [
        "--namespace",
        &namespace,
        "--propagation-wait=4s",
        "--health-interval=3s",
        "--vault-interval=1s",
        "--service-interval=3s",
        "--resource-health-interval=3s",
        "--configuration-interval=10s",
    ];
    let operator = Operator::start_at_pace(access, &estate, "causes", &flags);
    operator.wait_until_ready();
    let objects: Vec<Value> = CAUSES.iter().map(object).collect();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
    let output = cluster.apply(&namespace, &list.to_string());
    assert!(output.success, "{}", output.stderr);
    let healthy = |object: &Value, _: &Cause| word(object, "Ready") == "True/Healthy";
    await_all(access, &namespace, CAUSES, healthy);

    for round in 0..2 {
        for cause in CAUSES {
            if let Some(words) = cause.done.get(round) {
                estate.set(&cause.spell(words, &estate.show()));
            }
        }
        // a vault must have been seen deleted before it is seen to be back
        if round == 0 {
            let gone = |object: &Value, cause: &Cause| {
                cause.name != "recovered"
                    || word(object, "KeyAccessible").ends_with("/VaultDeleted")
            };
            await_all(access, &namespace, CAUSES, gone);
        }
    }
    await_all(access, &namespace, CAUSES, |object, cause| {
        object["status"]["keyAccess"]["state"] == cause.state
            && conditions(object).any(|own| cause.is_told_by(own))
    });
    let writes = estate.writes();
    assert_eq!(
        writes,
        Vec::<String>::new(),
        "somebody else has to act in all of these"
    );
}

const fn cause(
    name: &'static str,
    done: &'static [&'static str],
    state: &'static str,
    [reason, remedy]: [&'static str; 2],
) -> Cause {
    Cause {
        name,
        done,
        state,
        reason,
        remedy,
    }
}

/// One vault, key, identity and encrypted service for each cause.
fn world(causes: &[Cause]) -> World {
    let mut world = World::builtin();
    let named = |cause: &Cause| NamedSpec {
        name: cause.name.to_owned(),
        resource_group: None,
    };
    world.identities = causes.iter().map(named).collect();
    world.vaults = causes.iter().map(vault).collect();
    world.services = causes.iter().map(service).collect();
    // only a vault's own host tells of deleted keys
    world.open_data_planes();
    world
}

fn vault(cause: &Cause) -> VaultSpec {
    let key = KeySpec {
        name: "cmk".to_owned(),
        kty: None,
        key_size: None,
        key_ops: None,
        versions: Some(2),
        attributes: Map::new(),
    };
    VaultSpec {
        name: cause.name.to_owned(),
        resource_group: None,
        properties: Map::new(),
        keys: vec![key],
    }
}

fn service(cause: &Cause) -> ServiceSpec {
    let identity = if cause.has_own_identity() {
        cause.name
    } else {
        "SystemAssigned"
    };
    ServiceSpec {
        name: cause.name.to_owned(),
        workspace: None,
        identity: Some(identity.to_owned()),
        key: Some(format!("{}/cmk", cause.name)),
        tags: Map::new(),
        properties: Map::new(),
    }
}

impl Cause {
    /// Whether a user-assigned identity of its name reads the key.
    fn has_own_identity(&self) -> bool {
        self.reason == "IdentityDeleted"
    }

    /// The words with its name, and with the versions of its key as they are.
    fn spell(&self, words: &str, estate: &Value) -> String {
        let vaults = estate["vaults"].as_array().into_iter().flatten();
        let mut own = vaults.filter(|vault| vault["name"] == self.name);
        let versions = own.next().map(|vault| vault["keys"][0]["versions"].clone());
        let version = |place: usize| {
            let found = versions.as_ref().map(|all| &all[place]["version"]);
            found.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let words = words.replace('@', self.name);
        words
            .replace("OLD", &version(0))
            .replace("NEW", &version(1))
    }

    /// Whether a condition has the reason and names the remedy.
    fn is_told_by(&self, condition: &Value) -> bool {
        let message = condition["message"].as_str().unwrap_or_default();
        condition["reason"] == self.reason && message.contains(self.remedy)
    }
}

fn object(cause: &Cause) -> Value {
    let name = cause.name;
    let identity = if cause.has_own_identity() {
        let id = format!("{GROUP}/Microsoft.ManagedIdentity/userAssignedIdentities/{name}");
        json!({ "type": "UserAssigned", "userAssignedIdentityId": id })
    } else {
        json!({ "type": "SystemAssigned" })
    };
    // the operator keeps its hands off: it is to be seen telling
    let spec = json!({
        "dicomServiceId": format!("{GROUP}/Microsoft.HealthcareApis/workspaces/clinic/dicomservices/{name}"),
        "identity": identity,
        "onDrift": "Report",
        "access": { "management": "Observe" },
        "key": {
            "vaultId": format!("{GROUP}/Microsoft.KeyVault/vaults/{name}"),
            "name": "cmk",
        },
    });
    json!({
        "apiVersion": "dicomenc.io/v1alpha1",
        "kind": "DicomEncryption",
        "metadata": { "name": name },
        "spec": spec,
    })
}

/// Waits until every object is as wanted; fails with those that are not.
fn await_all(
    access: &Access,
    namespace: &str,
    causes: &[Cause],
    wanted: impl Fn(&Value, &Cause) -> bool,
) {
    within(LONG_LIMIT, "every object to be as wanted", || {
        let objects = all(access, namespace);
        let mut wrong = Vec::new();
        for cause in causes {
            let found = objects
                .iter()
                .find(|own| own["metadata"]["name"] == cause.name);
            if !found.is_some_and(|own| wanted(own, cause)) {
                wrong.push(format!("{}:", cause.name));
                for own in found.into_iter().flat_map(conditions) {
                    wrong.push(format!("  {own}"));
                }
            }
        }
        let right = wrong.is_empty().then_some(());
        right.ok_or_else(|| wrong.join("\n"))
    });
}

fn all(access: &Access, namespace: &str) -> Vec<Value> {
    let arguments = ["get", "dicomencryptions", "-n", namespace, "-o", "json"];
    let output = access.kubectl(&arguments);
    let text = output.and_then(KubectlOutput::into_stdout);
    let list: Value = serde_json::from_str(&text.unwrap_or_default()).unwrap_or_default();
    list["items"].as_array().cloned().unwrap_or_default()
}

/// Status and reason of a condition.
fn word(object: &Value, kind: &str) -> String {
    let [status, reason, _] = super::operator::condition(object, kind);
    format!("{status}/{reason}")
}

fn conditions(object: &Value) -> impl Iterator<Item = &Value> {
    let conditions = object.pointer("/status/conditions");
    conditions.and_then(Value::as_array).into_iter().flatten()
}

const CAUSES: &[Cause] = &[
    cause(
        "disabled",
        &["key @/cmk disabled"],
        "Lost",
        ["KeyDisabled", "--enabled true"],
    ),
    cause(
        "expired",
        &["key @/cmk expired"],
        "Lost",
        ["KeyExpired", "--expires"],
    ),
    cause(
        "deleted",
        &["key @/cmk deleted"],
        "Lost",
        ["KeyDeleted", "az keyvault key recover --vault-name deleted"],
    ),
    cause(
        "purged",
        &["key @/cmk deleted", "key @/cmk purged"],
        "Lost",
        ["KeyPurged", "az keyvault key restore --vault-name purged"],
    ),
    cause(
        "missing",
        &["key @/cmk/NEW deleted"],
        "Lost",
        ["KeyVersionMissing", "restore a backup of the key"],
    ),
    cause(
        "old",
        &["key @/cmk/OLD disabled"],
        "AtRisk",
        ["OldKeyVersionUnusable", "--enabled true"],
    ),
    cause(
        "early",
        &["key @/cmk not-yet-valid"],
        "Lost",
        ["KeyNotYetValid", "--not-before"],
    ),
    cause(
        "unwrap",
        &["key @/cmk unwrap-forbidden"],
        "Lost",
        ["KeyOperationMissing", "--ops wrapKey unwrapKey"],
    ),
    cause(
        "vanished",
        &["vault @ deleted"],
        "Lost",
        ["VaultDeleted", "az keyvault recover --name vanished"],
    ),
    cause(
        "recovered",
        &["vault @ deleted", "vault @ recovered"],
        "Lost",
        ["VaultRecoveredWithoutGrants", "assign "],
    ),
    cause(
        "shut",
        &["vault @ bypass-off", "vault @ firewall-closed"],
        "Lost",
        ["VaultFirewallClosed", "--bypass AzureServices"],
    ),
    cause(
        "perimeter",
        &["vault @ perimeter-closed"],
        "Lost",
        ["PerimeterBlocks", "perimeter"],
    ),
    cause(
        "nameless",
        &["vault @ registering-dns"],
        "Lost",
        ["VaultNotReachable", "open a case with Microsoft"],
    ),
    cause(
        "off",
        &["identity @ off"],
        "Lost",
        ["IdentityDisabled", "enable the identity"],
    ),
    cause(
        "unhoused",
        &["identity @ deleted"],
        "Lost",
        ["IdentityDeleted", "create another one, attach it"],
    ),
    cause(
        "renewed",
        &["identity @ off", "identity @ on"],
        "Lost",
        ["PrincipalChanged", "set again"],
    ),
    cause(
        "ungranted",
        &["role-assignments @ removed"],
        "Lost",
        ["GrantMissing", "assign "],
    ),
    cause(
        "denied",
        &["deny-assignments @ added"],
        "Lost",
        ["DenyAssignment", "spare the principal"],
    ),
    cause(
        "condition",
        &["role-assignments @ conditional"],
        "Unknown",
        ["GrantConditional", "remove the condition"],
    ),
    cause(
        "unserved",
        &["service @ deleted"],
        "Unknown",
        ["ServiceNotFound", "does not exist"],
    ),
    cause(
        "failed",
        &["health @ unknown", "service @ provisioning Failed"],
        "Unknown",
        ["ServiceFailed", "activity log"],
    ),
    cause(
        "ill",
        &["health @ unavailable"],
        "Unknown",
        ["ServiceUnhealthy", "Azure recommends"],
    ),
    cause(
        "reverted",
        &["service @ key removed"],
        "Unknown",
        ["CmkRemoved", "Microsoft-managed"],
    ),
    cause(
        "expiring",
        &["key @/cmk expires-in 20d"],
        "AtRisk",
        ["KeyExpiring", "--expires"],
    ),
    cause(
        "purgeable",
        &["vault @ purge-protection-off"],
        "AtRisk",
        ["PurgeProtectionOff", "--enable-purge-protection true"],
    ),
    cause(
        "nobypass",
        &["vault @ bypass-off"],
        "AtRisk",
        ["TrustedServicesBypassOff", "--bypass AzureServices"],
    ),
];
