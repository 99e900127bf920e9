//! What watching costs.

use super::*;

/// A hundred services in ten workspaces of one subscription, ten vaults with one key each.
#[tokio::test(start_paused = true)]
async fn the_calls_of_an_hour_grow_with_the_scopes_and_the_keys_not_with_the_services() {
    const SERVICES: usize = 100;
    const WORKSPACES: usize = 10;
    const VAULTS: usize = 10;
    let objects: Vec<_> = (0..SERVICES)
        .map(|n| {
            let workspace = format!("clinic{}", n % WORKSPACES);
            let holder = format!("clinic-keys-{}", n % VAULTS);
            (service(&workspace, &format!("dicom{n}")), vault(&holder))
        })
        .collect();
    let mut world = settled(&objects).await;
    world.pass(3_600).await;
    let calls = world.azure.asked().len();
    // each minute: key versions, vaults, role assignments; twice in it: health
    // every two minutes: workspaces; every five: key listings, the tenant, deny assignments
    let each_minute = VAULTS + 2 + 2;
    let each_five_minutes = VAULTS + 2;
    let expected = 60 * each_minute + 30 * WORKSPACES + 12 * each_five_minutes;
    let naive = SERVICES * 5 * 60;
    println!(
        "{SERVICES} services in {WORKSPACES} workspaces with {VAULTS} keys: {calls} calls an hour \
         (formula {expected}; five reads a minute each: {naive})"
    );
    assert!(
        calls <= expected + each_minute + each_five_minutes,
        "{calls}"
    );
    assert!(
        calls + each_minute + each_five_minutes >= expected,
        "{calls}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_thousand_sources_do_not_start_together() {
    let objects: Vec<_> = (0..500)
        .map(|n| {
            let workspace = format!("clinic{}", n % 50);
            let holder = vault(&format!("keys-{n}"));
            (service(&workspace, &format!("dicom{n}")), holder)
        })
        .collect();
    let mut world = settled(&objects).await;
    world.pass(600).await;
    world.azure.asked();
    let mut busiest = 0;
    for _ in 0..60 {
        world.pass(1).await;
        busiest = busiest.max(world.azure.asked().len());
    }
    // 500 a minute and 500 in five: some 10 a second on average
    assert!(busiest <= 60, "{busiest}");
}
