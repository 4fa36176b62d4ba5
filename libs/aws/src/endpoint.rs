//! Where a service answers: partitions, regions, global services, and what the user set instead.

use std::collections::BTreeMap;

/// A family of regions with accounts, ARNs and DNS names of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Partition {
    /// The commercial regions.
    #[default]
    Aws,
    /// Beijing and Ningxia.
    AwsCn,
    /// GovCloud (US).
    AwsUsGov,
}

impl Partition {
    /// The partition of a region, by its name.
    pub fn of_region(region: &str) -> Self {
        if region.starts_with("cn-") {
            Partition::AwsCn
        } else if region.starts_with("us-gov-") {
            Partition::AwsUsGov
        } else {
            Partition::Aws
        }
    }

    /// As ARNs write it: `aws`, `aws-cn`, `aws-us-gov`.
    pub fn as_str(self) -> &'static str {
        match self {
            Partition::Aws => "aws",
            Partition::AwsCn => "aws-cn",
            Partition::AwsUsGov => "aws-us-gov",
        }
    }
}

/// What the user says about endpoints; nothing said means AWS's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointConfig {
    /// For all services, as `AWS_ENDPOINT_URL`.
    pub url: Option<String>,
    /// By service (`s3`, `ec2` ...), as `AWS_ENDPOINT_URL_S3`; wins over `url`.
    pub service_urls: BTreeMap<String, String>,
    /// Use FIPS 140 validated endpoints.
    pub fips: bool,
    /// Use endpoints that also answer over IPv6.
    pub dual_stack: bool,
}
