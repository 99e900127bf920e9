//! Lists: whole, or not at all.

use serde_json::json;

use super::{SUBSCRIPTION, rig};
use crate::arm::{
    authorization,
    budget::{Budgets, Limit, Limits},
    error::{ArmError, ErrorCode, Missing, PagingProblem},
    resource_health,
};

#[tokio::test(start_paused = true)]
async fn a_list_is_read_to_its_last_page() {
    let rig = rig();
    let row = |name: &str| json!({"id": format!("/r/{name}"), "properties": {}});
    let first = json!({"value": [row("a"), row("b")], "nextLink": "/subscriptions/x?$skipToken=2"});
    rig.network.answers(
        200,
        &[("date", "Sun, 01 Mar 2026 08:00:01 GMT")],
        &first.to_string(),
    );
    rig.network.answers(
        200,
        &[("date", "Sun, 01 Mar 2026 08:00:09 GMT")],
        &json!({"value": [row("c")]}).to_string(),
    );
    let answer = rig
        .client
        .list(resource_health::list_in_subscription(SUBSCRIPTION))
        .await
        .unwrap();
    let ids = answer
        .value
        .iter()
        .map(|status| status.resource_id.as_str())
        .collect::<Vec<_>>();
    assert_eq!(ids, ["/r/a", "/r/b", "/r/c"]);
    assert_eq!(answer.date, "2026-03-01T08:00:01Z".parse().ok());
    let second = rig.network.requests()[1].uri().to_string();
    assert_eq!(
        second,
        "https://management.azure.com/subscriptions/x?$skipToken=2"
    );
}

#[tokio::test(start_paused = true)]
async fn a_page_that_fails_fails_the_list() {
    let rig = rig();
    rig.network.answers(
        200,
        &[],
        &json!({"value": [], "nextLink": "/2"}).to_string(),
    );
    rig.network
        .answers(404, &[], r#"{"error":{"code":"ResourceGroupNotFound"}}"#);
    let error = rig
        .client
        .list(resource_health::list_in_group(SUBSCRIPTION, "g"))
        .await
        .unwrap_err();
    assert_eq!(error.missing(), Some(Missing::ResourceGroup));
    assert_eq!(
        error.refusal().unwrap().code,
        ErrorCode::ResourceGroupNotFound
    );
}

#[tokio::test(start_paused = true)]
async fn lists_that_go_in_circles_or_never_end_are_given_up() {
    let circle = rig();
    for _ in 0..3 {
        circle.network.answers(
            200,
            &[],
            &json!({"value": [], "nextLink": "/same"}).to_string(),
        );
    }
    let call = || authorization::list_in_subscription(SUBSCRIPTION).urgent();
    let error = circle.client.list(call()).await.unwrap_err();
    assert!(
        matches!(
            error,
            ArmError::Paging {
                problem: PagingProblem::RepeatedLink,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(circle.network.requests().len(), 2);

    let endless = rig();
    {
        let mut budgets = endless.client.settings.budgets.lock().unwrap();
        let plenty = Limit {
            burst: 5_000,
            per_second: 1,
        };
        *budgets = Budgets::new(Limits {
            read: plenty,
            write: plenty,
        });
    }
    for number in 0..1_100 {
        let page = json!({"value": [], "nextLink": format!("/page/{number}")});
        endless.network.answers(200, &[], &page.to_string());
    }
    let endless_error = endless.client.list(call()).await.unwrap_err();
    assert!(matches!(
        endless_error,
        ArmError::Paging {
            problem: PagingProblem::TooManyPages,
            ..
        }
    ));
    assert!(endless.network.requests().len() <= 1_001);
}
