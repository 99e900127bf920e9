//! Deny assignments: one list for all vaults of a subscription, or one at each vault where that may
//! not be read.

use uuid::Uuid;

use super::{
    Observer,
    ending::Failure,
    entry::Finding,
    read::{Fetched, Why},
    schedule::Swept,
    source::{Item, Keyed},
    sweep::Listed,
    value::{Value, covers, folded},
};
use crate::{
    arm::{authorization::Permission, deny_assignment, text},
    azure::{VaultId, role::data_actions_take_key_use},
    domain::{observed::DenyAssignment, wants::Want},
};

impl Observer {
    /// The deny assignments of a subscription.
    pub(super) async fn sweep_denials(&self, subscription: Uuid, items: &[Keyed<Item>]) -> Swept {
        let call = deny_assignment::list_in_subscription(subscription);
        let (answer, ticket) = match self.list(call, items).await {
            Listed::Rows(answer, ticket) => (answer, ticket),
            Listed::OneByOne => return self.read_each(items.iter()).await,
            Listed::Troubled(swept) => return swept,
        };
        for key in items {
            if let Item::Want(Want::DenyAssignments(vault)) = &key.of {
                let value = covering(vault, &answer.value);
                self.commit(key, &ticket, Finding::present(value, answer.asked_at));
            }
        }
        Swept::GOOD
    }

    /// The deny assignments that cover one vault, asked for at the vault.
    pub(super) async fn denials_at(&self, vault: &VaultId, why: Why) -> Result<Fetched, Failure> {
        let call = deny_assignment::list_at(vault.id());
        let answer = self.ask_list(call, why).await?;
        Ok(Fetched {
            value: covering(vault, &answer.value),
            at: answer.asked_at,
        })
    }
}

/// The rows that have to do with a vault, in the order in which they are compared.
fn covering(vault: &VaultId, rows: &[deny_assignment::DenyAssignment]) -> Value {
    let rows = rows.iter().filter_map(|row| denial(row, vault));
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_cached_key(|row| row.id.to_lowercase());
    rows.dedup_by(|left, right| left.id.eq_ignore_ascii_case(&right.id));
    Value::DenyAssignments(rows)
}

/// A deny assignment; `None` for one that has nothing to do with a vault or a key in it. One with
/// a condition takes nothing away as far as can be told from outside.
fn denial(read: &deny_assignment::DenyAssignment, vault: &VaultId) -> Option<DenyAssignment> {
    let scope = folded(&read.scope);
    let reaches_down =
        !read.only_at_scope || scope.starts_with(&format!("{}/", vault.id().folded()));
    let is_above = scope.starts_with("/providers/microsoft.management/managementgroups/");
    let is_here = is_above || covers(&read.scope, vault);
    let takes = |entry: &Permission| {
        data_actions_take_key_use(&entry.data_actions, &entry.not_data_actions)
    };
    (reaches_down && is_here).then(|| DenyAssignment {
        id: read.id.clone(),
        name: text::printable(&read.name, NAME_LIMIT, &[]),
        scope: read.scope.clone(),
        principals: read.principals.clone(),
        excluded: read.excluded.clone(),
        takes_key_use: !read.conditional && read.permissions.iter().any(takes),
    })
}

const NAME_LIMIT: usize = 120;
