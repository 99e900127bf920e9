//! Probes read what a decision rests on, and no more.

use k8s_openapi::jiff::SignedDuration;

use super::*;

const SOON: SignedDuration = SignedDuration::from_secs(30);

fn all(objects: &[(DicomServiceId, VaultId)]) -> BTreeSet<Want> {
    wants(&objects[0].0, &objects[0].1).into_iter().collect()
}

/// Watched, but nobody sweeps.
fn unswept(objects: &[(DicomServiceId, VaultId)]) -> World {
    let world = World::new();
    world.estate(objects);
    let at_vault = format!(
        "{}/providers/Microsoft.Authorization/roleAssignments",
        objects[0].1
    );
    let scope = objects[0].1.to_string();
    let rows = [assignment_json(&scope, 1, 1, ENCRYPTION_USER)];
    world.azure.json(&at_vault, list(&rows));
    let denials = at_vault.replace("roleAssignments", "denyAssignments");
    world.azure.json(&denials, list(&[]));
    world.watch(objects);
    world
}

#[tokio::test(start_paused = true)]
async fn a_probe_reads_what_is_unread_directly() {
    let objects = two_objects();
    let world = unswept(&objects);
    world
        .observer
        .probe(&all(&objects), SignedDuration::MAX)
        .await;
    for want in all(&objects) {
        assert!(is_present(&world, &want), "{want:?}");
    }
    let asked = world.azure.asked();
    assert_eq!(asked.len(), 8, "{asked:?}");
    assert!(asked.contains(&objects[0].0.to_string().to_lowercase()));
}

#[tokio::test(start_paused = true)]
async fn a_probe_does_not_read_again_what_is_young_enough() {
    let objects = two_objects();
    let mut world = unswept(&objects);
    world.observer.probe(&all(&objects), SOON).await;
    world.azure.asked();
    world.pass(29).await;
    world.observer.probe(&all(&objects), SOON).await;
    assert_eq!(world.azure.asked(), Vec::<String>::new());
    world.pass(2).await;
    world.observer.probe(&all(&objects), SOON).await;
    assert_eq!(world.azure.asked().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn what_we_wrote_to_is_read_again_however_young_it_is() {
    let objects = two_objects();
    let world = unswept(&objects);
    world.observer.probe(&all(&objects), SOON).await;
    world.azure.asked();
    world.observer.touched(&Want::Service(objects[0].0.clone()));
    world.observer.probe(&all(&objects), SOON).await;
    assert_eq!(
        world.azure.asked(),
        [objects[0].0.to_string().to_lowercase()]
    );
    world.observer.probe(&all(&objects), SOON).await;
    assert_eq!(world.azure.asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_read_that_began_before_our_write_does_not_count() {
    let objects = two_objects();
    let world = unswept(&objects);
    let want = BTreeSet::from([Want::Service(objects[0].0.clone())]);
    let touch = async {
        tokio::task::yield_now().await;
        // the answer is under way, and was given before the write
        assert_eq!(world.azure.count(&objects[0].0.to_string()), 1);
        world.observer.touched(&Want::Service(objects[0].0.clone()));
    };
    futures::join!(world.observer.probe(&want, SOON), touch);
    assert_eq!(
        world.fact(&Want::Service(objects[0].0.clone())).seen,
        Seen::Unread
    );
    world.observer.probe(&want, SOON).await;
    assert!(is_present(&world, &Want::Service(objects[0].0.clone())));
}

#[tokio::test(start_paused = true)]
async fn probes_at_the_same_time_share_their_reads() {
    let objects = two_objects();
    let world = unswept(&objects);
    let wants = all(&objects);
    let probe = || world.observer.probe(&wants, SOON);
    futures::join!(probe(), probe(), probe());
    assert_eq!(world.azure.asked().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_probe_waits_for_a_sweep_that_reads_for_the_first_time() {
    let objects = two_objects();
    let world = World::new().sweeping();
    world.estate(&objects);
    tokio::task::yield_now().await;
    world.watch(&objects[..1]);
    world.observer.probe(&all(&objects), SOON).await;
    for want in all(&objects) {
        assert!(is_present(&world, &want), "{want:?}");
    }
    assert_eq!(world.azure.asked().len(), 8);
    assert_eq!(world.azure.count(&objects[0].0.to_string()), 0);
}

#[tokio::test(start_paused = true)]
async fn a_probe_ends_although_nothing_can_be_read() {
    let objects = two_objects();
    let world = unswept(&objects);
    for want in all(&objects) {
        assert_eq!(world.fact(&want).seen, Seen::Unread);
    }
    world.azure.put(&objects[0].1.to_string(), Reply::Silence);
    world.observer.probe(&all(&objects), SOON).await;
    let fact = world.fact(&Want::Vault(objects[0].1.clone()));
    assert_eq!(fact.seen, Seen::Unread);
    assert_eq!(
        fact.trouble.map(|trouble| trouble.kind),
        Some(TroubleKind::Unreachable)
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_probe_reads_for_nobody_is_not_kept() {
    let objects = two_objects();
    let world = unswept(&objects);
    let other = vault("other-keys");
    world.azure.json(&other.to_string(), vault_json(&other));
    let want = Want::Vault(other);
    world
        .observer
        .probe(&BTreeSet::from([want.clone()]), SOON)
        .await;
    assert!(is_present(&world, &want));
    world.observer.forget(&uid(1));
    world.observer.watch(&uid(1), &BTreeSet::new());
    world.observer.watch(&uid(1), &all(&objects));
    let key = world.observer.keyed(super::super::source::Item::Want(want));
    assert_eq!(world.observer.lock().fact(&key), None);
}
