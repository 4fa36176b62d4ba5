//! What follows from records, case by case.

use crate::script::check;

#[test]
fn a_value_that_differs_opens_changes_and_resolves() {
    check(
        "b eu/t/a src x=1 y=1
         e
         s eu/t/a @2.1 x=1 y=1
         s eu/t/a @2.2 x=2 y=1   => +modified:eu/t/a:x
         s eu/t/a @2.3 x=3 y=1   => ~modified:eu/t/a:x
         s eu/t/a @2.4 x=3 y=2   => +modified:eu/t/a:y
         s eu/t/a @2.5 x=3 y=2
         s eu/t/a @2.6 x=1 y=1   => -modified:eu/t/a:x -modified:eu/t/a:y",
    );
}

#[test]
fn a_baseline_that_comes_changes_or_goes_is_judged_at_once() {
    check(
        "e
         s eu/t/a @1.1 x=1       => +unmanaged:eu/t/a
         b eu/t/a src x=2        => -unmanaged:eu/t/a +modified:eu/t/a:x
         b eu/t/a src x=1        => -modified:eu/t/a:x
         b eu/t/a other y=5      => +modified:eu/t/a:y
         b eu/t/a other gone     => -modified:eu/t/a:y
         b eu/t/a src gone       => +unmanaged:eu/t/a",
    );
}

#[test]
fn what_belongs_to_the_provider_is_never_unmanaged() {
    check(
        "e
         s eu/t/a @1.1 x=1 owned
         s eu/t/a @1.2 x=2 owned open=true   => +open:eu/t/a:open",
    );
}

#[test]
fn findings_need_no_baseline_and_end_with_their_resource() {
    check(
        "e
         s eu/t/a @1.1 open=true             => +open:eu/t/a:open +unmanaged:eu/t/a
         s eu/t/a @1.2 open=true x=1
         s eu/t/a @1.3 gone                  => -open:eu/t/a:open -unmanaged:eu/t/a",
    );
}

#[test]
fn unread_paths_open_and_resolve_nothing() {
    check(
        "b eu/t/a src x=1 y=1
         e
         s eu/t/a @2.1 x=2 y=1       => +modified:eu/t/a:x
         s eu/t/a @2.2 ?x ?y
         s eu/t/a @2.3 x=2 ?y
         s eu/t/a @2.4 ?x y=1
         # what is not agreed any more is no drift, read or not
         b eu/t/a src y=1            => -modified:eu/t/a:x
         s eu/t/a @2.5 open=true y=1 => +open:eu/t/a:open
         s eu/t/a @2.6 ?open y=1
         s eu/t/a @2.7 y=1           => -open:eu/t/a:open",
    );
}

#[test]
fn what_is_lower_is_dropped_and_the_winner_published_again() {
    check(
        "b eu/t/a src x=1
         e
         s eu/t/a @2.5 x=1
         s eu/t/a @2.4 x=2           => ^s/eu/t/a@2.5
         s eu/t/a @2.5 x=1
         s eu/t/a @2.6 gone
         s eu/t/a @2.5 x=1           => ^s/eu/t/a@2.6-gone
         c @2.9
         c @2.8 eu/t=denied          => ^c/111111111111@2.9",
    );
}

#[test]
fn a_cycle_that_comes_late_still_proves_what_it_saw() {
    check(
        "b eu/t/a src x=1
         e
         s eu/t/b @2.1 owned
         c @2.9 eu/t=complete:1
         c @2.8                      => ^c/111111111111@2.9 +missing:eu/t/a",
    );
}

#[test]
fn a_first_claim_that_comes_late_is_no_other_agents() {
    check(
        "
        e
        e                       => ^e/111111111111@1.0
        s eu/t/a @1.1 x=1       => +unmanaged:eu/t/a
        e other
        s eu/t/a @1.2 x=2       => ^s/eu/t/a@1.1
        ",
    );
}

