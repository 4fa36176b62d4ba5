//! Groups in memory: members, whose partition is whose, committed positions, and how far back a reader still is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::codec::Place;
use super::group::{self, MemberId};

#[derive(Debug, Default)]
struct Group {
    members: BTreeMap<MemberId, BTreeSet<Place>>,
    /// Who shall have a partition.
    target: BTreeMap<Place, MemberId>,
    /// Who has it; given up only between two polls of the owner.
    owners: BTreeMap<Place, MemberId>,
}

impl Group {
    fn balance(&mut self) {
        self.target = group::assign(&self.target, &self.members);
    }
}

/// What a member has to be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Revoke(Vec<Place>),
    Assign(Vec<Place>),
}

/// All groups and readers of the log.
#[derive(Debug, Default)]
pub(super) struct Members {
    groups: HashMap<String, Group>,
    committed: BTreeMap<String, BTreeMap<Place, i64>>,
    /// Next offset that a live reader will read, by member or replay.
    reading: HashMap<MemberId, BTreeMap<Place, i64>>,
    last_id: MemberId,
}

impl Members {
    pub(super) fn new(committed: BTreeMap<String, BTreeMap<Place, i64>>) -> Self {
        Self { committed, ..Self::default() }
    }

    /// A number for a reader without a group.
    pub(super) fn reader(&mut self) -> MemberId {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn join(&mut self, group: &str, places: BTreeSet<Place>) -> MemberId {
        let id = self.reader();
        let group = self.groups.entry(group.to_owned()).or_default();
        group.members.insert(id, places);
        group.balance();
        id
    }

    pub(super) fn leave(&mut self, name: &str, id: MemberId) {
        self.reading.remove(&id);
        let Some(group) = self.groups.get_mut(name) else { return };
        group.members.remove(&id);
        group.owners.retain(|_, owner| *owner != id);
        group.balance();
        if group.members.is_empty() {
            self.groups.remove(name);
        }
    }

    /// What a member has to give up; if nothing, what it gets that nobody holds any more.
    pub(super) fn change(&mut self, group: &str, id: MemberId) -> Option<Change> {
        let group = self.groups.get_mut(group)?;
        let shall = |place: &Place| group.target.get(place) == Some(&id);
        let revoke: Vec<_> = group.owners.iter().filter(|(p, o)| **o == id && !shall(p)).map(|(p, _)| *p).collect();
        if !revoke.is_empty() {
            return Some(Change::Revoke(revoke));
        }
        let free = group.target.iter().filter(|(p, m)| **m == id && !group.owners.contains_key(p));
        let assign: Vec<_> = free.map(|(p, _)| *p).collect();
        group.owners.extend(assign.iter().map(|p| (*p, id)));
        (!assign.is_empty()).then_some(Change::Assign(assign))
    }

    pub(super) fn release(&mut self, group: &str, id: MemberId, places: &[Place]) {
        for place in places {
            if let Some(reading) = self.reading.get_mut(&id) {
                reading.remove(place);
            }
            if let Some(group) = self.groups.get_mut(group) {
                group.owners.remove(place);
            }
        }
    }

    /// Where a reader stands.
    pub(super) fn reads(&mut self, id: MemberId, place: Place, position: i64) {
        self.reading.entry(id).or_default().insert(place, position);
    }

    pub(super) fn ended(&mut self, id: MemberId) {
        self.reading.remove(&id);
    }

    pub(super) fn commit(&mut self, group: &str, positions: &BTreeMap<Place, i64>) {
        self.committed.entry(group.to_owned()).or_default().extend(positions);
    }

    pub(super) fn forget(&mut self, group: &str) {
        self.committed.remove(group);
    }

    pub(super) fn position(&self, group: &str, place: Place) -> Option<i64> {
        self.committed.get(group)?.get(&place).copied()
    }

    pub(super) fn committed(&self, group: &str, topic: u32) -> BTreeMap<u32, i64> {
        let positions = self.committed.get(group).into_iter().flatten();
        positions.filter(|(p, _)| p.topic == topic).map(|(p, offset)| (p.partition, *offset)).collect()
    }

    /// The lowest position that somebody still needs records from; `None` where nobody reads the partition. A group
    /// that has committed anything of a topic needs all of its partitions.
    pub(super) fn floor(&self, place: Place) -> Option<i64> {
        let whole = Place { partition: 0, ..place }..=Place { partition: u32::MAX, ..place };
        let groups = self.committed.values().filter(|positions| positions.range(whole.clone()).next().is_some());
        let groups = groups.map(|positions| positions.get(&place).copied().unwrap_or(0));
        let readers = self.reading.values().filter_map(|reading| reading.get(&place).copied());
        groups.chain(readers).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Place = Place { topic: 1, partition: 0 };
    const B: Place = Place { topic: 1, partition: 1 };

    #[test]
    fn a_partition_is_given_on_only_after_it_was_given_up() {
        let mut members = Members::default();
        let first = members.join("g", [A, B].into());
        assert_eq!(members.change("g", first), Some(Change::Assign(vec![A, B])));
        let second = members.join("g", [A, B].into());
        assert_eq!(members.change("g", second), None, "the first has not let go");
        let Some(Change::Revoke(moved)) = members.change("g", first) else { panic!("nothing revoked") };
        assert_eq!(members.change("g", second), None, "the first was told, but has not polled again");
        members.release("g", first, &moved);
        assert_eq!(members.change("g", second), Some(Change::Assign(moved)));
        members.leave("g", second);
        assert!(matches!(members.change("g", first), Some(Change::Assign(_))), "what is left behind comes back");
    }

    #[test]
    fn the_slowest_group_or_reader_sets_the_floor() {
        let mut members = Members::default();
        assert_eq!(members.floor(A), None);
        members.commit("fast", &[(A, 90), (B, 90)].into());
        members.commit("slow", &[(A, 40)].into());
        assert_eq!((members.floor(A), members.floor(B)), (Some(40), Some(0)), "slow has yet to come to B");
        let replay = members.reader();
        members.reads(replay, A, 3);
        assert_eq!(members.floor(A), Some(3));
        members.ended(replay);
        members.forget("slow");
        assert_eq!((members.floor(A), members.floor(B)), (Some(90), Some(90)));
    }
}
