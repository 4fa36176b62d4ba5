//! Proofs, certificates and names that were changed at random, by a fixed seed: none is taken, and what they were made of is.

use driftline_identity::proof::{CHALLENGE, Subject, judge};
use driftline_identity::{AgentId, Grants, Inventory};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::sts::{ATTACKER, Attempt, ROLE, Session, VICTIM, World as Accounts};
use crate::world::{World, chain};

const SEED: u64 = 0x64_72_69_66_74;

/// The text with one thing changed.
fn changed(rng: &mut StdRng, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let at = rng.random_range(0..=chars.len());
    let odd =
        ['\r', '\n', '\0', ' ', '\t', '/', ':', ',', '=', '%', '.', '-', '@', '#', '\u{200b}', '１', 'а', 'İ', 'K'];
    match rng.random_range(0..9) {
        0 if at < chars.len() => _ = chars.remove(at),
        1 if at < chars.len() => chars[at] = rng.random_range('!'..='~'),
        2 if at < chars.len() => {
            let flipped =
                if chars[at].is_lowercase() { chars[at].to_ascii_uppercase() } else { chars[at].to_ascii_lowercase() };
            chars[at] = flipped;
        }
        3 if at < chars.len() => {
            let percent: Vec<char> = format!("%{:02x}", chars[at] as u32).chars().collect();
            chars.splice(at..=at, percent);
        }
        4 if at + 1 < chars.len() => chars.swap(at, at + 1),
        5 => chars.truncate(at),
        6 => chars.extend(text.chars().take(at)),
        7 => chars.insert(at, *odd.choose(rng).unwrap()),
        _ => chars.insert(at, rng.random_range('!'..='~')),
    }
    chars.into_iter().collect()
}

/// As [`changed`], surely another one.
fn mutant(rng: &mut StdRng, text: &str) -> String {
    loop {
        let found = changed(rng, text);
        if found != text {
            return found;
        }
    }
}

