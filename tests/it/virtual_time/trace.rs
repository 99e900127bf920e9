//! Everything that the operator did outside of itself, and what was true then, in one list.

use std::fmt;
use std::sync::{Arc, Mutex};

use http::Method;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

/// One entry of the list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// When it happened.
    pub(crate) at: Timestamp,
    /// What happened.
    pub(crate) what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// The operator asked Azure for something.
    Azure(AzureCall),
    /// The operator asked the API server for something.
    Kube(KubeCall),
    /// Somebody else changed the world, which until then was so.
    Changed(String, Truth),
}

/// A request to Azure. It is entered when it is sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AzureCall {
    pub(crate) method: Method,
    /// Absolute.
    pub(crate) url: String,
    /// Whom the token is for that it carries, if it carries one.
    pub(crate) audience: Option<String>,
    pub(crate) body: Value,
    /// The status of the answer; none when none came.
    pub(crate) status: Option<u16>,
    /// The body of the answer, kept for direct reads of a DICOM service.
    pub(crate) answer: Value,
    /// The world right before a write.
    pub(crate) truth: Option<Truth>,
}

/// A request to the API server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KubeCall {
    pub(crate) method: Method,
    /// The path without the query.
    pub(crate) path: String,
    pub(crate) body: Value,
    /// The status of the answer; none when none came.
    pub(crate) status: Option<u16>,
}

/// The world as it was at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Truth {
    /// What the simulator shows of the estate.
    pub(crate) estate: Value,
    /// The DicomEncryption objects.
    pub(crate) objects: Vec<Value>,
}

/// What the list holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Keeping {
    /// Everything, and what was true at each write.
    #[default]
    Everything,
    /// Calls only: to show all of a large estate takes longer than the operator needs for it.
    Calls,
}

/// The list, shared by the rig and its links.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    entries: Arc<Mutex<Entries>>,
    keeping: Keeping,
}

#[derive(Debug, Default)]
struct Entries {
    /// How many were taken out; the first that is left has this place.
    taken: usize,
    left: Vec<Entry>,
}

impl Trace {
    /// An empty list that will hold this.
    pub(crate) fn new(keeping: Keeping) -> Self {
        Self {
            keeping,
            ..Self::default()
        }
    }

    /// Whether what was true is kept beside the calls.
    pub(crate) fn keeps_truth(&self) -> bool {
        self.keeping == Keeping::Everything
    }

    /// Enters something, and gives its place.
    pub(crate) fn enter(&self, at: Timestamp, what: What) -> usize {
        let mut entries = self.entries.lock().unwrap();
        entries.left.push(Entry { at, what });
        entries.taken + entries.left.len() - 1
    }

    /// Adds what was answered to the call at this place, unless it was taken out.
    pub(crate) fn answered(&self, place: usize, with: u16, body: Value) {
        let mut entries = self.entries.lock().unwrap();
        let Some(place) = place.checked_sub(entries.taken) else {
            return;
        };
        match &mut entries.left[place].what {
            What::Azure(call) => {
                call.status = Some(with);
                call.answer = body;
            }
            What::Kube(call) => call.status = Some(with),
            What::Changed(..) => panic!("a change is not answered"),
        }
    }

    /// The next place: what comes from now on is entered there and behind.
    pub(crate) fn mark(&self) -> usize {
        let entries = self.entries.lock().unwrap();
        entries.taken + entries.left.len()
    }

    /// What was entered at this place and behind.
    pub(crate) fn since(&self, mark: usize) -> Vec<Entry> {
        let entries = self.entries.lock().unwrap();
        entries.left[mark - entries.taken..].to_vec()
    }

    /// Takes everything out that has been entered so far.
    pub(crate) fn take(&self) -> Vec<Entry> {
        let mut entries = self.entries.lock().unwrap();
        let left = std::mem::take(&mut entries.left);
        entries.taken += left.len();
        left
    }
}

impl Entry {
    /// The call to Azure, if it is one.
    pub(crate) fn azure(&self) -> Option<&AzureCall> {
        match &self.what {
            What::Azure(call) => Some(call),
            What::Kube(_) | What::Changed(..) => None,
        }
    }

    /// The call to the API server, if it is one.
    pub(crate) fn kube(&self) -> Option<&KubeCall> {
        match &self.what {
            What::Kube(call) => Some(call),
            What::Azure(_) | What::Changed(..) => None,
        }
    }
}

impl AzureCall {
    /// Whether it asks for a token.
    pub(crate) fn is_login(&self) -> bool {
        self.url.starts_with("https://login.microsoftonline.com/")
    }

    /// The host that it goes to.
    pub(crate) fn host(&self) -> &str {
        let place = self.url.strip_prefix("https://").unwrap_or("not https");
        place.split('/').next().unwrap_or_default()
    }

    /// Whether it could change something.
    pub(crate) fn is_write(&self) -> bool {
        self.method != Method::GET && !self.is_login()
    }

    /// The path of the URL, in lower case, without the query.
    pub(crate) fn path(&self) -> String {
        let place = self.url.split_once("://").map_or("", |(_, place)| place);
        let path = place.split_once('/').map_or("", |(_, path)| path);
        let path = path.split('?').next().unwrap_or_default();
        format!("/{}", path.to_lowercase())
    }

    /// Whether it is about a DICOM service itself.
    pub(crate) fn is_of_service(&self) -> bool {
        let path = self.path();
        let mut parts = path.rsplit('/');
        parts.nth(1) == Some("dicomservices")
    }

    /// Whether it is about one role assignment.
    pub(crate) fn is_of_assignment(&self) -> bool {
        self.path().rsplit('/').nth(1) == Some("roleassignments")
    }
}

impl KubeCall {
    /// Whether it writes the status of one of our objects.
    pub(crate) fn is_status(&self) -> bool {
        self.method == Method::PATCH && self.path.ends_with("/status")
    }

    /// Whether it could change something.
    pub(crate) fn is_write(&self) -> bool {
        self.method != Method::GET
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            |status: Option<u16>| status.map_or_else(|| "-".to_owned(), |own| own.to_string());
        match &self.what {
            What::Azure(call) => {
                let status = shown(call.status);
                let AzureCall { method, url, .. } = call;
                write!(formatter, "{} {status} {method} {url}", self.at)
            }
            What::Kube(call) => {
                let status = shown(call.status);
                let KubeCall { method, path, .. } = call;
                write!(formatter, "{} {status} {method} {path}", self.at)
            }
            What::Changed(words, _) => write!(formatter, "{} *** {words}", self.at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(trace: &Trace, path: &str) -> usize {
        let call = KubeCall {
            method: Method::GET,
            path: path.to_owned(),
            body: Value::Null,
            status: None,
        };
        trace.enter(Timestamp::UNIX_EPOCH, What::Kube(call))
    }

    #[test]
    fn what_is_taken_out_leaves_the_places_of_the_rest() {
        let trace = Trace::new(Keeping::Calls);
        assert!(!trace.keeps_truth());
        let first = get(&trace, "/first");
        assert_eq!(trace.take().len(), 1);
        let second = get(&trace, "/second");
        trace.answered(first, 200, Value::Null);
        trace.answered(second, 404, Value::Null);
        assert_eq!((second, trace.mark()), (1, 2));
        let left = trace.since(second);
        assert_eq!(left[0].kube().unwrap().status, Some(404));
    }
}
