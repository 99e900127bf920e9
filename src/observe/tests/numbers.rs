//! The numbers that we promise for a large estate.

use super::*;

const SERVICES: usize = 1_000;
const SUBSCRIPTIONS: usize = 2;
const SERVICES_IN_A_WORKSPACE: usize = 10;
const KEYS_IN_A_VAULT: usize = 20;
/// 500 services of ours and 5,000 resources of others, at 1,000 a page.
const PAGES_OF_HEALTH: usize = 6;

/// All that an object wants, in the subscription where it lives.
fn all_wants(service: &DicomServiceId, vault: &VaultId) -> BTreeSet<Want> {
    let all = wants(service, vault).into_iter();
    let all = all.filter(|want| !matches!(want, Want::Tenant(_)));
    let key = "dicom-cmk".parse().unwrap();
    let here = [
        Want::Tenant(service.id().subscription()),
        Want::DeletedKey(vault.clone(), key),
    ];
    all.chain(here).collect()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_services_cost_four_calls_an_hour_each_and_a_fortieth_of_the_reads() {
    let here: Vec<_> = (0..SERVICES / SUBSCRIPTIONS)
        .map(|n| {
            let workspace = format!("clinic{}", n / SERVICES_IN_A_WORKSPACE);
            let holder = vault(&format!("keys-{}", n / KEYS_IN_A_VAULT));
            (service(&workspace, &format!("dicom{n}")), holder)
        })
        .collect();
    let rows = here
        .iter()
        .map(|(service, _)| health_json(service, "Available"));
    let rows: Vec<_> = rows.collect();
    let world = World::new();
    world.estate(&here);
    world.pages(&health_path(), &rows, PAGES_OF_HEALTH);
    world.pages(&group_health_path(), &rows, 1);
    let (own, other) = (SUBSCRIPTION.to_string(), TENANT.to_string());
    world.azure.mirror(&own, &other);
    for (_, vault) in &here {
        keys::open(&world, vault);
    }
    let there = here.iter().map(|(service, vault)| {
        let moved = |id: String| id.replace(&own, &other);
        let service: DicomServiceId = moved(service.to_string()).parse().unwrap();
        let vault: VaultId = moved(vault.to_string()).parse().unwrap();
        (service, vault)
    });
    let objects: Vec<_> = here.iter().cloned().chain(there).collect();

    let mut world = world.sweeping();
    for (number, (service, vault)) in (1..).zip(&objects) {
        let wants = all_wants(service, vault);
        world.observer.watch(&uid(number), &wants);
    }
    world.pass(120).await;
    world.azure.asked();
    world.pass(1_200).await;

    let asked = world.azure.asked();
    let an_hour = |calls: usize| calls * 3;
    let calls = an_hour(asked.len());
    let of = |part: &str| {
        let found = asked.iter().filter(|path| path.contains(part));
        an_hour(found.count())
    };
    println!(
        "{SERVICES} services: {calls} calls an hour, of them services {}, health {}, grants {}, \
         vaults {}",
        of("/dicomservices"),
        of("/availabilitystatuses"),
        of("/roleassignments"),
        of("microsoft.keyvault/vaults"),
    );
    assert_eq!(of("/keys/"), 0, "keys are read at their vaults");
    assert!(calls <= 4 * SERVICES, "{calls}");
    // 25 reads a second come back in each subscription
    let reads = of(&own);
    assert!(reads * 40 <= 25 * 3_600, "{reads}");
    for (service, _) in &objects {
        assert!(
            is_present(&world, &Want::Health(service.clone())),
            "{service}"
        );
        assert!(
            is_present(&world, &Want::Service(service.clone())),
            "{service}"
        );
    }
}
