//! Which of two records of a key wins. (epoch, number) decides, never the order of arrival; an account's session is a
//! fence for all its keys. A loser that compaction would keep is answered by the winner, published again.

use super::input::{H_WINNER, Input};
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
        let name = names::account(input.key.account());
        let account: Account = self.state.load(&name)?.unwrap_or_default();
        let fenced = order.epoch < account.epoch && !input.winner();
        if known == Some(order) {
            // Compaction would keep this one alone, which a rebuilt state could not tell from an old agent's.
            if fenced {
                self.restore(input, account.epoch)?;
            }
            return Ok(Admission::Repeat);
        }
        if fenced {
            self.restore(input, account.epoch)?;
            return Ok(Admission::Fenced);
        }
        if known.is_some_and(|k| order < k) {
            self.restore(input, account.epoch)?;
            return Ok(Admission::Older);
        }
        if order.epoch > account.epoch {
            self.state.save(name, &Account { epoch: order.epoch, ..account })?;
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
    pub(crate) fn restore(&mut self, input: &Input<'_>, epoch: i64) -> Result<(), Refusal> {
        if self.pass == Pass::Silent {
            return Ok(());
        }
        let nothing = || Kept::tombstone(Order { epoch, number: 0 }, input.at_ms);
        let kept = Kept::load(self.state, input.name)?.unwrap_or_else(nothing);
        self.republish(input.name, &kept);
        Ok(())
    }

    /// Publishes what won, as such.
    pub(crate) fn republish(&mut self, key: &str, kept: &Kept) {
        let mut headers = kept.headers();
        if headers.iter().all(|(n, _)| n != H_WINNER) {
            headers.push((H_WINNER.to_owned(), b"1".to_vec()));
        }
        self.effects.push(Effect::Republish { key: key.to_owned(), value: kept.value.clone(), headers });
    }
}
