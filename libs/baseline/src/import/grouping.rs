//! Instances of one source -> resources: what belongs to the same type and id, split by account and region as far as
//! these are known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use driftline_model::ResourceKey;
use driftline_model::catalogue::{Scope, Type};
use driftline_model::record::Instance;
use driftline_model::resource::GLOBAL;

use super::{Context, UNPLACED};
use crate::place::{Place, Providers, only};

/// An instance and the resource that it is, or is part of.
pub(super) struct Draft {
    /// The resource's type.
    pub(super) ty: Arc<Type>,
    /// The resource's id.
    pub(super) id: String,
    /// What the instance tells of its place.
    pub(super) own: Place,
    /// Its provider configuration.
    pub(super) provider: String,
    /// The instance, ready to be published.
    pub(super) instance: Instance,
}

/// All that a source says of one resource.
pub(super) struct Group {
    pub(super) key: ResourceKey,
    /// Revision of the type's catalogue file.
    pub(super) revision: String,
    /// The resource itself first, then its parts by type and address.
    pub(super) instances: Vec<Instance>,
}

type Members = Vec<(Place, Instance)>;

/// The groups, and the addresses of those whose account nobody knows.
pub(super) fn groups(context: &Context<'_>, drafts: Vec<Draft>, providers: &Providers) -> (Vec<Group>, Vec<String>) {
    let mut by_id: BTreeMap<(String, String), (Arc<Type>, Members)> = BTreeMap::new();
    for draft in drafts {
        let around = providers.place(&draft.provider);
        let place = draft.own.or(around.account.as_deref(), around.region.as_deref());
        let resource = by_id.entry((draft.ty.name.clone(), draft.id)).or_insert_with(|| (draft.ty, Vec::new()));
        resource.1.push((place, draft.instance));
    }
    let (mut groups, mut unplaced) = (Vec::new(), Vec::new());
    for ((_, id), (ty, members)) in by_id {
        let accounts = split(members, |p| p.account.clone(), context.options.account);
        for (account, members) in accounts {
            let Some(account) = account else {
                unplaced.extend(members.into_iter().map(|(_, i)| i.address));
                continue;
            };
            let regions = match ty.scope {
                Scope::Global => BTreeMap::from([(Some(GLOBAL.to_owned()), members)]),
                Scope::Regional => split(members, |p| p.region.clone(), context.options.region),
            };
            for (region, members) in regions {
                let region = region.unwrap_or_else(|| UNPLACED.to_owned());
                let mut instances: Vec<Instance> = members.into_iter().map(|(_, i)| i).collect();
                instances.sort_by(|a, b| {
                    let rank = |i: &Instance| !ty.is(&i.kind);
                    (rank(a), &a.kind, &a.address).cmp(&(rank(b), &b.kind, &b.address))
                });
                groups.push(Group {
                    key: ResourceKey::new(&account, region, &ty.name, &id),
                    revision: ty.revision.clone(),
                    instances,
                });
            }
        }
    }
    (groups, unplaced)
}

/// Members by what is known of them. Who doesn't say goes with the others if these agree, else with what the user said.
fn split(
    members: Members,
    of: impl Fn(&Place) -> Option<String>,
    stated: Option<&str>,
) -> BTreeMap<Option<String>, Members> {
    let known: BTreeSet<String> = members.iter().filter_map(|(place, _)| of(place)).collect();
    let others = only(&known).or(stated).map(str::to_owned);
    let mut split: BTreeMap<Option<String>, Members> = BTreeMap::new();
    for member in members {
        split.entry(of(&member.0).or_else(|| others.clone())).or_default().push(member);
    }
    split
}
