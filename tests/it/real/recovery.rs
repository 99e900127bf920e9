//! The cliff at thirty minutes: a service that was without its key for longer comes back by a PUT of
//! itself and by nothing else, and the operator sends it, once.

use azure_simulator::azure::{ServiceSpec, World};
use serde_json::{Value, json};

use super::estate::Estate;
use super::operator::{Operator, RADIOLOGY, apply, condition, eventually, object, wait_for_ready};
use crate::cluster::{Cluster, cluster};

const HEALTHY: [&str; 2] = ["True", "Healthy"];

#[test]
fn beyond_the_window_only_the_put_of_the_unchanged_service_brings_it_back() {
    let cluster = cluster();
    let access = cluster.access();
    let namespace = cluster.namespace("cliff");
    let estate = Estate::with("cliff", two_encrypted_services());
    // thirty minutes and ten, at the pace of this estate
    let flags = [
        "--namespace",
        &namespace,
        "--recovery-window=18s",
        "--recovery-grace=6s",
    ];
    let operator = Operator::start(access, &estate, "cliff", &flags);
    operator.wait_until_ready();
    let by_hand = RADIOLOGY.replace("radiology", "pathology");
    let by_hand = format!("{by_hand}  recovery: {{ revalidate: Manual }}\n");
    apply(access, &namespace, RADIOLOGY);
    apply(access, &namespace, &by_hand);
    let both = ["radiology", "pathology"];
    for name in both {
        wait_for_ready(access, (&namespace, name), HEALTHY);
    }
    let before = estate.show()["services"][1].clone();

    estate.set("key clinic-keys/dicom-cmk disabled");
    for name in both {
        let lost = wait_for_ready(access, (&namespace, name), ["False", "KeyDisabled"]);
        let told = &lost["status"]["keyAccess"];
        assert_eq!(told["state"], "Lost");
        assert!(
            told["lostSince"].as_str() < told["recoverableUntil"].as_str(),
            "{told}"
        );
    }
    eventually("the end of self-recovery", || {
        stores(&estate, ["inaccessible until a PUT"; 2])
    });
    estate.set("key clinic-keys/dicom-cmk enabled");

    let back = wait_for_ready(access, (&namespace, "radiology"), HEALTHY);
    let regained = &back["status"]["keyAccess"];
    assert_eq!(
        (&regained["state"], &regained["lostSince"]),
        (&json!("Accessible"), &Value::Null)
    );
    let due = ["False", "RevalidationDue"];
    wait_for_ready(access, (&namespace, "pathology"), due);
    let [.., told] = condition(&object(access, &namespace, "pathology"), "Stalled");
    assert!(
        told.contains("az resource update --ids /subscriptions/"),
        "{told}"
    );
    let one_is_back = ["inaccessible until a PUT", "open"];
    assert_eq!(stores(&estate, one_is_back), Ok(()));
    assert_eq!(estate.writes(), ["PUT dicomservices/radiology"]);
    let now = estate.show()["services"][1].clone();
    assert_eq!(now, before, "the PUT changes nothing");

    apply(access, &namespace, &by_hand.replace("Manual", "Automatic"));
    wait_for_ready(access, (&namespace, "pathology"), HEALTHY);
    assert_eq!(stores(&estate, ["open"; 2]), Ok(()));
    let writes = ["PUT dicomservices/radiology", "PUT dicomservices/pathology"];
    assert_eq!(estate.writes(), writes);
    assert_told(cluster, &namespace);
}

/// The events of a loss that lasts too long, and of the way back.
fn assert_told(cluster: &Cluster, namespace: &str) {
    let shown = "-o=jsonpath={.items[*].reason}";
    let reasons = cluster.run(&["get", "events", "-n", namespace, shown]);
    for reason in [
        "KeyAccessLost",
        "SelfRecoveryOver",
        "Revalidating",
        "KeyAccessible",
    ] {
        assert!(reasons.contains(reason), "{reason}: {reasons}");
    }
}

/// What the stores of the services are like, in the order of their names.
fn stores(estate: &Estate, wanted: [&str; 2]) -> Result<(), String> {
    let shown = estate.show();
    let found = [0, 1].map(|place| shown["services"][place]["store"].clone());
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{found:?}"))
    }
}

/// The built-in estate, in which the key encrypts two services already.
fn two_encrypted_services() -> World {
    let mut world = World::builtin();
    let service = &mut world.services[0];
    service.identity = Some("SystemAssigned".to_owned());
    service.key = Some("clinic-keys/dicom-cmk".to_owned());
    let second = ServiceSpec {
        name: "pathology".to_owned(),
        ..service.clone()
    };
    world.services.push(second);
    world
}
