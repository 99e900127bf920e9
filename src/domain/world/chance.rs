//! Random worlds and random mishaps: no plan on any facts breaks a law, and every walk ends.

use proptest::prelude::*;

use super::*;

/// Choices drawn from a row of bytes, so that a failing case shrinks towards a good world.
struct Dice(std::vec::IntoIter<u8>);

impl Dice {
    fn throw(&mut self) -> u8 {
        self.0.next().unwrap_or(0)
    }

    /// The first mostly, one of the others sometimes.
    fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        let thrown = usize::from(self.throw());
        let odd = thrown.saturating_sub(200);
        choices[odd % choices.len()].clone()
    }

    fn is_odd(&mut self) -> bool {
        self.throw() > 200
    }
}

/// A world in which this and that is out of order.
fn world(dice: &mut Dice) -> World {
    let mut world = match dice.throw() % 3 {
        0 => World::new(),
        1 => World::settled(),
        _ => World::by_hand(),
    };
    let second = url("clinic-keys", "dicom-cmk", SECOND);
    let other = url("other-keys", "other-cmk", SECOND);
    let sibling = url("clinic-keys", "sibling-cmk", FIRST);
    if dice.is_odd() {
        world.vaults.insert(vault("other-keys"), good_vault());
    }
    for known in [&second, &other, &sibling] {
        world.versions.insert(known.clone(), rsa(1_690_000_000));
    }
    spoil_object(&mut world, dice);
    for _ in 0..dice.throw() % 4 {
        spoil(&mut world, dice);
    }
    world
}

fn spoil_object(world: &mut World, dice: &mut Dice) {
    let asked = &mut world.desired;
    asked.replace_existing = dice.is_odd();
    asked.key.version = dice.pick(&[
        None,
        Some(SECOND.parse().unwrap()),
        Some(FIRST.parse().unwrap()),
    ]);
    asked.scope = dice.pick(&[AssignmentScope::Vault, AssignmentScope::Key]);
    asked.management = dice.pick(&[AccessManagement::Manage, AccessManagement::Observe]);
    asked.on_drift = dice.pick(&[OnDrift::Correct, OnDrift::Report]);
    asked.mode = dice.pick(&[Mode::Manage, Mode::Observe]);
    asked.suspend = dice.is_odd();
    asked.identity = dice.pick(&[None, Some(identity_id("reader"))]);
    world.user_identity = dice.pick(&[Some(Uuid::from_u128(0xE0)), None]);
    world.standing.rival = dice.pick(&[None, Some("imaging/older".to_owned())]);
    world.standing.crd_outdated = dice.is_odd();
}

/// One thing that somebody does to the estate.
#[expect(clippy::too_many_lines, reason = "a table, one row a mishap")]
fn spoil(world: &mut World, dice: &mut Dice) {
    let held: Vec<VaultId> = world.vaults.keys().cloned().collect();
    match dice.throw() % 12 {
        0 => {
            world.service.provisioning = dice.pick(&[
                Provisioning::Succeeded,
                Provisioning::Busy("Updating".to_owned()),
                Provisioning::Failed("Failed".to_owned()),
            ]);
        }
        1 => {
            let user = |name, principal| UserAttached {
                id: identity_id(name),
                principal,
            };
            world.service.identity = dice.pick(&[
                Attached::None,
                Attached::System {
                    principal: Uuid::from_u128(0xB0),
                },
                Attached::Both,
                Attached::User(vec![user("reader", Some(Uuid::from_u128(0xE0)))]),
                Attached::User(vec![user("reader", None)]),
                Attached::User(vec![user("somebody", Some(Uuid::from_u128(0xE1)))]),
            ]);
        }
        2 => {
            world.service.encryption = dice.pick(&[
                Encryption::MicrosoftManaged,
                Encryption::CustomerManaged(url("clinic-keys", "dicom-cmk", SECOND)),
                Encryption::CustomerManaged(url("clinic-keys", "sibling-cmk", FIRST)),
                Encryption::CustomerManaged(url("other-keys", "other-cmk", SECOND)),
                Encryption::Unreadable("nonsense".to_owned()),
            ]);
        }
        3 => {
            world.health = dice.pick(&[
                None,
                Some(healthy()),
                Some(Health {
                    state: HealthState::Unavailable,
                    ..healthy()
                }),
            ]);
        }
        4 => world.grants.clear(),
        5 => world
            .grants
            .iter_mut()
            .for_each(|granted| granted.conditional ^= true),
        6 => world.is_blind_to_grants ^= true,
        7 | 8 => spoil_key(world, dice),
        9 => drop(
            world
                .vaults
                .remove(&held[usize::from(dice.throw()) % held.len().max(1)]),
        ),
        10 => {
            if let Some(vault) = world.vaults.values_mut().next() {
                vault.soft_delete = !dice.is_odd();
                vault.purge_protection = !dice.is_odd();
                vault.rbac = !dice.is_odd();
                vault.network = dice.pick(&[
                    VaultNetwork::Open,
                    VaultNetwork::Closed,
                    VaultNetwork::Perimeter,
                ]);
                vault.tenant = dice.pick(&[TENANT, Uuid::from_u128(0x8888)]);
            }
        }
        _ => world.pass_time(SignedDuration::from_mins(i64::from(dice.throw()))),
    }
    if world.vaults.is_empty() {
        world.vaults.insert(vault("spare-keys"), good_vault());
    }
}

