//! Who may ask the local API of `up`, and what of: by tokens, over HTTP as anybody could, and with the binary itself.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::rig::{Rig, eventually};

struct Up<'a> {
    rig: &'a Rig,
    url: String,
}

impl Up<'_> {
    async fn send(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.send_as(&[("authorization", &format!("Bearer {token}"))], method, path, body).await
    }

    async fn send_as(&self, headers: &[(&str, &str)], method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}{path}", self.url);
        let mut request = if method == "POST" { client.post(url) } else { client.get(url) };
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or_default())
    }

    /// Makes a token with the command.
    fn token(&self, config: &Path, arguments: &[&str]) -> String {
        let arguments = [&["tokens", "add"], arguments].concat();
        let (code, out, err) = self.rig.run(config, &arguments);
        assert_eq!(code, 0, "{err}");
        out.trim().to_owned()
    }
}

const ROUTES: [(&str, &str); 8] = [
    ("GET", "/api/v1/status"),
    ("GET", "/api/v1/drifts"),
    ("GET", "/api/v1/drifts/00000000"),
    ("GET", "/api/v1/findings"),
    ("POST", "/api/v1/query"),
    ("GET", "/api/v1/baselines"),
    ("POST", "/api/v1/baselines"),
    ("POST", "/api/v1/baselines/remove"),
];

fn body(path: &str) -> Option<Value> {
    match path {
        "/api/v1/query" => Some(json!({ "sql": "SELECT 1", "max_rows": 1 })),
        "/api/v1/baselines" => Some(json!({ "places": [] })),
        _ => Some(json!({ "sources": [] })),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_knows_who_asks_and_shows_what_they_may_see() {
    let rig = Rig::start().await;
    rig.fleet.drift().await.unwrap();
    let text = format!(
        "folder = \"up\"\n{}[agent]\ninterval = \"1s\"\n[aggregator]\nlisten = \"127.0.0.1:0\"\n[api]\nlisten = \"127.0.0.1:0\"\n",
        rig.accounts()
    );
    let config = rig.write("up.toml", &text);
    let _up = rig.role(&config, "up", &["up", "--baseline", &rig.states()]);
    let address = rig.folder.path().join("up/api.address");
    eventually("the API", || std::future::ready(address.exists())).await;
    let up = Up { rig: &rig, url: format!("http://{}", std::fs::read_to_string(&address).unwrap()) };
    let local = std::fs::read_to_string(rig.folder.path().join("up/api.token")).unwrap();
    for (name, wanted) in [("up", 0o700), ("up/api.token", 0o600)] {
        let mode = std::fs::metadata(rig.folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, wanted, "{name}");
    }
    let accounts: Vec<&str> = rig.fleet.accounts.iter().map(|a| a.id.as_str()).collect();
    let count = async |token: &str, sql: &str| -> (u16, Value) {
        let asked = Some(json!({ "sql": sql, "max_rows": 100 }));
        up.send(token, "POST", "/api/v1/query", asked).await
    };
    let spread = "SELECT uniqExact(account) FROM drifts WHERE status = 'open'";
    eventually("drifts in several accounts", || async {
        count(&local, spread).await.1["rows"][0][0].as_u64() >= Some(2)
    })
    .await;

    // Nobody, and whoever shows something else, gets nothing of any route; nor does a page in a browser.
    let bearer = format!("Bearer {local}");
    for (method, path) in ROUTES {
        let asked = || (method == "POST").then(|| body(path)).flatten();
        let wrong = ["Bearer ", "Bearer x", "Basic x", local.as_str()].map(|value| vec![("authorization", value)]);
        for headers in wrong.into_iter().chain([vec![]]) {
            let (status, answer) = up.send_as(&headers, method, path, asked()).await;
            assert!(matches!(status, 401 | 429) && answer["error"].is_string(), "{path}: {status} {answer}");
        }
        for strange in [("origin", "http://localhost"), ("host", "evil.org"), ("host", "127.0.0.1.evil.org:1")] {
            let (status, _) = up.send_as(&[("authorization", &bearer), strange], method, path, asked()).await;
            assert_eq!(status, 403, "{path} {strange:?}");
        }
    }

    // One who may see one account sees that, by every route.
    let drifted = count(&local, "SELECT DISTINCT account FROM drifts WHERE status = 'open' ORDER BY account").await.1;
    let [own, other] = [0, 1].map(|n| drifted["rows"][n][0].as_str().unwrap().to_owned());
    let viewer = up.token(&config, &["viewer", "--account", &own]);
    let operator = up.token(&config, &["operator", "--role", "operator"]);
    let bound = up.token(&config, &["bound", "--role", "operator", "--account", &own]);
    assert_eq!(count(&viewer, "SELECT groupUniqArray(account) FROM drifts").await.1["rows"][0][0], json!([own]));
    for path in ["/api/v1/drifts", "/api/v1/findings", "/api/v1/drifts?unmanaged=true", "/api/v1/baselines"] {
        let (status, answer) = up.send(&viewer, "GET", path, None).await;
        let text = answer.to_string();
        assert!(status == 200 && text.contains(&own), "{path}: {text}");
        assert!(accounts.iter().all(|a| *a == own || !text.contains(a)), "{path}");
        let (_, all) = up.send(&local, "GET", path, None).await;
        assert!(all.to_string().contains(&other), "{path}");
    }
    let (_, none) = up.send(&viewer, "GET", &format!("/api/v1/drifts?account={other}"), None).await;
    assert_eq!(none, json!({ "rows": [], "total": 0 }));
    let sql = format!("SELECT id FROM drifts WHERE account = '{other}' LIMIT 1");
    let id = count(&local, &sql).await.1["rows"][0][0].as_str().unwrap().to_owned();
    assert_eq!(up.send(&viewer, "GET", &format!("/api/v1/drifts/{id}"), None).await.0, 404);
    assert_eq!(up.send(&local, "GET", &format!("/api/v1/drifts/{id}"), None).await.0, 200);
    assert_eq!(count(&viewer, "SELECT * FROM system.processes").await.0, 400);

    // What changes something needs an operator, and one who sees all.
    for path in ["/api/v1/baselines", "/api/v1/baselines/remove"] {
        for (token, wanted) in [(&viewer, 403), (&bound, 403), (&operator, 200), (&local, 200)] {
            let (status, answer) = up.send(token, "POST", path, body(path)).await;
            assert_eq!(status, wanted, "{path}: {answer}");
        }
    }

    // The commands of this machine's user show the token of the folder by themselves.
    let (code, out, err) = rig.run(&config, &["drifts", "list", "--format", "json"]);
    assert!(code == 0 && out.contains(&other), "{err}");
    let (code, out, _) = rig.run(&config, &["tokens", "list", "--format", "json"]);
    assert!(code == 0 && out.contains("\"bound\"") && !out.contains("hash"), "{out}");
    // Whoever is forgotten is turned away from then on.
    assert_eq!(rig.run(&config, &["tokens", "revoke", "viewer"]).0, 0);
    assert!(matches!(up.send(&viewer, "GET", "/api/v1/drifts", None).await.0, 401 | 429));
    assert_eq!(up.send(&bound, "GET", "/api/v1/drifts", None).await.0, 200);
}
