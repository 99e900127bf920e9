//! Reads a list page by page, with a limit on everything that could be endless.

use std::collections::BTreeSet;

use crate::arm::{
    call::{Call, Page},
    client::{Answer, ArmClient},
    error::{ArmError, PagingProblem},
};

impl ArmClient {
    /// All rows of a list. Each page is a call of its own, with its own deadline and its own place
    /// in the budget. One page that fails fails the list: half a list would be read as absences.
    ///
    /// The times in the answer are those of the first page: no row is older than that.
    pub async fn list<T>(&self, call: Call<Page<T>>) -> Result<Answer<Vec<T>>, ArmError> {
        let problem = |problem| ArmError::Paging {
            subject: Box::new(call.subject.clone()),
            problem,
        };
        let mut seen = BTreeSet::new();
        let mut answer = self.send(call.clone()).await?;
        let mut rows = Vec::new();
        let (mut size, mut calls) = (answer.size, answer.calls);
        for _ in 0..MAX_PAGES {
            rows.append(&mut answer.value.items);
            let Some(next_link) = answer.value.next_link.take() else {
                return Ok(Answer {
                    size,
                    calls,
                    ..answer.map(|_| rows)
                });
            };
            let base = &self.settings.endpoint;
            let link =
                self.same_origin(base, &next_link)
                    .map_err(|host| ArmError::ForeignLink {
                        subject: Box::new(call.subject.clone()),
                        host,
                    })?;
            if !seen.insert(link.to_string()) {
                return Err(problem(PagingProblem::RepeatedLink));
            }
            let page = self.send(call.at(link)).await?;
            size = size.saturating_add(page.size);
            calls = calls.saturating_add(page.calls);
            if size > MAX_LIST {
                return Err(problem(PagingProblem::TooLarge));
            }
            answer.value = page.value;
        }
        Err(problem(PagingProblem::TooManyPages))
    }
}

impl<T> Answer<T> {
    /// The same answer around another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        let Self {
            value,
            status,
            date,
            asked_at,
            retry_after,
            operation_url,
            request_id,
            size,
            calls,
        } = self;
        Answer {
            value: change(value),
            status,
            date,
            asked_at,
            retry_after,
            operation_url,
            request_id,
            size,
            calls,
        }
    }
}

/// Far more than any scope of ours has.
const MAX_PAGES: usize = 1_000;
/// 64 MiB, over all pages of one list.
const MAX_LIST: usize = 64 * 1024 * 1024;
