//! Files, folders and S3 as moto serves it.

use std::path::Path;

use driftline_baseline::sources::{Fetcher, Location, Place, Watch};
use driftline_baseline::{Error, limits};

fn at(path: &Path) -> Location {
    Location { place: Place::Path(path.to_owned()), account: None, region: None }
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn locations_are_read_as_people_write_them() {
    let path = |p: &str| Place::Path(p.into());
    let s3 = |bucket: &str, key: &str| Place::S3 { bucket: bucket.into(), key: key.into() };
    for (text, place, account, region) in [
        ("a.tfstate", path("a.tfstate"), None, None),
        ("./a/./b.json", path("a/b.json"), None, None),
        (".", path("."), None, None),
        ("a@b.tfstate", path("a@b.tfstate"), None, None),
        ("a.tfstate@123456789012", path("a.tfstate"), Some("123456789012"), None),
        ("a@b@123456789012/eu-west-1", path("a@b"), Some("123456789012"), Some("eu-west-1")),
        ("a@123456789012/nowhere", path("a@123456789012/nowhere"), None, None),
        ("s3://b/k/t.tfstate", s3("b", "k/t.tfstate"), None, None),
        ("s3://b/k/@123456789012/us-gov-east-1", s3("b", "k/"), Some("123456789012"), Some("us-gov-east-1")),
        ("s3://b", s3("b", ""), None, None),
    ] {
        let location: Location = text.parse().unwrap();
        assert_eq!(
            (location.place, location.account.as_deref(), location.region.as_deref()),
            (place, account, region),
            "{text}"
        );
    }
    for text in ["", "s3:", "s3://", "s3:///k", "cfn:stack", "https://example.test/x", "@123456789012"] {
        assert!(matches!(text.parse::<Location>(), Err(Error::Location(..))), "{text}");
    }
    for text in ["a.tfstate", "a.tfstate@123456789012/eu-west-1", "s3://b/k"] {
        assert_eq!(text.parse::<Location>().unwrap().to_string(), text);
    }
}

#[tokio::test]
async fn a_folder_gives_its_states_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for name in [
        "b.tfstate",
        "a/plan.json",
        "a/b/c.tfstate",
        "a/notes.txt",
        "terraform.tfstate.backup",
        ".terraform/terraform.tfstate",
        "x.tfstate/y.json",
    ] {
        write(&root.join(name), "{}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(root, root.join("a/circle")).unwrap();
        std::os::unix::fs::symlink(root.join("b.tfstate"), root.join("linked.tfstate")).unwrap();
    }
    let found = Fetcher::new(None).list(&at(root)).await.unwrap();
    let names: Vec<&str> =
        found.iter().map(|(s, _)| Path::new(&s.name).strip_prefix(root).unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["a/b/c.tfstate", "a/plan.json", "b.tfstate", "linked.tfstate", "x.tfstate/y.json"]);
}

#[tokio::test]
async fn a_file_of_a_folder_need_not_be_a_baseline_but_a_broken_one_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let fetcher = Fetcher::new(None);
    for (text, alone, among) in [
        ("{}", false, true),
        (r#"{"name": "a-package"}"#, false, true),
        ("{", false, false),
        (&crate::state(""), true, true),
    ] {
        let file = folder.path().join("some.json");
        write(&file, text);
        for (location, good) in [(at(&file), alone), (at(folder.path()), among)] {
            let source = fetcher.list(&location).await.unwrap().remove(0).0;
            let fetched = fetcher.fetch(source).await.unwrap();
            let read = driftline_baseline::read(crate::catalogue(), &fetched, crate::secrets(), 1 << 20);
            assert_eq!(read.is_ok(), good, "{text} at {location}: {read:?}");
            assert!(read.is_ok_and(|i| i.is_baseline == alone) || !good);
        }
    }
}

#[tokio::test]
async fn limits_and_absence_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let fetcher = Fetcher::new(None).with_max_bytes(10);
    write(&folder.path().join("big.tfstate"), "0123456789+");
    let (big, _) = fetcher.list(&at(&folder.path().join("big.tfstate"))).await.unwrap().remove(0);
    assert!(matches!(fetcher.fetch(big).await, Err(Error::TooLarge(_))));
    assert!(matches!(fetcher.list(&at(&folder.path().join("none"))).await, Err(Error::Fetch { .. })));
    assert!(matches!(fetcher.list(&"s3://b/k".parse().unwrap()).await, Err(Error::Fetch { .. })));
    let mut deep = folder.path().join("deep");
    (0..=limits::MAX_FOLDER_DEPTH).for_each(|_| deep.push("d"));
    std::fs::create_dir_all(&deep).unwrap();
    assert!(matches!(fetcher.list(&at(folder.path())).await, Err(Error::TooLarge(_))));
}

