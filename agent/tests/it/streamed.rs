//! What the agent says to an aggregator, and what it makes of the answers.

use driftline_agent::LookedUp;
use driftline_model::{CoverageStatus, ResourceKey, Snapshot};
use driftline_proto::v1::agent_message::Message as FromAgent;
use driftline_proto::v1::aggregator_message::Message as ToAgent;
use driftline_proto::v1::{self, Reason, Record};

use crate::aggregator::{Play, Talk, cycle, keys};
use crate::aws::ACCOUNT;

const WIDE: u64 = 1 << 20;

/// A played world with `a` and `b`, which the aggregator knows after a first round under epoch 7.
async fn known() -> (Play, Talk, v1::Hello) {
    let mut play = Play::start().await;
    play.set(&[("a", "10.0.0.0/16"), ("b", "10.1.0.0/16")]);
    let mut talk = play.talk().await;
    let (hello, claim) = talk.greet(WIDE, 7).await;
    assert_eq!((claim.account.as_str(), claim.epoch), (ACCOUNT, 0), "nothing is held yet");
    let round = talk.round().await;
    assert_eq!(round.last().map(|r| r.epoch), Some(7));
    (play, talk, hello)
}

fn orders(records: &[Record]) -> Vec<(i64, u64)> {
    records.iter().map(|r| (r.epoch, r.number)).collect()
}

#[tokio::test]
async fn an_account_is_claimed_and_sent_whole_under_its_epoch_and_each_round_ends_with_its_cycle() {
    let mut play = Play::start().await;
    play.set(&[("a", "10.0.0.0/16"), ("b", "10.1.0.0/16")]);
    let mut talk = play.talk().await;
    let (hello, _) = talk.greet(WIDE, 7).await;
    assert_eq!((hello.agent.as_str(), hello.accounts), ("agent", vec![ACCOUNT.to_owned()]));
    assert!(hello.session.len() == 32, "{}", hello.session);
    let first = talk.round().await;
    assert_eq!(keys(&first), ["a", "s/a", "s/b", "m/0", "c"]);
    assert!(first.iter().map(|r| r.sequence).eq(1..=5), "without gaps");
    assert!(orders(&first).is_sorted_by(|a, b| a < b) && first.iter().all(|r| r.epoch == 7));
    let told = cycle(&first);
    assert_eq!((told.listings.len(), told.listings[0].coverage.resources, told.listings[0].whole), (1, 2, true));
    assert_eq!(told.after_offset, 7, "the epoch is an offset, and nothing else was acknowledged when the round began");
    let mut reached = 7;
    for _ in 0..50 {
        let next = talk.round().await;
        assert_eq!(keys(&next), ["c"], "nothing changed");
        assert!(cycle(&next).after_offset >= reached, "it never falls");
        reached = cycle(&next).after_offset;
        if reached > 1005 {
            return;
        }
    }
    panic!("what was acknowledged is not reached: {reached}");
}

/// A played world of twelve, its facts taken, and the stream through which what fits into a narrow window has come.
async fn narrow() -> (Play, Talk, Vec<Record>) {
    let mut play = Play::start().await;
    let many: Vec<String> = (10..22).map(|n| n.to_string()).collect();
    play.set(&many.iter().map(|id| (id.as_str(), "10.0.0.0/16")).collect::<Vec<_>>());
    let mut talk = play.talk().await;
    talk.greet(WINDOW, 7).await;
    let facts = talk.batch().await.unwrap();
    talk.acknowledge(facts.last().unwrap().sequence).await;
    let sent = talk.all_there_is().await;
    (play, talk, sent)
}

const WINDOW: u64 = 1000;

#[tokio::test]
async fn no_more_is_under_way_than_the_window_holds() {
    let (_play, mut talk, sent) = narrow().await;
    let bytes = |records: &[Record]| records.iter().map(|r| (r.body.len() + r.key.len()) as u64).sum::<u64>();
    assert!((2..10).contains(&sent.len()), "{} came at once", sent.len());
    assert!(bytes(&sent[..sent.len() - 1]) < WINDOW, "{} bytes", bytes(&sent));
    for record in sent.iter().take(2) {
        talk.acknowledge(record.sequence).await;
        let next = talk.all_there_is().await;
        assert_eq!(next.len(), 1, "one record makes room for one");
    }
}

#[tokio::test]
async fn after_a_lost_stream_only_what_was_not_acknowledged_goes_out_again() {
    let (mut play, mut talk, mut sent) = narrow().await;
    talk.acknowledge(sent[0].sequence).await;
    // That it came through is seen by what it makes room for.
    sent.extend(talk.batch().await.unwrap());
    drop(talk);

    let mut talk = play.talk().await;
    let (_, claim) = talk.greet(WIDE, 7).await;
    assert_eq!(claim.epoch, 7, "the epoch is kept");
    let rest = talk.round().await;
    let again = sent.len() - 1;
    assert_eq!(keys(&rest)[..again], keys(&sent)[1..]);
    assert_eq!(orders(&rest)[..again], orders(&sent)[1..], "a record keeps its number");
    let all: Vec<String> = (11..22).map(|n| format!("s/{n}")).chain(["m/0".to_owned(), "c".to_owned()]).collect();
    assert_eq!(keys(&rest), all, "and the rest follows");
    assert!(rest.iter().map(|r| r.sequence).eq(1..=13), "each stream counts from 1");
}

