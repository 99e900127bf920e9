//! What Resource Health says: read with the list of the subscription, with those of the resource
//! groups or one by one, whatever takes the fewest calls.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use k8s_openapi::jiff::SignedDuration;
use uuid::Uuid;

use super::{
    Observer, convert,
    entry::{Finding, Ticket},
    lists::{ByGroups, Group, Ration},
    schedule::Swept,
    source::{Item, Keyed, pause},
    sweep::{Listed, name_of},
    value::Value,
};
use crate::{
    arm::{
        Answer,
        resource_health::{self, AvailabilityStatus},
    },
    azure::{DicomServiceId, ResourceId},
    domain::{
        observed::{Health, HealthState},
        wants::Want,
    },
};

impl Observer {
    /// The health of the services of a subscription.
    pub(super) async fn sweep_health(&self, subscription: Uuid, items: &[Keyed<Item>]) -> Swept {
        let Some(first) = items.first() else {
            return Swept::NOTHING;
        };
        let interval = pause(self.lock().interval(&first.of));
        let groups = by_group(items);
        let way = self.by_groups(subscription, &groups);
        let call = resource_health::list_in_subscription(subscription);
        let (name, now) = (first.with(name_of(&call)), self.clock.monotonic());
        let expected = self.lock().lists.expected(&name, now);
        if let Some(calls) = expected.filter(|calls| *calls <= way.calls) {
            match self.list(call, items).await {
                Listed::Rows(answer, ticket) => {
                    let told = self.health_rows(&answer, &ticket, items).await;
                    let ration = Ration::new(calls.max(answer.calls), told.left.len(), interval);
                    let paced = self.paced(told.known, &ration, ration.pace);
                    let left = self.read_in_turns(told.left, &ration).await;
                    return told.swept.and(paced).and(left);
                }
                Listed::Troubled(swept) => {
                    return swept.and(Ration::new(calls, 0, interval).spaced());
                }
                Listed::OneByOne => {}
            }
        }
        self.sweep_groups(subscription, (&groups, &way), interval)
            .await
    }

    /// The cheapest way without the list of the subscription.
    fn by_groups(
        &self,
        subscription: Uuid,
        groups: &BTreeMap<String, Vec<Keyed<Item>>>,
    ) -> ByGroups {
        let now = self.clock.monotonic();
        let priced = groups.iter().map(|(name, members)| {
            let call = resource_health::list_in_group(subscription, name);
            let list = members.first().map(|first| first.with(name_of(&call)));
            let group = Group {
                list: list.and_then(|list| self.lock().lists.expected(&list, now)),
                items: members.len(),
            };
            (name.clone(), group)
        });
        ByGroups::cheapest(&priced.collect())
    }

    /// Lists the groups that are worth it, and reads one by one what is not listed.
    async fn sweep_groups(
        &self,
        subscription: Uuid,
        (groups, way): (&BTreeMap<String, Vec<Keyed<Item>>>, &ByGroups),
        interval: Duration,
    ) -> Swept {
        let (by_list, one_by_one): (Vec<_>, Vec<_>) = groups
            .iter()
            .partition(|(name, _)| way.listed.contains(*name));
        let sweeps = by_list.into_iter().map(|(group, members)| async move {
            let call = resource_health::list_in_group(subscription, group);
            match self.list(call, members).await {
                Listed::Rows(answer, ticket) => (
                    self.health_rows(&answer, &ticket, members).await,
                    answer.calls,
                ),
                Listed::Troubled(swept) => (
                    Told {
                        swept,
                        ..Told::nothing()
                    },
                    1,
                ),
                Listed::OneByOne => {
                    let left = members.iter().collect();
                    (
                        Told {
                            left,
                            ..Told::nothing()
                        },
                        1,
                    )
                }
            }
        });
        let sweeps: Vec<_> = sweeps.collect::<FuturesUnordered<_>>().collect().await;
        let mut singles: Vec<_> = one_by_one
            .iter()
            .flat_map(|(_, members)| *members)
            .collect();
        singles.extend(sweeps.iter().flat_map(|(told, _)| &told.left));
        let calls = sweeps.iter().map(|(_, calls)| *calls).sum();
        let ration = Ration::new(calls, singles.len(), interval);
        let listed = sweeps
            .into_iter()
            .map(|(told, _)| told.swept.and(self.paced(told.known, &ration, ration.pace)));
        let listed = listed.fold(Swept::NOTHING, Swept::and);
        listed.and(self.read_in_turns(singles, &ration).await)
    }

