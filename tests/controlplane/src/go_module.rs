//! The Go modules of this crate: which versions they pin, and how one of their commands is built.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::assets::Tool;

/// A Go module of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GoModule {
    /// The control plane, beside this crate's manifest
    ControlPlane,
    /// The checkers of `deploy/monitoring`: a module of their own, so that neither of the two decides
    /// the other's dependencies
    Monitoring,
}

impl GoModule {
    /// The module that has `tool`.
    pub(crate) fn of(tool: Tool) -> Self {
        match tool {
            Tool::ApiServer | Tool::ControllerManager | Tool::Etcd | Tool::Kubectl => {
                Self::ControlPlane
            }
            Tool::Promtool | Tool::DashboardCheck => Self::Monitoring,
        }
    }

    /// What its binaries are called together, in the cache and for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ControlPlane => "controlplane",
            Self::Monitoring => "monitoring",
        }
    }

    /// The version that its go.mod pins, as `v1.37.2`.
    pub(crate) fn version(self) -> Result<&'static str> {
        let pinned = match self {
            Self::ControlPlane => "k8s.io/kubernetes ",
            Self::Monitoring => "github.com/prometheus/prometheus ",
        };
        let lines = self.go_mod().lines().map(str::trim);
        lines
            .filter_map(|line| line.trim_start_matches("require ").strip_prefix(pinned))
            .find_map(|rest| rest.split_whitespace().next())
            .with_context(|| {
                format!(
                    "the go.mod of {} in tests/controlplane pins no version of {pinned}: add it",
                    self.name()
                )
            })
    }

    /// A short name for everything that decides what is built: changes whenever the module does.
    pub(crate) fn fingerprint(self) -> String {
        let files = match self {
            Self::ControlPlane => [GO_MOD, GO_SUM, ETCD_MAIN].as_slice(),
            Self::Monitoring => {
                [MONITORING_GO_MOD, MONITORING_GO_SUM, DASHBOARD_CHECK_MAIN].as_slice()
            }
        };
        let hash = files
            .iter()
            .flat_map(|file| file.bytes())
            .fold(FNV_OFFSET, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME)
            });
        format!("{hash:016x}")
    }

    fn go_mod(self) -> &'static str {
        match self {
            Self::ControlPlane => GO_MOD,
            Self::Monitoring => MONITORING_GO_MOD,
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::ControlPlane => env!("CARGO_MANIFEST_DIR"),
            Self::Monitoring => concat!(env!("CARGO_MANIFEST_DIR"), "/monitoring"),
        }
    }

    /// A Go module carries no version for its commands to tell: it is linked in.
    fn linker_flags(self) -> Result<String> {
        let version = self.version()?;
        match self {
            Self::ControlPlane => kubernetes_linker_flags(version),
            Self::Monitoring => Ok(format!(
                "-s -w -X github.com/prometheus/common/version.Version={}",
                version.trim_start_matches('v')
            )),
        }
    }

    /// `promtool` without the two dozen clouds in which Prometheus can look for its targets.
    fn tags(self) -> &'static str {
        match self {
            Self::ControlPlane => "",
            Self::Monitoring => "remove_all_sd",
        }
    }
}

/// Builds `tool` to the file `target`. Takes from seconds to minutes.
pub(crate) fn build(tool: Tool, target: &Path) -> Result<()> {
    let module = GoModule::of(tool);
    let output = Command::new("go")
        .args(["build", "-mod=readonly", "-buildvcs=false", "-trimpath"])
        .args(["-tags", module.tags(), "-ldflags"])
        .arg(module.linker_flags()?)
        .arg("-o")
        .arg(target)
        .arg(package(tool))
        .current_dir(module.folder())
        .envs([("CGO_ENABLED", "0"), ("GOFLAGS", ""), ("GOWORK", "off")])
        .stdin(Stdio::null())
        .output()
        .context(
            "failed to run go, which builds the Kubernetes API server of the tests: install Go 1.26 or newer \
             from https://go.dev/dl, or let KUBEBUILDER_ASSETS name a directory with kube-apiserver, etcd and kubectl",
        )?;
    if !output.status.success() {
        bail!(
            "failed to build {tool} with go ({}):\n{}\nGo 1.26 is needed (Go from 1.21 fetches it by itself), \
             and a way to the Go module proxy (`go env GOPROXY`)",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end(),
        );
    }
    Ok(())
}

fn package(tool: Tool) -> &'static str {
    match tool {
        Tool::ApiServer => "k8s.io/kubernetes/cmd/kube-apiserver",
        Tool::ControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
        Tool::Etcd => "./etcd",
        Tool::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
        Tool::Promtool => "github.com/prometheus/prometheus/cmd/promtool",
        Tool::DashboardCheck => "./dashboard-check",
    }
}

/// For `kubectl version` and `/version`.
fn kubernetes_linker_flags(version: &str) -> Result<String> {
    let mut numbers = version.trim_start_matches('v').split('.');
    let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else {
        bail!("{version} is no Kubernetes version: go.mod should say something like v1.37.2");
    };
    let package = "k8s.io/component-base/version";
    Ok(format!(
        "-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
    ))
}

const GO_MOD: &str = include_str!("../go.mod");
const GO_SUM: &str = include_str!("../go.sum");
const ETCD_MAIN: &str = include_str!("../etcd/main.go");
const MONITORING_GO_MOD: &str = include_str!("../monitoring/go.mod");
const MONITORING_GO_SUM: &str = include_str!("../monitoring/go.sum");
const DASHBOARD_CHECK_MAIN: &str = include_str!("../monitoring/dashboard-check/main.go");

/// The 64-bit FNV-1a parameters (draft-eastlake-fnv): a hash that is the same with every compiler.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_are_those_that_go_mod_pins() {
        let kubernetes = GoModule::ControlPlane.version().unwrap();
        assert!(GO_MOD.contains(&format!("k8s.io/kubernetes {kubernetes}")));
        assert!(kubernetes.starts_with("v1."), "{kubernetes}");
        let prometheus = GoModule::Monitoring.version().unwrap();
        let pinned = format!("github.com/prometheus/prometheus {prometheus}");
        assert!(MONITORING_GO_MOD.contains(&pinned));
        assert!(prometheus.starts_with("v0."), "{prometheus}");
    }

    #[test]
    fn the_version_is_linked_in_whole_and_in_parts() {
        assert_eq!(
            kubernetes_linker_flags("v1.37.2").unwrap(),
            "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.2 \
             -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37"
        );
    }

    #[test]
    fn a_word_that_is_no_version_is_refused() {
        assert!(
            kubernetes_linker_flags("latest")
                .unwrap_err()
                .to_string()
                .contains("v1.37.2")
        );
    }

    #[test]
    fn no_module_shares_its_place_in_the_cache_with_the_other() {
        let place = |module: GoModule| (module.name(), module.fingerprint());
        assert_ne!(
            place(GoModule::ControlPlane).0,
            place(GoModule::Monitoring).0
        );
        assert_ne!(
            place(GoModule::ControlPlane).1,
            place(GoModule::Monitoring).1
        );
    }
}
