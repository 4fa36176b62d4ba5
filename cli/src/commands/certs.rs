//! `certs`: a private CA in a folder, for a trial or a small installation; a larger one has its own CA.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use driftline_identity::{AgentId, Authority, Issued, Lifetime};
use serde_json::json;

use crate::args::{Certs, CertsCommon, Format, Global};
use crate::output;
use crate::secret::write_private;

/// What a CA outlives its certificates by.
const CA_TIMES: u32 = 10;

/// Runs the subcommand.
pub(crate) fn run(global: &Global, command: &Certs) -> Result<u8> {
    let (made, next) = match command {
        Certs::Init { common, hosts } => init(&Folder::of(common), hosts)?,
        Certs::Agent { name, common, accounts, units } => agent(&Folder::of(common), name, accounts, units)?,
        Certs::Rotate { common } => rotate(&Folder::of(common))?,
        Certs::Revoke { name, common } => revoke(&Folder::of(common), name)?,
    };
    if global.format == Format::Json {
        output::json(&json!({ "files": made }))?;
        return Ok(0);
    }
    made.iter().for_each(|path| output::print(&path.display().to_string()));
    output::note(&next);
    Ok(0)
}

type Done = (Vec<PathBuf>, String);

/// The files of a CA.
struct Folder {
    path: PathBuf,
    valid: Duration,
}

impl Folder {
    fn of(common: &CertsCommon) -> Self {
        let valid = Duration::from_secs(u64::from(common.days) * 86_400);
        Self { path: common.folder.clone(), valid }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn lifetime(&self) -> Lifetime {
        Lifetime { now: crate::time::now(), valid: self.valid }
    }

    fn new_authority(&self) -> Result<(Authority, Issued)> {
        let lifetime = Lifetime { valid: self.valid * CA_TIMES, ..self.lifetime() };
        Ok(Authority::create("driftline private CA", lifetime)?)
    }

    fn authority(&self) -> Result<Authority> {
        let (certificate, key) = (self.file("ca.pem"), self.file("ca.key"));
        anyhow::ensure!(key.exists(), "no CA in {}: make one with `driftline certs init`", self.path.display());
        Ok(Authority::open(&certificate, &key)?)
    }

    /// Writes a pair as NAME.pem and NAME.key.
    fn keep(&self, name: &str, issued: &Issued, made: &mut Vec<PathBuf>) -> Result<()> {
        let key = self.file(&format!("{name}.key"));
        write_private(&key, issued.key.as_bytes()).with_context(|| key.display().to_string())?;
        self.write(&format!("{name}.pem"), &issued.certificate, made)?;
        made.push(key);
        Ok(())
    }

    fn write(&self, name: &str, text: &str, made: &mut Vec<PathBuf>) -> Result<()> {
        let path = self.file(name);
        // In one step: somebody may be reading it.
        let beside = path.with_extension("new");
        std::fs::write(&beside, text).with_context(|| beside.display().to_string())?;
        std::fs::rename(&beside, &path).with_context(|| path.display().to_string())?;
        made.push(path);
        Ok(())
    }

    fn agents(&self) -> Result<Vec<String>> {
        let folder = self.file("agents");
        let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        let mut names = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "pem") {
                names.extend(path.file_stem().map(|s| s.to_string_lossy().into_owned()));
            }
        }
        names.sort();
        Ok(names)
    }
}

fn init(folder: &Folder, hosts: &[String]) -> Result<Done> {
    anyhow::ensure!(
        !folder.file("ca.key").exists(),
        "there is a CA in {} already: `driftline certs rotate` makes a new one",
        folder.path.display()
    );
    std::fs::create_dir_all(folder.file("agents")).with_context(|| folder.path.display().to_string())?;
    let mut made = Vec::new();
    let (authority, own) = folder.new_authority()?;
    folder.keep("ca", &own, &mut made)?;
    folder.write("trust.pem", &own.certificate, &mut made)?;
    folder.keep("aggregator", &authority.server(hosts, folder.lifetime())?, &mut made)?;
    folder.write("grants.toml", "# Which agent may speak for which accounts.\n", &mut made)?;
    folder.write(
        "deny.txt",
        "# Agents (their URI) and certificates (sha256:FINGERPRINT) that are turned away.\n",
        &mut made,
    )?;
    let at = |name: &str| folder.file(name).display().to_string();
    let next = format!(
        "In [aggregator]: tls = {{ certificate = \"{}\", key = \"{}\", ca = \"{}\", grants = \"{}\", deny = \"{}\" }}\nNext: driftline certs agent NAME --account ID",
        at("aggregator.pem"),
        at("aggregator.key"),
        at("ca.pem"),
        at("grants.toml"),
        at("deny.txt")
    );
    Ok((made, next))
}

