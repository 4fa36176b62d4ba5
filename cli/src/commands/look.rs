//! `drifts`, `findings`, `query`: what was found, from a running `up` or from the store.

use anyhow::Result;
use driftline_model::Severity;
use driftline_store::QueryLimits;
use serde_json::{Value, json};

use crate::api::{ListQuery, Sql};
use crate::args::{Drifts, Filter, Format, Global, Query};
use crate::config::Config;
use crate::output::{self, safe};
use crate::remote::Data;
use crate::report::{Style, value};

impl From<&Filter> for ListQuery {
    fn from(filter: &Filter) -> Self {
        Self {
            account: filter.account.clone(),
            kind: filter.kind.clone(),
            severity: filter.severity,
            limit: Some(u64::from(filter.limit)),
            unmanaged: false,
        }
    }
}

/// `drifts list` and `drifts show`.
pub(crate) async fn drifts(global: &Global, command: &Drifts) -> Result<u8> {
    let config = Config::load(global.config.as_deref())?;
    match command {
        Drifts::List { filter, unmanaged } => {
            let ask = ListQuery { unmanaged: *unmanaged, ..ListQuery::from(filter) };
            let page = match Data::open(&config, filter.server.as_deref()).await? {
                Data::Server(server) => server.get("/api/v1/drifts", &ask).await?,
                Data::Store(store) => {
                    let page = store.store.drifts(&ask.filter()).await?;
                    let page = json!({ "rows": page.rows, "total": page.total });
                    store.close().await?;
                    page
                }
            };
            list(global, &page, "drifts", |row| (text(row, "path"), text(row, "reason")))
        }
        Drifts::Show { id, server } => {
            let found = match Data::open(&config, server.as_deref()).await? {
                Data::Server(server) => server.get(&format!("/api/v1/drifts/{id}"), &()).await?,
                Data::Store(store) => {
                    let found = store.store.drift(id).await?;
                    store.close().await?;
                    let (drift, history) = found.ok_or_else(|| anyhow::anyhow!("no drift {id}"))?;
                    json!({ "drift": drift, "history": history })
                }
            };
            show(global, &found)
        }
    }
}

/// `findings`.
pub(crate) async fn findings(global: &Global, filter: &Filter) -> Result<u8> {
    let config = Config::load(global.config.as_deref())?;
    let ask = ListQuery::from(filter);
    let page = match Data::open(&config, filter.server.as_deref()).await? {
        Data::Server(server) => server.get("/api/v1/findings", &ask).await?,
        Data::Store(store) => {
            let page = store.store.findings(&ask.filter()).await?;
            let page = json!({ "rows": page.rows, "total": page.total });
            store.close().await?;
            page
        }
    };
    list(global, &page, "findings", |row| (text(row, "rule"), text(row, "reason")))
}

fn text(row: &Value, field: &str) -> String {
    row[field].as_str().unwrap_or_default().to_owned()
}

fn severity(row: &Value) -> Severity {
    row["severity"].as_str().and_then(|s| s.parse().ok()).unwrap_or(Severity::Low)
}

fn list(global: &Global, page: &Value, what: &str, columns: impl Fn(&Value) -> (String, String)) -> Result<u8> {
    if global.format == Format::Json {
        output::json(&page["rows"])?;
        return Ok(0);
    }
    let style = Style::of_stdout();
    let rows = page["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    for row in rows {
        let (at, reason) = columns(row);
        let tag = style.severity(severity(row), &format!("{:<8}", text(row, "severity")));
        let name = format!(
            "{} {} {}  {}",
            text(row, "account"),
            safe(&text(row, "region"), 30),
            text(row, "type"),
            safe(&text(row, "resource"), 100)
        );
        output::print(&format!("{tag} {}  {}", style.bold(&safe(&name, 200)), safe(&at, 100)));
        let id: String = text(row, "id").chars().take(12).collect();
        output::print(&format!("         {}  {}", style.dim(&id), style.cut(&safe(&reason, 300), 23)));
    }
    let total = page["total"].as_u64().unwrap_or_default();
    output::note(&format!("{} of {total} {what}", rows.len()));
    Ok(0)
}

