//! Open watches: who hears of what.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{Kind, selector::Selector, store::Change, update};

/// Names one watch, for ever.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct WatchId(u64);

/// A watch that is open, as its client holds it. Dropping it closes the watch.
#[derive(Debug)]
pub struct WatchStream {
    /// Which watch it is.
    pub id: WatchId,
    /// What happens, in order; ends when the server closes the watch.
    pub events: UnboundedReceiver<WatchSignal>,
    /// How long the client wants it to last (`timeoutSeconds`).
    pub timeout: Duration,
}

/// Something on an open watch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum WatchSignal {
    /// An event.
    Event(WatchEvent),
    /// The connection breaks here.
    Broken,
}

/// One event of a watch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WatchEvent {
    /// What happened.
    pub kind: WatchEventKind,
    /// To which object; for an error, the `Status`.
    pub object: Value,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WatchEventKind {
    /// It is there, or belongs to the selection, for the first time.
    Added,
    /// It is different.
    Modified,
    /// It is gone, or has left the selection.
    Deleted,
    /// Nothing: the client may remember this resource version.
    Bookmark,
    /// The watch cannot go on.
    Error,
}

impl WatchEvent {
    /// The event as a line of a response's body.
    pub fn to_line(&self) -> Bytes {
        let kind = match self.kind {
            WatchEventKind::Added => "ADDED",
            WatchEventKind::Modified => "MODIFIED",
            WatchEventKind::Deleted => "DELETED",
            WatchEventKind::Bookmark => "BOOKMARK",
            WatchEventKind::Error => "ERROR",
        };
        Bytes::from(format!(
            "{}\n",
            json!({"type": kind, "object": self.object})
        ))
    }

    /// A bookmark at a resource version; `ends_initial_events` marks the end of a streamed list.
    pub(super) fn bookmark(kind: &Kind, version: u64, ends_initial_events: bool) -> Self {
        let mut metadata = json!({"resourceVersion": version.to_string()});
        if ends_initial_events {
            let annotations = json!({"k8s.io/initial-events-end": "true"});
            update::set(&mut metadata, "annotations", Some(annotations));
        }
        let object =
            json!({"apiVersion": kind.api_version(), "kind": kind.kind, "metadata": metadata});
        Self {
            kind: WatchEventKind::Bookmark,
            object,
        }
    }
}

/// What a watch is about.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub(super) kind: Kind,
    pub(super) namespace: Option<String>,
    pub(super) selector: Selector,
}

impl Filter {
    /// What a change means to this watch, if anything.
    pub(super) fn event(&self, change: &Change) -> Option<WatchEvent> {
        let is_ours = change.key.group == self.kind.group
            && change.key.plural == self.kind.plural
            && self
                .namespace
                .as_ref()
                .is_none_or(|namespace| *namespace == change.key.namespace);
        if !is_ours {
            return None;
        }
        let was_selected = change
            .before
            .as_ref()
            .is_some_and(|object| self.selector.matches(object));
        let is_selected = !change.is_removal && self.selector.matches(&change.object);
        let kind = match (was_selected, is_selected) {
            (false, false) => return None,
            (false, true) => WatchEventKind::Added,
            (true, true) => WatchEventKind::Modified,
            (true, false) => WatchEventKind::Deleted,
        };
        Some(WatchEvent {
            kind,
            object: change.object.clone(),
        })
    }
}

/// All open watches.
#[derive(Debug, Default)]
pub(super) struct Watches {
    open: BTreeMap<WatchId, Open>,
    opened: u64,
}

#[derive(Debug)]
struct Open {
    filter: Filter,
    bookmarks: bool,
    sender: UnboundedSender<WatchSignal>,
}

impl Watches {
    /// Opens a watch whose first events are these.
    pub(super) fn open(
        &mut self,
        filter: Filter,
        bookmarks: bool,
        timeout: Duration,
        initial: Vec<WatchEvent>,
    ) -> WatchStream {
        let (sender, events) = unbounded_channel();
        for event in initial {
            // the receiver is right here
            sender.send(WatchSignal::Event(event)).ok();
        }
        let id = WatchId(self.opened);
        self.opened += 1;
        self.open.insert(
            id,
            Open {
                filter,
                bookmarks,
                sender,
            },
        );
        WatchStream {
            id,
            events,
            timeout,
        }
    }

    /// A watch that ends at once, with this failure.
    pub(super) fn refuse(&mut self, status: Value) -> WatchStream {
        let (sender, events) = unbounded_channel();
        let event = WatchEvent {
            kind: WatchEventKind::Error,
            object: status,
        };
        sender.send(WatchSignal::Event(event)).ok();
        let id = WatchId(self.opened);
        self.opened += 1;
        WatchStream {
            id,
            events,
            timeout: Duration::MAX,
        }
    }

    /// Tells everybody whom it concerns, and forgets those who are gone.
    pub(super) fn publish(&mut self, change: &Change) {
        self.open.retain(|_, open| match open.filter.event(change) {
            Some(event) => open.sender.send(WatchSignal::Event(event)).is_ok(),
            None => !open.sender.is_closed(),
        });
    }

    /// Ends a watch whose time is over: what is not read yet stays, then a bookmark if it was asked for.
    pub(super) fn finish(&mut self, id: WatchId, version: u64) {
        if let Some(open) = self.open.remove(&id)
            && open.bookmarks
        {
            let bookmark = WatchEvent::bookmark(&open.filter.kind, version, false);
            open.sender.send(WatchSignal::Event(bookmark)).ok();
        }
    }

    /// Ends all watches, with a last signal.
    pub(super) fn close_all(&mut self, last: Option<&WatchSignal>) {
        for (_, open) in std::mem::take(&mut self.open) {
            if let Some(last) = last {
                open.sender.send(last.clone()).ok();
            }
        }
    }
}
