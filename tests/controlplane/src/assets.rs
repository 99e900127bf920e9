//! Where the binaries of the control plane, and the checkers of its monitoring, are: found by `KUBEBUILDER_ASSETS`, or
//! built once and kept in the user's cache folder.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result, bail};

use crate::clock::Stopwatch;
use crate::go_module::{self, GoModule};

/// One binary of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// `kube-apiserver`
    ApiServer,
    /// `kube-controller-manager`: lets namespaces and owner references end as in a cluster
    ControllerManager,
    /// `etcd`
    Etcd,
    /// `kubectl`
    Kubectl,
    /// `promtool`: no part of a control plane, but built and kept in the same way
    Promtool,
    /// `dashboard-check`: judges a Grafana dashboard by Grafana's own types
    DashboardCheck,
}

impl Tool {
    /// What every control plane needs, in the order in which it is built: quick ones first.
    pub const BASE: [Self; 3] = [Self::Etcd, Self::Kubectl, Self::ApiServer];
    /// A control plane with the controller manager.
    pub const ALL: [Self; 4] = [
        Self::Etcd,
        Self::Kubectl,
        Self::ApiServer,
        Self::ControllerManager,
    ];
    /// What checks `deploy/monitoring`.
    pub const MONITORING: [Self; 2] = [Self::DashboardCheck, Self::Promtool];

    /// The name of its file.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Etcd => "etcd",
            Self::Kubectl => "kubectl",
            Self::Promtool => "promtool",
            Self::DashboardCheck => "dashboard-check",
        }
    }

    /// How long a first build takes on two cores, for people who wait.
    fn patience(self) -> &'static str {
        match self {
            Self::ApiServer => "about 6 minutes on 2 cores",
            Self::ControllerManager | Self::Promtool => "about 3 minutes on 2 cores",
            Self::Etcd | Self::Kubectl => "about a minute",
            Self::DashboardCheck => "some seconds",
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.file_name())
    }
}

/// The binaries that were asked for: each of them is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assets {
    files: BTreeMap<Tool, PathBuf>,
}

impl Assets {
    /// Finds `tools`, and builds those that are neither in the folder that `KUBEBUILDER_ASSETS`
    /// names nor in the cache. Quiet when all is there, else one line per binary on stderr.
    pub fn find_or_build(tools: &[Tool]) -> Result<Self> {
        let given = env::var_os("KUBEBUILDER_ASSETS").filter(|folder| !folder.is_empty());
        let given = given
            .map(|folder| Given::open(Path::new(&folder)))
            .transpose()?;
        let mut files = BTreeMap::new();
        for &tool in tools {
            let file = match given.as_ref().and_then(|given| given.file(tool)) {
                Some(file) => file,
                None => Cache::open(&cache_folder()?, GoModule::of(tool))?.find_or_build(tool)?,
            };
            files.insert(tool, file);
        }
        Ok(Self { files })
    }

    /// The file of `tool`; an error when it was not asked for.
    pub fn path(&self, tool: Tool) -> Result<&Path> {
        self.files
            .get(&tool)
            .map(PathBuf::as_path)
            .with_context(|| {
                format!("{tool} was not asked for when the control plane's binaries were gathered")
            })
    }

    /// The folders of the binaries, without repetition: what a PATH needs.
    pub fn folders(&self) -> Vec<&Path> {
        let mut folders: Vec<&Path> = self
            .files
            .values()
            .filter_map(|file| file.parent())
            .collect();
        folders.sort_unstable();
        folders.dedup();
        folders
    }
}

/// A folder that somebody else filled: `setup-envtest`, say.
#[derive(Debug)]
struct Given {
    folder: PathBuf,
}

impl Given {
    fn open(folder: &Path) -> Result<Self> {
        let missing: Vec<&str> = Tool::BASE
            .iter()
            .map(|tool| tool.file_name())
            .filter(|name| !folder.join(name).is_file())
            .collect();
        if !missing.is_empty() {
            bail!(
                "KUBEBUILDER_ASSETS names {}, which has no {}: put them there, or unset KUBEBUILDER_ASSETS \
                 to have all of them built",
                folder.display(),
                missing.join(", no "),
            );
        }
        let folder = fs::canonicalize(folder)
            .with_context(|| format!("failed to read the folder {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// `setup-envtest` brings the three of [`Tool::BASE`] alone: the rest may be missing.
    fn file(&self, tool: Tool) -> Option<PathBuf> {
        Some(self.folder.join(tool.file_name())).filter(|file| file.is_file())
    }
}

/// The folder of one version of a module's binaries.
#[derive(Debug)]
struct Cache {
    folder: PathBuf,
}

impl Cache {
    fn open(caches: &Path, module: GoModule) -> Result<Self> {
        let version = module.version()?;
        let folder = caches
            .join("dicomenc")
            .join(module.name())
            .join(format!("{version}-{}", module.fingerprint()));
        Ok(Self { folder })
    }

    fn find_or_build(&self, tool: Tool) -> Result<PathBuf> {
        let file = self.folder.join(tool.file_name());
        if !file.is_file() {
            self.build(tool, &file)
                .with_context(|| format!("failed to put {tool} into {}", self.folder.display()))?;
        }
        Ok(file)
    }

    /// Under a lock, so that two processes do not build at once; renamed when whole, so that
    /// nobody ever starts half a binary.
    fn build(&self, tool: Tool, file: &Path) -> Result<()> {
        fs::create_dir_all(&self.folder)?;
        let lock = File::create(self.folder.join("lock"))?;
        if lock.try_lock().is_err() {
            tell(&format!(
                "waiting for another process that builds binaries for {tool}"
            ))?;
            lock.lock()?;
        }
        if file.is_file() {
            return Ok(());
        }
        tell(&format!(
            "building {tool} {} from its Go module, once ({})",
            GoModule::of(tool).version()?,
            tool.patience()
        ))?;
        let stopwatch = Stopwatch::start();
        let unfinished = self
            .folder
            .join(format!("{tool}.{}.unfinished", process::id()));
        go_module::build(tool, &unfinished)?;
        fs::rename(&unfinished, file)?;
        tell(&format!(
            "built {tool} in {} s",
            stopwatch.elapsed().as_secs()
        ))
    }
}

/// `$XDG_CACHE_HOME`, else `~/.cache`.
fn cache_folder() -> Result<PathBuf> {
    let variable = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .context(
            "there is no cache folder for the control plane's binaries: set HOME or XDG_CACHE_HOME",
        )
}

fn tell(line: &str) -> Result<()> {
    writeln!(io::stderr(), "controlplane: {line}").context("failed to write to stderr")
}

#[cfg(test)]
mod tests;
