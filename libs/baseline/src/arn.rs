//! What an ARN and an availability zone tell about where a resource is.

/// Account of `arn:PARTITION:SERVICE:REGION:ACCOUNT:...`, where it has one.
pub(crate) fn account(arn: &str) -> Option<&str> {
    part(arn, 4).filter(|a| is_account(a))
}

/// Region of an ARN, where it has one.
pub(crate) fn region(arn: &str) -> Option<&str> {
    part(arn, 3).filter(|r| is_region(r))
}

fn part(arn: &str, n: usize) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    (parts.next() == Some("arn") && arn.bytes().filter(|b| *b == b':').count() >= 5).then(|| parts.nth(n - 1)).flatten()
}

/// Twelve digits.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// `eu-west-1`, `us-gov-east-1`: words and a number at the end.
pub(crate) fn is_region(text: &str) -> bool {
    let mut parts = text.rsplit('-');
    let number = parts.next().is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    let words = parts.clone().count() >= 2 && parts.all(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase()));
    number && words && text.len() <= 32
}

/// The region of an availability zone: `eu-west-1a` and `us-west-2-lax-1a` (a local zone).
pub(crate) fn region_of_zone(zone: &str) -> Option<&str> {
    let end = zone.find(|c: char| c.is_ascii_digit())?;
    let digits = zone[end..].bytes().take_while(u8::is_ascii_digit).count();
    let region = &zone[..end + digits];
    (zone.len() > region.len() && is_region(region)).then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_tell_account_and_region_or_nothing() {
        for (arn, expect) in [
            ("arn:aws:ec2:eu-west-1:123456789012:vpc/vpc-1", (Some("123456789012"), Some("eu-west-1"))),
            ("arn:aws-us-gov:iam::123456789012:role/a:b", (Some("123456789012"), None)),
            ("arn:aws:s3:::bucket", (None, None)),
            ("arn:aws:iam::aws:policy/AdministratorAccess", (None, None)),
            ("arn:aws:ec2:eu-west-1", (None, None)),
            ("", (None, None)),
            ("arn", (None, None)),
            ("::::::", (None, None)),
        ] {
            assert_eq!((account(arn), region(arn)), expect, "{arn}");
        }
        for (zone, region) in [
            ("eu-west-1a", Some("eu-west-1")),
            ("us-west-2-lax-1a", Some("us-west-2")),
            ("us-gov-east-1b", Some("us-gov-east-1")),
            ("eu-west-1", None),
            ("a", None),
            ("1a", None),
        ] {
            assert_eq!(region_of_zone(zone), region, "{zone}");
        }
    }
}
