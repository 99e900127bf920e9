//! What the tests here share: a small Azure and a client of it.

use bytes::Bytes;
use http::{HeaderMap, Request};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Azure, Change, Reply, Settings, World, caller::token, world::Operator};

pub(super) const SUBSCRIPTION: &str = "/subscriptions/11111111-1111-1111-1111-111111111111";
pub(super) const GROUP: &str =
    "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging";
pub(super) const TENANT: &str = "99999999-9999-9999-9999-999999999999";
pub(super) const ENCRYPTION_USER: &str = "e147488a-f6f5-4113-8e2d-b22465e65bf6";
pub(super) const KEY: &str =
    "/properties/encryption/customerManagedKeyEncryption/keyEncryptionKeyUrl";

/// An Azure, the time, and who calls.
pub(super) struct Rig {
    pub(super) azure: Azure,
    pub(super) now: Timestamp,
    pub(super) client: String,
}

/// What came back.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Got {
    pub(super) fn at(&self, pointer: &str) -> &Value {
        self.body.pointer(pointer).unwrap_or(&Value::Null)
    }

    pub(super) fn text(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_default()
    }

    pub(super) fn code(&self) -> &str {
        self.text("/error/code")
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    pub(super) fn rows(&self) -> Vec<Value> {
        self.at("/value").as_array().cloned().unwrap_or_default()
    }
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(World::builtin())
    }

    pub(super) fn with(world: World) -> Self {
        let now: Timestamp = "2026-11-24T08:00:00Z".parse().expect("a date");
        Self {
            azure: Azure::new(world, Settings::default(), now),
            now,
            client: "owner".to_owned(),
        }
    }

    /// A service that is encrypted with the vault's key from the start.
    pub(super) fn encrypted() -> Self {
        let mut world = World::builtin();
        world.services[0].identity = Some("SystemAssigned".to_owned());
        world.services[0].key = Some("clinic-keys/dicom-cmk".to_owned());
        Self::with(world)
    }

    pub(super) fn as_operator(&mut self) {
        self.client = Operator::default().client_id;
    }

    pub(super) fn pass(&mut self, seconds: i64) {
        self.now = self
            .now
            .checked_add(SignedDuration::from_secs(seconds))
            .expect("a time");
    }

    pub(super) fn set(&mut self, words: &str) -> String {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let change = Change::parse(&words).expect("words that mean something");
        self.azure
            .apply(&change, self.now)
            .expect("a change that can be made")
    }

    pub(super) fn service() -> String {
        format!(
            "{GROUP}/providers/Microsoft.HealthcareApis/workspaces/clinic/dicomservices/radiology?api-version=2024-03-31"
        )
    }

    pub(super) fn vault() -> String {
        format!("{GROUP}/providers/Microsoft.KeyVault/vaults/clinic-keys")
    }

    pub(super) fn identity() -> String {
        format!(
            "{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/radiology-identity"
        )
    }

    pub(super) fn get(&mut self, path: &str) -> Got {
        self.call("GET", path, None)
    }

    pub(super) fn put(&mut self, path: &str, body: Value) -> Got {
        self.call("PUT", path, Some(body))
    }

    /// Calls ARM, or any address when the path is a whole URL.
    pub(super) fn call(&mut self, method: &str, path: &str, body: Option<Value>) -> Got {
        let request = self.request(method, path, body);
        self.send(&request)
    }

    pub(super) fn request(&self, method: &str, path: &str, body: Option<Value>) -> Request<Bytes> {
        let (audience, url) = match path.strip_prefix('/') {
            Some(_) => (
                "https://management.azure.com",
                format!("https://management.azure.com{path}"),
            ),
            None if path.contains("vault.azure.net") => {
                ("https://vault.azure.net", path.to_owned())
            }
            None if path.contains(".dicom.") => {
                ("https://dicom.healthcareapis.azure.com", path.to_owned())
            }
            None => ("https://management.azure.com", path.to_owned()),
        };
        let expires = self
            .now
            .checked_add(SignedDuration::from_hours(1))
            .expect("a time");
        let times = (audience, self.now, expires);
        let token = token(&self.client, TENANT, &Operator::default(), times);
        Request::builder()
            .method(method)
            .uri(url)
            .header("authorization", format!("Bearer {token}"))
            .body(body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string())))
            .expect("a request")
    }

    pub(super) fn send(&mut self, request: &Request<Bytes>) -> Got {
        match self.azure.handle(request, self.now) {
            Reply::Answer(response) => Got {
                status: response.status().as_u16(),
                headers: response.headers().clone(),
                body: serde_json::from_slice(response.body()).unwrap_or(Value::Null),
            },
            other @ (Reply::Delayed(..)
            | Reply::Reset
            | Reply::Silence
            | Reply::Truncated(_)
            | Reply::Endless(_)) => panic!("an answer was expected, not {other:?}"),
        }
    }

    /// The key URL of the built-in key, with its version.
    pub(super) fn key_url(&mut self) -> String {
        let path = format!("{}/keys/dicom-cmk?api-version=2026-02-01", Self::vault());
        self.get(&path)
            .text("/properties/keyUriWithVersion")
            .to_owned()
    }

    /// Switches the system identity on and returns its principal.
    pub(super) fn switch_identity_on(&mut self) -> String {
        let body = json!({ "identity": { "type": "SystemAssigned" } });
        assert_eq!(self.call("PATCH", &Self::service(), Some(body)).status, 202);
        self.pass(30);
        self.get(&Self::service())
            .text("/identity/principalId")
            .to_owned()
    }

    /// Assigns the encryption user role at the vault.
    pub(super) fn grant(&mut self, principal: &str) -> Got {
        let name = super::estate::guid(principal);
        self.put(
            &Self::assignment(&Self::vault(), &name),
            Self::assignment_body(principal),
        )
    }

    pub(super) fn assignment(scope: &str, name: &str) -> String {
        format!(
            "{scope}/providers/Microsoft.Authorization/roleAssignments/{name}?api-version=2022-04-01"
        )
    }

    pub(super) fn assignment_body(principal: &str) -> Value {
        json!({ "properties": {
            "roleDefinitionId": format!("{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{ENCRYPTION_USER}"),
            "principalId": principal,
            "principalType": "ServicePrincipal",
        }})
    }

    /// PUTs the service as it is, with this key URL.
    pub(super) fn put_key(&mut self, url: &str) -> Got {
        let mut body = self.get(&Self::service()).body;
        body["properties"]["encryption"] =
            json!({ "customerManagedKeyEncryption": { "keyEncryptionKeyUrl": url } });
        self.put(&Self::service(), body)
    }

    pub(super) fn health(&mut self) -> Got {
        let id = Self::service();
        let id = id.split('?').next().expect("an id");
        self.get(&format!("{id}/providers/Microsoft.ResourceHealth/availabilityStatuses/current?api-version=2024-02-01&$expand=recommendedactions"))
    }

    /// What the DICOM service's own host answers.
    pub(super) fn data_plane(&mut self) -> u16 {
        self.get("https://clinic-radiology.dicom.azurehealthcareapis.com/v2/changefeed/latest")
            .status
    }
}
