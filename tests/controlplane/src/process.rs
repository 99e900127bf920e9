//! A child process on a leash: it ends when its owner lets go of it, and also when the owner dies
//! without a word (a panic that aborts, Ctrl-C, a kill -9).

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// A running server, with its log in a file. Killed when dropped: nothing that it holds is kept.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    leash: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, named `name` to people, with stdout and stderr going to `log`.
    pub(crate) fn spawn(name: &'static str, mut command: Command, log: &Path) -> Result<Self> {
        let file = File::create(log)
            .with_context(|| format!("failed to create the log {}", log.display()))?;
        let stderr = file
            .try_clone()
            .context("failed to share a log between two streams")?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(stderr)
            .process_group(0)
            .spawn()
            .with_context(|| format!("failed to start {}", command.get_program().display()))?;
        match leash(child.id()) {
            Ok(leash) => Ok(Self {
                name,
                child,
                leash,
                log: log.to_owned(),
            }),
            Err(error) => {
                end(&mut child);
                Err(error)
            }
        }
    }

    /// What to tell people when the process has ended by itself; `None` while it runs.
    pub(crate) fn epitaph(&mut self) -> Result<Option<String>> {
        let status = self
            .child
            .try_wait()
            .context("failed to look at a child process")?;
        Ok(status.map(|status| format!("{} ended ({status}); {}", self.name, self.log_tail())))
    }

    /// The last lines of the log, and where the rest is.
    pub(crate) fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let skipped = text.lines().count().saturating_sub(TAIL_LINES);
        let lines: Vec<&str> = text.lines().skip(skipped).collect();
        format!(
            "the last lines of {}:\n{}",
            self.log.display(),
            lines.join("\n")
        )
    }

    #[cfg(test)]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        end(&mut self.child);
        // only now: until the child is gone and reaped the leash guards it, and afterwards its number may be reused
        end(&mut self.leash);
    }
}

/// A shell that waits for the end of its input, which comes when the owner of the other end is
/// gone in whatever way, and then kills `process`. In a group of its own, as the process is:
/// Ctrl-C in a terminal reaches the owner alone.
fn leash(process: u32) -> Result<Child> {
    Command::new("sh")
        .args([
            "-c",
            r#"read -r _; kill -9 "$1""#,
            "leash",
            &process.to_string(),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("failed to start sh, which guards the servers of the control plane")
}

/// Both can only fail for a process that is gone already, which is what is wanted.
fn end(child: &mut Child) {
    drop(child.kill());
    drop(child.wait());
}

const TAIL_LINES: usize = 15;

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn log(name: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/controlplane/tests");
        fs::create_dir_all(&folder).unwrap();
        folder.join(format!("{name}-{}.log", std::process::id()))
    }

    fn sleeper(name: &str) -> Process {
        let mut command = Command::new("sleep");
        command.arg("1000");
        Process::spawn("sleeper", command, &log(name)).unwrap()
    }

    #[test]
    fn a_process_is_gone_when_its_owner_drops_it() {
        let process = sleeper("dropped");
        let entry = PathBuf::from(format!("/proc/{}", process.id()));
        assert!(entry.exists());
        drop(process);
        assert!(!entry.exists());
    }

    #[test]
    fn a_process_is_killed_when_its_owner_dies_without_a_word() {
        let mut process = sleeper("orphaned");
        // what the kernel does to the pipes of a process that dies
        drop(process.leash.stdin.take());
        assert_eq!(process.child.wait().unwrap().signal(), Some(9));
    }

    #[test]
    fn the_epitaph_of_a_process_has_the_end_of_its_log() {
        let mut command = Command::new("sh");
        command.args(["-c", "seq 1 40; echo no such flag >&2; exit 3"]);
        let mut process = Process::spawn("server", command, &log("epitaph")).unwrap();
        process.child.wait().unwrap();
        let epitaph = process.epitaph().unwrap().unwrap();
        assert!(
            epitaph.starts_with("server ended (exit status: 3); "),
            "{epitaph}"
        );
        assert!(epitaph.ends_with("\n39\n40\nno such flag"), "{epitaph}");
        assert!(!epitaph.contains("\n20\n"), "{epitaph}");
    }
}
