//! Nothing is called gone that was not looked for twice.

use super::*;

#[tokio::test(start_paused = true)]
async fn one_404_is_no_absence() {
    let objects = two_objects();
    let mut world = settled(&objects).await;
    world.azure.remove(&vaults_path());
    let want = Want::Vault(objects[0].1.clone());
    let gone = Reply::Status(404, error("ResourceNotFound", "gone"));
    world.azure.once(&objects[0].1.to_string(), gone);
    assert_eq!(world.pass(66).await, Vec::<String>::new());
    assert!(is_present(&world, &want));
    assert!(world.azure.count(&objects[0].1.to_string()) >= 2);
}

#[tokio::test(start_paused = true)]
async fn two_404s_are_an_absence_and_its_end_is_told_too() {
    let objects = two_objects();
    let mut world = settled(&objects).await;
    world.azure.remove(&vaults_path());
    let want = Want::Vault(objects[0].1.clone());
    let path = objects[0].1.to_string();
    world.azure.remove(&path);
    assert_eq!(world.pass(66).await, [uid(1)]);
    assert!(matches!(world.fact(&want).seen, Seen::Absent { .. }));
    // it goes on being absent with one look at a time
    world.azure.asked();
    assert_eq!(world.pass(300).await, Vec::<String>::new());
    let looks = world.azure.count(&path);
    assert!((4..=6).contains(&looks), "{looks}");
    world.azure.json(&path, vault_json(&objects[0].1));
    assert_eq!(world.pass(66).await, [uid(1)]);
}

#[tokio::test(start_paused = true)]
async fn what_never_was_there_is_looked_for_twice_too() {
    let objects = two_objects();
    let mut world = World::new().sweeping();
    world.estate(&objects);
    let path = version_path(&objects[0].1);
    world.azure.remove(&path);
    world.watch(&objects);
    world.pass(2).await;
    assert_eq!(world.azure.count(&path), 2);
    let [.., version, _, _, _, _] = &wants(&objects[0].0, &objects[0].1)[..] else {
        panic!("eight wants");
    };
    assert!(matches!(world.fact(version).seen, Seen::Absent { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_we_do_not_see_is_no_absence() {
    let objects = two_objects();
    let mut world = settled(&objects).await;
    world.azure.remove(&vaults_path());
    let unseen = error("SubscriptionNotFound", "could not be found");
    let path = objects[0].1.to_string();
    world.azure.put(&path, Reply::Status(404, unseen));
    assert_eq!(world.pass(66).await, [uid(1)]);
    let want = Want::Vault(objects[0].1.clone());
    assert!(matches!(world.fact(&want).seen, Seen::Refused { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_a_list_leaves_out_is_read_directly() {
    let objects = two_objects();
    let mut world = settled(&objects).await;
    let want = Want::Service(objects[1].0.clone());
    let one = list(&[service_json(&objects[0].0, 1)]);
    world.azure.json(&workspace_list(&objects[0].0), one);
    assert_eq!(world.pass(126).await, Vec::<String>::new());
    assert!(is_present(&world, &want));
    world.azure.remove(&objects[1].0.to_string());
    assert_eq!(world.pass(126).await, [uid(2)]);
    assert!(matches!(world.fact(&want).seen, Seen::Absent { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_a_list_leaves_out_is_read_directly() {
    let objects = two_objects();
    let mut world = settled(&objects).await;
    let want = Want::Vault(objects[1].1.clone());
    let one = list(&[vault_json(&objects[0].1)]);
    world.azure.json(&vaults_path(), one);
    assert_eq!(world.pass(66).await, Vec::<String>::new());
    assert!(is_present(&world, &want));
    world.azure.remove(&objects[1].1.to_string());
    assert_eq!(world.pass(66).await, [uid(2)]);
    assert!(matches!(world.fact(&want).seen, Seen::Absent { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_role_assignment_that_a_list_leaves_out_is_read_directly() {
    let objects = two_objects();
    let mut world = settled(&objects).await;
    let scope = objects[1].1.to_string();
    let rows = [assignment_json(
        &objects[0].1.to_string(),
        1,
        1,
        ENCRYPTION_USER,
    )];
    world.azure.json(&assignments_path(), list(&rows));
    assert_eq!(world.pass(66).await, Vec::<String>::new());
    let path = assignment_id(&scope, 2);
    assert!(world.azure.count(&path) >= 1);
    assert_eq!(assignments_of(&world, &objects[1].1), 1);

    // what cannot be confirmed stays
    world
        .azure
        .put(&path, Reply::Status(503, error("Busy", "later")));
    assert_eq!(world.pass(66).await, Vec::<String>::new());
    assert_eq!(assignments_of(&world, &objects[1].1), 1);

    world.azure.remove(&path);
    assert_eq!(world.pass(66).await, [uid(2)]);
    assert_eq!(assignments_of(&world, &objects[1].1), 0);
}

#[tokio::test(start_paused = true)]
async fn health_that_azure_does_not_have_is_absent_and_seldom_asked_for_again() {
    let objects = two_objects();
    let mut world = World::new().sweeping();
    world.estate(&objects);
    let one = list(&[health_json(&objects[0].0, "Available")]);
    world.azure.json(&health_path(), one);
    let path = current_path(&objects[1].0);
    world.azure.remove(&path);
    world.watch(&objects);
    world.pass(2).await;
    assert_eq!(world.azure.count(&path), 2);
    world.azure.asked();
    world.pass(3_600).await;
    let looks = world.azure.count(&path);
    assert!((8..=13).contains(&looks), "{looks}");
    let want = Want::Health(objects[1].0.clone());
    let fact = world.fact(&want);
    assert!(matches!(fact.seen, Seen::Absent { .. }));
    let age = world.clock.now().duration_since(fact.at().unwrap());
    assert!(age.as_secs() <= 66, "{age}");
}
