//! The official SDK's clients, with the credentials of one account.

use anyhow::Context as _;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Clients of one account in one region.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Account id.
    pub account: String,
    /// Region.
    pub region: String,
    /// The account's credentials.
    pub credentials: SharedCredentialsProvider,
    /// EC2.
    pub ec2: aws_sdk_ec2::Client,
    /// S3, with the bucket in the path.
    pub s3: aws_sdk_s3::Client,
    /// RDS.
    pub rds: aws_sdk_rds::Client,
    /// IAM.
    pub iam: aws_sdk_iam::Client,
    /// KMS.
    pub kms: aws_sdk_kms::Client,
    /// CloudTrail.
    pub cloudtrail: aws_sdk_cloudtrail::Client,
    /// STS.
    pub sts: aws_sdk_sts::Client,
}

/// Configuration with the fleet's first credentials: those from which every account's role can be assumed.
pub(crate) async fn base(endpoint_url: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "fleet");
    aws_config::defaults(BehaviorVersion::latest())
        .endpoint_url(endpoint_url)
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials)
        .load()
        .await
}

impl Clients {
    /// Clients that carry a role of the account.
    pub(crate) async fn assume(base: &SdkConfig, account: &str, region: &str) -> anyhow::Result<Self> {
        let assumed = aws_sdk_sts::Client::new(base)
            .assume_role()
            .role_arn(format!("arn:aws:iam::{account}:role/terraform"))
            .role_session_name("fleet")
            .send()
            .await
            .context("assuming the role")?;
        let given = assumed.credentials.context("no credentials in the answer")?;
        let credentials = SharedCredentialsProvider::new(Credentials::new(
            given.access_key_id,
            given.secret_access_key,
            Some(given.session_token),
            None,
            "fleet",
        ));
        let config =
            base.to_builder().region(Region::new(region.to_owned())).credentials_provider(credentials.clone()).build();
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        Ok(Clients {
            account: account.to_owned(),
            region: region.to_owned(),
            credentials,
            ec2: aws_sdk_ec2::Client::new(&config),
            s3: aws_sdk_s3::Client::from_conf(s3),
            rds: aws_sdk_rds::Client::new(&config),
            iam: aws_sdk_iam::Client::new(&config),
            kms: aws_sdk_kms::Client::new(&config),
            cloudtrail: aws_sdk_cloudtrail::Client::new(&config),
            sts: aws_sdk_sts::Client::new(&config),
        })
    }
}

/// Makes moto's ids repeatable.
pub(crate) async fn seed(endpoint_url: &str, seed: u64) -> anyhow::Result<()> {
    let address = endpoint_url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream =
        tokio::net::TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
    let request = format!(
        "POST /moto-api/seed?a={seed} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(1 << 16).read_to_end(&mut answer).await?;
    anyhow::ensure!(answer.starts_with(b"HTTP/1.1 200"), "{endpoint_url} is no moto server: it can't be seeded");
    Ok(())
}
