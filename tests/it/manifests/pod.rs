//! The operator's pod: its posture, its flags, its network.

use std::ffi::OsString;

use dicomenc::admin::BindAddress;
use dicomenc::cli::{self, Command, CredentialSettings, Environment, Settings};
use serde_json::{Value, json};

use super::{base, only, rendered, strings};

fn pod(objects: &[Value]) -> &Value {
    &only(objects, "Deployment")["spec"]["template"]
}

fn container(objects: &[Value]) -> &Value {
    let containers = pod(objects)["spec"]["containers"].as_array();
    let [container] = containers.expect("a pod has containers").as_slice() else {
        panic!("there are several containers");
    };
    container
}

/// What the operator makes of the Deployment's arguments, with these variables set.
fn settings(objects: &[Value], variables: &[(&str, &str)]) -> Settings {
    let arguments = strings(&container(objects)["args"]);
    let arguments = ["dicomenc"].into_iter().chain(arguments);
    let environment: Environment = variables.iter().copied().collect();
    match cli::command(arguments.map(OsString::from), &environment) {
        Ok(Command::Operator(settings)) => *settings,
        other => panic!("the arguments do not run the operator: {other:?}"),
    }
}

/// The variables that the webhook of workload identity sets.
const WEBHOOK: [(&str, &str); 4] = [
    ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/"),
    ("AZURE_CLIENT_ID", "22222222-2222-2222-2222-222222222222"),
    (
        "AZURE_FEDERATED_TOKEN_FILE",
        "/var/run/secrets/azure/wi/token/azure-identity-token",
    ),
    ("AZURE_TENANT_ID", "99999999-9999-9999-9999-999999999999"),
];

#[test]
fn the_pod_has_the_restricted_posture() {
    let spec = &pod(base())["spec"];
    assert_eq!(
        spec["securityContext"],
        json!({
            "runAsNonRoot": true,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        })
    );
    assert_eq!(
        container(base())["securityContext"],
        json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        })
    );
    assert_eq!(spec["enableServiceLinks"], false);
    for absent in [
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "volumes",
        "initContainers",
    ] {
        assert_eq!(spec.get(absent), None, "{absent}");
    }
}

#[test]
fn only_the_operators_pod_asks_for_the_token_of_its_account() {
    let account = only(base(), "ServiceAccount");
    assert_eq!(account["automountServiceAccountToken"], false);
    assert_eq!(pod(base())["spec"]["automountServiceAccountToken"], true);
}

#[test]
fn the_pod_is_bounded_in_memory_and_asks_for_little() {
    assert_eq!(
        container(base())["resources"],
        json!({
            "requests": {"cpu": "10m", "memory": "32Mi"},
            "limits": {"memory": "128Mi"},
        })
    );
}

#[test]
fn the_base_runs_as_a_candidate_for_the_lease_that_its_role_names() {
    let settings = settings(base(), &WEBHOOK);
    let election = settings.leader_election.expect("a leader is elected");
    let role = only(base(), "Role");
    assert_eq!(role["rules"][0]["resourceNames"], json!([election.id]));
    // none given: the pod's own namespace, which is the role's
    assert_eq!(election.namespace, None);
    assert_eq!(settings.namespace, None);
}

#[test]
fn the_base_signs_in_by_workload_identity() {
    let label = &pod(base())["metadata"]["labels"]["azure.workload.identity/use"];
    assert_eq!(label, "true");
    let CredentialSettings::WorkloadIdentity { principal, .. } =
        settings(base(), &WEBHOOK).azure.credential
    else {
        panic!("it signs in otherwise");
    };
    assert_eq!(principal.client_id, "22222222-2222-2222-2222-222222222222");
}

#[test]
fn without_workload_identity_there_is_a_variant_that_reaches_the_metadata_endpoint() {
    let variant = rendered("deploy/managed-identity");
    assert_eq!(
        settings(&variant, &[]).azure.credential,
        CredentialSettings::ManagedIdentity { client_id: None }
    );
    let hole =
        |object: &&Value| object["metadata"]["name"] == "dicomenc-operator-metadata-endpoint";
    let hole = variant.iter().find(hole).expect("there is a policy for it");
    assert_eq!(
        hole["spec"]["egress"],
        json!([{
            "to": [{"ipBlock": {"cidr": "169.254.169.254/32"}}],
            "ports": [{"protocol": "TCP", "port": 80}],
        }])
    );
    let base_policy = only(base(), "NetworkPolicy");
    assert!(!base_policy.to_string().contains("169.254.169.254"));
}

#[test]
fn probes_and_metrics_are_asked_where_the_operator_serves_them() {
    let settings = settings(base(), &WEBHOOK);
    let ports = container(base())["ports"].as_array().expect("it has ports");
    let named = |name: &str| {
        let port = ports.iter().find(|port| port["name"] == name);
        port.unwrap_or_else(|| panic!("no port {name}"))["containerPort"].to_string()
    };
    let served = |address: BindAddress| match address {
        BindAddress::At(address) => address.port().to_string(),
        BindAddress::Off => panic!("nothing is served"),
    };
    assert_eq!(named("metrics"), served(settings.metrics_address));
    assert_eq!(named("health"), served(settings.health_address));
    let probe = |kind: &str| container(base())[kind]["httpGet"].clone();
    assert_eq!(
        probe("livenessProbe"),
        json!({"path": "/livez", "port": "health"})
    );
    assert_eq!(
        probe("readinessProbe"),
        json!({"path": "/readyz", "port": "health"})
    );
    let service = &only(base(), "Service")["spec"];
    assert_eq!(service["ports"][0]["targetPort"], "metrics");
    assert_eq!(service["selector"], selector());
}

#[test]
fn the_network_policy_denies_all_but_https_names_probes_and_admitted_scrapers() {
    let policy = &only(base(), "NetworkPolicy")["spec"];
    assert_eq!(policy["podSelector"]["matchLabels"], selector());
    assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(
        policy["ingress"],
        json!([
            {"ports": [{"protocol": "TCP", "port": 8081}]},
            {
                "from": [{"namespaceSelector": {"matchLabels": {"metrics": "enabled"}}}],
                "ports": [{"protocol": "TCP", "port": 8080}],
            },
        ])
    );
    let egress = policy["egress"].as_array().expect("there is a way out");
    let ports = |rule: &Value| rule["ports"].clone();
    assert_eq!(
        egress.iter().map(ports).collect::<Vec<_>>(),
        [
            json!([{"protocol": "TCP", "port": 443}]),
            json!([{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]),
        ]
    );
    // https goes to addresses that change; names are asked of the cluster's DNS alone
    assert_eq!(egress[0].get("to"), None);
    assert_eq!(egress[1]["to"].as_array().map(Vec::len), Some(3));
}

/// What the Deployment's pods are known by.
fn selector() -> Value {
    let deployment = &only(base(), "Deployment")["spec"];
    let selector = &deployment["selector"]["matchLabels"];
    for (label, value) in selector.as_object().expect("there are labels") {
        assert_eq!(&deployment["template"]["metadata"]["labels"][label], value);
    }
    selector.clone()
}