#[tokio::test]
async fn a_rejected_record_is_not_remembered_and_holds_nothing_up() {
    let (play, mut talk, _) = known().await;
    play.set(&[("a", "10.9.0.0/16"), ("b", "10.1.0.0/16")]);
    let mut rejected = 0;
    for _ in 0..20 {
        let batch = talk.batch().await.unwrap();
        for record in batch.iter().filter(|r| r.key.ends_with("aws_vpc/a")) {
            talk.reject(record.sequence, Reason::Malformed).await;
            rejected += 1;
        }
        talk.acknowledge(batch.last().unwrap().sequence).await;
        if rejected == 2 {
            break;
        }
    }
    assert_eq!(rejected, 2, "it is tried again in the next round");
    let mut rounds = Vec::new();
    while rounds.len() < 4 {
        rounds.push(keys(&talk.round().await));
    }
    let sent = rounds.iter().flatten().filter(|k| *k == "s/a").count();
    assert!(sent == 1 && rounds.last().unwrap() == &["c"], "taken at last, and then done: {rounds:?}");
}

#[tokio::test]
async fn who_has_lost_the_account_claims_it_anew_and_sends_everything_again() {
    let (play, mut talk, _) = known().await;
    play.set(&[("a", "10.9.0.0/16"), ("b", "10.1.0.0/16")]);
    loop {
        let batch = talk.batch().await.unwrap();
        let changed = batch.iter().find(|r| r.key.ends_with("aws_vpc/a"));
        if let Some(record) = changed {
            talk.reject(record.sequence, Reason::NotClaimed).await;
        }
        talk.acknowledge(batch.last().unwrap().sequence).await;
        if changed.is_some() {
            break;
        }
    }
    // What was under way already is no more taken than the first.
    let claim = loop {
        match talk.next().await.expect("the stream goes on") {
            FromAgent::Claim(claim) => break claim,
            FromAgent::Batch(batch) => {
                let last = batch.records.last().unwrap().sequence;
                talk.reject(last, Reason::NotClaimed).await;
                talk.acknowledge(last).await;
            }
            _ => {}
        }
    };
    assert_eq!(claim.epoch, 0);
    talk.say(ToAgent::Claimed(v1::Claimed { account: ACCOUNT.to_owned(), epoch: 90 })).await;
    // What waited goes out under the new epoch, and then everything.
    let round = everything(&mut talk).await;
    assert!(round.iter().all(|r| r.epoch == 90));
}

/// What comes until a round has sent everything.
async fn everything(talk: &mut Talk) -> Vec<Record> {
    let mut all = Vec::new();
    for _ in 0..50 {
        let round = talk.round().await;
        let whole = keys(&round).ends_with(&["a", "s/a", "s/b", "m/0", "c"].map(str::to_owned));
        all.extend(round);
        if whole {
            assert!(orders(&all).is_sorted_by(|a, b| a < b), "{:?}", orders(&all));
            return all;
        }
    }
    panic!("a full send never came: {:?}", keys(&all));
}

#[tokio::test]
async fn a_refused_claim_is_made_again() {
    let mut play = Play::start().await;
    let mut talk = play.talk().await;
    assert!(matches!(talk.next().await, Some(v1::agent_message::Message::Hello(_))));
    talk.say(ToAgent::Welcome(v1::Welcome { window_bytes: WIDE, ..v1::Welcome::default() })).await;
    for _ in 0..3 {
        let account = talk.claim().await.account;
        let (reason, detail) = (Reason::Forbidden.into(), "not yours".to_owned());
        talk.say(ToAgent::ClaimRejected(v1::ClaimRejected { account, reason, detail, challenge: Vec::new().into() }))
            .await;
    }
    let account = talk.claim().await.account;
    talk.say(ToAgent::Claimed(v1::Claimed { account, epoch: 5 })).await;
    assert!(talk.round().await.iter().all(|r| r.epoch == 5));
}

#[tokio::test]
async fn a_draining_aggregator_gets_nothing_new_and_is_left_once_all_is_settled() {
    let (mut play, mut talk, _) = known().await;
    talk.say(ToAgent::Drain(v1::Drain { seconds: 10 })).await;
    play.set(&[("a", "10.9.0.0/16"), ("b", "10.1.0.0/16")]);
    // What was under way already is settled; then the agent goes of its own accord.
    while let Some(batch) = talk.batch().await {
        talk.acknowledge(batch.last().unwrap().sequence).await;
    }
    let mut talk = play.talk().await;
    let (_, claim) = talk.greet(WIDE, 7).await;
    assert_eq!(claim.epoch, 7);
    let mut seen = keys(&talk.round().await);
    seen.extend(keys(&talk.round().await));
    assert!(!seen.iter().any(|k| k == "s/b" || k == "m/0"), "{seen:?}");
}

