//! What clients ask before they know anything: clouds, authorities, tokens.

use http::Method;
use serde_json::json;

use super::{
    answer::{Answer, Failure, Result},
    call::{Call, Door},
    caller::issue,
    settings::Settings,
    world::Operator,
};

/// Answers anonymous calls; `None` when the path is not one of them.
pub(super) fn anonymous(
    call: &Call,
    tenant: &str,
    operator: &Operator,
    settings: &Settings,
) -> Option<Result<Answer>> {
    if let Door::Vault(_) | Door::Dicom(_) = call.door {
        return None;
    }
    let words: Vec<String> = (0..call.segments.len())
        .map(|index| call.lower(index))
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match (call.method.as_str(), words.as_slice()) {
        ("GET", ["metadata", "endpoints"]) => Some(Ok(endpoints(call))),
        ("GET", ["common", "discovery", "instance"]) => Some(Ok(instance(call, tenant))),
        (
            "GET",
            [asked, "v2.0", ".well-known", "openid-configuration"]
            | [asked, ".well-known", "openid-configuration"],
        ) => Some(require_tenant(asked, tenant).map(|()| openid(call, tenant))),
        ("GET", [_, "discovery", "v2.0", "keys"]) => Some(Ok(Answer::ok(json!({ "keys": [] })))),
        ("POST", [asked, "oauth2", "v2.0", "token"] | [asked, "oauth2", "token"]) => Some(
            require_tenant(asked, tenant)
                .and_then(|()| issue(call, tenant, operator, settings))
                .or_else(|failure| Ok(oauth_error(&failure))),
        ),
        // Microsoft Graph: the tools do without it when it refuses so
        (_, ["v1.0" | "beta", ..]) => Some(Err(Failure::method(call))),
        _ if call.door == Door::Login => Some(Err(if call.method == Method::GET {
            Failure::missing(
                "NotFound",
                format!("There is nothing at '{}'.", call.raw_path),
            )
        } else {
            Failure::method(call)
        })),
        _ => None,
    }
}

fn require_tenant(asked: &str, tenant: &str) -> Result<()> {
    let any = ["common", "organizations"];
    if asked.eq_ignore_ascii_case(tenant) || any.contains(&asked) {
        return Ok(());
    }
    let message = format!(
        "AADSTS90002: Tenant '{asked}' not found. Check to make sure you have the \
        correct tenant ID and are signing into the correct cloud."
    );
    Err(Failure::bad("invalid_request", message))
}

/// Token endpoints say errors in OAuth's own shape.
fn oauth_error(failure: &Failure) -> Answer {
    Answer::with(
        failure.status,
        json!({ "error": failure.code, "error_description": failure.message, "error_codes": [] }),
    )
}

/// Where ARM and the authority are: on loopback both are the address that the client called.
fn addresses(call: &Call) -> (String, String) {
    match call.door {
        Door::Loopback => (call.origin.clone(), call.origin.clone()),
        Door::Arm | Door::Login | Door::Vault(_) | Door::Dicom(_) => (
            "https://management.azure.com".to_owned(),
            "https://login.microsoftonline.com".to_owned(),
        ),
    }
}

fn endpoints(call: &Call) -> Answer {
    let (arm, login) = addresses(call);
    Answer::ok(json!({
        "name": "AzureCloud",
        "portal": "https://portal.azure.com",
        "resourceManager": format!("{arm}/"),
        "authentication": {
            "loginEndpoint": login,
            "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "graph": format!("{arm}/"),
        "graphAudience": "https://graph.windows.net/",
        "microsoftGraphResourceId": format!("{arm}/"),
        "media": "https://rest.media.azure.net",
        "batch": "https://batch.core.windows.net/",
        "sqlManagement": "https://management.core.windows.net:8443/",
        "vmImageAliasDoc": "https://raw.githubusercontent.com/Azure/azure-rest-api-specs/master/arm-compute/quickstart-templates/aliases.json",
        "activeDirectoryDataLake": "https://datalake.azure.net/",
        "gallery": "https://gallery.azure.com/",
        "appInsightsResourceId": "https://api.applicationinsights.io",
        "appInsightsTelemetryChannelResourceId": "https://dc.applicationinsights.azure.com/v2/track",
        "logAnalyticsResourceId": "https://api.loganalytics.io",
        "ossrDbmsResourceId": "https://ossrdbms-aad.database.windows.net",
        "synapseAnalyticsResourceId": "https://dev.azuresynapse.net",
        "attestationResourceId": "https://attest.azure.net",
        "suffixes": {
            "keyVaultDns": "vault.azure.net",
            "mhsmDns": "managedhsm.azure.net",
            "storage": "core.windows.net",
            "acrLoginServer": "azurecr.io",
            "sqlServerHostname": "database.windows.net",
            "azureDataLakeStoreFileSystem": "azuredatalakestore.net",
            "azureDataLakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
            "attestationEndpoint": "attest.azure.net",
        },
    }))
}

fn instance(call: &Call, tenant: &str) -> Answer {
    let (_, login) = addresses(call);
    let host = login.split("//").nth(1).unwrap_or_default().to_owned();
    Answer::ok(json!({
        "tenant_discovery_endpoint": format!("{login}/{tenant}/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": [{ "preferred_network": host, "preferred_cache": host, "aliases": [host] }],
    }))
}

fn openid(call: &Call, tenant: &str) -> Answer {
    let (_, login) = addresses(call);
    let base = format!("{login}/{tenant}");
    Answer::ok(json!({
        "issuer": format!("{base}/v2.0"),
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
        "end_session_endpoint": format!("{base}/oauth2/v2.0/logout"),
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "response_types_supported": ["code", "token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
    }))
}
