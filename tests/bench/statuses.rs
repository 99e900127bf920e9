//! What the status of the objects says, as it is written.

use azure_simulator::kube_api::Write;
use http::StatusCode;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::virtual_time::rig::Rig;

/// How many objects are ready.
pub(crate) fn ready(rig: &Rig) -> usize {
    let kube = rig.outside.kube.lock().unwrap();
    kube.objects("dicomencryptions")
        .filter(|object| has(&object["status"], "Ready", "True", ""))
        .count()
}

/// Whether the service reaches its key, and all else is as asked.
pub(crate) fn is_well(status: &Value) -> bool {
    status["keyAccess"]["state"] == "Accessible" && has(status, "Ready", "True", "")
}

/// Whether a status has a condition; any reason will do when it is empty.
pub(crate) fn has(status: &Value, kind: &str, word: &str, reason: &str) -> bool {
    let conditions = status["conditions"].as_array();
    conditions.into_iter().flatten().any(|condition| {
        condition["type"] == kind
            && condition["status"] == word
            && (reason.is_empty() || condition["reason"] == reason)
    })
}

/// A status that the API server took.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) at: Timestamp,
    /// The object.
    pub(crate) name: String,
    pub(crate) status: Value,
}

/// Reads the statuses that were written since the last time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reader {
    /// Prints the whole trace.
    pub(crate) tells: bool,
    read: usize,
}

impl Reader {
    /// One that has read nothing yet.
    pub(crate) fn new(tells: bool) -> Self {
        Self { tells, read: 0 }
    }

    /// The new ones, oldest first. Also empties the rig's trace.
    pub(crate) fn new_ones(&mut self, rig: &Rig) -> Vec<Written> {
        for entry in rig.outside.trace.take() {
            if self.tells {
                eprintln!("{entry}");
            }
        }
        let writes = {
            let kube = rig.outside.kube.lock().unwrap();
            kube.writes()[self.read..].to_vec()
        };
        self.read += writes.len();
        writes.into_iter().filter_map(Written::of).collect()
    }
}

impl Written {
    fn of(mut write: Write) -> Option<Self> {
        let is_status = write.status == StatusCode::OK && write.path.ends_with("/status");
        let name = write.path.rsplit('/').nth(1)?;
        is_status.then(|| Self {
            at: write.at,
            name: name.to_owned(),
            status: write.body["status"].take(),
        })
    }
}
