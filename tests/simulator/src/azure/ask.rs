//! What a handler of ARM gets to see of one call, and the paging that all lists share.

use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    answer::Answer, call::Call, caller::Caller, path::ArmPath, settings::Settings, world::Operator,
};

/// One authenticated call to ARM.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) call: &'a Call,
    pub(super) path: ArmPath,
    pub(super) caller: Caller,
    pub(super) settings: &'a Settings,
    pub(super) operator: &'a Operator,
}

impl Ask<'_> {
    /// One page of a list; the link to the next leads back to the host that the client called.
    pub(super) fn page(&self, rows: Vec<Value>) -> Answer {
        page(self.call, rows, self.skipped(), self.settings.page_size)
    }

    /// How many rows the pages before this one had.
    pub(super) fn skipped(&self) -> usize {
        let token = self.call.parameter("$skiptoken");
        token.and_then(|token| token.parse().ok()).unwrap_or(0)
    }

    /// The api-version of the call, which links in its answer repeat.
    pub(super) fn version(&self) -> &str {
        self.call.parameter("api-version").unwrap_or_default()
    }
}

/// Cuts a page out of `rows`.
pub(super) fn page(call: &Call, rows: Vec<Value>, from: usize, size: usize) -> Answer {
    let size = size.max(1);
    let more = rows.len() > from.saturating_add(size);
    let rows: Vec<Value> = rows.into_iter().skip(from).take(size).collect();
    page_of(call, &rows, more.then(|| from.saturating_add(size)))
}

/// A page with a link to the one that begins after `next` rows.
pub(super) fn page_of(call: &Call, rows: &[Value], next: Option<usize>) -> Answer {
    let mut body = json!({ "value": rows });
    if let (Some(next), Some(fields)) = (next, body.as_object_mut()) {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(call.raw_query.as_bytes()) {
            if !name.eq_ignore_ascii_case("$skiptoken") {
                query.append_pair(&name, &value);
            }
        }
        query.append_pair("$skipToken", &next.to_string());
        let link = format!("{}{}?{}", call.origin, call.raw_path, query.finish());
        fields.insert("nextLink".to_owned(), json!(link));
    }
    Answer::ok(body)
}
