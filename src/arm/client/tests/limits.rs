//! Budgets: what is not sent, and until when.

use std::time::Duration;

use serde_json::json;
use tokio::time;

use super::{SUBSCRIPTION, rig, service, tenant};
use crate::arm::{
    client::CallOutcome,
    dicom,
    error::{Advice, ArmError, Throttle},
    subscription,
};

#[tokio::test(start_paused = true)]
async fn after_a_429_nothing_is_sent_before_azures_time_is_over() {
    let rig = rig();
    rig.network.answers(429, &[("retry-after", "17")], "");
    rig.network.answers(200, &[], &tenant());
    let call = || subscription::get(SUBSCRIPTION).urgent();
    let error = rig.client.send(call()).await.unwrap_err();
    assert_eq!(
        error.advice(),
        Advice::Throttled {
            after: Duration::from_secs(17)
        }
    );
    time::advance(Duration::from_secs(16)).await;
    let held_back = rig.client.send(call()).await.unwrap_err();
    assert_eq!(
        held_back.advice(),
        Advice::Throttled {
            after: Duration::from_secs(1)
        }
    );
    assert_eq!(rig.network.requests().len(), 1);
    time::advance(Duration::from_secs(1)).await;
    assert!(rig.client.send(call()).await.is_ok());
    let outcomes = rig
        .records
        .lock()
        .unwrap()
        .iter()
        .map(|record| record.outcome)
        .collect::<Vec<_>>();
    assert_eq!(
        outcomes,
        [
            CallOutcome::Throttled,
            CallOutcome::HeldBack,
            CallOutcome::Succeeded
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_azure_says_is_left_is_told_with_each_call_even_with_one_that_it_refuses() {
    let rig = rig();
    let left = |number| [("x-ms-ratelimit-remaining-subscription-reads", number)];
    rig.network.answers(200, &left("249"), &tenant());
    rig.network.answers(404, &left("248"), "");
    rig.network.answers(200, &[], &tenant());
    for _ in 0..3 {
        let _whatever = rig.client.send(subscription::get(SUBSCRIPTION)).await;
    }
    let records = rig.records.lock().unwrap().clone();
    let told: Vec<_> = records.iter().map(|record| record.remaining).collect();
    assert_eq!(told, [Some(249), Some(248), None]);
}

#[tokio::test(start_paused = true)]
async fn a_busy_resource_says_nothing_about_the_budget() {
    let rig = rig();
    let busy = r#"{"error":{"code":"RetryableErrorDueToAnotherOperation","message":"busy"}}"#;
    rig.network.answers(429, &[("retry-after", "40")], busy);
    rig.network.answers(200, &[], &tenant());
    let error = rig
        .client
        .send(dicom::put(&service(), json!({})))
        .await
        .unwrap_err();
    assert_eq!(
        error.advice(),
        Advice::Conflict {
            after: Some(Duration::from_secs(40))
        }
    );
    assert!(
        rig.client
            .send(subscription::get(SUBSCRIPTION))
            .await
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn the_numbers_in_the_headers_hold_sweeps_back_before_azure_does() {
    let rig = rig();
    rig.network.answers(
        200,
        &[("x-ms-ratelimit-remaining-subscription-reads", "20")],
        &tenant(),
    );
    rig.network.answers(200, &[], &tenant());
    rig.client
        .send(subscription::get(SUBSCRIPTION))
        .await
        .unwrap();
    let sweep = rig
        .client
        .send(subscription::get(SUBSCRIPTION))
        .await
        .unwrap_err();
    assert!(
        matches!(
            sweep,
            ArmError::Throttled {
                by: Throttle::OurBudget,
                ..
            }
        ),
        "{sweep}"
    );
    assert!(
        rig.client
            .send(subscription::get(SUBSCRIPTION).urgent())
            .await
            .is_ok()
    );
}
