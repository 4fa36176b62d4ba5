//! What a partition remembers, as keys and values: layers over a store, the forms of the values and their names.
//! Nothing here decides; `step` does.

mod forms;
mod kept;
mod layers;

pub use forms::Order;
pub(crate) use forms::{
    Account, Evidence, Group, GroupKey, ListMark, Listed, ManifestMark, Open, PartMark, Round, Rounds, ScopeMark, Seen,
    SourceMark, UNKNOWN_REGION, names,
};
pub(crate) use kept::Kept;
pub use layers::{Base, Memory, State, StateError, Writes};
