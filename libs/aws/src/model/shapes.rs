//! The shapes of a service: built with all that they refer to when an operation first needs them.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::shape::{Index, Shape};
use super::{Kind, raw};

/// All shapes of a service, by name.
#[derive(Debug)]
pub(super) struct Shapes {
    slots: Box<[Slot]>,
    /// Held by whoever builds, until all that a shape refers to is there.
    building: Mutex<()>,
    /// Stands for one that was never asked for, which no built shape refers to.
    none: Shape,
}

#[derive(Debug)]
struct Slot {
    name: &'static str,
    raw: raw::Part,
    shape: OnceLock<Box<Shape>>,
}

impl Shapes {
    pub(super) fn new(entries: Vec<(&'static str, raw::Part)>) -> Self {
        let mut slots: Vec<Slot> =
            entries.into_iter().map(|(name, raw)| Slot { name, raw, shape: OnceLock::new() }).collect();
        slots.sort_unstable_by_key(|slot| slot.name);
        let none = Shape::scalar("Unit", Kind::Document);
        Shapes { slots: slots.into_boxed_slice(), building: Mutex::new(()), none }
    }

    /// The shape of this name, built with all that it refers to.
    pub(super) fn build(&self, name: &str) -> Result<Index, String> {
        let _building = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        let index = self.index(name)?;
        let mut open = vec![index];
        let mut built = Vec::new();
        while let Some(index) = open.pop() {
            let slot = &self.slots[index.0 as usize];
            if slot.shape.get().is_some() || built.iter().any(|(i, _)| *i == index) {
                continue;
            }
            let shape = Shape::new(slot.name, &slot.raw.read()?, &|name| self.index(name))?;
            open.extend(shape.members.iter().map(|member| member.target));
            built.push((index, shape));
        }
        for (index, shape) in built {
            self.slots[index.0 as usize].shape.get_or_init(|| Box::new(shape));
        }
        Ok(index)
    }

    pub(super) fn get(&self, index: Index) -> &Shape {
        self.slots[index.0 as usize].shape.get().map_or(&self.none, |shape| shape)
    }

    #[cfg(test)]
    pub(super) fn built(&self) -> impl Iterator<Item = &Shape> {
        self.slots.iter().filter_map(|slot| slot.shape.get()).map(|shape| &**shape)
    }

    fn index(&self, name: &str) -> Result<Index, String> {
        let place = self.slots.binary_search_by(|slot| slot.name.cmp(name)).ok();
        let index = place.and_then(|place| u32::try_from(place).ok());
        index.map(Index).ok_or_else(|| format!("no shape {name}"))
    }
}
