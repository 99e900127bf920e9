//! Of several ways to read the same, the one with the fewest calls.

use super::*;

/// The objects, and what the health of their services is.
fn clinic(services: usize) -> (Vec<(DicomServiceId, VaultId)>, Vec<serde_json::Value>) {
    let objects: Vec<_> = (0..services)
        .map(|n| {
            (
                service("clinic", &format!("dicom{n}")),
                vault("clinic-keys"),
            )
        })
        .collect();
    let rows = objects
        .iter()
        .map(|(service, _)| health_json(service, "Available"));
    let rows = rows.collect();
    (objects, rows)
}

/// A world in which the health of these services is among so many pages of the subscription, and
/// of their group.
fn world(services: usize, pages: usize, group_pages: usize) -> World {
    let (objects, rows) = clinic(services);
    let world = World::new().sweeping();
    world.estate(&objects);
    world.pages(&health_path(), &rows, pages);
    world.pages(&group_health_path(), &rows, group_pages);
    world.watch(&objects);
    world
}

fn asked_about_health(world: &World) -> Vec<String> {
    let mut asked = world.azure.asked();
    asked.retain(|path| path.contains("availabilitystatuses"));
    asked
}

#[tokio::test(start_paused = true)]
async fn the_list_of_a_group_is_tried_when_that_of_the_subscription_has_many_pages() {
    let mut world = world(9, 6, 1);
    world.pass(1).await;
    assert_eq!(asked_about_health(&world).len(), 6);
    world.pass(1_800).await;
    let asked = asked_about_health(&world);
    let group = group_health_path().to_lowercase();
    assert!(asked.iter().all(|path| *path == group), "{asked:?}");
    assert!((60..=61).contains(&asked.len()), "{}", asked.len());
}

#[tokio::test(start_paused = true)]
async fn a_groups_list_that_turns_out_dearer_is_left_alone_for_an_hour() {
    let mut world = world(9, 3, 5);
    let group = group_health_path().to_lowercase();
    let tries = |asked: &[String]| asked.iter().filter(|path| **path == group).count();
    world.pass(1).await;
    world.pass(1_800).await;
    let first = asked_about_health(&world);
    assert_eq!(tries(&first), 1);
    assert!((180..=190).contains(&first.len()), "{}", first.len());
    // what a list costs is looked at anew every hour
    world.pass(3_600).await;
    assert_eq!(tries(&asked_about_health(&world)), 1);
}

#[tokio::test(start_paused = true)]
async fn one_service_among_thousands_of_resources_is_read_by_itself() {
    let mut world = world(1, 6, 4);
    world.pass(120).await;
    world.azure.asked();
    world.pass(600).await;
    let (objects, _) = clinic(1);
    let asked = asked_about_health(&world);
    let alone = current_path(&objects[0].0).to_lowercase();
    assert!(asked.iter().all(|path| *path == alone), "{asked:?}");
    assert!((19..=21).contains(&asked.len()), "{}", asked.len());
}

#[tokio::test(start_paused = true)]
async fn a_list_of_vaults_with_more_pages_than_we_have_vaults_is_not_read() {
    let objects = two_objects();
    let world = World::new();
    world.estate(&objects);
    let rows = [vault_json(&objects[0].1), vault_json(&objects[1].1)];
    world.pages(&vaults_path(), &rows, 3);
    let mut world = world.sweeping();
    world.watch(&objects);
    world.pass(2).await;
    world.azure.asked();
    world.pass(600).await;
    assert_eq!(world.azure.count(&vaults_path()), 0);
    let alone = world.azure.count(&objects[0].1.to_string());
    assert!((9..=11).contains(&alone), "{alone}");
}

/// Two hundred services whose health no list tells: it may not be read, or leaves them out.
#[tokio::test(start_paused = true)]
async fn many_single_reads_take_turns_and_are_fresh_for_three_of_their_own_intervals() {
    const SERVICES: usize = 200;
    let denied = || {
        let denied = error("AuthorizationFailed", "action 'h/read' over scope '/s'");
        Reply::Status(403, denied)
    };
    let (objects, _) = clinic(SERVICES);
    for reply in [denied(), Reply::Json(list(&[]))] {
        let mut world = World::new();
        world.estate(&objects);
        for path in [health_path(), group_health_path()] {
            world.azure.put(&path, reply.clone());
        }
        world = world.sweeping();
        world.watch(&objects);
        world.pass(180).await;
        world.azure.asked();
        world.pass(600).await;
        let asked = asked_about_health(&world).len();
        // one tenth of 25 reads a second
        assert!((1_300..=1_575).contains(&asked), "{asked}");
        for (service, _) in &objects {
            let fact = world.fact(&Want::Health(service.clone()));
            // 75 in each half minute, so that it takes three
            assert_eq!(fact.interval.as_secs(), 90);
            let age = world.clock.now().duration_since(fact.at().unwrap());
            assert!(age.as_secs() <= 125, "{age}");
            assert_eq!(fact.trouble, None);
        }
        assert!(age(&world, "resource_health") <= 125);
    }
}

#[tokio::test(start_paused = true)]
async fn when_all_services_turn_bad_at_once_all_are_told_and_few_are_read_by_themselves() {
    const SERVICES: usize = 500;
    let (objects, _) = clinic(SERVICES);
    let mut world = world(SERVICES, 1, 1);
    world.pass(61).await;
    let rows = objects
        .iter()
        .map(|(service, _)| health_json(service, "Unavailable"));
    let rows: Vec<_> = rows.collect();
    world.azure.json(&health_path(), list(&rows));
    for (service, _) in &objects {
        let alone = health_json(service, "Unavailable");
        world.azure.json(&current_path(service), alone);
    }
    world.azure.asked();
    assert_eq!(world.pass(31).await.len(), SERVICES);
    let alone = asked_about_health(&world).len();
    assert!((20..=22).contains(&alone), "{alone}");
    for (service, _) in &objects {
        let fact = world.fact(&Want::Health(service.clone()));
        assert_eq!(fact.trouble, None);
    }
}
