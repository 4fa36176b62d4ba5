//! Proofs by hand: replays and forgeries, each refused, with an untouched twin that is taken.

use std::time::Duration;

use driftline_identity::proof::{AssumedRole, CHALLENGE, ProofRules, Subject, Unproven, judge};

use crate::sts::{ATTACKER, Attempt, ROLE, Session, VICTIM, World, now};

const GRANTS: &str = "[[roles]]\nname = \"DriftlineRead\"\naccounts = [\"111111111111\", \"333333333333\"]\n\
                      [[roles]]\nname = \"Other\"\naccounts = [\"444444444444\"]\n";
const CHALLENGED: [u8; CHALLENGE] = [7; CHALLENGE];

#[test]
fn replays_and_forgeries_are_refused_and_their_twin_is_taken() {
    let victim = Session::of_role(1, "aws", VICTIM, ROLE);
    let sessions = [
        victim.clone(),
        Session::of_role(2, "aws", ATTACKER, ROLE),
        Session::of_role(3, "aws", "333333333333", ROLE),
        Session::of_role(4, "aws", VICTIM, "Other"),
        Session::of_role(5, "aws", VICTIM, "driftlineread"),
        Session::new(6, VICTIM, "arn:aws:iam::111111111111:user/DriftlineRead"),
        Session::new(7, VICTIM, "arn:aws:iam::111111111111:root"),
        Session::new(8, VICTIM, "arn:aws:sts::111111111111:federated-user/DriftlineRead"),
    ];
    let world = World::of(sessions.clone(), GRANTS);
    let twin = Attempt::honest(&victim, "eu-west-1", CHALLENGED);
    let by = |n: usize| Attempt::honest(&sessions[n], "eu-west-1", CHALLENGED);
    let as_victim = |n: usize| Attempt { account: VICTIM.to_owned(), ..by(n) };
    let with = |change: &dyn Fn(&mut Attempt)| {
        let mut attempt = twin.clone();
        change(&mut attempt);
        attempt
    };
    let parts = |n: usize| by(n).proof;
    let cases: Vec<(&str, Attempt)> = vec![
        // Replays.
        ("of another stream", with(&|a| a.challenge = vec![8; CHALLENGE])),
        ("of a stream without a challenge", with(&|a| a.challenge.clear())),
        ("with half of the challenge", with(&|a| a.challenge.truncate(CHALLENGE / 2))),
        ("an old one", with(&|a| a.now += Duration::from_secs(301))),
        ("from the future", with(&|a| a.now -= Duration::from_secs(301))),
        ("an old one, dated anew", with(&|a| a.proof.signed_at = "20270115T080001Z".into())),
        ("for another account", with(&|a| a.account = "333333333333".into())),
        ("with another region", with(&|a| a.proof.region = "eu-west-2".into())),
        ("with a region of another partition", with(&|a| a.proof.region = "cn-north-1".into())),
        ("in a region that is not allowed", with(&|a| a.rules.regions = vec!["eu-central-1".into()])),
        ("of a stranger's own account, for the victim", as_victim(1)),
        ("of a stranger's own account, for itself", by(1)),
        ("of another account that is granted, for the victim", as_victim(2)),
        // Parts of two proofs.
        ("another one's signature", with(&|a| a.proof.signature = parts(1).signature)),
        ("another one's key", with(&|a| a.proof.access_key_id = parts(1).access_key_id)),
        ("another one's token", with(&|a| a.proof.session_token = parts(1).session_token)),
        ("no token", with(&|a| a.proof.session_token.clear())),
        // Who is not the role.
        ("another role of the account", by(3)),
        ("a role of that name in small letters", by(4)),
        ("a user of that name", by(5)),
        ("the account itself", by(6)),
        ("a federated user of that name", by(7)),
        // What would change the request.
        ("a host for a region", with(&|a| a.proof.region = "evil.example/".into())),
        ("a region with a host behind it", with(&|a| a.proof.region = "eu-west-1.evil.example".into())),
        ("a region with user and host", with(&|a| a.proof.region = "eu-west-1@evil.example".into())),
        ("a region that goes up", with(&|a| a.proof.region = "../eu-west-1".into())),
        ("a region in percent", with(&|a| a.proof.region = "eu%2dwest-1".into())),
        ("a region in capitals", with(&|a| a.proof.region = "EU-WEST-1".into())),
        ("a region with a line's end", with(&|a| a.proof.region = "eu-west-1\r\n".into())),
        ("no region", with(&|a| a.proof.region.clear())),
        ("the region `global`", with(&|a| a.proof.region = "aws-global".into())),
        ("a header in the token", with(&|a| a.proof.session_token.push_str("\r\nx-amz-target: a"))),
        ("a line's end after the token", with(&|a| a.proof.session_token.push('\n'))),
        ("a token with a space", with(&|a| a.proof.session_token.insert(3, ' '))),
        ("a token of a megabyte", with(&|a| a.proof.session_token = "a".repeat(1 << 20))),
        ("a scope in the key", with(&|a| a.proof.access_key_id.push_str("/20270115/us-east-1"))),
        ("a second credential in the key", with(&|a| a.proof.access_key_id.push_str(", Credential=ASIAX"))),
        ("a key of a user", with(&|a| a.proof.access_key_id = "AKIA0000000000000001".into())),
        ("a key in small letters", with(&|a| a.proof.access_key_id.make_ascii_lowercase())),
        ("a key of 200 letters", with(&|a| a.proof.access_key_id = format!("ASIA{}", "A".repeat(196)))),
        ("a key in wide digits", with(&|a| a.proof.access_key_id = "ASIA０００００００００００００００１".into())),
        ("a time with a zone", with(&|a| a.proof.signed_at = "20270115T080000+0000".into())),
        ("a day that is none", with(&|a| a.proof.signed_at = "20270230T080000Z".into())),
        ("a time with a space", with(&|a| a.proof.signed_at = "20270115 080000Z".into())),
        ("no time", with(&|a| a.proof.signed_at.clear())),
        ("a signature in capitals", with(&|a| a.proof.signature.make_ascii_uppercase())),
        ("a signature of nothing", with(&|a| a.proof.signature = "0".repeat(64))),
        ("half a signature", with(&|a| a.proof.signature.truncate(32))),
        ("two signatures", with(&|a| a.proof.signature = a.proof.signature.repeat(2))),
        ("a header after the signature", with(&|a| a.proof.signature.push_str("\r\na: b"))),
        // What the account is called.
        ("an account with a space", with(&|a| a.account.push(' '))),
        ("an account in wide digits", with(&|a| a.account = "１１１１１１１１１１１１".into())),
        ("an account with a line's end", with(&|a| a.account.push_str("\r\n"))),
        ("no account", with(&|a| a.account.clear())),
    ];
    assert!(cases.len() >= 50, "{}", cases.len());
    for (what, attempt) in &cases {
        assert_eq!(world.accepts(&twin), Ok(()), "the twin of: {what}");
        assert!(world.accepts(attempt).is_err(), "{what}");
    }
}

