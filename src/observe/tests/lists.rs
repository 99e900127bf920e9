//! Lists that may not be read, cannot be read, or do not tell everything.

use super::*;

fn forbidden(action: &str) -> Reply {
    let message = format!(
        "The client 'x' does not have authorization to perform action '{action}' over scope '/s'."
    );
    Reply::Status(403, error("AuthorizationFailed", &message))
}

#[tokio::test(start_paused = true)]
async fn a_list_that_may_not_be_read_is_replaced_by_single_reads_and_rested() {
    let objects = two_objects();
    let mut world = World::new().sweeping();
    world.estate(&objects);
    let path = workspace_list(&objects[0].0);
    world.azure.put(&path, forbidden("a/read"));
    world.watch(&objects);
    world.pass(1).await;
    for (service, _) in &objects {
        assert!(is_present(&world, &Want::Service(service.clone())));
    }
    world.pass(280).await;
    assert_eq!(world.azure.count(&path), 1);
    assert!(world.azure.count(&objects[0].0.to_string()) >= 2);
    world.pass(141).await;
    assert_eq!(world.azure.count(&path), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_the_action_that_is_missing() {
    let objects = two_objects();
    let mut world = World::new().sweeping();
    world.estate(&objects);
    let read = "Microsoft.Authorization/roleAssignments/read";
    world.azure.put(&assignments_path(), forbidden(read));
    let at_vault = format!(
        "{}/providers/Microsoft.Authorization/roleAssignments",
        objects[0].1
    );
    world.azure.put(&at_vault, forbidden(read));
    let scope = objects[1].1.to_string();
    let at_other = format!("{scope}/providers/Microsoft.Authorization/roleAssignments");
    let rows = [assignment_json(&scope, 2, 2, ENCRYPTION_USER)];
    world.azure.json(&at_other, list(&rows));
    world.watch(&objects);
    world.pass(1).await;
    let fact = world.fact(&Want::Assignments(objects[0].1.clone()));
    let Seen::Refused { denial, .. } = fact.seen else {
        panic!("{fact:?}");
    };
    assert!(denial.message.contains(read), "{denial:?}");
    assert!(is_present(&world, &Want::Assignments(objects[1].1.clone())));
}

#[tokio::test(start_paused = true)]
async fn one_odd_row_does_not_hide_the_others() {
    let objects = two_objects();
    let mut world = settled(&objects).await;
    let rows = [json!({"id": 5}), service_json(&objects[1].0, 66)];
    world
        .azure
        .json(&workspace_list(&objects[0].0), list(&rows));
    world
        .azure
        .json(&objects[1].0.to_string(), service_json(&objects[1].0, 66));
    assert_eq!(world.pass(126).await, [uid(2)]);
}

#[tokio::test(start_paused = true)]
async fn health_is_read_by_group_and_then_one_by_one_where_lists_are_closed() {
    let objects = two_objects();
    let mut world = World::new().sweeping();
    world.estate(&objects);
    world.azure.put(&health_path(), forbidden("h/read"));
    let group = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/imaging/providers/Microsoft.ResourceHealth/availabilityStatuses"
    );
    let rows = [
        health_json(&objects[0].0, "Available"),
        health_json(&objects[1].0, "Available"),
    ];
    world.azure.json(&group, list(&rows));
    world.watch(&objects);
    world.pass(1).await;
    assert!(is_present(&world, &Want::Health(objects[0].0.clone())));
    assert_eq!(world.azure.count(&current_path(&objects[0].0)), 0);
    world.azure.put(&group, forbidden("h/read"));
    world.azure.json(
        &current_path(&objects[1].0),
        health_json(&objects[1].0, "Unavailable"),
    );
    assert_eq!(world.pass(66).await, [uid(2)]);
}

#[tokio::test(start_paused = true)]
async fn bad_health_is_read_once_more_for_what_azure_recommends() {
    let objects = two_objects();
    let mut world = settled(&objects).await;
    let rows = [
        health_json(&objects[0].0, "Degraded"),
        health_json(&objects[1].0, "Available"),
    ];
    world.azure.json(&health_path(), list(&rows));
    let mut explained = health_json(&objects[0].0, "Degraded");
    explained["properties"]["recommendedActions"] = json!([{"action": "Restore the key"}]);
    let path = current_path(&objects[0].0);
    world.azure.json(&path, explained);
    assert_eq!(world.pass(66).await, [uid(1)]);
    let actions = health_of(&world, &objects[0].0).actions;
    assert_eq!(actions, ["Restore the key"]);
    assert_eq!(world.pass(600).await, Vec::<String>::new());
    assert_eq!(world.azure.count(&path), 1);
}

fn denial_json(scope: &str, actions: &[&str], only_here: bool) -> serde_json::Value {
    let name = Uuid::from_u128(77);
    json!({
        "id": format!("{scope}/providers/Microsoft.Authorization/denyAssignments/{name}"),
        "properties": {
            "denyAssignmentName": "locked", "scope": scope, "doNotApplyToChildScopes": only_here,
            "permissions": [{"dataActions": actions}],
            "principals": [{"id": Uuid::nil().to_string(), "type": "SystemDefined"}],
        },
    })
}

/// What is known of the deny assignments of an object's vault: which of them take key use away.
fn denials(world: &World, (service, vault): &(DicomServiceId, VaultId)) -> Vec<bool> {
    let wants = BTreeSet::from([Want::DenyAssignments(vault.clone())]);
    let observed = world.observer.observed(&desired(service, vault), &wants);
    let rows = observed.denials[vault].last_value().unwrap();
    rows.iter().map(|row| row.takes_key_use).collect()
}

#[tokio::test(start_paused = true)]
async fn one_list_of_deny_assignments_serves_all_vaults_of_a_subscription() {
    let objects = two_objects();
    let mut world = settled(&objects).await;
    assert_eq!(denials(&world, &objects[0]), Vec::<bool>::new());
    let here = objects[0].1.to_string();
    let keys = ["Microsoft.KeyVault/vaults/keys/*"];
    world
        .azure
        .json(&denials_path(), list(&[denial_json(&here, &keys, false)]));
    assert_eq!(world.pass(331).await, [uid(1)]);
    assert_eq!(denials(&world, &objects[0]), [true]);
    assert_eq!(denials(&world, &objects[1]), Vec::<bool>::new());
    let at_vaults = world.azure.asked();
    let at_vault = |path: &&String| path.starts_with(&here) && path.contains("denyassignments");
    assert_eq!(at_vaults.iter().filter(at_vault).count(), 0);
    world.azure.json(&denials_path(), list(&[]));
    assert_eq!(world.pass(331).await, [uid(1)]);
}

#[tokio::test(start_paused = true)]
async fn what_a_deny_assignment_takes_depends_on_its_scope_and_its_actions() {
    let objects = two_objects();
    let subscription = format!("/subscriptions/{SUBSCRIPTION}");
    let key = format!("{}/keys/dicom-cmk", objects[0].1);
    let above = "/providers/Microsoft.Management/managementGroups/all";
    let keys = ["Microsoft.KeyVault/vaults/keys/*"];
    for (row, expected) in [
        (denial_json(&subscription, &keys, false), vec![true]),
        (denial_json(above, &keys, false), vec![true]),
        (denial_json(&key, &keys, true), vec![true]),
        // it does not reach down to the key
        (denial_json(&subscription, &keys, true), vec![]),
        (denial_json(&objects[0].1.to_string(), &keys, true), vec![]),
        (
            denial_json(&subscription, &["Microsoft.Storage/*"], false),
            vec![false],
        ),
    ] {
        let mut world = World::new().sweeping();
        world.estate(&objects);
        world.azure.json(&denials_path(), list(&[row]));
        world.watch(&objects[..1]);
        world.pass(1).await;
        assert_eq!(denials(&world, &objects[0]), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn deny_assignments_that_may_not_be_listed_are_read_at_the_vaults_or_told_as_refused() {
    let objects = two_objects();
    let read = "Microsoft.Authorization/denyAssignments/read";
    let mut world = World::new().sweeping();
    world.estate(&objects);
    world.azure.put(&denials_path(), forbidden(read));
    let at = |vault: &VaultId| format!("{vault}/providers/{}", read.trim_end_matches("/read"));
    let keys = ["Microsoft.KeyVault/*"];
    let row = denial_json(&objects[0].1.to_string(), &keys, false);
    world.azure.json(&at(&objects[0].1), list(&[row]));
    world.azure.put(&at(&objects[1].1), forbidden(read));
    world.watch(&objects);
    world.pass(1).await;
    assert_eq!(denials(&world, &objects[0]), [true]);
    let fact = world.fact(&Want::DenyAssignments(objects[1].1.clone()));
    let Seen::Refused { denial, .. } = fact.seen else {
        panic!("{fact:?}");
    };
    assert!(denial.message.contains(read), "{denial:?}");
}