    /// Reads one by one as many items as the ration allows, those first that wait longest.
    async fn read_in_turns(&self, mut items: Vec<&Keyed<Item>>, ration: &Ration) -> Swept {
        items.sort_by_cached_key(|key| self.lock().read_at(key));
        let paced = self.paced(items.iter().copied(), ration, ration.each(items.len()));
        let later = items.split_off(ration.singles.min(items.len()));
        let swept = self.read_each(items.into_iter()).await;
        let waits = later.into_iter().map(|key| match self.lock().read_at(key) {
            Some(read) => Swept {
                since: Some(read),
                ..Swept::NOTHING
            },
            None => Swept {
                complete: false,
                ..Swept::NOTHING
            },
        });
        waits.fold(swept.and(paced), Swept::and)
    }

    /// Takes note of how often each of these items is read from now on.
    #[expect(single_use_lifetimes, reason = "elided ones are not stable there")]
    fn paced<'key>(
        &self,
        items: impl IntoIterator<Item = &'key Keyed<Item>>,
        ration: &Ration,
        each: Duration,
    ) -> Swept {
        let interval = SignedDuration::try_from(each).unwrap_or(SignedDuration::MAX);
        for key in items {
            self.lock().set_interval(key, interval);
        }
        ration.spaced()
    }

    async fn health_rows<'key>(
        &self,
        answer: &Answer<Vec<AvailabilityStatus>>,
        ticket: &Ticket,
        items: &'key [Keyed<Item>],
    ) -> Told<'key> {
        let mut rows: BTreeMap<String, Health> = BTreeMap::new();
        for row in &answer.value {
            let id = row.resource_id.parse::<ResourceId>();
            let Ok(id) = id.map(|id| id.folded().to_owned()) else {
                continue;
            };
            rows.entry(id).or_insert_with(|| convert::health(row));
        }
        let mut left = Vec::new();
        let mut explained = Vec::new();
        for (key, service) in items.iter().filter_map(|key| Some((key, service_of(key)?))) {
            let Some(health) = rows.get(service.id().folded()) else {
                left.push(key);
                continue;
            };
            match self.with_actions(key, health) {
                Some(health) => {
                    let value = Value::Health(health);
                    self.commit(key, ticket, Finding::present(value, answer.asked_at));
                }
                None if explained.len() < EXPLAINED_AT_ONCE => explained.push(key),
                // when very many turn bad at once, what Azure says is told without its advice
                None => {
                    let value = Value::Health(health.clone());
                    self.commit(key, ticket, Finding::present(value, answer.asked_at));
                }
            }
        }
        let left = self.unsure(&left, ticket, answer.asked_at);
        let unsure: BTreeSet<_> = left.iter().copied().collect();
        let explained = self.read_each(explained.into_iter()).await;
        Told {
            swept: Swept::GOOD.and(explained),
            known: items.iter().filter(|key| !unsure.contains(key)).collect(),
            left,
        }
    }

    /// Lists leave out what Azure recommends to do: it is read directly once, when the health has
    /// turned bad, and kept while nothing else changes. `None` if it has to be read.
    fn with_actions(&self, key: &Keyed<Item>, listed: &Health) -> Option<Health> {
        if listed.state == HealthState::Available || !listed.actions.is_empty() {
            return Some(listed.clone());
        }
        match self.lock().last_value(key) {
            Some(Value::Health(known))
                if (known.state, &known.summary) == (listed.state, &listed.summary) =>
            {
                Some(Health {
                    occurred: listed.occurred,
                    ..known.clone()
                })
            }
            Some(_) | None => None,
        }
    }
}

/// What a list has told.
struct Told<'key> {
    swept: Swept,
    /// The services whose health is known by it.
    known: Vec<&'key Keyed<Item>>,
    /// Those that have to be read one by one, for it left them out.
    left: Vec<&'key Keyed<Item>>,
}

impl Told<'_> {
    const fn nothing() -> Self {
        Self {
            swept: Swept::NOTHING,
            known: Vec::new(),
            left: Vec::new(),
        }
    }
}

impl Ration {
    /// A sweep after which the next one waits for its turn.
    const fn spaced(&self) -> Swept {
        Swept {
            spacing: Some(self.spacing),
            ..Swept::NOTHING
        }
    }
}

fn by_group(items: &[Keyed<Item>]) -> BTreeMap<String, Vec<Keyed<Item>>> {
    let mut groups: BTreeMap<String, Vec<Keyed<Item>>> = BTreeMap::new();
    for (key, service) in items.iter().filter_map(|key| Some((key, service_of(key)?))) {
        let group = service.id().resource_group().to_ascii_lowercase();
        groups.entry(group).or_default().push(key.clone());
    }
    groups
}

const fn service_of(key: &Keyed<Item>) -> Option<&DicomServiceId> {
    if let Item::Want(Want::Health(service)) = &key.of {
        Some(service)
    } else {
        None
    }
}

/// How many services that have turned bad are read directly in one sweep.
const EXPLAINED_AT_ONCE: usize = 20;
