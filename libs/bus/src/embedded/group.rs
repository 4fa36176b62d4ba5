//! Who of a group reads which partition: balanced, and moving as little as balance allows.

use std::collections::{BTreeMap, BTreeSet};

use super::codec::Place;

/// Number of a member, in order of joining.
pub(super) type MemberId = u64;

/// The assignment that follows `current` once `members` (with what each subscribes to) are the group.
pub(super) fn assign(
    current: &BTreeMap<Place, MemberId>,
    members: &BTreeMap<MemberId, BTreeSet<Place>>,
) -> BTreeMap<Place, MemberId> {
    let all: BTreeSet<Place> = members.values().flatten().copied().collect();
    let mut load: BTreeMap<MemberId, usize> = members.keys().map(|m| (*m, 0)).collect();
    let mut assignment = BTreeMap::new();
    let reads = |member: &MemberId, place: &Place| members.get(member).is_some_and(|places| places.contains(place));
    for (place, member) in current.iter().filter(|(p, m)| reads(m, p)) {
        assignment.insert(*place, *member);
        *load.entry(*member).or_default() += 1;
    }
    let least = |load: &BTreeMap<MemberId, usize>, place: &Place| {
        load.iter().filter(|(m, _)| reads(m, place)).min_by_key(|(m, l)| (**l, **m)).map(|(m, l)| (*m, *l))
    };
    for place in &all {
        if assignment.contains_key(place) {
            continue;
        }
        if let Some((member, _)) = least(&load, place) {
            assignment.insert(*place, member);
            *load.entry(member).or_default() += 1;
        }
    }
    // From the fullest to the emptiest: each move makes the loads more even, so this ends, and none is undone.
    loop {
        let gain = |(place, owner): (&Place, &MemberId)| {
            let (member, other) = least(&load, place)?;
            let gain = load.get(owner)?.checked_sub(other + 1)?;
            (gain > 0).then_some((gain, *place, *owner, member))
        };
        let Some((_, place, owner, member)) = assignment.iter().filter_map(gain).max_by_key(|(gain, ..)| *gain) else {
            return assignment;
        };
        assignment.insert(place, member);
        *load.entry(owner).or_default() -= 1;
        *load.entry(member).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn places(count: u32) -> BTreeSet<Place> {
        (0..count).map(|partition| Place { topic: 0, partition }).collect()
    }

    fn loads(assignment: &BTreeMap<Place, MemberId>, members: &[MemberId]) -> Vec<usize> {
        members.iter().map(|m| assignment.values().filter(|o| *o == m).count()).collect()
    }

    proptest! {
        #[test]
        fn every_partition_has_one_owner_evenly_and_few_move(
            partitions in 1_u32..40,
            steps in proptest::collection::vec((any::<bool>(), 0_usize..8), 1..20),
        ) {
            let mut members = BTreeMap::from([(0, places(partitions))]);
            let mut current = assign(&BTreeMap::new(), &members);
            for (number, (join, which)) in steps.into_iter().enumerate() {
                let before: Vec<_> = members.keys().copied().collect();
                if join || members.len() == 1 {
                    members.insert(number as u64 + 1, places(partitions));
                } else {
                    members.remove(&before[which % before.len()]);
                }
                let after: Vec<_> = members.keys().copied().collect();
                let next = assign(&current, &members);
                prop_assert_eq!(next.keys().copied().collect::<BTreeSet<_>>(), places(partitions));
                let loads = loads(&next, &after);
                prop_assert!(loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 1, "{loads:?}");
                // Between members that stay, only what evens out moves.
                let moved = next.iter().filter(|(p, m)| current[p] != **m && after.contains(&current[p])).count();
                let newcomer = loads.iter().max().unwrap() * usize::from(after.len() > before.len());
                prop_assert!(moved <= newcomer, "{moved} moved");
                prop_assert_eq!(&assign(&next, &members), &next);
                current = next;
            }
        }
    }

    #[test]
    fn a_member_gets_only_what_it_subscribes_to() {
        let other: BTreeSet<_> = (0..4).map(|partition| Place { topic: 1, partition }).collect();
        let members = BTreeMap::from([(1, places(4)), (2, places(4).union(&other).copied().collect())]);
        let assignment = assign(&BTreeMap::new(), &members);
        assert!(assignment.iter().all(|(p, m)| p.topic == 0 || *m == 2));
        assert_eq!(loads(&assignment, &[1, 2]), [4, 4]);
    }
}
