use std::{num::NonZeroU16, path::PathBuf, time::Duration};

use url::Url;

use super::*;
use crate::{
    admin::BindAddress,
    telemetry::{LogFormat, LogSettings},
};

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().copied().collect()
}

fn read(flags: &str, variables: &[(&str, &str)]) -> Result<Settings, String> {
    let arguments = ["dicomenc", "operator"]
        .into_iter()
        .chain(flags.split_whitespace());
    match command(arguments.map(OsString::from), &environment(variables)) {
        Ok(Command::Operator(settings)) => Ok(*settings),
        Ok(Command::Crd) => Err("the CRD was asked for".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn refusal(flags: &str, variables: &[(&str, &str)]) -> String {
    read(flags, variables).unwrap_err()
}

const WORKLOAD: [(&str, &str); 4] = [
    ("AZURE_TENANT_ID", "tenant"),
    ("AZURE_CLIENT_ID", "client"),
    (
        "AZURE_FEDERATED_TOKEN_FILE",
        "/var/run/secrets/azure/tokens/azure-identity-token",
    ),
    ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/"),
];

fn principal() -> ServicePrincipal {
    ServicePrincipal {
        tenant_id: "tenant".to_owned(),
        client_id: "client".to_owned(),
    }
}

#[test]
fn without_flags_the_documented_defaults_hold() {
    assert_eq!(
        read("", &[]).unwrap(),
        Settings {
            leader_election: None,
            metrics_address: BindAddress::At("0.0.0.0:8080".parse().unwrap()),
            health_address: BindAddress::At("0.0.0.0:8081".parse().unwrap()),
            namespace: None,
            log: LogSettings {
                format: LogFormat::Json,
                filter: "info".to_owned()
            },
            azure: AzureSettings {
                cloud: CloudSettings::Public,
                credential: CredentialSettings::ManagedIdentity { client_id: None },
                authority_host: None,
                ca_bundle: None,
            },
            proxy: ProxySettings::default(),
            timing: Timing {
                propagation_wait: Duration::from_mins(10),
                recovery_window: Duration::from_mins(30),
                recovery_grace: Duration::from_mins(10),
                health_interval: Duration::from_mins(1),
                service_interval: Duration::from_mins(2),
                resource_health_interval: Duration::from_secs(30),
                vault_interval: Duration::from_secs(10),
                configuration_interval: Duration::from_mins(5),
            },
            max_concurrent_reconciles: NonZeroU16::new(8).unwrap(),
            host: "dicomenc".to_owned(),
        }
    );
}

#[test]
fn every_flag_arrives_where_it_belongs() {
    let flags = "--leader-elect --leader-election-namespace operators --leader-election-id mine \
        --lease-duration 30s --renew-deadline 20s --retry-period 500ms \
        --metrics-bind-address 127.0.0.1:1 --health-probe-bind-address 0 --namespace imaging \
        --log-format text --log-level debug --azure-cloud custom \
        --azure-endpoint https://management.example.org --azure-authority https://login.example.org \
        --azure-vault-suffix .Vault.example.org --azure-audience https://audience.example.org \
        --azure-credential developer-cli --ca-bundle /etc/ca.pem --propagation-wait 1m30s \
        --recovery-window 20m --recovery-grace 5m \
        --health-interval 10s --service-interval 45s --resource-health-interval 20s \
        --vault-interval 5s --configuration-interval 2h --max-concurrent-reconciles 3";
    let variables = [
        ("RUST_LOG", "warn"),
        ("HOSTNAME", "host"),
        ("POD_NAME", "pod-0"),
        ("HTTPS_PROXY", "http://upper.example.org:3128"),
        ("https_proxy", "http://lower.example.org:3128"),
        ("no_proxy", "10.0.0.0/8, .svc,,"),
    ];
    assert_eq!(
        read(flags, &variables).unwrap(),
        Settings {
            leader_election: Some(LeaderElection {
                namespace: Some("operators".to_owned()),
                id: "mine".to_owned(),
                lease_duration: Duration::from_secs(30),
                renew_deadline: Duration::from_secs(20),
                retry_period: Duration::from_millis(500),
            }),
            metrics_address: BindAddress::At("127.0.0.1:1".parse().unwrap()),
            health_address: BindAddress::Off,
            namespace: Some("imaging".to_owned()),
            log: LogSettings {
                format: LogFormat::Text,
                filter: "debug".to_owned()
            },
            azure: AzureSettings {
                cloud: CloudSettings::Custom(Box::new(CustomCloud {
                    endpoint: Url::parse("https://management.example.org").unwrap(),
                    authority: Url::parse("https://login.example.org").unwrap(),
                    vault_suffix: "vault.example.org".to_owned(),
                    audience: "https://audience.example.org".to_owned(),
                })),
                credential: CredentialSettings::DeveloperCli,
                authority_host: None,
                ca_bundle: Some(PathBuf::from("/etc/ca.pem")),
            },
            proxy: ProxySettings {
                https: Some(Url::parse("http://upper.example.org:3128").unwrap()),
                bypass: vec!["10.0.0.0/8".to_owned(), ".svc".to_owned()],
            },
            timing: Timing {
                propagation_wait: Duration::from_secs(90),
                recovery_window: Duration::from_mins(20),
                recovery_grace: Duration::from_mins(5),
                health_interval: Duration::from_secs(10),
                service_interval: Duration::from_secs(45),
                resource_health_interval: Duration::from_secs(20),
                vault_interval: Duration::from_secs(5),
                configuration_interval: Duration::from_hours(2),
            },
            max_concurrent_reconciles: NonZeroU16::new(3).unwrap(),
            host: "pod-0".to_owned(),
        }
    );
}

#[test]
fn the_credential_is_found_in_the_environment_in_the_documented_order() {
    let token_file = PathBuf::from("/var/run/secrets/azure/tokens/azure-identity-token");
    let workload = CredentialSettings::WorkloadIdentity {
        principal: principal(),
        token_file,
    };
    let mut both = WORKLOAD.to_vec();
    both.push(("AZURE_CLIENT_SECRET", "canary"));
    assert_eq!(read("", &WORKLOAD).unwrap().azure.credential, workload);
    assert_eq!(read("", &both).unwrap().azure.credential, workload);

    let by_secret = [
        ("AZURE_TENANT_ID", "tenant"),
        ("AZURE_CLIENT_ID", "client"),
        ("AZURE_CLIENT_SECRET", "canary"),
        ("AZURE_FEDERATED_TOKEN_FILE", ""),
    ];
    let CredentialSettings::ClientSecret {
        principal: who,
        secret,
    } = read("", &by_secret).unwrap().azure.credential
    else {
        panic!("the secret signs in");
    };
    assert_eq!((who, secret.expose()), (principal(), "canary"));

    assert_eq!(
        read("--azure-credential managed-identity", &both)
            .unwrap()
            .azure
            .credential,
        CredentialSettings::ManagedIdentity {
            client_id: Some("client".to_owned())
        }
    );
}

#[test]
fn a_credential_that_lacks_something_names_all_of_it() {
    let error = refusal(
        "--azure-credential client-secret",
        &[("AZURE_CLIENT_ID", "client")],
    );
    assert!(
        error.contains("client secret needs AZURE_TENANT_ID, AZURE_CLIENT_SECRET"),
        "{error}"
    );
    let bare = refusal("--azure-credential workload-identity", &[]);
    assert!(
        bare.contains("AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE"),
        "{bare}"
    );
    let detected = refusal("", &[("AZURE_FEDERATED_TOKEN_FILE", "/token")]);
    assert!(
        detected.contains("azure.workload.identity/use"),
        "{detected}"
    );
}

#[test]
fn secrets_are_in_no_debug_form() {
    let variables = [
        ("AZURE_TENANT_ID", "tenant"),
        ("AZURE_CLIENT_ID", "client"),
        ("AZURE_CLIENT_SECRET", "canary"),
        ("HTTPS_PROXY", "http://user:canary@proxy.example.org:3128"),
    ];
    let settings = format!("{:?}", read("", &variables).unwrap());
    assert!(!settings.contains("canary"), "{settings}");
    assert!(settings.contains("***"), "{settings}");
    assert!(
        settings.contains("http://proxy.example.org:3128"),
        "{settings}"
    );
    let shown = format!("{:?}", environment(&variables));
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("AZURE_CLIENT_SECRET"), "{shown}");
}

#[test]
fn a_custom_cloud_says_what_it_needs_and_takes_the_authority_from_the_environment() {
    let error = refusal(
        "--azure-cloud custom --azure-audience https://a.example.org",
        &[],
    );
    assert!(
        error.contains(
            "--azure-cloud custom needs --azure-endpoint, --azure-authority, --azure-vault-suffix"
        ),
        "{error}"
    );

    let flags = "--azure-cloud custom --azure-endpoint https://m.example.org \
        --azure-vault-suffix v.example.org --azure-audience https://a.example.org";
    let variables = [("AZURE_AUTHORITY_HOST", "https://login.example.org")];
    let CloudSettings::Custom(cloud) = read(flags, &variables).unwrap().azure.cloud else {
        panic!("a custom cloud was asked for");
    };
    assert_eq!(cloud.authority.as_str(), "https://login.example.org/");

    let unused = refusal("--azure-endpoint https://m.example.org", &[]);
    assert!(
        unused.contains("has no meaning without --azure-cloud custom"),
        "{unused}"
    );
}

#[test]
fn each_interval_has_its_own_bounds() {
    for flag in [
        "--health-interval",
        "--service-interval",
        "--resource-health-interval",
    ] {
        for wrong in ["100ms", "2h"] {
            let told = refusal(&format!("{flag} {wrong}"), &[]);
            let expected = format!("{flag} is {wrong}: write a duration from 1s to 1h");
            assert!(told.contains(&expected), "{told}");
        }
    }
}

#[test]
fn values_that_cannot_work_are_refused_with_what_to_write() {
    for (flags, expected) in [
        (
            "--retry-period 0s",
            "--retry-period is 0s: write a duration from 100ms to 1h",
        ),
        (
            "--health-interval 500ms",
            "--health-interval is 500ms: write a duration from 1s to 1h",
        ),
        ("--propagation-wait 25h", "write a duration from 0s to 24h"),
        (
            "--vault-interval 500ms",
            "--vault-interval is 500ms: write a duration from 1s to 1h",
        ),
        ("--health-interval=-5s", "write a duration from 1s to 1h"),
        ("--health-interval soon", "write a duration such as 500ms"),
        (
            "--renew-deadline 15s",
            "--renew-deadline must be shorter than --lease-duration",
        ),
        (
            "--retry-period 6s",
            "twice --retry-period must be shorter than --renew-deadline",
        ),
        (
            "--max-concurrent-reconciles 0",
            "write a number from 1 to 256",
        ),
        (
            "--max-concurrent-reconciles 257",
            "write a number from 1 to 256",
        ),
        (
            "--namespace Imaging",
            "--namespace is \"Imaging\": write up to 63 lower case letters",
        ),
        (
            "--leader-election-id a..b",
            "--leader-election-id is \"a..b\": write up to 253",
        ),
        (
            "--metrics-bind-address 8080",
            "write ADDRESS:PORT such as 0.0.0.0:8080",
        ),
        ("--log-format xml", "write json or text"),
        ("--azure-cloud mars", "usgovernment"),
    ] {
        let error = refusal(flags, &[]);
        assert!(error.contains(expected), "{flags}: {error}");
    }
}

#[test]
fn addresses_of_a_custom_cloud_that_cannot_work_are_refused_with_what_to_write() {
    let custom = "--azure-cloud custom --azure-audience https://a.example.org";
    for (rest, expected) in [
        (
            "--azure-endpoint http://m.example.org --azure-authority https://l.example.org \
             --azure-vault-suffix v.example.org",
            "--azure-endpoint cannot be used: write an https address",
        ),
        (
            "--azure-endpoint https://m.example.org --azure-authority https://u:p@l.example.org \
             --azure-vault-suffix v.example.org",
            "--azure-authority cannot be used: write an https address",
        ),
        (
            "--azure-endpoint https://m.example.org --azure-authority https://l.example.org \
             --azure-vault-suffix v.example.org/x",
            "--azure-vault-suffix cannot be used: write a domain",
        ),
    ] {
        let error = refusal(&format!("{custom} {rest}"), &[]);
        assert!(error.contains(expected), "{rest}: {error}");
    }
}

#[test]
fn variables_that_cannot_work_are_refused_by_name_without_showing_their_value() {
    for (name, value) in [
        ("AZURE_AUTHORITY_HOST", "http://login.canary.org"),
        ("HTTPS_PROXY", "socks5://user:canary@proxy:1080"),
        ("https_proxy", "http://"),
    ] {
        let error = refusal("", &[(name, value)]);
        assert!(
            error.contains(&format!("{name} cannot be used: write")),
            "{error}"
        );
        assert!(!error.contains("canary"), "{error}");
    }
}

#[test]
fn a_proxy_without_a_scheme_is_an_http_one() {
    let settings = read("", &[("https_proxy", "proxy.example.org:3128")]).unwrap();
    assert_eq!(
        settings.proxy.https.unwrap().as_str(),
        "http://proxy.example.org:3128/"
    );
}

#[test]
fn the_crd_is_a_command_of_its_own() {
    let arguments = ["dicomenc", "crd"].map(OsString::from);
    assert_eq!(
        command(arguments, &Environment::default()).unwrap(),
        Command::Crd
    );
}

#[test]
fn the_definition_of_the_flags_is_consistent() {
    Program::command().debug_assert();
}
