//! From what is to be open and what is, the transitions between the two.

use driftline_model::{Subject, Transition, TransitionKind, transition_id};

use super::decide::Verdict;
use super::{Effect, Work};
use crate::state::{Group, Open};

/// Hash of what makes a drift or finding another than it was: its values, its severity, its waiver. A line number that
/// shifted in a state file does not.
pub(crate) fn subject_hash(subject: &Subject) -> String {
    let told = match subject {
        Subject::Drift(d) => serde_json::json!([d.expected, d.actual, d.severity, d.waiver]),
        Subject::Finding(f) => serde_json::json!([f.actual, f.severity]),
    };
    blake3::hash(told.to_string().as_bytes()).to_hex().as_str().get(..32).unwrap_or_default().to_owned()
}

impl Work<'_> {
    /// In the order of ids, so that the sequence is the same on a replay.
    pub(crate) fn emit(&mut self, group: &mut Group, mut verdict: Verdict) {
        let mut before = std::mem::take(&mut group.open);
        let ids: Vec<String> = before.keys().chain(verdict.desired.keys()).cloned().collect();
        let ids: std::collections::BTreeSet<String> = ids.into_iter().collect();
        for id in ids {
            match (before.remove(&id), verdict.desired.remove(&id)) {
                (Some(open), None) if verdict.holds.hold(&open.subject) => {
                    group.open.insert(id, open);
                }
                (Some(open), None) => self.tell(TransitionKind::Resolved, open.opened_ms, open.subject),
                (None, Some(subject)) => {
                    let opened_ms = self.cause.at_ms;
                    group.open.insert(id, Open { opened_ms, hash: subject_hash(&subject), subject: subject.clone() });
                    self.tell(TransitionKind::Opened, opened_ms, subject);
                }
                (Some(open), Some(subject)) => {
                    let hash = subject_hash(&subject);
                    if hash == open.hash {
                        group.open.insert(id, open);
                        continue;
                    }
                    group.open.insert(id, Open { hash, subject: subject.clone(), ..open });
                    self.tell(TransitionKind::Changed, open.opened_ms, subject);
                }
                (None, None) => {}
            }
        }
    }

    fn tell(&mut self, kind: TransitionKind, opened_ms: i64, subject: Subject) {
        let transition = Transition {
            id: transition_id(subject.id(), kind, &self.cause.text),
            transition: kind,
            cause: self.cause.text.clone(),
            input_offset: self.cause.offset,
            at_ms: self.cause.at_ms,
            opened_ms,
            subject,
        };
        self.effects.push(Effect::Transition(Box::new(transition)));
    }
}
