//! The Go module beside this crate: which versions it pins, and how one of its commands is built.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::assets::Tool;

/// The Kubernetes version that go.mod pins, as `v1.37.2`.
pub(crate) fn kubernetes_version() -> Result<&'static str> {
    GO_MOD
        .lines()
        .filter_map(|line| line.trim().strip_prefix("k8s.io/kubernetes "))
        .find_map(|rest| rest.split_whitespace().next())
        .context("tests/controlplane/go.mod pins no version of k8s.io/kubernetes: add it")
}

/// A short name for everything that decides what is built: changes whenever the module does.
pub(crate) fn fingerprint() -> String {
    let hash = [GO_MOD, GO_SUM, ETCD_MAIN]
        .iter()
        .flat_map(|file| file.bytes())
        .fold(FNV_OFFSET, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME)
        });
    format!("{hash:016x}")
}

/// Builds `tool` to the file `target`. Takes from seconds to minutes.
pub(crate) fn build(tool: Tool, target: &Path) -> Result<()> {
    let output = Command::new("go")
        .args(["build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags"])
        .arg(linker_flags(kubernetes_version()?)?)
        .arg("-o")
        .arg(target)
        .arg(package(tool))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
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
    }
}

/// A Go module carries no version for `kubectl version` and `/version` to tell: it is linked in.
fn linker_flags(version: &str) -> Result<String> {
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

/// The 64-bit FNV-1a parameters (draft-eastlake-fnv): a hash that is the same with every compiler.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_go_mod_pins() {
        let version = kubernetes_version().unwrap();
        assert!(GO_MOD.contains(&format!("k8s.io/kubernetes {version}")));
        assert!(version.starts_with("v1."), "{version}");
    }

    #[test]
    fn the_version_is_linked_in_whole_and_in_parts() {
        assert_eq!(
            linker_flags("v1.37.2").unwrap(),
            "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.2 \
             -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37"
        );
    }

    #[test]
    fn a_word_that_is_no_version_is_refused() {
        assert!(
            linker_flags("latest")
                .unwrap_err()
                .to_string()
                .contains("v1.37.2")
        );
    }
}
