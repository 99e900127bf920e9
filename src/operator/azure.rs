//! The client for Azure, as the settings ask for it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use uuid::Uuid;

use super::Tasks;
use crate::arm::budget::{Bucket, Budgets, CredentialId, Limits};
use crate::arm::client::{ArmClient, ArmSettings, CallRecord};
use crate::arm::credential::{self, LoginNetwork, TokenSource};
use crate::arm::transport::{HttpSettings, HttpTransport, ProxySettings, Transport};
use crate::azure::Cloud;
use crate::cli::{AzureSettings, CloudSettings, CredentialSettings, Settings};
use crate::clock::{Clock, Monotonic};
use crate::metrics::{self, CodeClass, Metrics, Quota};

/// The longest that a call to Azure may take.
const ARM_DEADLINE: Duration = Duration::from_mins(1);

/// A client for the cloud and the login of the settings. It keeps its token fresh until `shutdown`.
pub(super) fn client(
    settings: &Settings,
    clock: Arc<dyn Clock>,
    metrics: &Metrics,
    tasks: &Tasks,
) -> anyhow::Result<ArmClient> {
    let cloud = cloud(&settings.azure);
    if let Some(host) = settings
        .azure
        .authority_host
        .as_ref()
        .filter(|host| host.origin() != cloud.authority.origin())
    {
        anyhow::bail!(
            "AZURE_AUTHORITY_HOST is {host}, but the cloud {cloud} logs in at {}: correct the variable, or choose the cloud with --azure-cloud",
            cloud.authority
        );
    }
    let network = network(settings)?;
    let transport: Arc<dyn Transport> = Arc::new(HttpTransport::try_new(&network)?);
    let metadata: Arc<dyn Transport> =
        Arc::new(HttpTransport::try_new(&network.for_metadata_endpoint())?);
    let login = LoginNetwork {
        authority: cloud.authority.clone(),
        transport: Arc::clone(&transport),
        metadata,
    };
    let credential = credential(&settings.azure.credential);
    let name = CredentialId::new(credential.as_str());
    let tokens = Arc::new(TokenSource::new(
        credential.factory(login),
        cloud.scope.clone(),
        Arc::clone(&clock),
    ));
    let (fresh, stop) = (Arc::clone(&tokens), tasks.shutdown.clone());
    tasks
        .tracker
        .spawn(async move { stop.run_until_cancelled(fresh.keep_fresh()).await });
    let (counted, counted_at) = (metrics.arm.clone(), Arc::clone(&clock));
    Ok(ArmClient::try_new(ArmSettings {
        endpoint: cloud.resource_manager,
        credential: name,
        tokens,
        transport,
        budgets: Arc::new(Mutex::new(Budgets::new(Limits::default()))),
        clock,
        deadline: ARM_DEADLINE,
        instance: Uuid::new_v4(),
        observer: Arc::new(move |record| count(&counted, record, counted_at.monotonic())),
    })?)
}

fn count(counted: &metrics::ArmMetrics, record: &CallRecord, now: Monotonic) {
    let provider = record.action.split('/').next().unwrap_or_default();
    let method = match record.method.as_str() {
        "GET" => "GET",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        _ => "other",
    };
    let code = CodeClass::of(record.status.map(|status| status.as_u16()));
    if record.client_request_id.is_some() {
        counted.arm_called(provider, method, code, record.elapsed);
    }
    if let Some(left) = record.remaining {
        let quota = match record.key.bucket {
            Bucket::Read => Quota::Reads,
            Bucket::Write => Quota::Writes,
        };
        counted.arm_quota_left(quota, record.key.subscription, left, now);
    }
}

fn network(settings: &Settings) -> anyhow::Result<HttpSettings> {
    let ca_bundle = match &settings.azure.ca_bundle {
        None => None,
        Some(path) => Some(std::fs::read(path).with_context(|| {
            format!(
                "failed to read the CA bundle {}: correct --ca-bundle",
                path.display()
            )
        })?),
    };
    let proxy = match &settings.proxy.https {
        None => None,
        Some(url) => Some(ProxySettings::try_new(
            url.as_str(),
            &settings.proxy.bypass.join(","),
        )?),
    };
    Ok(HttpSettings {
        ca_bundle,
        proxy,
        deadline: ARM_DEADLINE,
        ..HttpSettings::default()
    })
}

fn credential(settings: &CredentialSettings) -> credential::CredentialSettings {
    match settings.clone() {
        CredentialSettings::WorkloadIdentity {
            principal,
            token_file,
        } => credential::CredentialSettings::WorkloadIdentity {
            tenant_id: principal.tenant_id,
            client_id: principal.client_id,
            token_file,
        },
        CredentialSettings::ManagedIdentity { client_id } => {
            credential::CredentialSettings::ManagedIdentity { client_id }
        }
        CredentialSettings::ClientSecret { principal, secret } => {
            credential::CredentialSettings::ClientSecret {
                tenant_id: principal.tenant_id,
                client_id: principal.client_id,
                secret: secret.expose().to_owned().into(),
            }
        }
        CredentialSettings::DeveloperCli => credential::CredentialSettings::DeveloperTools,
    }
}

pub(super) fn cloud(settings: &AzureSettings) -> Cloud {
    match &settings.cloud {
        CloudSettings::Public => Cloud::public(),
        CloudSettings::UsGovernment => Cloud::us_government(),
        CloudSettings::China => Cloud::china(),
        CloudSettings::Custom(custom) => Cloud {
            name: "Custom".to_owned(),
            resource_manager: custom.endpoint.clone(),
            scope: format!("{}/.default", custom.audience.trim_end_matches('/')),
            authority: custom.authority.clone(),
            vault_suffix: custom.vault_suffix.clone(),
        },
    }
}
