//! Who is let in, and who is not though little is missing.

use std::time::Duration;

use driftline_identity::{Authority, Refused};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType, string::Ia5String,
};
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};

use crate::world::{DAY, World, agent, chain, lifetime, read};

#[test]
fn a_certificate_of_the_ca_speaks_for_what_is_granted() {
    let world = World::new();
    let gate = world.gate();
    let peer = gate.identify(&chain(&world.agent("a"))).unwrap();
    assert_eq!(peer.agent, agent("a"));
    assert!(gate.may(&peer, "111111111111") && !gate.may(&peer, "222222222222"));
}

/// A certificate as somebody else might make it, signed by the world's CA.
fn forged(world: &World, change: impl FnOnce(&mut CertificateParams)) -> Vec<CertificateDer<'static>> {
    let key = KeyPair::from_pem(&read(&world.path("ca.key"))).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&read(&world.path("ca.pem")), key).unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![uri("spiffe://d/agent/a")];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = (world.now - DAY).into();
    params.not_after = (world.now + DAY).into();
    change(&mut params);
    vec![params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().der().clone()]
}

fn uri(text: &str) -> SanType {
    SanType::URI(Ia5String::try_from(text).unwrap())
}

#[test]
fn nearly_right_is_not_let_in() {
    let world = World::new();
    let gate = world.gate();
    let is = |found: Result<_, Refused>| match found {
        Ok(_) => "let in",
        Err(Refused::Untrusted(_)) => "untrusted",
        Err(Refused::Nameless(_)) => "nameless",
        Err(Refused::Revoked(_)) => "revoked",
        Err(Refused::Unknown(_)) => "unknown",
    };
    let cases: Vec<(&str, Vec<CertificateDer<'static>>, &str)> = vec![
        ("the twin of all of these", forged(&world, |_| {}), "let in"),
        ("no URI", forged(&world, |p| p.subject_alt_names.clear()), "nameless"),
        (
            "a DNS name that reads like the URI",
            forged(&world, |p| p.subject_alt_names = vec![SanType::DnsName("a".try_into().unwrap())]),
            "nameless",
        ),
        ("two URIs", forged(&world, |p| p.subject_alt_names.push(uri("spiffe://d/agent/b"))), "nameless"),
        ("the same URI twice", forged(&world, |p| p.subject_alt_names.push(uri("spiffe://d/agent/a"))), "nameless"),
        ("no URI but an empty one", forged(&world, |p| p.subject_alt_names = vec![uri("")]), "nameless"),
        (
            "the URI with a space",
            forged(&world, |p| p.subject_alt_names = vec![uri("spiffe://d/agent/a b")]),
            "nameless",
        ),
        (
            "the URI in the common name",
            forged(&world, |p| {
                p.subject_alt_names.clear();
                p.distinguished_name.push(rcgen::DnType::CommonName, "spiffe://d/agent/a");
            }),
            "nameless",
        ),
        ("the name in capitals", forged(&world, |p| p.subject_alt_names = vec![uri("SPIFFE://D/AGENT/A")]), "unknown"),
        (
            "a name that begins so",
            forged(&world, |p| p.subject_alt_names = vec![uri("spiffe://d/agent/a/b")]),
            "unknown",
        ),
        (
            "the name with a dot segment",
            forged(&world, |p| p.subject_alt_names = vec![uri("spiffe://d/agent/b/../a")]),
            "unknown",
        ),
        ("the name in percent", forged(&world, |p| p.subject_alt_names = vec![uri("spiffe://d/agent/%61")]), "unknown"),
        ("another trust domain", forged(&world, |p| p.subject_alt_names = vec![uri("spiffe://e/agent/a")]), "unknown"),
        (
            "for servers",
            forged(&world, |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
            "untrusted",
        ),
        (
            "for signing code",
            forged(&world, |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning]),
            "untrusted",
        ),
        ("expired", forged(&world, |p| p.not_after = (world.now - Duration::from_secs(1)).into()), "untrusted"),
        ("not valid yet", forged(&world, |p| p.not_before = (world.now + Duration::from_secs(60)).into()), "untrusted"),
        ("a CA below the CA", forged(&world, |p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)), "untrusted"),
        ("nothing", Vec::new(), "nameless"),
        ("no certificate", vec![CertificateDer::from(b"no certificate".to_vec())], "nameless"),
        ("cut", vec![CertificateDer::from(forged(&world, |_| {})[0][..300].to_vec())], "nameless"),
        ("with a tail", vec![CertificateDer::from([&forged(&world, |_| {})[0][..], b"x"].concat())], "nameless"),
        (
            "one bit of the signature",
            vec![{
                let mut der = forged(&world, |_| {})[0].to_vec();
                *der.last_mut().unwrap() ^= 1;
                der.into()
            }],
            "untrusted",
        ),
        (
            "the CA itself",
            chain(&driftline_identity::Issued {
                certificate: world.authority.certificate().to_owned(),
                key: String::new(),
            }),
            "nameless",
        ),
    ];
    for (what, shown, expect) in cases {
        assert_eq!(is(gate.identify(&shown)), expect, "{what}");
    }
    let (other, _) = Authority::create("test", lifetime(world.now, DAY)).unwrap();
    let foreign = chain(&other.agent(&agent("a"), lifetime(world.now, DAY)).unwrap());
    assert_eq!(is(gate.identify(&foreign)), "untrusted", "another CA of the same name");
    // The good one first, so that its name is read, with a foreign one behind it; and the other way round.
    let good = forged(&world, |_| {});
    assert_eq!(is(gate.identify(&[good[0].clone(), foreign[0].clone()])), "let in");
    assert_eq!(is(gate.identify(&[foreign[0].clone(), good[0].clone()])), "untrusted");
}

#[test]
fn who_is_denied_is_turned_away_by_name_or_by_certificate() {
    let world = World::new();
    let shown = chain(&world.agent("a"));
    let print: String = Sha256::digest(&shown[0]).iter().map(|b| format!("{b:02x}")).collect();
    let gate = world.gate();
    let peer = gate.identify(&shown).unwrap();
    for entry in ["spiffe://d/agent/a".to_owned(), format!("sha256:{print}")] {
        world.write("deny.txt", &entry);
        gate.reload().unwrap();
        assert!(matches!(gate.check(&peer), Err(Refused::Revoked(_))), "{entry}");
        world.write("deny.txt", "");
        gate.reload().unwrap();
        assert_eq!(gate.check(&peer), Ok(()));
    }
}