#[test]
fn a_session_is_a_fence_for_all_keys() {
    check(
        "b eu/t/a src x=1
         e
         s eu/t/a @2.5 x=1
         e other
         s eu/t/a @2.9 x=2           => ^s/eu/t/a@2.5
         # the winner, published again, is below the fence itself and ends the matter
         s eu/t/a @2.5 x=1 winner
         # the old agent's own repeat is not what is to stay
         s eu/t/a @2.5 x=1           => ^s/eu/t/a@2.5
         # of a key that only the old agent speaks of, nothing is to stay
         s eu/t/b @2.9 x=2           => ^s/eu/t/b@4.0-gone
         s eu/t/b @4.0 gone
         s eu/t/b @4.1 x=2           => +unmanaged:eu/t/b",
    );
}

#[test]
fn missing_is_proven_by_two_complete_listings() {
    check(
        "e
         c @1.1 eu/t=complete:1
         b eu/t/a src x=1
         # began before the baseline was there
         c @1.2 eu/t=complete:1>2
         c @1.3 eu/t=complete:1>4
         c @1.4 eu/t=complete:1>4    => +missing:eu/t/a
         c @1.5 eu/t=complete:1
         s eu/t/a @1.6 x=1           => -missing:eu/t/a",
    );
}

#[test]
fn what_a_list_holds_is_not_missing_though_nothing_was_read_of_it() {
    check(
        "b eu/t/a src x=1
         e
         m eu/t @2.1 a b
         c @2.2 eu/t=complete:2>3
         c @2.3 eu/t=complete:2>4
         c @2.4 eu/t=complete:2>5
         m eu/t @2.5 b
         c @2.6 eu/t=complete:1>7
         c @2.7 eu/t=complete:1>8      => +missing:eu/t/a",
    );
    // others come and go in the same scope, which is no reason to wait for ever
    check(
        "b eu/t/a src x=1
         e
         m eu/t @2.1 b
         c @2.2 eu/t=complete:1>3
         m eu/t @2.3 b c
         c @2.4 eu/t=complete:2>5      => +missing:eu/t/a",
    );
    // agreed after the list that holds it
    check(
        "e
         m eu/t @1.1 a
         c @1.2 eu/t=complete:1
         b eu/t/a src x=1
         c @1.3 eu/t=complete:1>4
         m eu/t @1.4 b
         c @1.5 eu/t=complete:1>6
         c @1.6 eu/t=complete:1>7      => +missing:eu/t/a",
    );
}

#[test]
fn missing_is_proven_by_a_listing_and_not_found() {
    check(
        "e
         b eu/t/a src x=1
         c @1.1 eu/t=complete:1!b
         c @1.2 eu/t=denied!a
         s eu/t/b @1.3 x=1           => +unmanaged:eu/t/b",
    );
    check(
        "e
         b eu/t/a src x=1
         c @1.1 eu/t=complete:1>1!a
         c @1.2 eu/t=complete:1>3!a  => +missing:eu/t/a",
    );
}

#[test]
fn what_was_not_wholly_seen_proves_nothing() {
    for status in ["partial", "denied", "throttled", "failed", "unsupported"] {
        check(&format!(
            "e
             b eu/t/a src x=1
             s eu/t/a @1.1 x=2       => +modified:eu/t/a:x
             c @1.2 eu/t={status}:0
             c @1.3 eu/t={status}:0!a
             c @1.4 eu/t={status}:0
             c @1.5 eu/t=complete:1
             c @1.6 eu/t={status}:0"
        ));
    }
}

#[test]
fn a_whole_list_proves_though_single_resources_are_unread() {
    check(
        "e
         b eu/t/a src x=1
         s eu/t/b @1.1 ?x            => +unmanaged:eu/t/b
         c @1.2 eu/t=partial+:1
         c @1.3 eu/t=partial+:1      => +missing:eu/t/a
         # such words of what was not listed at all mean nothing
         b us/t/a src x=1
         s us/t/b @1.4 owned
         c @1.5 eu/t=complete:1 us/t=denied+
         c @1.6 eu/t=complete:1 us/t=denied+",
    );
}

