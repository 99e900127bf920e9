//! What goes wrong on the way never replaces what was seen.

use super::world::FakeAzure;
use super::*;
use crate::arm::budget::Limit;

fn trouble(world: &World, want: &Want) -> Option<TroubleKind> {
    world.fact(want).trouble.map(|trouble| trouble.kind)
}

async fn keeps_its_value(reply: Reply, kind: TroubleKind) {
    let objects = two_objects();
    let mut world = settled(&objects).await;
    world.azure.remove(&vaults_path());
    let want = Want::Vault(objects[0].1.clone());
    let before = world.fact(&want).seen;
    world.azure.put(&objects[0].1.to_string(), reply);
    assert_eq!(world.pass(110).await, Vec::<String>::new());
    let fact = world.fact(&want);
    assert_eq!(fact.trouble.map(|trouble| trouble.kind), Some(kind));
    match (before, fact.seen) {
        (Seen::Present { value: before, .. }, Seen::Present { value, .. }) => {
            assert_eq!(before, value);
        }
        other => panic!("{other:?}"),
    }
    world
        .azure
        .json(&objects[0].1.to_string(), vault_json(&objects[0].1));
    assert_eq!(world.pass(120).await, Vec::<String>::new());
    assert_eq!(trouble(&world, &want), None);
}

#[tokio::test(start_paused = true)]
async fn a_server_error_keeps_what_was_seen() {
    let reply = Reply::Status(503, error("ServiceUnavailable", "later"));
    keeps_its_value(reply, TroubleKind::Unreachable).await;
}

#[tokio::test(start_paused = true)]
async fn a_throttled_read_keeps_what_was_seen() {
    let reply = Reply::Status(429, error("TooManyRequests", "slowly"));
    keeps_its_value(reply, TroubleKind::Throttled).await;
}

#[tokio::test(start_paused = true)]
async fn garbage_keeps_what_was_seen() {
    let reply = Reply::Json(json!({"id": 5}));
    keeps_its_value(reply, TroubleKind::Unreachable).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_lacks_what_it_must_have_keeps_what_was_seen() {
    let reply = Reply::Json(json!({"id": "/x", "properties": {}}));
    keeps_its_value(reply, TroubleKind::Unreachable).await;
}

#[tokio::test(start_paused = true)]
async fn silence_keeps_what_was_seen() {
    keeps_its_value(Reply::Silence, TroubleKind::Unreachable).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_keeps_what_was_seen() {
    let reply = Reply::Status(401, error("InvalidAuthenticationToken", "who are you"));
    let objects = two_objects();
    let mut world = settled(&objects).await;
    world.azure.remove(&vaults_path());
    let want = Want::Vault(objects[0].1.clone());
    world.azure.put(&objects[0].1.to_string(), reply);
    world.pass(70).await;
    assert_eq!(trouble(&world, &want), Some(TroubleKind::NotAuthorised));
    assert!(is_present(&world, &want));
}

#[tokio::test(start_paused = true)]
async fn the_first_trouble_with_something_unread_is_told_once() {
    let objects = two_objects();
    let mut world = World::new().sweeping();
    world.estate(&objects[..1]);
    let down = || Reply::Status(503, error("ServiceUnavailable", "later"));
    world.azure.remove(&vaults_path());
    let path = objects[0].1.to_string();
    world.azure.put(&path, down());
    let want = Want::Vault(objects[0].1.clone());
    world
        .observer
        .watch(&uid(1), &BTreeSet::from([want.clone()]));
    assert_eq!(world.pass(2).await, [uid(1)]);
    assert_eq!(world.pass(600).await, Vec::<String>::new());
    world.azure.json(&path, vault_json(&objects[0].1));
    assert_eq!(world.pass(66).await, [uid(1)]);
}

#[tokio::test(start_paused = true)]
async fn the_return_of_what_had_become_unknown_is_told() {
    let objects = two_objects();
    let mut world = settled(&objects).await;
    world.azure.remove(&vaults_path());
    world.azure.put(&objects[0].1.to_string(), Reply::Silence);
    world.pass(600).await;
    world
        .azure
        .json(&objects[0].1.to_string(), vault_json(&objects[0].1));
    assert_eq!(world.pass(100).await, [uid(1)]);
}

#[tokio::test(start_paused = true)]
async fn reads_that_hang_delay_no_others() {
    let hanging: Vec<_> = (0..40)
        .map(|n| {
            (
                service("clinic", &format!("hang{n}")),
                vault(&format!("hang-{n}")),
            )
        })
        .collect();
    let mut world = World::new().sweeping();
    world.estate(&hanging);
    world.azure.remove(&vaults_path());
    for (_, vault) in &hanging {
        world.azure.put(&vault.to_string(), Reply::Silence);
    }
    world.watch(&hanging);
    world.pass(300).await;
    let late = vault("late-keys");
    world
        .azure
        .json(&version_path(&late), version_json(&late, true));
    let want = Want::Version(late.clone(), key_url(&late));
    world
        .observer
        .watch("late", &BTreeSet::from([want.clone()]));
    world.pass(10).await;
    assert!(is_present(&world, &want));
    for (_, vault) in &hanging {
        let version = Want::Version(vault.clone(), key_url(vault));
        let age = world
            .clock
            .now()
            .duration_since(world.fact(&version).at().unwrap());
        assert!(age.as_secs() < 80, "{age}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_budget_sources_wait_and_are_read_when_there_is_some() {
    let objects = two_objects();
    let limit = Limit {
        burst: 4,
        per_second: 1,
    };
    let mut world = World::with_limit(limit).sweeping();
    world.estate(&objects);
    world.watch(&objects);
    world.pass(1).await;
    let all: BTreeSet<Want> = objects.iter().flat_map(|(s, v)| wants(s, v)).collect();
    let waiting = || {
        let throttled = |want: &&Want| trouble(&world, want) == Some(TroubleKind::Throttled);
        all.iter().filter(throttled).count()
    };
    assert!(waiting() > 0);
    world.pass(60).await;
    assert_eq!(
        all.iter().filter(|want| !is_present(&world, want)).count(),
        0
    );
    let azure: &FakeAzure = &world.azure;
    // nothing was sent beyond the budget
    assert!(azure.asked().len() <= 4 + 61);
}
