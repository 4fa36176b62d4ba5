//! Renewal on a clock of our own; roles by data.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_smithy_async::time::TimeSource;

use super::*;

#[derive(Debug, Clone, Default)]
struct Clock(Arc<Mutex<Duration>>);

impl Clock {
    fn pass(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + *self.0.lock().unwrap()
    }
}

/// Gives credentials of one hour, or the error that is set.
#[derive(Debug, Default)]
struct Source {
    clock: Clock,
    fetched: AtomicUsize,
    error: Mutex<Option<AccessError>>,
}

impl Fetch for Arc<Source> {
    async fn fetch(&self) -> Result<Credentials, AccessError> {
        let count = self.fetched.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        match &*self.error.lock().unwrap() {
            Some(error) => Err(error.clone()),
            None => {
                let expiry = self.clock.now() + HOUR;
                Ok(Credentials::new(format!("key{count}"), "secret", None, Some(expiry), "test"))
            }
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

fn cached() -> (Arc<Source>, SharedCredentialsProvider) {
    let source = Arc::new(Source::default());
    let cached = Cached::new(source.clone(), SharedTimeSource::new(source.clock.clone()));
    (source, SharedCredentialsProvider::new(cached))
}

async fn key(provider: &SharedCredentialsProvider) -> String {
    provider.provide_credentials().await.expect("credentials").access_key_id().to_owned()
}

#[tokio::test]
async fn many_callers_cause_one_fetch() {
    let (source, provider) = cached();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let provider = provider.clone();
        tasks.spawn(async move { key(&provider).await });
    }
    let keys = tasks.join_all().await;
    assert!(keys.iter().all(|k| k == "key0"));
    assert_eq!(source.fetched.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn renewed_well_before_the_end_and_not_before() {
    let (source, provider) = cached();
    key(&provider).await;
    source.clock.pass(38 * MINUTE);
    assert_eq!(key(&provider).await, "key0");
    source.clock.pass(8 * MINUTE);
    assert_eq!(key(&provider).await, "key1", "14 minutes are left");
}

#[tokio::test]
async fn a_failing_renewal_goes_on_with_the_old_ones_while_they_last() {
    let (source, provider) = cached();
    key(&provider).await;
    *source.error.lock().unwrap() = Some(AccessError::Unavailable("no network".into()));
    source.clock.pass(50 * MINUTE);
    assert_eq!(key(&provider).await, "key0");
    let fetched = source.fetched.load(Ordering::SeqCst);
    assert_eq!(key(&provider).await, "key0");
    assert_eq!(source.fetched.load(Ordering::SeqCst), fetched, "not asked again at once");
    source.clock.pass(10 * MINUTE);
    assert!(provider.provide_credentials().await.is_err());
    *source.error.lock().unwrap() = None;
    source.clock.pass(MINUTE);
    assert!(key(&provider).await.starts_with("key"));
}

#[tokio::test]
async fn a_refusal_is_remembered_and_told_whole() {
    let (source, provider) = cached();
    let refused = AccessError::Refused {
        role: "arn:aws:iam::111122223333:role/reader".into(),
        account: "111122223333".into(),
        caller: "arn:aws:iam::444455556666:user/me".into(),
        code: "AccessDenied".into(),
        message: "no".into(),
    };
    *source.error.lock().unwrap() = Some(refused.clone());
    for _ in 0..5 {
        let error = provider.provide_credentials().await.expect_err("refused");
        assert_eq!(access_error(&error), Some(&refused));
    }
    assert_eq!(source.fetched.load(Ordering::SeqCst), 1);
    *source.error.lock().unwrap() = None;
    source.clock.pass(2 * MINUTE);
    assert_eq!(key(&provider).await, "key1", "a role that came later is found");
}

#[test]
fn roles_become_arns_of_their_account() {
    let account = "111122223333";
    for (role, partition, expect) in [
        ("reader", Partition::Aws, Ok("arn:aws:iam::111122223333:role/reader")),
        ("team/reader", Partition::AwsCn, Ok("arn:aws-cn:iam::111122223333:role/team/reader")),
        ("/team/reader", Partition::AwsUsGov, Ok("arn:aws-us-gov:iam::111122223333:role/team/reader")),
        ("arn:aws:iam::111122223333:role/a", Partition::Aws, Ok("arn:aws:iam::111122223333:role/a")),
        ("arn:aws:iam::{account}:role/a", Partition::Aws, Ok("arn:aws:iam::111122223333:role/a")),
        ("arn:aws:iam::999999999999:role/a", Partition::Aws, Err("is not in account 111122223333")),
        ("arn:aws:iam::111122223333:user/a", Partition::Aws, Err("is no ARN of a role")),
        ("arn:aws:sts::111122223333:role/a", Partition::Aws, Err("is no ARN of a role")),
        ("arn:", Partition::Aws, Err("is no ARN of a role")),
        ("", Partition::Aws, Err("must be a role's name")),
        ("a b", Partition::Aws, Err("must be a role's name")),
        ("a\n", Partition::Aws, Err("must be a role's name")),
    ] {
        match (RoleArn::resolve(role, account, partition), expect) {
            (Ok(arn), Ok(expect)) => assert_eq!(arn.as_str(), expect),
            (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{error}"),
            (got, expect) => panic!("{role}: {got:?}, expected {expect:?}"),
        }
    }
    assert!(RoleArn::resolve("a", "123", Partition::Aws).is_err());
}

#[test]
fn what_sts_would_refuse_is_refused_before() {
    let good = RoleConfig::new("reader");
    assert_eq!(good.check(), Ok(()));
    let session = |name: &str| RoleConfig { session_name: name.into(), ..good.clone() };
    let policy = |text: &str| RoleConfig { session_policy: Some(text.into()), ..good.clone() };
    for (config, setting) in [
        (session("a"), "session name"),
        (session("with space"), "session name"),
        (session(&"x".repeat(65)), "session name"),
        (RoleConfig { external_id: Some("x\ny".into()), ..good.clone() }, "external id"),
        (RoleConfig { duration: MINUTE, ..good.clone() }, "session duration"),
        (policy("{"), "session policy"),
        (policy(&format!("\"{}\"", "x".repeat(3000))), "session policy"),
    ] {
        let error = config.check().expect_err(setting).to_string();
        assert!(error.starts_with(setting), "{error}");
    }
}
