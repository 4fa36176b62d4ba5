//! Rotation, and files that can't be used.

use std::time::Duration;

use crate::world::{DAY, World, agent, chain, lifetime, read};
use driftline_identity::{Authority, ClientFiles, ClientTls, Error, GateFiles, Pair, Previous, Refused};

#[test]
fn the_ca_of_before_is_trusted_until_it_is_not() {
    let world = World::new();
    let old = chain(&world.agent("a"));
    let (authority, own) = Authority::create("next", lifetime(world.now, DAY * 30)).unwrap();
    world.write("ca-before.pem", &read(&world.path("ca.pem")));
    world.write("ca.pem", &own.certificate);
    let new = chain(&authority.agent(&agent("a"), lifetime(world.now, DAY)).unwrap());
    let until = world.now + Duration::from_secs(3600);
    let previous = Some(Previous { ca: world.path("ca-before.pem"), until });
    let gate = world.gate_of(GateFiles { previous, ..world.files() });
    let second = Duration::from_secs(1);
    let peer = gate.identify(&old).unwrap();
    for (shown, at, expect) in
        [(&old, until - second, true), (&new, until - second, true), (&old, until, false), (&new, until, true)]
    {
        *world.clock.lock().unwrap() = at;
        assert_eq!(gate.identify(shown).is_ok(), expect);
    }
    // One that is connected is judged by the same clock.
    assert!(matches!(gate.check(&peer), Err(Refused::Untrusted(_))));
    *world.clock.lock().unwrap() = until - second;
    assert_eq!(gate.check(&peer), Ok(()));
}

#[test]
fn a_file_that_cannot_be_used_leaves_what_was_known() {
    let world = World::new();
    let gate = world.gate();
    let peer = gate.identify(&chain(&world.agent("a"))).unwrap();
    let good: Vec<(&str, String)> = ["server.pem", "server.key", "ca.pem", "grants.toml", "deny.txt"]
        .map(|name| (name, read(&world.path(name))))
        .to_vec();
    let (_, other) = Authority::create("other", lifetime(world.now, DAY)).unwrap();
    for (name, bad) in [
        ("server.pem", String::new()),
        ("server.pem", other.certificate),
        ("server.key", "-----BEGIN".to_owned()),
        ("server.key", other.key),
        ("ca.pem", "no PEM".to_owned()),
        ("grants.toml", "agents = 3".to_owned()),
        ("deny.txt", "agent-a".to_owned()),
    ] {
        world.write(name, &bad);
        let error = gate.reload().unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        assert!(gate.check(&peer).is_ok() && gate.may(&peer, "111111111111"), "{name}");
        good.iter().for_each(|(name, text)| world.write(name, text));
        gate.reload().unwrap();
    }
    std::fs::remove_file(world.path("grants.toml")).unwrap();
    assert!(matches!(gate.reload(), Err(Error::File { .. })));
    assert!(gate.may(&peer, "111111111111"), "grants that can't be read take nothing away");
}

#[test]
fn an_agent_notices_its_new_certificate() {
    let world = World::new();
    world.pair("a", &world.agent("a"));
    let files = ClientFiles {
        own: Some(Pair { certificate: world.path("a.pem"), key: world.path("a.key") }),
        ca: world.path("ca.pem"),
    };
    let mut tls = ClientTls::new(files);
    tls.config().unwrap();
    assert_eq!(tls.agent().unwrap(), Some(agent("a")));
    assert!(!tls.changed());
    world.pair("a", &world.agent("b"));
    assert!(tls.changed() && !tls.changed());
    assert_eq!(tls.agent().unwrap(), Some(agent("b")));
    world.write("a.key", "");
    assert!(tls.config().is_err_and(|e| e.to_string().contains("a.key")));
}
