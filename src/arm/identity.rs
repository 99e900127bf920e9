//! `Microsoft.ManagedIdentity`: user-assigned identities, read only.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    arm::{
        call::{Call, Decode, Target, Undecodable, guid, json, typed},
        error::Subject,
    },
    azure::IdentityId,
};

/// The version of the interface.
pub const API_VERSION: &str = "2023-01-31";

/// A user-assigned identity as Azure shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UserAssignedIdentity {
    /// The id in Azure's spelling.
    pub id: String,
    /// Its tenant.
    pub tenant_id: Option<Uuid>,
    /// Its principal: what a role is given to.
    pub principal_id: Option<Uuid>,
    /// Its client id.
    pub client_id: Option<Uuid>,
}

/// Reads an identity.
pub fn get(identity: &IdentityId) -> Call<UserAssignedIdentity> {
    let subject = Subject {
        what: "read the identity",
        action: "Microsoft.ManagedIdentity/userAssignedIdentities/read",
        target: identity.id().as_str().to_owned(),
    };
    let path = identity.id().as_str().to_owned();
    let target = Target::Path {
        path,
        api_version: API_VERSION,
        query: &[],
    };
    let decode = Decode(|_, bytes| decode(&json(bytes)?));
    Call::get(subject, target, Some(identity.id().subscription()), decode)
}

#[derive(Deserialize)]
struct Wire {
    id: String,
    properties: WireProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "Azure's names")]
struct WireProperties {
    #[serde(default, deserialize_with = "guid")]
    tenant_id: Option<Uuid>,
    #[serde(default, deserialize_with = "guid")]
    principal_id: Option<Uuid>,
    #[serde(default, deserialize_with = "guid")]
    client_id: Option<Uuid>,
}

fn decode(raw: &Value) -> Result<UserAssignedIdentity, Undecodable> {
    let Wire { id, properties } = typed(raw)?;
    let WireProperties {
        tenant_id,
        principal_id,
        client_id,
    } = properties;
    Ok(UserAssignedIdentity {
        id,
        tenant_id,
        principal_id,
        client_id,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_identity_is_read_with_its_three_guids() {
        let read = decode(&json!({
            "id": "/subscriptions/x", "location": "westeurope", "tags": {"a": "b"},
            "properties": {
                "tenantId": "00000000-0000-0000-0000-000000000001",
                "principalId": "00000000-0000-0000-0000-000000000002",
                "clientId": "00000000-0000-0000-0000-000000000003",
            },
        }));
        let expected = UserAssignedIdentity {
            id: "/subscriptions/x".to_owned(),
            tenant_id: Some(Uuid::from_u128(1)),
            principal_id: Some(Uuid::from_u128(2)),
            client_id: Some(Uuid::from_u128(3)),
        };
        assert_eq!(read, Ok(expected));
        assert_eq!(decode(&json!({"id": 5})).unwrap_err().path, "id");
    }
}