fn spoil_key(world: &mut World, dice: &mut Dice) {
    let now = world.now;
    let which = usize::from(dice.throw()) % world.versions.len();
    let Some(key) = world.versions.values_mut().nth(which) else {
        return;
    };
    let near = |hours| Some(now + SignedDuration::from_hours(hours));
    match dice.throw() % 6 {
        0 => key.attributes.enabled ^= true,
        1 => key.attributes.expires = dice.pick(&[None, near(-1), near(24), near(240)]),
        2 => key.attributes.not_before = dice.pick(&[None, near(1), near(-1)]),
        3 => key.key_type = dice.pick(&["RSA-HSM", "EC", "RSA"]).to_owned(),
        4 => key.size = dice.pick(&[Some(3072), Some(4096), None]),
        _ => drop(key.operations.pop()),
    }
}

/// Makes some facts old, and some unread.
fn forget(observed: &mut Observed, dice: &mut Dice) {
    fn one<T>(fact: &mut Fact<T>, dice: &mut Dice) {
        match dice.pick(&[0, 1, 2]) {
            0 => {}
            1 => *fact = Fact::unread(INTERVAL),
            _ => fact.interval = SignedDuration::from_secs(-1),
        }
    }
    one(&mut observed.service, dice);
    one(&mut observed.tenant, dice);
    observed
        .listings
        .values_mut()
        .for_each(|fact| one(fact, dice));
    one(&mut observed.health, dice);
    observed
        .identity
        .iter_mut()
        .for_each(|fact| one(fact, dice));
    observed
        .vaults
        .values_mut()
        .for_each(|fact| one(fact, dice));
    observed
        .versions
        .values_mut()
        .for_each(|fact| one(fact, dice));
    observed
        .assignments
        .values_mut()
        .for_each(|fact| one(fact, dice));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_plan_on_any_facts_breaks_an_invariant_and_the_same_facts_give_the_same_plan(
        bytes in proptest::collection::vec(any::<u8>(), 96)
    ) {
        let mut dice = Dice(bytes.into_iter());
        let world = world(&mut dice);
        let mut observed = world.observed();
        forget(&mut observed, &mut dice);
        let memory = world.memory();
        prop_assert_eq!(world.plan_with(&observed, &memory), world.plan_with(&observed, &memory));
    }

    #[test]
    fn every_walk_settles_and_then_rests_with_no_step_and_no_patch(
        bytes in proptest::collection::vec(any::<u8>(), 96)
    ) {
        let mut dice = Dice(bytes.into_iter());
        let mut world = world(&mut dice);
        for _ in 0..3 {
            let known = known_versions(&world);
            let planned = world.run();
            prop_assert_eq!(&planned.step, &None);
            prop_assert!(known_versions(&world).starts_with(&known), "keyVersions only grows");
            let patches = world.patches;
            world.pass();
            prop_assert_eq!(world.patches, patches);
            spoil(&mut world, &mut dice);
        }
    }

    #[test]
    fn whatever_was_done_to_it_a_world_put_right_again_ends_ready(
        bytes in proptest::collection::vec(any::<u8>(), 64)
    ) {
        let mut dice = Dice(bytes.into_iter());
        let mut world = World::settled();
        for _ in 0..3 {
            spoil_key(&mut world, &mut dice);
            match dice.throw() % 4 {
                0 => world.grants.clear(),
                1 => world.service.identity = Attached::None,
                2 => world.service.encryption = Encryption::MicrosoftManaged,
                _ => world.is_blind_to_grants ^= true,
            }
            world.run();
        }
        world.is_blind_to_grants = false;
        world.versions.insert(url("clinic-keys", "dicom-cmk", FIRST), rsa(1_700_000_000));
        world.run();
        prop_assert_eq!(world.shown("Ready"), "True/Healthy");
    }
}

fn known_versions(world: &World) -> Vec<String> {
    let status = world.status.iter();
    status
        .flat_map(|status| &status.key_versions)
        .map(|one| one.url.clone())
        .collect()
}