#[tokio::test]
async fn with_its_store_whole_a_restarted_agent_sends_nothing_again_and_without_it_everything() {
    let (mut play, talk, hello) = known().await;
    play.end_agent(talk).await;
    play.start_agent();
    let mut talk = play.talk().await;
    let (again, claim) = talk.greet(WIDE, 7).await;
    assert_eq!((again.session.clone(), claim.epoch), (hello.session, 7));
    assert_eq!(keys(&talk.round().await), ["c"]);

    play.end_agent(talk).await;
    std::fs::remove_dir_all(play.store()).unwrap();
    play.start_agent();
    let mut talk = play.talk().await;
    let (other, claim) = talk.greet(WIDE, 50).await;
    assert!(other.session != again.session && claim.epoch == 0, "another session, nothing held");
    assert!(everything(&mut talk).await.iter().all(|r| r.epoch == 50));

    // The same where what was stored to be sent is gone.
    play.end_agent(talk).await;
    std::fs::remove_dir_all(play.spool()).unwrap();
    play.start_agent();
    let mut talk = play.talk().await;
    let (_, claim) = talk.greet(WIDE, 80).await;
    assert_eq!(claim.epoch, 0, "nothing is held");
    assert!(everything(&mut talk).await.iter().all(|r| r.epoch == 80));
}

#[tokio::test]
async fn a_drain_waits_for_what_is_under_way() {
    let (mut play, mut talk, _) = known().await;
    let batch = talk.batch().await.unwrap();
    let ended = play.stop_agent();
    assert_eq!(talk.all_there_is().await, Vec::new(), "nothing new");
    assert!(!ended.is_finished(), "it ended though something was not acknowledged");
    talk.acknowledge(batch.last().unwrap().sequence).await;
    assert_eq!(talk.batch().await, None);
    ended.await.unwrap();
}

/// Rounds until one is about something else than that nothing changed.
async fn news(talk: &mut Talk, done: impl Fn(&[Record]) -> bool) -> Vec<Record> {
    for _ in 0..50 {
        let round = talk.round().await;
        if done(&round) {
            return round;
        }
    }
    panic!("no news in 50 rounds");
}

#[tokio::test]
async fn only_a_whole_listing_buries_and_only_an_answer_proves() {
    let (play, mut talk, _) = known().await;
    *play.cloud.denied.lock().unwrap() = true;
    play.set(&[("a", "10.0.0.0/16")]);
    let round = news(&mut talk, |r| cycle(r).listings[0].coverage.status == CoverageStatus::Denied).await;
    assert_eq!(keys(&round), ["c"], "what was not seen is not gone");
    let listing = &cycle(&round).listings[0];
    assert!(listing.coverage.error.is_some() && !listing.whole && listing.not_found.is_empty());

    // Listed whole without it, and nobody can say more: gone, but not proven.
    *play.cloud.denied.lock().unwrap() = false;
    let round = news(&mut talk, |r| keys(r).len() > 1).await;
    assert_eq!(keys(&round), ["-s/b", "m/0", "c"]);
    assert_eq!(cycle(&round).listings[0].not_found, Vec::<String>::new());

    // The API says in words that there is none.
    play.cloud.by_id.lock().unwrap().insert("a".to_owned(), LookedUp::NotFound);
    play.set(&[]);
    let round = news(&mut talk, |r| keys(r).len() > 1).await;
    assert_eq!(keys(&round), ["-s/a", "m/0", "c"]);
    assert_eq!(cycle(&round).listings[0].not_found, ["a"]);
    let after = talk.round().await;
    assert_eq!((keys(&after), cycle(&after).listings.len()), (vec!["c".to_owned()], 0), "asked for once");

    // It is there although no listing shows it: it stays, and the scope is doubted.
    play.set(&[("d", "10.3.0.0/16")]);
    news(&mut talk, |r| keys(r).len() > 1).await;
    let there = Snapshot { key: ResourceKey::new(ACCOUNT, "eu-west-1", "aws_vpc", "d"), ..empty() };
    play.cloud.by_id.lock().unwrap().insert("d".to_owned(), LookedUp::Found(Box::new(there)));
    play.set(&[]);
    let round =
        news(&mut talk, |r| !cycle(r).listings.is_empty() && cycle(r).listings[0].coverage.error.is_some()).await;
    let listing = &cycle(&round).listings[0];
    assert_eq!((keys(&round), listing.coverage.status), (vec!["c".to_owned()], CoverageStatus::Partial));
}

fn empty() -> Snapshot {
    Snapshot {
        key: ResourceKey::new(ACCOUNT, "", "", ""),
        arn: None,
        revision: String::new(),
        attributes: Default::default(),
        unread: Default::default(),
        relations: Default::default(),
        owner: None,
    }
}
