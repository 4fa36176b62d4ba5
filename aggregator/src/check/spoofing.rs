//! Records that mean another account than the one that is claimed: by hand, and changed at random by a fixed seed.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::*;

const OWN: &str = "222222222222";

fn record(key: &str, arn: &str) -> Record {
    let (key, arn) = (key.to_owned(), arn.to_owned());
    let body = b"{}".to_vec().into();
    Record { sequence: 1, key, epoch: 7, number: 1, time_ms: 1, body, arn, version: 1, ..Record::default() }
}

fn taken(record: Record) -> bool {
    check(record, &HashMap::from([(OWN.to_owned(), 7)]), 12, 1000).is_ok()
}

#[test]
fn by_hand_none_is_taken_and_the_twin_of_each_is() {
    let (key, arn) = ("s/222222222222/eu-west-1/aws_vpc/vpc-1", "arn:aws:ec2:eu-west-1:222222222222:vpc/vpc-1");
    let victim = "s/111111111111/eu-west-1/aws_vpc/vpc-1";
    let keys = [
        victim,
        "s/222222222222 /eu-west-1/aws_vpc/vpc-1",
        " s/222222222222/eu-west-1/aws_vpc/vpc-1",
        "s/../111111111111/eu-west-1/aws_vpc/vpc-1",
        "s//222222222222/eu-west-1/aws_vpc/vpc-1",
        "s/%32%32%32222222222/eu-west-1/aws_vpc/vpc-1",
        "s/２２２２２２２２２２２２/eu-west-1/aws_vpc/vpc-1",
        "s/222222222222\0/eu-west-1/aws_vpc/vpc-1",
        "S/222222222222/eu-west-1/aws_vpc/vpc-1",
        "s/222222222222,111111111111/eu-west-1/aws_vpc/vpc-1",
        "s/222222222222",
        "s/222222222222/",
        "m/222222222222/eu-west-1/aws_vpc/+0",
        "m/222222222222/eu-west-1/aws_vpc/00",
        "m/222222222222/eu-west-1/aws_vpc/-1",
        "m/111111111111/eu-west-1/aws_vpc/0",
        "c/111111111111",
        "c/222222222222/",
        "a/111111111111",
        "e/222222222222",
        "e/111111111111",
        "b/222222222222/-/aws_vpc/s/vpc-1",
        "l/222222222222/s/0",
        "w/222222222222/w1",
        "",
        "/",
    ];
    let arns = [
        "arn:aws:ec2:eu-west-1:111111111111:vpc/vpc-1",
        "arn:aws:ec2:eu-west-1::vpc/vpc-1",
        "arn:aws:ec2:eu-west-1:aws:vpc/vpc-1",
        "arn:aws:ec2:eu-west-1: 222222222222:vpc/vpc-1",
        "arn:aws:ec2:eu-west-1:222222222222 :vpc/vpc-1",
        "arn:aws:ec2:eu-west-1:2222222222222:vpc/vpc-1",
        "arn:aws:ec2:eu-west-1:22222222222:vpc/vpc-1",
        "arn:aws:ec2:eu-west-1:222222222222",
        "arn:aws:ec2:222222222222:111111111111:vpc/222222222222",
        "arn:awsx:ec2:eu-west-1:222222222222:vpc/vpc-1",
        "arn:aws-:ec2:eu-west-1:222222222222:vpc/vpc-1",
        "arn:AWS:ec2:eu-west-1:222222222222:vpc/vpc-1",
        "ARN:aws:ec2:eu-west-1:222222222222:vpc/vpc-1",
        " arn:aws:ec2:eu-west-1:222222222222:vpc/vpc-1",
        "arn::ec2:eu-west-1:222222222222:vpc/vpc-1",
        "arn:aws:iam::aws:policy/AdministratorAccess",
        "arn:aws:iam:::role/r",
        "arn:aws:S3:::bucket",
        "arn:aws:s3::111111111111:bucket",
        "arn:aws:ec2:eu-west-1:２２２２２２２２２２２２:vpc/vpc-1",
        "arn:aws:ec2:eu-west-1:%3222222222222:vpc/vpc-1",
        "222222222222",
    ];
    let wrong = |change: fn(&mut Record)| {
        let mut record = record(key, arn);
        change(&mut record);
        record
    };
    let changed = [
        wrong(|r| r.epoch = 6),
        wrong(|r| r.epoch = 8),
        wrong(|r| r.epoch = 0),
        wrong(|r| r.epoch = -7),
        wrong(|r| r.epoch = i64::MAX),
        wrong(|r| r.version = 2),
        wrong(|r| r.tombstone = true),
    ];
    for spoofed in keys.map(|key| record(key, "")).into_iter().chain(arns.map(|arn| record(key, arn))).chain(changed) {
        assert!(taken(record(key, arn)) && taken(record(key, "arn:aws:s3:::bucket")), "the twins");
        let shown = format!("{spoofed:?}");
        assert!(!taken(spoofed), "{shown}");
    }
}

/// Whatever is taken is of the claimed account, in its plain form, and names no other one.
#[test]
fn of_20000_changed_records_none_means_the_other_account() {
    let mut rng = StdRng::seed_from_u64(0x64_72_69_66_74);
    let odd = ['/', ':', ' ', '%', '.', '\0', '\n', '-', '+', '１', '1', '2', 'a', 'Z', '\u{200b}'];
    let keys = ["s/@/eu-west-1/aws_vpc/vpc-1", "m/@/eu-west-1/aws_vpc/0", "c/@", "a/@"];
    let arns =
        ["arn:aws:ec2:eu-west-1:@:vpc/vpc-1", "arn:aws-cn:iam::@:role/r", "arn:aws-us-gov:sqs:us-gov-west-1:@:q"];
    let of = |text: &str, account: &str| text.replace('@', account);
    for n in 0..20_000 {
        let (key, arn) = (keys.choose(&mut rng).unwrap(), arns.choose(&mut rng).unwrap());
        assert!(taken(record(&of(key, OWN), &of(arn, OWN))), "the twin");
        // One of the two is the other account's; then anything in it may change.
        let in_key = n % 2 == 0;
        let mut spoofed: Vec<char> = of(if in_key { key } else { arn }, "111111111111").chars().collect();
        for _ in 0..rng.random_range(0..4) {
            let at = rng.random_range(0..spoofed.len());
            match rng.random_range(0..4) {
                0 => spoofed[at] = *odd.choose(&mut rng).unwrap(),
                1 => spoofed.insert(at, *odd.choose(&mut rng).unwrap()),
                2 if spoofed.len() > 1 => _ = spoofed.remove(at),
                _ => spoofed[at] = spoofed[at].to_ascii_uppercase(),
            }
        }
        let spoofed: String = spoofed.into_iter().collect();
        let record = if in_key { record(&spoofed, &of(arn, OWN)) } else { record(&of(key, OWN), &spoofed) };
        // No ARN at all says nothing, and is no lie.
        assert!(spoofed.is_empty() || !taken(record), "{spoofed:?}");
    }
}