#[test]
fn two_empty_listings_prove_what_a_manifest_still_holds() {
    check(
        "e
         b eu/t/a src x=1
         m eu/t @1.1 a
         c @1.2 eu/t=complete:1
         c @1.3 eu/t=complete:0
         c @1.4 eu/t=complete:0      => +missing:eu/t/a",
    );
    // one that saw something in between begins it anew
    check(
        "e
         b eu/t/a src x=1
         m eu/t @1.1 a
         c @1.2 eu/t=complete:0
         c @1.3 eu/t=complete:1
         c @1.4 eu/t=complete:0
         c @1.5 eu/t=complete:0      => +missing:eu/t/a",
    );
}

#[test]
fn a_scope_without_a_listing_was_complete_and_empty() {
    check(
        "e
         b eu/t/a src x=1
         b ap/t/a src x=1
         b eu/v/a src x=1
         c @1.1
         c @1.2                      => +missing:eu/t/a
         c @1.3",
    );
}

#[test]
fn a_tombstone_ends_drifts_and_two_listings_make_it_missing() {
    check(
        "e
         b eu/t/a src x=1
         s eu/t/a @1.1 x=2           => +modified:eu/t/a:x
         c @1.2 eu/t=complete:1
         c @1.3 eu/t=complete:1
         s eu/t/a @1.4 gone          => -modified:eu/t/a:x
         c @1.5 eu/t=complete:1
         c @1.6 eu/t=complete:1      => +missing:eu/t/a
         b eu/t/a src gone           => -missing:eu/t/a",
    );
}

#[test]
fn a_new_part_makes_missing_wait_and_leaves_it_as_it_is() {
    check(
        "e
         b eu/t/a src x=1
         s us/t/b @1.1 gone
         c @1.2 eu/t=complete:0
         c @1.3 eu/t=complete:0      => +missing:eu/t/a
         b eu/t/a src x=2
         c @1.4 eu/t=complete:0
         c @1.5 eu/t=complete:0
         s eu/t/a @1.6 x=2           => -missing:eu/t/a",
    );
}

#[test]
fn the_same_id_in_another_region_is_moved() {
    check(
        "e
         b eu/t/a src x=1
         s us/t/a @1.1 x=1
         c @1.2 us/t=complete:1
         c @1.3 us/t=complete:1      => +moved:eu/t/a
         s eu/t/a @1.4 x=1           => -moved:eu/t/a +unmanaged:us/t/a",
    );
    // both were there: the one that stays is not called unmanaged and moved at once
    check(
        "e
         b eu/t/a src x=1
         s eu/t/a @1.1 x=1
         s us/t/a @1.2 x=1           => +unmanaged:us/t/a
         s eu/t/a @1.3 gone
         c @1.4 us/t=complete:1 eu/t=denied
         c @1.5 us/t=complete:1
         c @1.6 us/t=complete:1      => +moved:eu/t/a -unmanaged:us/t/a",
    );
}

#[test]
fn a_part_without_a_region_takes_the_only_one_that_fits() {
    check(
        "e
         b -/t/a src x=1
         s us/t/a @1.1 x=2           => +modified:us/t/a:x
         s us/t/a @1.2 gone          => -modified:us/t/a:x
         c @1.3
         c @1.4                      => +missing:us/t/a",
    );
    check(
        "e
         b -/t/a src x=1
         c @1.1 us/t=denied
         c @1.2 us/t=denied
         c @1.3
         c @1.4                      => +missing:-/t/a",
    );
    check(
        "e
         b -/t/a src x=1
         s us/t/a @1.1 x=1
         s eu/t/a @1.2 x=1           => +baseline.region:-/t/a
         s us/t/a @1.3 gone          => -baseline.region:-/t/a",
    );
}