fn show(global: &Global, found: &Value) -> Result<u8> {
    if global.format == Format::Json {
        output::json(found)?;
        return Ok(0);
    }
    let drift = &found["drift"];
    let style = Style::of_stdout();
    let mut lines = vec![format!(
        "{} {} {}  {}",
        style.severity(severity(drift), &text(drift, "severity")),
        text(drift, "type"),
        safe(&text(drift, "resource"), 120),
        safe(&text(drift, "path"), 120)
    )];
    let mut field = |name: &str, value: String| lines.push(format!("  {name:<10} {value}"));
    field("id", text(drift, "id"));
    field("status", text(drift, "status"));
    field("where", format!("account {}, {}", text(drift, "account"), safe(&text(drift, "region"), 40)));
    field("why", safe(&text(drift, "reason"), 400));
    field("baseline", value(&drift["expected"], 1000));
    field("current", value(&drift["actual"], 1000));
    if let Some(origin) = drift["baseline"].as_object() {
        let get = |k: &str| origin.get(k).and_then(Value::as_str).unwrap_or_default();
        field("agreed in", format!("{} ({})", safe(get("address"), 200), safe(get("source"), 200)));
    }
    let controls: Vec<&str> = drift["controls"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    field("breaks", safe(&controls.join(", "), 2000));
    lines.push("history".to_owned());
    for step in found["history"].as_array().into_iter().flatten() {
        let at = step["at_ms"].as_i64().map(crate::time::rfc3339).unwrap_or_default();
        lines.push(format!(
            "  {at}  {:<9} {} → {}",
            text(step, "transition"),
            value(&step["about"]["expected"], 60),
            value(&step["about"]["actual"], 60)
        ));
    }
    output::print(&lines.join("\n"));
    Ok(0)
}

/// `query`.
pub(crate) async fn query(global: &Global, query: &Query) -> Result<u8> {
    let config = Config::load(global.config.as_deref())?;
    let result = match Data::open(&config, query.server.as_deref()).await? {
        Data::Server(server) => {
            let ask = Sql { sql: query.sql.clone(), max_rows: query.max_rows };
            server.post("/api/v1/query", &ask).await?
        }
        Data::Store(store) => {
            let limits = QueryLimits { rows: query.max_rows, ..QueryLimits::default() };
            let result = store.store.query(&query.sql, &limits).await;
            store.close().await?;
            serde_json::to_value(result?)?
        }
    };
    if global.format == Format::Json {
        output::json(&result)?;
        return Ok(0);
    }
    let names: Vec<String> = result["columns"].as_array().into_iter().flatten().map(|c| text(c, "name")).collect();
    let rows: Vec<Vec<String>> = result["rows"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|r| r.as_array().into_iter().flatten().map(|v| value(v, 80)).collect())
        .collect();
    output::print(&table(&names, &rows));
    output::note(&format!("{} rows", rows.len()));
    Ok(0)
}

/// Columns as wide as their widest cell.
fn table(names: &[String], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = names.iter().map(|n| n.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String]| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(c, w)| format!("{c:<w$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let rule: Vec<String> = widths.iter().map(|w| "─".repeat(*w)).collect();
    let mut lines = vec![line(names), line(&rule)];
    lines.extend(rows.iter().map(|r| line(r)));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_printed_in_columns() {
        let rows = vec![vec!["CRITICAL".into(), "3".into()], vec!["LOW".into(), "12".into()]];
        let text = table(&["severity".into(), "n".into()], &rows);
        insta::assert_snapshot!(text, @"
        severity  n
        ────────  ──
        CRITICAL  3
        LOW       12
        ");
    }
}
