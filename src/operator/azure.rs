//! The clients for Azure, as the settings ask for them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use uuid::Uuid;

use super::Tasks;
use crate::arm::budget::{Bucket, Budgets, CredentialId, Limit, Limits};
use crate::arm::client::{ArmClient, ArmSettings, CallRecord};
use crate::arm::credential::{self, LoginNetwork, TokenSource};
use crate::arm::data_plane::{DICOM_LIMIT, DataPlane, DataPlaneSettings, VAULT_LIMIT};
use crate::arm::transport::{HttpSettings, HttpTransport, ProxySettings, Transport};
use crate::azure::{Cloud, cloud::DICOM_SCOPE};
use crate::cli::{AzureSettings, CloudSettings, CredentialSettings, Settings};
use crate::clock::{Clock, Monotonic};
use crate::metrics::{self, CodeClass, Metrics, Quota};
use crate::observe::Planes;

/// The longest that a call to Azure may take.
const ARM_DEADLINE: Duration = Duration::from_mins(1);

/// The longest that a call to a vault or a DICOM service may take. They answer within a few
/// hundred milliseconds; one that does not is not waited for, it is asked again.
const HOST_DEADLINE: Duration = Duration::from_secs(5);

/// The ways to the cloud of the settings, with their login. Tokens are kept fresh until `shutdown`.
pub(super) fn planes(
    settings: &Settings,
    clock: Arc<dyn Clock>,
    metrics: &Metrics,
    tasks: &Tasks,
) -> anyhow::Result<Planes> {
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
    let login = Login {
        credential: credential(&settings.azure.credential),
        network: LoginNetwork {
            authority: cloud.authority.clone(),
            transport: Arc::clone(&transport),
            metadata,
        },
        clock,
        transport,
        instance: Uuid::new_v4(),
    };
    let vaults = metrics.vaults.clone();
    let vaults = login.data_plane(
        (&cloud.vault_suffix, &cloud.vault_scope(), VAULT_LIMIT),
        Arc::new(move |record| {
            if record.client_request_id.is_some() {
                vaults.called(code(record));
            }
        }),
        tasks,
    );
    let services = cloud.dicom_suffix.as_ref().map(|suffix| {
        // an answer of a service is a fact about it, told in its object
        login.data_plane((suffix, DICOM_SCOPE, DICOM_LIMIT), Arc::new(|_| {}), tasks)
    });
    Ok(Planes {
        arm: Arc::new(login.arm(&cloud, metrics, tasks)?),
        vaults,
        services,
    })
}

/// What all clients have in common.
struct Login {
    credential: credential::CredentialSettings,
    network: LoginNetwork,
    clock: Arc<dyn Clock>,
    transport: Arc<dyn Transport>,
    instance: Uuid,
}

impl Login {
    fn arm(&self, cloud: &Cloud, metrics: &Metrics, tasks: &Tasks) -> anyhow::Result<ArmClient> {
        let (counted, counted_at) = (metrics.arm.clone(), Arc::clone(&self.clock));
        Ok(ArmClient::try_new(ArmSettings {
            endpoint: cloud.resource_manager.clone(),
            credential: self.name(),
            tokens: self.tokens(&cloud.scope, tasks),
            transport: Arc::clone(&self.transport),
            budgets: Arc::new(Mutex::new(Budgets::new(Limits::default()))),
            clock: Arc::clone(&self.clock),
            deadline: ARM_DEADLINE,
            instance: self.instance,
            observer: Arc::new(move |record| count(&counted, record, counted_at.monotonic())),
        })?)
    }

    fn data_plane(
        &self,
        (suffix, scope, limit): (&str, &str, Limit),
        observer: Arc<dyn Fn(&CallRecord) + Send + Sync>,
        tasks: &Tasks,
    ) -> Arc<DataPlane> {
        DataPlane::new(DataPlaneSettings {
            suffix: suffix.to_owned(),
            credential: self.name(),
            tokens: self.tokens(scope, tasks),
            transport: Arc::clone(&self.transport),
            limit,
            clock: Arc::clone(&self.clock),
            deadline: HOST_DEADLINE,
            instance: self.instance,
            observer,
        })
    }

    fn name(&self) -> CredentialId {
        CredentialId::new(self.credential.as_str())
    }

    /// Nothing is asked for before the first call; from then on the token is kept fresh.
    fn tokens(&self, scope: &str, tasks: &Tasks) -> Arc<TokenSource> {
        let factory = self.credential.clone().factory(self.network.clone());
        let tokens = Arc::new(TokenSource::new(factory, scope, Arc::clone(&self.clock)));
        let (fresh, stop) = (Arc::clone(&tokens), tasks.shutdown.clone());
        tasks
            .tracker
            .spawn(async move { stop.run_until_cancelled(fresh.keep_fresh()).await });
        tokens
    }
}

fn count(counted: &metrics::ArmMetrics, record: &CallRecord, now: Monotonic) {
    let provider = record.action.split('/').next().unwrap_or_default();
    let method = match record.method.as_str() {
        "GET" => "GET",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        _ => "other",
    };
    if record.client_request_id.is_some() {
        counted.arm_called(provider, method, code(record), record.elapsed);
    }
    if let Some(left) = record.remaining {
        let quota = match record.key.bucket {
            Bucket::Read => Quota::Reads,
            Bucket::Write => Quota::Writes,
        };
        counted.arm_quota_left(quota, record.key.subscription, left, now);
    }
}

fn code(record: &CallRecord) -> CodeClass {
    CodeClass::of(record.status.map(|status| status.as_u16()))
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
            dicom_suffix: None,
        },
    }
}
