//! Where a service answers: partitions, regions, global services, and what the user set instead.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::model::Service;

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
    /// By service (`s3`, `elbv2`, or by AWS's own id as `elastic_load_balancing_v2`); wins over `url`.
    pub service_urls: BTreeMap<String, String>,
    /// Use FIPS 140 validated endpoints.
    pub fips: bool,
    /// Use endpoints that also answer over IPv6.
    pub dual_stack: bool,
}

/// Where one call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Scheme, host and perhaps a path, without a slash at the end.
    pub(crate) url: String,
    /// The region that the signature names, which for a global service is its own.
    pub(crate) region: String,
    /// Set by the user: addressed by path, without prefixes to the host.
    pub(crate) custom: bool,
}

impl EndpointConfig {
    /// What the AWS SDK's usual variables say: `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_<SERVICE>`,
    /// `AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT`, `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`. The only place of
    /// this crate that reads the environment.
    pub fn from_env() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self::from_variables(std::env::vars_os().filter_map(text))
    }

    /// As [`EndpointConfig::from_env`], over given variables.
    pub fn from_variables(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut config = EndpointConfig::default();
        let mut ignored = false;
        for (name, value) in variables {
            let yes = value.eq_ignore_ascii_case("true");
            match name.as_str() {
                _ if value.is_empty() => {}
                "AWS_ENDPOINT_URL" => config.url = Some(value),
                "AWS_USE_FIPS_ENDPOINT" => config.fips = yes,
                "AWS_USE_DUALSTACK_ENDPOINT" => config.dual_stack = yes,
                "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS" => ignored = yes,
                name => {
                    if let Some(service) = name.strip_prefix("AWS_ENDPOINT_URL_") {
                        config.service_urls.insert(service.to_ascii_lowercase(), value);
                    }
                }
            }
        }
        if ignored {
            config.url = None;
            config.service_urls.clear();
        }
        config
    }

    /// Where the calls of a service go from a region.
    pub(crate) fn resolve(&self, service: &Service, partition: Partition, region: &str) -> Result<Endpoint, Error> {
        let wrong = |reason: String| Error::Validation { path: service.name().to_owned(), reason };
        // The region becomes part of a host's name.
        if region.is_empty() || !region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return Err(wrong(format!("{region:?} is no region")));
        }
        let found = |fips: bool, dual: bool| {
            let fips = if fips { "+fips" } else { "" };
            let dual = if dual { "+dual" } else { "" };
            service.endpoint(&format!("{}{fips}{dual}", partition.as_str()), region)
        };
        let own = found(self.fips, self.dual_stack);
        let custom = [service.name(), service.id()].into_iter().find_map(|name| self.service_urls.get(name));
        match (custom.or(self.url.as_ref()), own) {
            (Some(url), own) => {
                let region =
                    own.or_else(|| found(false, false)).map_or_else(|| region.to_owned(), |(_, region)| region);
                Ok(Endpoint { url: url.trim_end_matches('/').to_owned(), region, custom: true })
            }
            (None, Some((url, region))) => Ok(Endpoint { url, region, custom: false }),
            (None, None) => Err(wrong(format!(
                "no endpoint in the partition {}{}{}",
                partition.as_str(),
                if self.fips { ", FIPS" } else { "" },
                if self.dual_stack { ", dual stack" } else { "" }
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(config: &EndpointConfig, service: &str, region: &str) -> (String, String) {
        let service = Service::load(service).unwrap();
        let endpoint = config.resolve(service, Partition::of_region(region), region).unwrap();
        (endpoint.url, endpoint.region)
    }

    #[test]
    fn each_partition_has_its_own_names() {
        let plain = EndpointConfig::default();
        let fips = EndpointConfig { fips: true, ..Default::default() };
        let dual = EndpointConfig { dual_stack: true, ..Default::default() };
        for (config, service, region, url, signing) in [
            (&plain, "ec2", "eu-west-1", "https://ec2.eu-west-1.amazonaws.com", "eu-west-1"),
            (&plain, "ec2", "eu-future-7", "https://ec2.eu-future-7.amazonaws.com", "eu-future-7"),
            (&plain, "ec2", "cn-north-1", "https://ec2.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            (&plain, "iam", "eu-west-1", "https://iam.amazonaws.com", "us-east-1"),
            (&plain, "iam", "cn-northwest-1", "https://iam.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            (&plain, "iam", "us-gov-east-1", "https://iam.us-gov.amazonaws.com", "us-gov-west-1"),
            (&plain, "organizations", "eu-west-1", "https://organizations.us-east-1.amazonaws.com", "us-east-1"),
            (&plain, "route53", "ap-south-1", "https://route53.amazonaws.com", "us-east-1"),
            (&plain, "cloudfront", "us-west-2", "https://cloudfront.amazonaws.com", "us-east-1"),
            (&plain, "sts", "eu-west-1", "https://sts.eu-west-1.amazonaws.com", "eu-west-1"),
            (&plain, "sts", "us-east-1", "https://sts.us-east-1.amazonaws.com", "us-east-1"),
            (&plain, "s3", "us-east-1", "https://s3.us-east-1.amazonaws.com", "us-east-1"),
            (&fips, "kms", "us-east-1", "https://kms-fips.us-east-1.amazonaws.com", "us-east-1"),
            (&fips, "s3", "us-east-1", "https://s3-fips.us-east-1.amazonaws.com", "us-east-1"),
            (&dual, "s3", "us-east-1", "https://s3.dualstack.us-east-1.amazonaws.com", "us-east-1"),
            (&dual, "ec2", "eu-west-1", "https://ec2.eu-west-1.api.aws", "eu-west-1"),
        ] {
            assert_eq!(resolve(config, service, region), (url.to_owned(), signing.to_owned()), "{service} {region}");
        }
    }

    #[test]
    fn what_the_user_set_wins() {
        let config = EndpointConfig::from_variables(
            [
                ("AWS_ENDPOINT_URL", "http://localhost:5000/"),
                ("AWS_ENDPOINT_URL_S3", "http://localhost:9000"),
                ("AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2", "http://localhost:9001"),
                ("AWS_USE_FIPS_ENDPOINT", "TRUE"),
                ("HOME", "/"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        assert!(config.fips && !config.dual_stack);
        for (service, url, region) in [
            ("ec2", "http://localhost:5000", "eu-west-1"),
            ("iam", "http://localhost:5000", "us-east-1"),
            ("s3", "http://localhost:9000", "eu-west-1"),
            ("elbv2", "http://localhost:9001", "eu-west-1"),
        ] {
            assert_eq!(resolve(&config, service, "eu-west-1"), (url.to_owned(), region.to_owned()));
        }
    }

    #[test]
    fn a_region_that_is_none_goes_nowhere() {
        let service = Service::load("ec2").unwrap();
        for region in ["", "evil.example.com/", "EU-WEST-1"] {
            assert!(EndpointConfig::default().resolve(service, Partition::Aws, region).is_err(), "{region}");
        }
    }
}
