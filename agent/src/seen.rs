//! What one look at a scope gave: the collector's result, the scan's and the delta's input.

use driftline_model::{CoverageStatus, Scope, Snapshot};

/// One resource looked up by its id.
#[derive(Debug, Clone, PartialEq)]
pub enum LookedUp {
    /// It is there.
    Found(Box<Snapshot>),
    /// The API says that there is none.
    NotFound,
    /// Nobody knows, and why.
    Unknown(String),
}

/// One listing of a scope with what was read of its resources.
#[derive(Debug, Clone, PartialEq)]
pub struct ScopeSeen {
    /// The scope.
    pub scope: Scope,
    /// Revision of the type's catalogue file.
    pub revision: String,
    /// How completely it was seen.
    pub status: CoverageStatus,
    /// What went wrong, if anything.
    pub error: Option<String>,
    /// When the listing began, milliseconds since 1970 UTC.
    pub began_ms: i64,
    /// The account's highest acknowledged offset when the listing began; -1 where there is no pipeline.
    pub after_offset: i64,
    /// Whether `ids` is the whole of the scope: only then may anything be said to be gone.
    pub listed: bool,
    /// The ids that the listing saw, sorted.
    pub ids: Vec<String>,
    /// Snapshots of the resources that were read in this round.
    pub snapshots: Vec<Snapshot>,
    /// Ids that were looked up one by one and are not there.
    pub not_found: Vec<String>,
}

impl ScopeSeen {
    /// Takes what looking up an id gave that the listing left out. What is there although no listing shows it makes the
    /// scope a doubtful one; what nobody knows changes nothing.
    pub fn looked_up(&mut self, id: String, answer: &LookedUp) {
        match answer {
            LookedUp::NotFound => self.not_found.push(id),
            LookedUp::Found(_) => {
                if self.status == CoverageStatus::Complete {
                    self.status = CoverageStatus::Partial;
                    self.error = Some(format!("{id} was in no listing, yet it is there"));
                }
                if let Err(place) = self.ids.binary_search(&id) {
                    self.ids.insert(place, id);
                }
            }
            LookedUp::Unknown(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use driftline_model::ResourceKey;

    use super::*;

    #[test]
    fn only_what_the_api_denies_in_words_is_not_found() {
        let found = || {
            let key = ResourceKey::new("111111111111", "eu-west-1", "aws_vpc", "b");
            LookedUp::Found(Box::new(Snapshot {
                key,
                arn: None,
                revision: "r".into(),
                attributes: Default::default(),
                unread: Default::default(),
                relations: Default::default(),
                owner: None,
            }))
        };
        let cases: [(LookedUp, CoverageStatus, &[&str], &[&str]); 3] = [
            (LookedUp::NotFound, CoverageStatus::Complete, &["a", "c"], &["b"]),
            (found(), CoverageStatus::Partial, &["a", "b", "c"], &[]),
            (LookedUp::Unknown("throttled".into()), CoverageStatus::Complete, &["a", "c"], &[]),
        ];
        for (answer, status, ids, not_found) in cases {
            let mut seen = ScopeSeen {
                scope: Scope { account: "111111111111".into(), region: "eu-west-1".into(), kind: "aws_vpc".into() },
                revision: "r".into(),
                status: CoverageStatus::Complete,
                error: None,
                began_ms: 0,
                after_offset: 1,
                listed: true,
                ids: vec!["a".into(), "c".into()],
                snapshots: Vec::new(),
                not_found: Vec::new(),
            };
            seen.looked_up("b".into(), &answer);
            assert_eq!(seen.status, status, "{answer:?}");
            assert_eq!(seen.error.is_some(), status == CoverageStatus::Partial, "{answer:?}");
            assert_eq!(
                (seen.ids, seen.not_found),
                (
                    ids.iter().map(|i| (*i).to_owned()).collect(),
                    not_found.iter().map(|i| (*i).to_owned()).collect::<Vec<_>>()
                ),
                "{answer:?}"
            );
        }
    }
}
