//! Which of two records of a key wins. (epoch, number) decides, never the order of arrival; an account's session is a
//! fence for all its keys. A loser that compaction would keep is answered by the winner, published again.

use driftline_model::record::{H_EPOCH, H_NUMBER, H_TIME};

use super::input::Input;
use super::{Effect, Pass, Refusal, Work};
use crate::state::{Account, Kept, Order, names};

/// What becomes of an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is the newest of its key.
    New,
    /// It is the winner itself, read once more.
    Repeat,
    /// It is older than the winner.
    Older,
    /// It comes from an agent that no longer has the account.
    Fenced,
}

impl Work<'_> {
    /// Admits an observation against the order known for its key.
    pub(crate) fn admit(&mut self, input: &Input<'_>, known: Option<Order>) -> Result<Admission, Refusal> {
        let order = input.ordered()?;
        if known == Some(order) {
            return Ok(Admission::Repeat);
        }
        let name = names::account(input.key.account());
        let account: Account = self.state.load(&name)?.unwrap_or_default();
        if order.epoch < account.epoch {
            self.restore(input, account)?;
            return Ok(Admission::Fenced);
        }
        if order.epoch > account.epoch {
            self.state.save(name, &Account { epoch: order.epoch })?;
        }
        if known.is_some_and(|k| order < k) {
            self.restore(input, account)?;
            return Ok(Admission::Older);
        }
        Ok(Admission::New)
    }

    /// The same for a key whose order stands in its kept record; a new winner is kept.
    pub(crate) fn register(&mut self, input: &Input<'_>) -> Result<Admission, Refusal> {
        let known = Kept::load(self.state, input.name)?.and_then(|k| k.head.order);
        let admission = self.admit(input, known)?;
        if admission == Admission::New {
            input.keep(self.state)?;
        }
        Ok(admission)
    }

    /// Publishes the winner of the key again; where there is none, a tombstone in the account's epoch, below everything
    /// that its agent says.
    pub(crate) fn restore(&mut self, input: &Input<'_>, account: Account) -> Result<(), Refusal> {
        if self.pass == Pass::Silent {
            return Ok(());
        }
        let (value, headers) = match Kept::load(self.state, input.name)? {
            Some(kept) => (kept.value.clone(), kept.headers()),
            None => {
                let time = input.at_ms.to_string().into_bytes();
                let epoch = account.epoch.to_string().into_bytes();
                let headers = [(H_EPOCH, epoch), (H_NUMBER, b"0".to_vec()), (H_TIME, time)];
                (None, headers.map(|(n, v)| (n.to_owned(), v)).to_vec())
            }
        };
        self.effects.push(Effect::Republish { key: input.name.to_owned(), value, headers });
        Ok(())
    }
}
