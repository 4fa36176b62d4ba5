//! Which names are regions, of which partition, and where their STS answers.

/// Longest name of a region.
const LONGEST: usize = 32;
/// What regions of the commercial partition begin with (botocore's `partitions.json`).
const COMMERCIAL: [&str; 9] = ["us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx"];
/// Second parts of names that belong to partitions of their own.
const APART: [&str; 5] = ["gov", "iso", "isob", "isoe", "isof"];

/// The partition of a region, by the form of its name (botocore's `partitions.json`); none if it has none of those that
/// Driftline knows.
pub fn partition(region: &str) -> Option<&'static str> {
    let parts: Vec<&str> = region.split('-').collect();
    let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase());
    let number = |text: &str| matches!(text.len(), 1 | 2) && text.bytes().all(|b| b.is_ascii_digit());
    if region.len() > LONGEST {
        return None;
    }
    match parts[..] {
        ["us", "gov", place, n] if word(place) && number(n) => Some("aws-us-gov"),
        ["cn", place, n] if word(place) && number(n) => Some("aws-cn"),
        [area, place, n] if COMMERCIAL.contains(&area) && word(place) && !APART.contains(&place) && number(n) => {
            Some("aws")
        }
        _ => None,
    }
}

/// The host of a region's STS (AWS's general reference, STS endpoints).
pub fn host(region: &str) -> Option<String> {
    let domain = match partition(region)? {
        "aws-cn" => "amazonaws.com.cn",
        _ => "amazonaws.com",
    };
    Some(format!("sts.{region}.{domain}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_leads_to_its_own_sts_and_anything_else_nowhere() {
        for (region, expect) in [
            ("eu-west-1", Some("sts.eu-west-1.amazonaws.com")),
            ("ap-southeast-7", Some("sts.ap-southeast-7.amazonaws.com")),
            ("mx-central-1", Some("sts.mx-central-1.amazonaws.com")),
            ("cn-northwest-1", Some("sts.cn-northwest-1.amazonaws.com.cn")),
            ("us-gov-east-1", Some("sts.us-gov-east-1.amazonaws.com")),
            ("us-iso-east-1", None),
            ("us-iso-1", None),
            ("us-gov-1", None),
            ("eu-west", None),
            ("EU-WEST-1", None),
            ("eu-west-1.evil.example", None),
            ("eu-west-1/", None),
            ("eu-west-1@evil", None),
            ("eu-west-1#", None),
            ("eu-west-1\r\n", None),
            (" eu-west-1", None),
            ("eu-west-١", None),
            ("eu--1", None),
            ("", None),
            ("xx-west-1", None),
            ("global", None),
            ("aws-global", None),
        ] {
            assert_eq!(host(region).as_deref(), expect, "{region}");
        }
        assert_eq!(host(&format!("eu-{}-1", "w".repeat(40))), None);
    }
}
