//! What is checked of a record before it is published; pure. The body stays bytes.

use std::collections::HashMap;

use driftline_bus::Outgoing;
use driftline_model::record::{self, InputKey};
use driftline_proto::v1::{Reason, Record};

/// The newest form of bodies that this version knows.
pub const BODY_VERSION: u32 = 1;
/// Limit of a key in bytes.
const MAX_KEY: usize = 4096;

/// Why a record is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// For the agent's software.
    pub reason: Reason,
    /// For people.
    pub detail: String,
}

fn reject(reason: Reason, detail: impl Into<String>) -> Rejection {
    Rejection { reason, detail: detail.into() }
}

/// Turns a record into what is published, or says why not. `claims` are the accounts claimed on the stream with their
/// epochs.
pub fn check(
    record: Record,
    claims: &HashMap<String, i64>,
    partitions: u32,
    max_bytes: u32,
) -> Result<Outgoing, Rejection> {
    if record.key.len() > MAX_KEY || record.arn.len() > MAX_KEY || record.hash.len() > 64 {
        return Err(reject(Reason::TooLarge, format!("key, ARN or hash longer than {MAX_KEY} bytes")));
    }
    let size = record.body.len() + record.key.len();
    if size > max_bytes as usize {
        return Err(reject(Reason::TooLarge, format!("{size} bytes; the limit is {max_bytes}")));
    }
    let Some(key) = InputKey::decode(&record.key) else {
        return Err(reject(Reason::Malformed, "the key does not parse"));
    };
    // One resource has one key: a number written otherwise would be another to the log.
    if key.encode() != record.key {
        return Err(reject(Reason::Malformed, "the key is not in its plain form"));
    }
    // What an agent may say; baselines and waivers have their own way in.
    if !matches!(key, InputKey::Snapshot(_) | InputKey::Manifest(..) | InputKey::Cycle(_) | InputKey::Account(_)) {
        return Err(reject(Reason::Malformed, "agents publish snapshots, manifests, cycles and account facts only"));
    }
    let account = key.account();
    match claims.get(account) {
        Some(epoch) if *epoch == record.epoch => {}
        Some(epoch) => return Err(reject(Reason::NotClaimed, format!("account {account} is at epoch {epoch}"))),
        None => return Err(reject(Reason::NotClaimed, format!("account {account} is not claimed on this stream"))),
    }
    if !record.arn.is_empty() && !arn_belongs(&record.arn, account) {
        return Err(reject(Reason::WrongAccount, format!("the resource's ARN is not of account {account}")));
    }
    if record.version > BODY_VERSION {
        return Err(reject(
            Reason::UnknownVersion,
            format!("body version {}; known is {BODY_VERSION}", record.version),
        ));
    }
    if record.tombstone != record.body.is_empty() {
        return Err(reject(Reason::Malformed, "a record has a body or is a tombstone"));
    }
    let text = |v: String| v.into_bytes();
    let headers = vec![
        (record::H_EPOCH.to_owned(), text(record.epoch.to_string())),
        (record::H_NUMBER.to_owned(), text(record.number.to_string())),
        (record::H_TIME.to_owned(), text(record.time_ms.to_string())),
        (record::H_HASH.to_owned(), text(hex(&record.hash))),
        (record::H_VERSION.to_owned(), text(record.version.max(1).to_string())),
    ];
    Ok(Outgoing {
        topic: record::INPUTS.to_owned(),
        partition: record::partition(account, partitions),
        key: record.key.into_bytes(),
        value: (!record.tombstone).then(|| record.body.to_vec()),
        headers,
    })
}

/// What ARNs begin with (AWS's general reference).
const PARTITIONS: [&str; 8] =
    ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"];
/// Services whose ARNs name no account, since their names are unique without it (the service authorization reference).
const NAMELESS: [&str; 3] = ["s3", "route53", "apigateway"];

/// Whether an ARN may be of that account: its account field is the account, or is empty as in a bucket's.
fn arn_belongs(arn: &str, account: &str) -> bool {
    let mut fields = arn.splitn(6, ':');
    let (Some("arn"), Some(partition), Some(service), Some(_), Some(owner), Some(_)) =
        (fields.next(), fields.next(), fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return false;
    };
    PARTITIONS.contains(&partition) && (owner == account || (owner.is_empty() && NAMELESS.contains(&service)))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

#[cfg(test)]
mod spoofing;

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "111111111111";

    fn record(key: &str) -> Record {
        Record {
            sequence: 1,
            key: key.to_owned(),
            epoch: 7,
            number: 3,
            time_ms: 1,
            hash: vec![0xab].into(),
            body: b"{}".to_vec().into(),
            tombstone: false,
            arn: String::new(),
            version: 1,
        }
    }

    fn outcome(record: Record) -> Result<u32, Reason> {
        let claims = HashMap::from([(ACCOUNT.to_owned(), 7)]);
        check(record, &claims, 12, 100).map(|o| o.partition).map_err(|r| r.reason)
    }

    #[test]
    fn what_belongs_to_the_claimed_account_passes() {
        let wanted = Ok(record::partition(ACCOUNT, 12));
        for key in ["s/111111111111/eu-west-1/aws_vpc/vpc-1", "m/111111111111/eu-west-1/aws_vpc/0", "c/111111111111"] {
            assert_eq!(outcome(record(key)), wanted, "{key}");
        }
        for arn in ["arn:aws:s3:::bucket", "arn:aws-us-gov:ec2:us-gov-west-1:111111111111:vpc/vpc-1"] {
            assert_eq!(outcome(Record { arn: arn.into(), ..record("c/111111111111") }), wanted, "{arn}");
        }
        let gone =
            Record { tombstone: true, body: Vec::new().into(), ..record("s/111111111111/global/aws_iam_user/a/b") };
        assert_eq!(outcome(gone), wanted);
    }

    #[test]
    fn everything_else_is_rejected_with_its_reason() {
        let good = "s/111111111111/eu-west-1/aws_vpc/vpc-1";
        let cases = [
            (record("s/222222222222/eu-west-1/aws_vpc/vpc-1"), Reason::NotClaimed),
            (Record { epoch: 6, ..record(good) }, Reason::NotClaimed),
            (record("x/111111111111"), Reason::Malformed),
            (record("s/111111111111/eu-west-1"), Reason::Malformed),
            (record("b/111111111111/-/aws_vpc/s/vpc-1"), Reason::Malformed),
            (record("e/111111111111"), Reason::Malformed),
            (Record { arn: "arn:aws:ec2:eu-west-1:222222222222:vpc/v".into(), ..record(good) }, Reason::WrongAccount),
            (Record { arn: "vpc-1".into(), ..record(good) }, Reason::WrongAccount),
            (Record { version: 2, ..record(good) }, Reason::UnknownVersion),
            (Record { body: vec![b' '; 200].into(), ..record(good) }, Reason::TooLarge),
            (Record { tombstone: true, ..record(good) }, Reason::Malformed),
            (Record { body: Vec::new().into(), ..record(good) }, Reason::Malformed),
        ];
        for (record, reason) in cases {
            let shown = format!("{record:?}");
            assert_eq!(outcome(record), Err(reason), "{shown}");
        }
    }
}
