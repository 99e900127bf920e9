//! The overlay of the guide for one operator per team: nothing of it collides with another team's.

use std::fs;

use serde_json::Value;

use super::{base, only, project, rendered, strings, text};

/// The overlay as the guide has it.
fn overlay() -> Vec<Value> {
    let guide = text("deploy/azure/README.md");
    let block = guide
        .split("```yaml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("the guide has one");
    let folder = "target/teams/team-a";
    fs::create_dir_all(project(folder)).expect("the folder can be made");
    let block = block.replace("../deploy", "../../../deploy");
    fs::write(project(folder).join("kustomization.yaml"), block).expect("it can be written");
    rendered(folder)
}

#[test]
fn the_overlay_of_a_team_has_a_namespace_and_an_account_of_its_own_and_no_crd() {
    let overlay = overlay();
    let account = only(&overlay, "ServiceAccount");
    let (name, space) = (&account["metadata"]["name"], "dicomenc-team-a");
    assert_eq!(account["metadata"]["namespace"], space);
    let client = "azure.workload.identity/client-id";
    assert!(account["metadata"]["annotations"][client].is_string());

    for object in &overlay {
        let kind = object["kind"].as_str().expect("a kind is text");
        let metadata = &object["metadata"];
        match kind {
            "Namespace" => assert_eq!(metadata["name"], space),
            // the same for all teams
            "ClusterRole" => assert!(base().contains(object)),
            "ClusterRoleBinding" => assert_eq!(metadata["name"], "dicomenc-operator-team-a"),
            "CustomResourceDefinition" => panic!("the CRD belongs to all teams"),
            _ => assert_eq!(metadata["namespace"], space, "{kind}"),
        }
        for subject in object["subjects"].as_array().into_iter().flatten() {
            assert_eq!(
                (&subject["name"], &subject["namespace"]),
                (name, &space.into())
            );
        }
    }

    let pod = &only(&overlay, "Deployment")["spec"]["template"]["spec"];
    let arguments = strings(&pod["containers"][0]["args"]);
    assert!(arguments.contains(&"--namespace=team-a"), "{arguments:?}");
    let subject = format!(
        "`system:serviceaccount:{space}:{}`",
        name.as_str().expect("a name is text")
    );
    assert!(text("deploy/azure/README.md").contains(&subject));
}
