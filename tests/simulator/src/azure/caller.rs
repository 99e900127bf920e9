//! Who calls: tokens handed out, tokens read back, and what the operator's client may do.
//!
//! Tokens are unsigned JWTs: clients read claims out of them, nobody here checks a signature.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Failure, Result},
    call::{Call, Door},
    estate::guid,
    path::covers,
    settings::Settings,
    world::Operator,
};

/// The bearer of a token.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) client: String,
    pub(super) principal: String,
    /// Rights are limited to the operator's; anybody else is an owner.
    pub(super) limited: bool,
}

/// The audience that the Key Vault data plane demands.
pub(super) const VAULT_AUDIENCE: &str = "https://vault.azure.net";
/// The audience that the DICOM data plane demands.
pub(super) const DICOM_AUDIENCE: &str = "https://dicom.healthcareapis.azure.com";

/// Answers a token request of any grant type that carries a client id and a proof.
pub(super) fn issue(
    call: &Call,
    tenant: &str,
    operator: &Operator,
    settings: &Settings,
) -> Result<Answer> {
    let form = call.form();
    let field = |name: &str| {
        form.get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    };
    let Some(client) = field("client_id") else {
        return Err(refused(
            "AADSTS900144",
            "The request body must contain: 'client_id'.",
        ));
    };
    let proofs = [
        "client_secret",
        "client_assertion",
        "refresh_token",
        "code",
        "password",
    ];
    if !proofs.into_iter().any(|proof| field(proof).is_some()) {
        return Err(Failure::unauthorized(
            "invalid_client",
            "AADSTS7000216: 'client_assertion', 'client_secret' or 'request' is required for the \
             'client_credentials' grant type.",
        ));
    }
    let audience = field("scope")
        .and_then(|scopes| scopes.split(' ').find(|scope| scope.contains("//")))
        .map(|scope| scope.trim_end_matches(".default").trim_end_matches('/'))
        .or_else(|| field("resource").map(|resource| resource.trim_end_matches('/')))
        .unwrap_or("https://management.azure.com");
    let life = settings.token_life;
    let expires = call.now.checked_add(life).unwrap_or(Timestamp::MAX);
    let token = token(client, tenant, operator, (audience, call.now, expires));
    let mut body = json!({
        "token_type": "Bearer",
        "expires_in": life.as_secs(),
        "ext_expires_in": life.as_secs(),
        "access_token": token,
    });
    if let (true, Some(fields)) = (
        call.lower(1) == "oauth2" && call.lower(2) == "token",
        body.as_object_mut(),
    ) {
        fields.insert(
            "expires_on".to_owned(),
            json!(expires.as_second().to_string()),
        );
        fields.insert("resource".to_owned(), json!(audience));
    }
    Ok(Answer::ok(body).header("cache-control", "no-store, no-cache"))
}

