//! `set` and `show`: talk to the admin endpoint of a running simulator.

use std::{
    io::{self, Write},
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use serde_json::{Value, json};

use super::{Endpoint, Output, SetArguments, ShowArguments, text};

pub(super) async fn set(arguments: SetArguments) -> anyhow::Result<()> {
    let SetArguments { endpoint, words } = arguments;
    let body = json!({ "words": words });
    let answer = ask(&endpoint, "changes", Some(body)).await?;
    let sentence = answer
        .get("changed")
        .and_then(Value::as_str)
        .unwrap_or("done");
    print(sentence)
}

pub(super) async fn show(arguments: ShowArguments) -> anyhow::Result<()> {
    let ShowArguments { endpoint, output } = arguments;
    let estate = ask(&endpoint, "estate", None).await?;
    match output {
        Output::Text => print(&text::readable(&estate)),
        Output::Json => {
            let pretty = serde_json::to_string_pretty(&estate).context("failed to format it")?;
            print(&pretty)
        }
    }
}

/// Sends one request to the admin endpoint: a POST when there is a body.
async fn ask(endpoint: &Endpoint, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
    let Endpoint { endpoint } = endpoint;
    if !endpoint.starts_with("http://") {
        bail!(
            "{endpoint} is not the simulator's plain address; give the `http` line that `serve` \
             prints, such as http://127.0.0.1:8480 (--endpoint or AZURE_SIMULATOR_URL)"
        );
    }
    let url = format!("{}/admin/{path}", endpoint.trim_end_matches('/'));
    // no proxy: HTTP_PROXY may well point at this very simulator
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()
        .context("failed to set up the client")?;
    let request = match body {
        Some(body) => client.post(&url).json(&body),
        None => client.get(&url),
    };
    let response = request.send().await.with_context(|| {
        format!(
            "no simulator answers at {endpoint}; start one with `azure-simulator serve`, or say \
             where it is (--endpoint or AZURE_SIMULATOR_URL)"
        )
    })?;
    let status = response.status();
    let text = response
        .text()
        .await
        .context("the simulator's answer broke off")?;
    let answer = serde_json::from_str::<Value>(&text)
        .map_err(|_| anyhow!("{endpoint} is no simulator: it answered {status} without JSON"))?;
    if status.is_success() {
        return Ok(answer);
    }
    match answer.get("error").and_then(Value::as_str) {
        Some(message) => bail!("{message}"),
        None => bail!("{endpoint} is no simulator: it answered {status}"),
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    writeln!(io::stdout().lock(), "{}", text.trim_end()).context("failed to print")
}