fn agent(folder: &Folder, name: &str, accounts: &[String], units: &[String]) -> Result<Done> {
    let id = agent_id(name)?;
    let issued = folder.authority()?.agent(&id, folder.lifetime())?;
    let mut made = Vec::new();
    if !(accounts.is_empty() && units.is_empty()) {
        grant(folder, &id, accounts, units, &mut made)?;
    }
    folder.keep(&format!("agents/{name}"), &issued, &mut made)?;
    let at = |name: &str| folder.file(name).display().to_string();
    let next = format!(
        "In [agent]: tls = {{ certificate = \"{}\", key = \"{}\", ca = \"{}\" }}",
        at(&format!("agents/{name}.pem")),
        at(&format!("agents/{name}.key")),
        at("trust.pem")
    );
    Ok((made, next))
}

/// Adds the grant to the file, as text: what people wrote there stays.
fn grant(folder: &Folder, id: &AgentId, accounts: &[String], units: &[String], made: &mut Vec<PathBuf>) -> Result<()> {
    let path = folder.file("grants.toml");
    let before = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let text = format!(
        "{}\n\n[[agents]]\nid = {}\naccounts = {}\nunits = {}\n",
        before.trim_end(),
        toml::Value::from(id.as_str()),
        toml::Value::from(accounts.to_vec()),
        toml::Value::from(units.to_vec())
    );
    let read = driftline_identity::Grants::parse(&text);
    read.map_err(|wrong| anyhow::anyhow!("{}: {}", path.display(), wrong.join("; ")))?;
    folder.write("grants.toml", &text, made)
}

fn rotate(folder: &Folder) -> Result<Done> {
    let former = folder.authority()?;
    let hosts = driftline_identity::hosts(&folder.file("aggregator.pem"))?;
    let names = folder.agents()?;
    let mut made = Vec::new();
    let (authority, own) = folder.new_authority()?;
    // First what agents trust, then what is shown to them.
    folder.write("trust.pem", &format!("{}{}", own.certificate, former.certificate()), &mut made)?;
    folder.write("ca-before.pem", former.certificate(), &mut made)?;
    folder.keep("ca", &own, &mut made)?;
    for name in &names {
        let issued = authority.agent(&agent_id(name)?, folder.lifetime())?;
        folder.keep(&format!("agents/{name}"), &issued, &mut made)?;
    }
    folder.keep("aggregator", &authority.server(&hosts, folder.lifetime())?, &mut made)?;
    let next = format!(
        "Agents that run elsewhere: give them {} first, then their new certificates. Until then the aggregator trusts the CA of before with previous_ca = \"{}\" and previous_ca_until in its tls.",
        folder.file("trust.pem").display(),
        folder.file("ca-before.pem").display()
    );
    Ok((made, next))
}

fn revoke(folder: &Folder, name: &str) -> Result<Done> {
    let id = agent_id(name)?;
    let path = folder.file("deny.txt");
    let before = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut made = Vec::new();
    folder.write("deny.txt", &format!("{}\n{id}\n", before.trim_end()), &mut made)?;
    Ok((made, format!("{id} is denied; a running aggregator cuts it within seconds")))
}

fn agent_id(name: &str) -> Result<AgentId> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    anyhow::ensure!(
        !name.is_empty() && name.len() <= 64 && name.chars().all(plain) && !name.starts_with('.'),
        "`{name}` is no name for an agent: 1 to 64 letters, digits, `-`, `_`, `.`"
    );
    AgentId::parse(&format!("spiffe://driftline/agent/{name}")).map_err(anyhow::Error::msg)
}