#[test]
fn what_is_sent_follows_from_what_is_known_whatever_the_agent_says() {
    let twin = Attempt::honest(&Session::of_role(1, "aws", VICTIM, ROLE), "eu-west-1", CHALLENGED);
    let request = twin.request().unwrap();
    assert_eq!(request.host, "sts.eu-west-1.amazonaws.com");
    let names: Vec<&str> = request.headers.iter().map(|(name, _)| *name).collect();
    let wanted = [
        "content-type",
        "host",
        "x-driftline-account",
        "x-driftline-challenge",
        "x-amz-date",
        "x-amz-security-token",
        "authorization",
    ];
    assert_eq!(names, wanted);
    let shown = format!("{:?}", twin.proof);
    assert!(!shown.contains(&twin.proof.session_token) && !shown.contains(&twin.proof.signature), "{shown}");
}

/// STS's answer, as somebody may have made it who chooses the names of accounts, roles and sessions.
#[test]
fn only_a_role_of_the_account_in_the_partition_that_was_asked() {
    let subject = Subject { account: VICTIM, challenge: &CHALLENGED };
    let good = "arn:aws:sts::111111111111:assumed-role/DriftlineRead/s";
    let cases = [
        ("eu-west-1", VICTIM, good, true),
        ("eu-west-1", ATTACKER, good, false),
        ("eu-west-1", "", good, false),
        ("eu-west-1", VICTIM, "arn:aws:sts::222222222222:assumed-role/DriftlineRead/s", false),
        ("eu-west-1", VICTIM, "arn:aws:sts::222222222222:assumed-role/111111111111/s", false),
        ("eu-west-1", VICTIM, "arn:aws-cn:sts::111111111111:assumed-role/DriftlineRead/s", false),
        ("cn-north-1", VICTIM, good, false),
        ("cn-north-1", VICTIM, "arn:aws-cn:sts::111111111111:assumed-role/DriftlineRead/s", true),
        ("us-gov-west-1", VICTIM, "arn:aws-us-gov:sts::111111111111:assumed-role/DriftlineRead/s", true),
        ("us-gov-west-1", VICTIM, good, false),
        ("eu-west-1", VICTIM, "arn:aws:iam::111111111111:role/DriftlineRead", false),
        ("eu-west-1", VICTIM, "arn:aws:iam::111111111111:user/DriftlineRead", false),
        ("eu-west-1", VICTIM, "arn:aws:sts::111111111111:federated-user/DriftlineRead", false),
        ("eu-west-1", VICTIM, "arn:aws:sts:eu-west-1:111111111111:assumed-role/DriftlineRead/s", false),
        ("eu-west-1", VICTIM, "arn:aws:sts::111111111111:assumed-role/path/DriftlineRead/s", false),
        ("eu-west-1", VICTIM, "arn:aws:sts::111111111111:assumed-role/DriftlineRead/", false),
        ("eu-west-1", VICTIM, "arn:aws:sts::111111111111:assumed-role//s", false),
        ("eu-west-1", VICTIM, "arn:aws:sts::111111111111:assumed-role/DriftlineRead", false),
        ("eu-west-1", VICTIM, "arn:aws:sts::111111111111:assumed-role/DriftlineRead/s:x", false),
        ("eu-west-1", VICTIM, "ARN:AWS:STS::111111111111:ASSUMED-ROLE/DriftlineRead/s", false),
        ("eu-west-1", VICTIM, " arn:aws:sts::111111111111:assumed-role/DriftlineRead/s", false),
        ("eu-west-1", VICTIM, "arn:aws:sts::111111111111:assumed-role/DriftlineRead/s\n", false),
        ("eu-west-1", VICTIM, "", false),
    ];
    for (region, account, arn, expect) in cases {
        assert_eq!(judge(subject, region, account, arn).is_ok(), expect, "{region} {account} {arn}");
    }
    let shown = AssumedRole::parse(good).unwrap().to_string();
    assert_eq!(shown, good);
}

#[test]
fn the_age_is_told_both_ways() {
    let twin = Attempt::honest(&Session::of_role(1, "aws", VICTIM, ROLE), "eu-west-1", CHALLENGED);
    let subject = Subject { account: VICTIM, challenge: &CHALLENGED };
    let rules = ProofRules { max_age: Duration::from_secs(60), ..ProofRules::default() };
    let at = |now| twin.proof.request(&rules, subject, now).map(|_| ());
    let minute = Duration::from_secs(60);
    assert_eq!(at(now() + minute), Ok(()));
    assert_eq!(at(now() - minute), Ok(()));
    assert_eq!(at(now() + minute + Duration::from_secs(1)), Err(Unproven::Age(61, 60)));
    assert_eq!(at(now() - minute - Duration::from_secs(1)), Err(Unproven::Age(61, 60)));
}