#[test]
fn of_40000_changed_proofs_none_is_taken() {
    let mut rng = StdRng::seed_from_u64(SEED);
    let places =
        [("aws", "eu-west-1"), ("aws", "us-east-1"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")];
    let accounts: Vec<String> = (0..20).map(|n| format!("{:012}", 700_000_000_000_u64 + n)).collect();
    let sessions: Vec<(Session, &str)> = (accounts.iter().enumerate())
        .map(|(n, account)| (Session::of_role(n, places[n % 4].0, account, ROLE), places[n % 4].1))
        .collect();
    let world = Accounts::of(
        sessions.iter().map(|(session, _)| session.clone()),
        &format!("[[roles]]\nname = \"{ROLE}\"\naccounts = {accounts:?}\n"),
    );
    let twins: Vec<Attempt> =
        sessions.iter().map(|(session, region)| Attempt::honest(session, region, rng.random())).collect();
    let (mut taken, mut reached) = (Vec::new(), 0);
    for n in 0..40_000 {
        let twin = twins.choose(&mut rng).unwrap();
        if n % 400 == 0 {
            assert_eq!(world.accepts(twin), Ok(()), "an untouched twin");
        }
        let other = loop {
            let other = twins.choose(&mut rng).unwrap();
            if other.account != twin.account {
                break other;
            }
        };
        let mut attempt = twin.clone();
        let whole = rng.random_bool(0.3);
        macro_rules! part {
            ($($field:ident).+) => {
                attempt.$($field).+ = if whole && other.$($field).+ != twin.$($field).+ {
                    other.$($field).+.clone()
                } else {
                    mutant(&mut rng, &twin.$($field).+)
                }
            };
        }
        match rng.random_range(0..7) {
            0 => part!(proof.access_key_id),
            1 => part!(proof.session_token),
            2 => part!(proof.signed_at),
            3 => part!(proof.region),
            4 => part!(proof.signature),
            5 => part!(account),
            _ if whole => attempt.challenge = other.challenge.clone(),
            _ => attempt.challenge[rng.random_range(0..CHALLENGE)] ^= 1 << rng.random_range(0..8),
        }
        reached += usize::from(attempt.request().is_ok());
        if world.accepts(&attempt).is_ok() {
            taken.push((attempt.account, attempt.proof));
        }
    }
    assert!(taken.is_empty(), "{} taken: {:?}", taken.len(), taken.first());
    assert!(reached > 5_000, "only {reached} were so good that STS had to decide");
}

#[test]
fn of_20000_changed_answers_of_sts_none_is_the_accounts_role() {
    let mut rng = StdRng::seed_from_u64(SEED + 1);
    let subject = Subject { account: VICTIM, challenge: &[] };
    let twin = format!("arn:aws:sts::{VICTIM}:assumed-role/{ROLE}/s");
    assert!(judge(subject, "eu-west-1", VICTIM, &twin).is_ok());
    let foreign = [
        format!("arn:aws:sts::{ATTACKER}:assumed-role/{ROLE}/s"),
        format!("arn:aws:iam::{VICTIM}:user/{ROLE}"),
        format!("arn:aws:sts::{VICTIM}:federated-user/{ROLE}"),
        format!("arn:aws-cn:sts::{VICTIM}:assumed-role/{ROLE}/s"),
        format!("arn:aws:sts::{ATTACKER}:assumed-role/{VICTIM}/{VICTIM}"),
    ];
    for _ in 0..20_000 {
        let mut arn = foreign.choose(&mut rng).unwrap().clone();
        for _ in 0..rng.random_range(0..3) {
            arn = changed(&mut rng, &arn);
        }
        assert!(judge(subject, "eu-west-1", VICTIM, &arn).is_err(), "{arn:?}");
    }
}

#[test]
fn of_20000_changed_names_none_is_granted() {
    let mut rng = StdRng::seed_from_u64(SEED + 2);
    let id = "spiffe://d/agent/a";
    let text = format!(
        "[[agents]]\nid = \"{id}\"\nunits = [\"/Root/Prod\"]\n[[roles]]\nname = \"{ROLE}\"\nunits = [\"/Root/Prod\"]\n"
    );
    let grants = Grants::parse(&text).unwrap();
    let unit = "/Root/Prod";
    let placed = |account: &str, unit: &str| Inventory::from([(account.to_owned(), unit.to_owned())]);
    let (own, agent) = (placed(VICTIM, unit), AgentId::parse(id).unwrap());
    assert!(grants.allow(&agent, VICTIM, &own) && grants.allow_role(Some(ROLE), VICTIM, &own));
    for _ in 0..20_000 {
        let allowed = match rng.random_range(0..4) {
            0 => AgentId::parse(&mutant(&mut rng, id)).is_ok_and(|agent| grants.allow(&agent, VICTIM, &own)),
            1 => grants.allow_role(Some(&mutant(&mut rng, ROLE)), VICTIM, &own),
            2 => grants.allow(&agent, &mutant(&mut rng, VICTIM), &own),
            _ => {
                let mut path = mutant(&mut rng, unit);
                // Below the unit is what is granted.
                while path == format!("{unit}/") || path.starts_with(&format!("{unit}/")) {
                    path = mutant(&mut rng, unit);
                }
                grants.allow(&agent, VICTIM, &placed(VICTIM, &path))
            }
        };
        assert!(!allowed);
    }
}

#[test]
fn of_5000_changed_certificates_none_is_let_in() {
    let mut rng = StdRng::seed_from_u64(SEED + 3);
    let world = World::new();
    let gate = world.gate();
    let twin = chain(&world.agent("a"));
    assert!(gate.identify(&twin).is_ok());
    for _ in 0..5_000 {
        let mut der = twin[0].to_vec();
        let at = rng.random_range(0..der.len());
        match rng.random_range(0..4) {
            0 => der[at] ^= 1 << rng.random_range(0..8),
            1 => der.truncate(at),
            2 => der.insert(at, rng.random()),
            _ => _ = der.remove(at),
        }
        if der != twin[0].to_vec() {
            assert!(gate.identify(&[der.into()]).is_err());
        }
    }
    assert!(gate.identify(&twin).is_ok());
}
