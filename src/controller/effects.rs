//! What an accepted write has brought about, as far as it is seen.

use crate::domain::Memory;
use crate::domain::observed::Provisioning;
use crate::domain::plan::{Plan, fingerprint};
use crate::domain::step::Step;
use crate::domain::wants::vault_of;

use super::look::Sight;
use super::reconcile::Pass;
use super::setback;
use super::state::AcceptedWrite;

impl Pass<'_> {
    /// A key url that was set takes effect with the end of the operation, and only then is it
    /// remembered for which principal.
    pub(super) fn note_set(&self, sight: &Sight, memory: &mut Memory) {
        let Some(service) = sight.service().filter(|service| !service.is_busy()) else {
            return;
        };
        let in_use = service.encryption.url();
        let succeeded = service.provisioning == Provisioning::Succeeded;
        self.context.states.change(self.uid, |state| {
            if let Some(AcceptedWrite {
                step: Step::SetKeyUrl { url, principal, .. },
                operation: None,
                at,
            }) = &state.accepted
                && succeeded
                // the url may be the same as before: only a later read shows the effect
                && sight.observed.service.at() > Some(*at)
                && in_use.is_some_and(|in_use| in_use.is_same(url))
            {
                state.set = Some((url.clone(), *principal));
            }
            if let Some((url, principal)) = &state.set
                && in_use.is_some_and(|in_use| in_use.is_same(url))
                // the object may name another vault by now
                && let Some(vault) = vault_of(url, self.desired, memory)
            {
                memory.note_set(url, &vault, *principal);
            }
        });
    }

    /// An accepted write whose effect is seen is done; one whose effect is not seen is not made
    /// again at once, for what is read right after a write proves nothing. True if that is so.
    pub(super) fn settle_effects(&self, planned: &Plan, sight: &Sight, memory: &Memory) -> bool {
        let Some(service) = sight.service().filter(|service| !service.is_busy()) else {
            return false;
        };
        let Some(accepted) = self.context.states.of(self.uid).accepted else {
            return false;
        };
        // what was read before Azure accepted it shows no effect, and no end of it either
        let is_too_old = !matches!(accepted.step, Step::AssignRole { .. })
            && sight.observed.service.at() <= Some(accepted.at);
        let known = fingerprint(&self.case(sight, memory));
        let unseen =
            (planned.step.as_ref() == Some(&accepted.step)).then(|| match &service.provisioning {
                Provisioning::Failed(word) if !is_too_old => setback::of_operation(
                    &accepted.step,
                    word,
                    (&known, memory.is_lost().then_some(sight.at)),
                ),
                Provisioning::Failed(_) | Provisioning::Succeeded | Provisioning::Busy(_) => {
                    setback::of_delay(&accepted.step, accepted.at, &known)
                }
            });
        let is_unseen = unseen.is_some();
        self.context.states.change(self.uid, |state| {
            state.setback = unseen.or_else(|| state.setback.take());
            if accepted.operation.is_none() && !is_too_old {
                state.accepted = None;
                state.failures = 0;
            }
        });
        is_unseen
    }
}
