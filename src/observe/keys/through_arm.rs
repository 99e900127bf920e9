//! Keys as Azure Resource Manager shows them: slower, but no firewall of a vault is in the way.

use futures::{StreamExt, stream::FuturesUnordered};

use super::Look;
use crate::{
    domain::{fact::Denial, wants::Want},
    observe::{
        Observer,
        ending::Failure,
        schedule::Swept,
        source::{Item, Keyed, pause},
    },
};

impl Observer {
    /// Reads each version by itself, and the list of versions now and then.
    pub(super) async fn read_through_arm(&self, look: &Look<'_>, why: &str) -> Swept {
        let subscription = look.key.of.vault.id().subscription();
        let now = self.clock.monotonic();
        let (pace, due) = {
            let mut inventory = self.lock();
            let pace = inventory.keys.pace_through_arm(subscription);
            let lists = inventory.keys.lists_through_arm(subscription);
            let mut due: Vec<&Keyed<Item>> = Vec::new();
            for item in look.items {
                let is_list = matches!(item.of, Item::Want(Want::Listing(..)));
                inventory.set_interval(item, if is_list { lists } else { pace });
                let is_due = match &item.of {
                    // a little early rather than one round late
                    Item::Want(Want::Listing(..)) => {
                        inventory.is_older(item, (lists - pace / 2, now))
                    }
                    Item::Want(_) | Item::Role { .. } => true,
                };
                let is_meant = look.focus.is_none_or(|_| look.is_focus(item));
                if is_meant && (is_due || look.is_focus(item)) && !is_deletion(item) {
                    due.push(item);
                }
            }
            (pace, due)
        };
        // first: what a vault said of it while the key was there must not meet a key that is gone
        for item in look.items.iter().filter(|item| is_deletion(item)) {
            let (ticket, at) = (self.begin(true), self.clock.now());
            self.failed(item, &ticket, unseen(why), at);
        }
        let reads = due.into_iter();
        let reads: FuturesUnordered<_> = reads.map(|item| self.read(item, look.why)).collect();
        let swept = reads.fold(Swept::GOOD, |all, one| async move { all.and(one) });
        Swept {
            pace: Some(pause(pace)),
            ..swept.await
        }
    }
}

const fn is_deletion(item: &Keyed<Item>) -> bool {
    matches!(item.of, Item::Want(Want::DeletedKey(..)))
}

/// Why it is not known whether a key is deleted or purged.
pub(super) fn unseen(why: &str) -> Failure {
    Failure::Refused(Denial {
        message: format!(
            "whether the key is deleted or purged can only be seen at the vault, which cannot be \
             asked: {why}"
        ),
    })
}
