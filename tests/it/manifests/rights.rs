//! The rights in Kubernetes: the least that the operator works with.

use serde_json::{Value, json};

use super::{base, only};

fn of_kind(kind: &str) -> Vec<&'static Value> {
    base()
        .iter()
        .filter(|object| object["kind"] == kind)
        .collect()
}

fn named(kind: &str, name: &str) -> &'static Value {
    of_kind(kind)
        .into_iter()
        .find(|object| object["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("there is no {kind} {name}"))
}

#[test]
fn the_operator_reads_its_objects_patches_their_status_and_tells_events_and_nothing_else() {
    assert_eq!(
        named("ClusterRole", "dicomenc-operator")["rules"],
        json!([
            {
                "apiGroups": ["dicomenc.io"],
                "resources": ["dicomencryptions"],
                "verbs": ["get", "list", "watch"],
            },
            {
                "apiGroups": ["dicomenc.io"],
                "resources": ["dicomencryptions/status"],
                "verbs": ["patch"],
            },
            {
                "apiGroups": ["events.k8s.io"],
                "resources": ["events"],
                "verbs": ["create", "patch"],
            },
        ])
    );
}

#[test]
fn the_operator_has_one_lease_in_its_own_namespace() {
    let role = only(base(), "Role");
    assert_eq!(role["metadata"]["namespace"], "dicomenc-system");
    assert_eq!(
        role["rules"],
        json!([
            {
                "apiGroups": ["coordination.k8s.io"],
                "resources": ["leases"],
                "resourceNames": ["dicomenc-operator"],
                "verbs": ["get", "update"],
            },
            {
                "apiGroups": ["coordination.k8s.io"],
                "resources": ["leases"],
                "verbs": ["create"],
            },
        ])
    );
}

#[test]
fn roles_are_bound_to_the_account_of_the_pod_and_to_nobody_else() {
    let bindings = [of_kind("ClusterRoleBinding"), of_kind("RoleBinding")].concat();
    let bound: Vec<&Value> = bindings.iter().map(|binding| &binding["roleRef"]).collect();
    let reference = |kind: &str, name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
    assert_eq!(
        bound,
        [
            &reference("ClusterRole", "dicomenc-operator"),
            &reference("Role", "dicomenc-operator-lease"),
        ]
    );
    let account = only(base(), "ServiceAccount");
    assert_eq!(
        only(base(), "Deployment")["spec"]["template"]["spec"]["serviceAccountName"],
        account["metadata"]["name"]
    );
    for binding in bindings {
        assert_eq!(
            binding["subjects"],
            json!([{
                "kind": "ServiceAccount",
                "name": account["metadata"]["name"],
                "namespace": account["metadata"]["namespace"],
            }])
        );
    }
}

#[test]
fn whoever_edits_a_namespace_does_not_get_to_use_the_operators_rights_by_the_way() {
    let aggregated = |name: &str| {
        let labels = named("ClusterRole", name)["metadata"]["labels"].as_object();
        let labels = labels.expect("it has labels").keys();
        labels
            .filter(|label| label.starts_with("rbac.authorization.k8s.io/aggregate-to-"))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        aggregated("dicomenc-viewer"),
        ["rbac.authorization.k8s.io/aggregate-to-view"]
    );
    assert_eq!(aggregated("dicomenc-editor"), Vec::<String>::new());
    assert_eq!(aggregated("dicomenc-operator"), Vec::<String>::new());
}

#[test]
fn no_role_has_a_wildcard_and_none_reaches_beyond_our_own_objects_events_and_leases() {
    let roles = [of_kind("ClusterRole"), of_kind("Role")].concat();
    assert_eq!(roles.len(), 4);
    for role in roles {
        let name = &role["metadata"]["name"];
        for rule in role["rules"].as_array().expect("it has rules") {
            assert!(!rule.to_string().contains('*'), "{name}: {rule}");
            assert_eq!(rule.get("nonResourceURLs"), None, "{name}");
            let group = &rule["apiGroups"][0];
            let groups = ["dicomenc.io", "events.k8s.io", "coordination.k8s.io"];
            assert!(groups.iter().any(|known| group == known), "{name}: {rule}");
        }
    }
}

#[test]
fn nothing_secret_is_deployed_and_no_webhook() {
    let mut kinds: Vec<&str> = base()
        .iter()
        .filter_map(|object| object["kind"].as_str())
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(
        kinds,
        [
            "ClusterRole",
            "ClusterRoleBinding",
            "CustomResourceDefinition",
            "Deployment",
            "Namespace",
            "NetworkPolicy",
            "Role",
            "RoleBinding",
            "Service",
            "ServiceAccount",
        ]
    );
}