#[tokio::test]
async fn a_watch_tells_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    let fetcher = Fetcher::new(None);
    let location = at(folder.path());
    let mut watch = Watch::default();
    for (name, text) in [("a.tfstate", "1"), ("b.tfstate", "1")] {
        write(&folder.path().join(name), text);
    }
    let now = fetcher.list(&location).await.unwrap();
    assert_eq!(watch.changed(&now).len(), 2);
    for source in watch.changed(&now).into_iter().cloned().collect::<Vec<_>>() {
        let fetched = fetcher.fetch(source).await.unwrap();
        watch.imported(&fetched.source.name, fetched.version);
    }
    let now = fetcher.list(&location).await.unwrap();
    assert_eq!((watch.changed(&now).len(), watch.gone(&now).len()), (0, 0));
    write(&folder.path().join("a.tfstate"), "longer");
    std::fs::remove_file(folder.path().join("b.tfstate")).unwrap();
    let now = fetcher.list(&location).await.unwrap();
    assert!(watch.changed(&now).iter().all(|s| s.name.ends_with("a.tfstate")) && watch.changed(&now).len() == 1);
    let gone = watch.gone(&now)[0].to_owned();
    assert!(gone.ends_with("b.tfstate"));
    watch.forget(&gone);
    assert!(watch.gone(&now).is_empty());
}

#[test]
fn a_location_holds_what_lies_in_it() {
    let cases = [
        ("states", "states/prod/a.tfstate", true),
        ("states", "states-old/a.tfstate", false),
        ("./states/", "states/a.tfstate", true),
        ("a.tfstate@111111111111/eu-west-1", "a.tfstate", true),
        ("a.tfstate", "b.tfstate", false),
        ("/", "s3://states/a.tfstate", false),
        ("s3://states/env/", "s3://states/env/a.tfstate", true),
        ("s3://states", "s3://states/a.tfstate", true),
        ("s3://states", "s3://states-old/a.tfstate", false),
        ("s3://states/env/a", "s3://states/env/a.tfstate", false),
        ("s3://states/env/", "states/env/a.tfstate", false),
    ];
    for (location, name, expect) in cases {
        assert_eq!(location.parse::<Location>().unwrap().holds(name), expect, "{name} in {location}");
    }
}

async fn config(url: &str) -> aws_config::SdkConfig {
    let credentials = aws_sdk_s3::config::Credentials::new("test", "test", None, None, "test");
    aws_config::ConfigLoader::default()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .endpoint_url(url)
        .region(aws_config::Region::new("eu-west-1"))
        .credentials_provider(credentials)
        .empty_test_environment()
        .load()
        .await
}

#[tokio::test]
async fn objects_and_prefixes_are_read_from_s3() {
    let moto = driftline_dev::moto::start(None).unwrap();
    let config = config(&moto.url()).await;
    let mut builder = aws_sdk_s3::config::Builder::from(&config);
    builder.set_force_path_style(Some(true));
    let s3 = aws_sdk_s3::Client::from_conf(builder.build());
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint("eu-west-1".into()).build();
    s3.create_bucket().bucket("states").create_bucket_configuration(place).send().await.unwrap();
    let put = |key: String, body: &'static str| {
        s3.put_object().bucket("states").key(key).body(body.as_bytes().to_vec().into()).send()
    };
    // More than one page of a listing.
    for n in 0..1_005 {
        put(format!("many/{n:04}.txt"), "").await.unwrap();
    }
    put("many/9999.tfstate".into(), "late").await.unwrap();
    put("env/prod/a.tfstate".into(), "first").await.unwrap();
    put("env/prod/b.json".into(), "other").await.unwrap();

    let fetcher = Fetcher::new(Some(&config));
    let names = |found: &[(driftline_baseline::sources::Source, driftline_baseline::sources::Version)]| {
        found.iter().map(|(s, _)| s.name.clone()).collect::<Vec<_>>()
    };
    let found = fetcher.list(&"s3://states/env/@123456789012/eu-west-1".parse().unwrap()).await.unwrap();
    assert_eq!(names(&found), ["s3://states/env/prod/a.tfstate", "s3://states/env/prod/b.json"]);
    assert_eq!(found[0].0.account.as_deref(), Some("123456789012"));
    assert_eq!(
        names(&fetcher.list(&"s3://states/many/".parse().unwrap()).await.unwrap()),
        ["s3://states/many/9999.tfstate"]
    );

    let one = fetcher.list(&"s3://states/env/prod/a.tfstate".parse().unwrap()).await.unwrap();
    let fetched = fetcher.fetch(one[0].0.clone()).await.unwrap();
    assert_eq!(fetched.bytes, b"first");
    assert_eq!(fetched.version.etag, one[0].1.etag);
    assert_eq!(found[0].1.etag, one[0].1.etag, "a listing and an object tell the same version");
    let mut watch = Watch::default();
    watch.imported(&fetched.source.name, fetched.version);
    assert!(watch.changed(&one).is_empty());
    put("env/prod/a.tfstate".into(), "later").await.unwrap();
    let now = fetcher.list(&"s3://states/env/prod/a.tfstate".parse().unwrap()).await.unwrap();
    assert_eq!(watch.changed(&now).len(), 1);

    let small = Fetcher::new(Some(&config)).with_max_bytes(3);
    assert!(matches!(small.fetch(one[0].0.clone()).await, Err(Error::TooLarge(_))));
    for absent in ["s3://states/none.tfstate", "s3://no-such-bucket/x/"] {
        let error = fetcher.list(&absent.parse().unwrap()).await.unwrap_err();
        assert!(matches!(&error, Error::Fetch { source_name, .. } if source_name == absent), "{error}");
    }
}
