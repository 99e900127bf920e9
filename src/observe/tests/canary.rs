//! The canary tells how a service answers, and takes nothing else for an answer.

use super::*;
use crate::domain::{fact::Fact, observed::Canary};

const PLACE: &str = "clinic-radiology.dicom.azurehealthcareapis.com/v2/changefeed/latest";

async fn told(reply: Reply) -> Fact<Value> {
    let mut world = World::new().sweeping();
    world.azure.put(PLACE, reply);
    let want = Want::Canary(service("clinic", "radiology"));
    world
        .observer
        .watch(&uid(1), &BTreeSet::from([want.clone()]));
    assert_eq!(world.pass(6).await, [uid(1)]);
    world.fact(&want)
}

#[tokio::test(start_paused = true)]
async fn what_a_service_says_of_itself_is_a_fact() {
    let serving = told(Reply::Json(json!({"sequence": 5}))).await;
    assert_eq!(
        serving.last_value().and_then(Value::canary),
        Some(Canary::Serving)
    );
    for status in [500, 424, 503] {
        let failing = told(Reply::Status(status, json!({}))).await;
        assert_eq!(
            failing.last_value().and_then(Value::canary),
            Some(Canary::Failing { status })
        );
    }
}

#[tokio::test(start_paused = true)]
async fn our_own_missing_right_is_told_with_the_role_that_is_missing() {
    for status in [401, 403] {
        let fact = told(Reply::Status(status, json!({}))).await;
        let Seen::Refused { denial, .. } = fact.seen else {
            panic!("{fact:?}");
        };
        assert!(denial.message.contains("DICOM Data Reader"), "{denial:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_answer_and_any_other_answer_is_doubt() {
    let replies = [404, 400, 429, 502]
        .map(|status| Reply::Status(status, json!({})))
        .into_iter()
        .chain([Reply::Silence]);
    for reply in replies {
        let fact = told(reply.clone()).await;
        assert_eq!(fact.seen, Seen::Unread, "{reply:?}");
        assert!(fact.trouble.is_some(), "{reply:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_is_asked_every_thirty_seconds() {
    let mut world = World::new().sweeping();
    world.azure.json(PLACE, json!({}));
    let want = Want::Canary(service("clinic", "radiology"));
    world.observer.watch(&uid(1), &BTreeSet::from([want]));
    world.pass(60).await;
    world.azure.asked_elsewhere();
    assert_eq!(world.pass(600).await, Vec::<String>::new());
    let asked = world.azure.asked_elsewhere();
    assert!((19..=21).contains(&asked.len()), "{}", asked.len());
}