/// A JWT for this client and audience.
pub(super) fn token(
    client: &str,
    tenant: &str,
    operator: &Operator,
    (audience, issued, expires): (&str, Timestamp, Timestamp),
) -> String {
    let principal = principal_of(client, operator);
    let claims = json!({
        "aud": audience,
        "iss": format!("https://sts.windows.net/{tenant}/"),
        "iat": issued.as_second(),
        "nbf": issued.as_second(),
        "exp": expires.as_second(),
        "appid": client,
        "appidacr": "1",
        "idp": format!("https://sts.windows.net/{tenant}/"),
        "idtyp": "app",
        "oid": principal,
        "sub": principal,
        "tid": tenant,
        "ver": "1.0",
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(&json!({ "alg": "none", "typ": "JWT" }));
    format!(
        "{head}.{}.{}",
        part(&claims),
        URL_SAFE_NO_PAD.encode("unsigned")
    )
}

/// Reads the bearer out of a request; 401 in ARM's words when there is no good token.
pub(super) fn identify(call: &Call, tenant: &str, operator: &Operator) -> Result<Caller> {
    let bearer = call.header("authorization").and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(token.trim())
    });
    let challenge = challenge(call, tenant);
    let Some(token) = bearer else {
        return Err(Failure::unauthorized(
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing.",
        )
        .header("www-authenticate", challenge));
    };
    let Some(claims) = claims(token) else {
        return Err(Failure::unauthorized(
            "InvalidAuthenticationToken",
            "The access token is invalid.",
        )
        .header("www-authenticate", challenge));
    };
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    let text = |name: &str| {
        claims
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    if number("exp").is_none_or(|expires| expires <= call.now.as_second()) {
        return Err(Failure::unauthorized(
            "ExpiredAuthenticationToken",
            "The access token expiry UTC time is earlier than current UTC time.",
        )
        .header("www-authenticate", challenge));
    }
    let audience = text("aud");
    if !audience_fits(&call.door, &audience) {
        return Err(Failure::unauthorized(
            "InvalidAuthenticationTokenAudience",
            format!(
                "The access token has been obtained for wrong audience or resource '{audience}'."
            ),
        )
        .header("www-authenticate", challenge));
    }
    if !text("tid").eq_ignore_ascii_case(tenant) {
        return Err(Failure::unauthorized(
            "InvalidAuthenticationTokenTenant",
            format!(
                "The access token is from the wrong issuer. It must match the tenant '{tenant}'."
            ),
        )
        .header("www-authenticate", challenge));
    }
    let client = text("appid");
    Ok(Caller {
        principal: principal_of(&client, operator),
        limited: client.eq_ignore_ascii_case(&operator.client_id),
        client,
    })
}

fn audience_fits(door: &Door, audience: &str) -> bool {
    let audience = audience.trim_end_matches('/');
    match door {
        Door::Arm => audience.starts_with("https://management."),
        Door::Vault(_) => audience == VAULT_AUDIENCE,
        Door::Dicom(_) => audience == DICOM_AUDIENCE,
        Door::Login | Door::Loopback => true,
    }
}

fn challenge(call: &Call, tenant: &str) -> String {
    let authority = format!("https://login.microsoftonline.com/{tenant}");
    match call.door {
        Door::Vault(_) => {
            format!("Bearer authorization=\"{authority}\", resource=\"{VAULT_AUDIENCE}\"")
        }
        Door::Arm | Door::Login | Door::Dicom(_) | Door::Loopback => {
            format!("Bearer authorization_uri=\"{authority}\", error=\"invalid_token\"")
        }
    }
}

fn claims(token: &str) -> Option<Map<String, Value>> {
    let payload = token.split('.').nth(1)?.trim_end_matches('=');
    let bytes = URL_SAFE_NO_PAD
        .decode(payload)
        .or_else(|_| STANDARD_NO_PAD.decode(payload))
        .ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn principal_of(client: &str, operator: &Operator) -> String {
    if client.eq_ignore_ascii_case(&operator.client_id) {
        operator.principal_id.clone()
    } else {
        guid(&format!("owner/{client}"))
    }
}

fn refused(code: &str, message: &str) -> Failure {
    Failure::new(
        StatusCode::BAD_REQUEST,
        "invalid_request",
        format!("{code}: {message}"),
    )
}

impl Caller {
    /// Lets the call pass if this caller may do `action` over `scope`.
    pub(super) fn require(&self, action: &str, scope: &str, operator: &Operator) -> Result<()> {
        if !self.limited || operator.allows(action, scope) {
            return Ok(());
        }
        Err(Failure::forbidden(
            "AuthorizationFailed",
            self.denied(action, scope, ""),
        ))
    }

    /// Attaching an identity is checked on that identity, with a code of its own.
    pub(super) fn require_linked(&self, scope: &str, operator: &Operator) -> Result<()> {
        let action = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action";
        if !self.limited || operator.allows(action, scope) {
            return Ok(());
        }
        let message = format!(
            "The client with object id '{}' has permission to perform the write; however, it does \
             not have permission to perform action '{action}' on the linked scope '{scope}' or the \
             linked scope is invalid.",
            self.principal
        );
        Err(Failure::forbidden("LinkedAuthorizationFailed", message))
    }

    /// The condition on the operator's own assignment: which roles it may give to whom.
    pub(super) fn require_grantable(
        &self,
        (role, principal_type): (&str, &str),
        scope: &str,
        operator: &Operator,
    ) -> Result<()> {
        if !self.limited || operator.may_grant(role, principal_type) {
            return Ok(());
        }
        let action = "Microsoft.Authorization/roleAssignments/write";
        let message = self.denied(action, scope, " or an ABAC condition is not fulfilled");
        Err(Failure::forbidden("AuthorizationFailed", message))
    }

    fn denied(&self, action: &str, scope: &str, more: &str) -> String {
        format!(
            "The client '{}' with object id '{}' does not have authorization to perform action \
             '{action}' over scope '{scope}' or the scope is invalid{more}. If access was recently \
             granted, please refresh your credentials.",
            self.client, self.principal
        )
    }
}

impl Operator {
    fn allows(&self, action: &str, scope: &str) -> bool {
        let in_scope = self.scopes.is_empty() || self.scopes.iter().any(|own| covers(own, scope));
        in_scope && self.actions.iter().any(|pattern| matches(pattern, action))
    }

    fn may_grant(&self, role: &str, principal_type: &str) -> bool {
        let role_fits = self.grantable_roles.is_empty()
            || self
                .grantable_roles
                .iter()
                .any(|own| own.eq_ignore_ascii_case(role));
        let type_fits = self.grantable_principal_types.is_empty()
            || self
                .grantable_principal_types
                .iter()
                .any(|own| own.eq_ignore_ascii_case(principal_type));
        role_fits && type_fits
    }
}

/// Whether an action matches a role's pattern, whose `*` stands for any text.
pub(super) fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == action;
    };
    let Some(rest) = action.strip_prefix(head) else {
        return false;
    };
    tail.is_empty() || rest.ends_with(tail) && !tail.contains('*')
}