#[test]
fn sources_are_ordered_by_serial_within_a_lineage() {
    check(
        "e
         s eu/t/a @1.1 x=1           => +unmanaged:eu/t/a
         b eu/t/a src x=1 lin:5      => -unmanaged:eu/t/a
         b eu/t/a src x=2 lin:4      => ^b/eu/t/src/a@.
         b eu/t/a src x=2 lin:5      => +modified:eu/t/a:x
         b eu/t/a src x=1 new:1      => -modified:eu/t/a:x
         b eu/t/a src x=3 lin:9      => +modified:eu/t/a:x",
    );
}

#[test]
fn keys_that_left_the_list_no_longer_stand() {
    check(
        "e
         s eu/t/a @1.1 x=1           => +unmanaged:eu/t/a
         s eu/t/b @1.2 x=1           => +unmanaged:eu/t/b
         b eu/t/a src x=1 lin:1      => -unmanaged:eu/t/a
         b eu/t/b src x=1 lin:1      => -unmanaged:eu/t/b
         l src lin:1 eu/t/a eu/t/b
         b eu/t/a src x=1 lin:2
         l src lin:2 eu/t/a          => +unmanaged:eu/t/b
         l src lin:1 eu/t/a eu/t/b   => ^l/src/0@.
         # a doubled import that is behind brings nothing back
         b eu/t/c src x=1 lin:1      => ^b/eu/t/src/c@.-gone
         b eu/t/b src x=1 lin:3      => -unmanaged:eu/t/b",
    );
}

#[test]
fn what_a_new_agents_manifest_leaves_out_is_gone() {
    check(
        "e
         s eu/t/a @1.1 x=1           => +unmanaged:eu/t/a
         s eu/t/b @1.2 x=1           => +unmanaged:eu/t/b
         e other
         s eu/t/a @4.1 x=1
         m eu/t @4.2 a
         c @4.3 eu/t=complete:1>3    => -unmanaged:eu/t/b ^s/eu/t/b@4.2-gone",
    );
    // made while the listing ran: the manifest may not know it, which proves nothing
    check(
        "e
         m eu/t @1.1 a
         s eu/t/b @1.2 x=1           => +unmanaged:eu/t/b
         m eu/t @1.3 a
         c @1.4 eu/t=complete:1>2
         m eu/t @1.5 a b
         c @1.6 eu/t=complete:2",
    );
    // in two parts: one proves nothing
    check(
        "e
         s eu/t/b @1.1 x=1           => +unmanaged:eu/t/b
         s eu/t/c @1.2 x=1           => +unmanaged:eu/t/c
         m eu/t 0/2 @1.3 a
         c @1.4 eu/t=complete:2
         m eu/t 1/2 @1.5 c
         c @1.6 eu/t=complete:2      => -unmanaged:eu/t/b ^s/eu/t/b@1.5-gone",
    );
    // nothing listed at all
    check(
        "e
         s eu/t/b @1.1 x=1           => +unmanaged:eu/t/b
         c @1.2 eu/t=denied
         c @1.3                      => -unmanaged:eu/t/b ^s/eu/t/b@1.3-gone
         s eu/t/b @1.4 x=1           => +unmanaged:eu/t/b",
    );
}

#[test]
fn a_judge_that_fails_on_one_resource_leaves_it_as_it_is() {
    check(
        "e
         b eu/t/a src x=1
         s eu/t/a @1.1 x=2           => +modified:eu/t/a:x
         s eu/t/a @1.2 panic=1       => !
         s eu/t/a @1.3 x=1           => -modified:eu/t/a:x
         s eu/t/b @1.4 x=2           => +unmanaged:eu/t/b
         s eu/t/b @1.5 panic=1       => !
         b eu/t/b src x=1            => !
         s eu/t/b @1.6 x=1           => -unmanaged:eu/t/b",
    );
}
