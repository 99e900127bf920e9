//! Links and redirects: the token stays with ARM.

use proptest::prelude::*;
use serde_json::json;
use tokio::runtime::Builder;
use url::Url;

use super::{SUBSCRIPTION, assert_confined, rig, service};
use crate::arm::{
    authorization,
    client::ArmClient,
    dicom,
    error::{Advice, ArmError},
    operation, subscription,
};

#[tokio::test(start_paused = true)]
async fn a_link_to_another_origin_is_never_called() {
    for foreign in FOREIGN {
        let rig = rig();
        rig.network.answers(202, &[("location", foreign)], "");
        let answer = rig
            .client
            .send(dicom::put(&service(), json!({})))
            .await
            .unwrap();
        assert_eq!(answer.operation_url, None, "{foreign}");

        let page = json!({"value": [], "nextLink": foreign}).to_string();
        rig.network.answers(200, &[], &page);
        let error = rig
            .client
            .list(authorization::list_in_subscription(SUBSCRIPTION))
            .await
            .unwrap_err();
        assert!(
            matches!(error, ArmError::ForeignLink { .. }),
            "{foreign} {error}"
        );
        assert_eq!(error.advice(), Advice::Garbage);

        if let Ok(link) = Url::parse(foreign) {
            let refused = rig
                .client
                .send(operation::status(link, None))
                .await
                .unwrap_err();
            assert!(
                matches!(refused, ArmError::ForeignLink { .. }),
                "{foreign} {refused}"
            );
        }
        assert_eq!(rig.network.requests().len(), 2);
        assert_confined(&rig, &error);
    }
}

#[tokio::test(start_paused = true)]
async fn redirects_are_not_followed() {
    for status in [301, 302, 303, 304, 307, 308] {
        let rig = rig();
        rig.network.answers(
            status,
            &[("location", "https://management.azure.com/elsewhere")],
            "",
        );
        let error = rig
            .client
            .send(subscription::get(SUBSCRIPTION))
            .await
            .unwrap_err();
        assert!(matches!(error, ArmError::Redirected { .. }), "{error}");
        assert_eq!(rig.network.requests().len(), 1);
    }
}

proptest! {
    /// Whatever a link looks like: it stays with ARM, or it is refused.
    #[test]
    fn no_link_leaves_the_origin(link in "(https?:)?[/\\\\]{0,3}[a-z@:.%0-9-]{0,20}(management\\.azure\\.com)?[a-z@:.%0-9/?#-]{0,20}") {
        let client = rig_client();
        if let Ok(url) = client.same_origin(&client.settings.endpoint, &link) {
            prop_assert_eq!(url.origin().ascii_serialization(), "https://management.azure.com");
            prop_assert!(url.username().is_empty() && url.password().is_none());
        }
    }
}

fn rig_client() -> ArmClient {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    rig().client
}

const FOREIGN: [&str; 12] = [
    "https://evil.example/x",
    "//evil.example/x",
    "\\\\evil.example/x",
    "http://management.azure.com/x",
    "https://management.azure.com:8443/x",
    "https://management.azure.com.evil.example/x",
    "https://management.azure.com@evil.example/x",
    "https://user:pass@management.azure.com/x",
    "https://evil.example\\@management.azure.com/x",
    "https://management.azure.com./x",
    "data:text/plain,x",
    "https://m\u{0430}nagement.azure.com/x",
];
