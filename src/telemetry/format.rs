//! The two shapes of a log line. Fields of spans and of events are cleaned here, before they meet
//! the line, so no other code has to think of it.

use std::{error::Error, fmt, sync::Arc};

use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format::Writer},
    registry::{LookupSpan, Scope},
};

use super::{LogFormat, clean, error_chain};
use crate::clock::Clock;

/// Formats the fields of a span.
#[derive(Debug)]
pub(super) struct Fields {
    format: LogFormat,
}

impl Fields {
    pub(super) const fn new(format: LogFormat) -> Self {
        Self { format }
    }
}

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, mut out: Writer<'writer>, fields: R) -> fmt::Result {
        let mut collected = Collected::default();
        fields.record(&mut collected);
        match self.format {
            LogFormat::Json => write!(out, "{}", Value::Object(collected.0)),
            LogFormat::Text => write_pairs(&mut out, &collected.0, ""),
        }
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        match self.format {
            LogFormat::Json => {
                let mut collected = Collected(parsed(&current.fields));
                fields.record(&mut collected);
                current.fields = Value::Object(collected.0).to_string();
                Ok(())
            }
            LogFormat::Text => {
                if !current.fields.is_empty() {
                    current.fields.push(' ');
                }
                self.format_fields(current.as_writer(), fields)
            }
        }
    }
}

/// Formats the line of an event.
#[derive(Debug)]
pub(super) struct Lines {
    format: LogFormat,
    clock: Arc<dyn Clock>,
}

impl Lines {
    pub(super) fn new(format: LogFormat, clock: Arc<dyn Clock>) -> Self {
        Self { format, clock }
    }

    fn text<S>(
        &self,
        context: &FmtContext<'_, S, Fields>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let mut fields = collect(event);
        let message = fields.shift_remove(MESSAGE);
        let metadata = event.metadata();
        write!(
            out,
            "{:.3} {:>5} {}:",
            self.clock.now(),
            metadata.level(),
            metadata.target()
        )?;
        if let Some(message) = message.as_ref().and_then(Value::as_str) {
            write!(out, " {message}")?;
        }
        write_pairs(&mut out, &fields, " ")?;
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            write!(out, " {}", span.name())?;
            if let Some(known) = span.extensions().get::<FormattedFields<Fields>>()
                && !known.fields.is_empty()
            {
                write!(out, "{{{}}}", known.fields)?;
            }
        }
        writeln!(out)
    }

    fn json<S>(
        &self,
        context: &FmtContext<'_, S, Fields>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let mut fields = collect(event);
        let mut line = Map::new();
        let metadata = event.metadata();
        line.insert(
            "timestamp".into(),
            format!("{:.6}", self.clock.now()).into(),
        );
        line.insert("level".into(), metadata.level().as_str().into());
        line.insert("target".into(), metadata.target().into());
        if let Some(message) = fields.shift_remove(MESSAGE) {
            line.insert(MESSAGE.into(), message);
        }
        if !fields.is_empty() {
            line.insert("fields".into(), Value::Object(fields));
        }
        let spans: Vec<Value> = context
            .event_scope()
            .into_iter()
            .flat_map(Scope::from_root)
            .map(|span| {
                let mut shown = Map::new();
                shown.insert("name".into(), span.name().into());
                if let Some(known) = span.extensions().get::<FormattedFields<Fields>>() {
                    shown.append(&mut parsed(&known.fields));
                }
                Value::Object(shown)
            })
            .collect();
        if !spans.is_empty() {
            line.insert("spans".into(), Value::Array(spans));
        }
        writeln!(out, "{}", Value::Object(line))
    }
}

impl<S> FormatEvent<S, Fields> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Fields>,
        out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self.format {
            LogFormat::Json => self.json(context, out, event),
            LogFormat::Text => self.text(context, out, event),
        }
    }
}

fn collect(event: &Event<'_>) -> Map<String, Value> {
    let mut collected = Collected::default();
    event.record(&mut collected);
    collected.0
}

/// The fields that were written before by [`Fields`]; nothing else writes there.
fn parsed(fields: &str) -> Map<String, Value> {
    serde_json::from_str(fields).unwrap_or_default()
}

/// Writes `name=value` pairs, each after `lead`, or separated by a blank when there is none.
fn write_pairs(out: &mut Writer<'_>, fields: &Map<String, Value>, lead: &str) -> fmt::Result {
    for (index, (name, value)) in fields.iter().enumerate() {
        let before = if lead.is_empty() && index > 0 {
            " "
        } else {
            lead
        };
        match value.as_str().filter(|text| is_plain(text)) {
            Some(text) => write!(out, "{before}{name}={text}")?,
            None => write!(out, "{before}{name}={value}")?,
        }
    }
    Ok(())
}

/// Text that needs no quotes: it cannot be taken for another pair.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '=' | '{' | '}'))
}

#[derive(Default)]
struct Collected(Map<String, Value>);

impl Collected {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Collected {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, clean(value, VALUE_LENGTH));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, error_chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, clean(&format!("{value:?}"), VALUE_LENGTH));
    }
}

/// The name under which tracing gives an event's text.
const MESSAGE: &str = "message";
/// Characters of one value.
const VALUE_LENGTH: usize = 4096;
