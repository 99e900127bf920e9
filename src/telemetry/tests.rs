use std::{
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::jiff::Timestamp;

use super::*;
use crate::clock::Monotonic;

#[derive(Debug)]
struct Frozen;

impl Clock for Frozen {
    fn now(&self) -> Timestamp {
        "2026-03-01T08:00:00.25Z".parse().unwrap()
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic::from_origin(Duration::from_secs(7))
    }
}

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lines(format: LogFormat, events: impl FnOnce()) -> String {
    let sink = Sink::default();
    let writer = {
        let sink = sink.clone();
        move || sink.clone()
    };
    let subscriber = Registry::default().with(layer(format, Arc::new(Frozen), writer));
    tracing::subscriber::with_default(subscriber, events);
    let bytes = sink
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    String::from_utf8(bytes).unwrap()
}

#[derive(Debug, ThisError)]
#[error("failed to read the vault")]
struct Outer(#[source] Inner);

#[derive(Debug, ThisError)]
#[error("connection reset")]
struct Inner;

#[test]
fn a_json_line_carries_message_fields_and_the_span_with_what_it_learned_later() {
    let text = lines(LogFormat::Json, || {
        let span = tracing::info_span!(
            "reconcile",
            object = "imaging/radiology",
            outcome = tracing::field::Empty
        );
        let _inside = span.enter();
        span.record("outcome", "settled");
        let cause: &(dyn Error + 'static) = &Outer(Inner);
        tracing::warn!(attempt = 3, error = cause, "the vault is silent");
    });

    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        line,
        serde_json::json!({
            "timestamp": "2026-03-01T08:00:00.250000Z",
            "level": "WARN",
            "target": "dicomenc::telemetry::tests",
            "message": "the vault is silent",
            "fields": {"attempt": 3, "error": "failed to read the vault: connection reset"},
            "spans": [{"name": "reconcile", "object": "imaging/radiology", "outcome": "settled"}],
        })
    );
}

#[test]
fn a_text_line_reads_like_a_sentence_with_its_facts_behind_it() {
    let text = lines(LogFormat::Text, || {
        let _inside = tracing::info_span!("reconcile", object = "imaging/radiology").entered();
        tracing::info!(took = "two words", ready = true, "the service is settled");
    });

    assert_eq!(
        text,
        "2026-03-01T08:00:00.250Z  INFO dicomenc::telemetry::tests: the service is settled \
         took=\"two words\" ready=true reconcile{object=imaging/radiology}\n"
    );
}

#[test]
fn a_hostile_value_makes_neither_a_second_line_nor_a_colour() {
    for format in [LogFormat::Json, LogFormat::Text] {
        let text = lines(format, || {
            let hostile = "x\n2026-03-01T08:00:00Z ERROR forged \u{1b}[2J\u{202e}";
            let _inside = tracing::info_span!("reconcile", name = hostile).entered();
            tracing::info!(value = hostile, shown = %hostile, "{hostile}");
        });

        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.ends_with('\n'));
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
    }
}

#[test]
fn a_pair_inside_a_value_is_quoted_in_text() {
    let text = lines(LogFormat::Text, || tracing::info!(name = "a b=c", "told"));
    assert!(text.contains("name=\"a b=c\""), "{text}");
}

#[test]
fn an_error_is_printed_with_its_causes() {
    assert_eq!(
        error_chain(&Outer(Inner)),
        "failed to read the vault: connection reset"
    );
}

#[test]
fn an_answer_of_the_api_server_is_printed_once_and_without_its_debug_form() {
    let status = Status::failure("leases is forbidden", "Forbidden").with_code(403);
    let error = kube::Error::Api(status.boxed());
    assert_eq!(
        error_chain(&error),
        "the API server answers 403 Forbidden: leases is forbidden"
    );
}

#[derive(Debug, ThisError)]
#[error("failed to write the lease")]
struct Boxed(#[source] Box<kube::Error>);

#[test]
fn an_answer_of_the_api_server_is_found_in_a_box_too() {
    let status = Status::failure("leases is forbidden", "Forbidden").with_code(403);
    let error = Boxed(Box::new(kube::Error::Api(status.boxed())));
    assert_eq!(
        error_chain(&error),
        "failed to write the lease: the API server answers 403 Forbidden: leases is forbidden"
    );
}

#[test]
fn a_cause_that_the_error_already_repeats_is_not_printed_again() {
    let error = kube::Error::ReadEvents(io::Error::other("connection reset"));
    assert_eq!(
        error_chain(&error),
        "Error reading events stream: connection reset"
    );
}

#[test]
fn a_filter_that_nothing_understands_is_refused_with_what_to_write() {
    let error = filter("info,dicomenc=loud").unwrap_err();
    assert!(
        error.to_string().contains("info,dicomenc::arm=debug"),
        "{error}"
    );
    assert!(filter("debug").is_ok());
    assert!(filter("").is_ok());
}
