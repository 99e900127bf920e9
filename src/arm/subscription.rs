//! `Microsoft.Resources`: the subscription, for the tenant that it belongs to.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::arm::{
    call::{Call, Decode, Target, Undecodable, guid, json, typed},
    error::Subject,
};

/// The version of the interface.
pub const API_VERSION: &str = "2022-12-01";

/// A subscription as Azure shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subscription {
    /// The tenant that it trusts.
    pub tenant_id: Uuid,
    /// `Enabled`, `Disabled`, `Warned`..., as it came.
    pub state: Option<String>,
}

/// Reads a subscription.
pub fn get(subscription: Uuid) -> Call<Subscription> {
    let path = format!("/subscriptions/{subscription}");
    let subject = Subject {
        what: "read the subscription",
        action: "Microsoft.Resources/subscriptions/read",
        target: path.clone(),
    };
    let target = Target::Path {
        path,
        api_version: API_VERSION,
        query: &[],
    };
    Call::get(
        subject,
        target,
        Some(subscription),
        Decode(|_, bytes| decode(&json(bytes)?)),
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default, deserialize_with = "guid")]
    tenant_id: Option<Uuid>,
    state: Option<String>,
}

fn decode(raw: &Value) -> Result<Subscription, Undecodable> {
    let Wire { tenant_id, state } = typed(raw)?;
    let tenant_id = tenant_id.ok_or_else(|| Undecodable::at("tenantId", "expected a GUID"))?;
    Ok(Subscription { tenant_id, state })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_subscription_without_a_tenant_is_not_understood() {
        let tenant = "00000000-0000-0000-0000-000000000007";
        let read = decode(&json!({"tenantId": tenant, "state": "Enabled"})).unwrap();
        let state = Some("Enabled".to_owned());
        assert_eq!(
            read,
            Subscription {
                tenant_id: Uuid::from_u128(7),
                state
            }
        );
        assert_eq!(
            decode(&json!({"state": "Enabled"})).unwrap_err().path,
            "tenantId"
        );
    }
}
