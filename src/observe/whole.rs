//! Lists whose rows are all that there is to know: of DICOM services and of vaults.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{
    Observer,
    convert::{self, OddAnswer},
    entry::Finding,
    schedule::Swept,
    source::{Item, Keyed},
    sweep::{Listed, name_of},
    value::Value,
};
use crate::{
    arm::{
        Call, Page,
        dicom::{self, DicomService},
        key_vault::{self, Vault},
    },
    azure::WorkspaceId,
    domain::wants::Want,
};

/// How the rows of a list are read.
struct Rows<T> {
    /// The item that a row is about.
    item: fn(&T) -> Option<Want>,
    /// What it says.
    value: fn(&T) -> Result<Value, OddAnswer>,
}

impl Observer {
    /// The DICOM services of a workspace.
    pub(super) async fn sweep_services(
        &self,
        workspace: &WorkspaceId,
        items: &[Keyed<Item>],
    ) -> Swept {
        let rows = Rows {
            item: |row: &DicomService| row.id.parse().ok().map(Want::Service),
            value: |row: &DicomService| convert::service(row).map(Value::Service),
        };
        self.sweep_whole(dicom::list(workspace), &rows, items).await
    }

    /// The vaults of a subscription.
    pub(super) async fn sweep_vaults(&self, subscription: Uuid, items: &[Keyed<Item>]) -> Swept {
        let rows = Rows {
            item: |row: &Vault| row.id.parse().ok().map(Want::Vault),
            value: |row: &Vault| convert::vault(row),
        };
        let call = key_vault::vaults(subscription);
        self.sweep_whole(call, &rows, items).await
    }

    async fn sweep_whole<T: Send + Sync>(
        &self,
        call: Call<Page<T>>,
        rows: &Rows<T>,
        items: &[Keyed<Item>],
    ) -> Swept {
        if self.is_dear(&call, items) {
            return self.read_each(items.iter()).await;
        }
        let (answer, ticket) = match self.list(call, items).await {
            Listed::Rows(answer, ticket) => (answer, ticket),
            Listed::OneByOne => return self.read_each(items.iter()).await,
            Listed::Troubled(swept) => return swept,
        };
        let found = answer.value.iter();
        let found = found.filter_map(|row| Some((Item::Want((rows.item)(row)?), row)));
        let found: BTreeMap<Item, &T> = found.collect();
        let mut swept = Swept::GOOD;
        let mut left = Vec::new();
        for key in items {
            match found.get(&key.of).map(|row| (rows.value)(row)) {
                Some(Ok(value)) => {
                    self.commit(key, &ticket, Finding::present(value, answer.asked_at));
                }
                Some(Err(odd)) => {
                    let failed = self.failed(key, &ticket, odd.into(), answer.asked_at);
                    swept = swept.and(failed);
                }
                None => left.push(key),
            }
        }
        swept.and(self.left_out(&left, &ticket, answer.asked_at).await)
    }

    /// Whether a list was found lately to take more calls than its items do one by one.
    fn is_dear<T>(&self, call: &Call<Page<T>>, items: &[Keyed<Item>]) -> bool {
        let name = items.first().map(|first| first.with(name_of(call)));
        let now = self.clock.monotonic();
        let price = name.and_then(|name| self.lock().lists.price(&name, now));
        price.is_some_and(|calls| calls > items.len())
    }
}
