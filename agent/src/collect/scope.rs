//! Reading one scope: its contexts, its listing, then each resource.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use driftline_model::catalogue::{Call, Type};
use driftline_model::observe::{self, Answer, Answers, ObserveContext, Observed, Seen};
use driftline_model::secret::SecretKey;
use driftline_model::{CoverageStatus, Scope, Snapshot, Value};
use futures::stream::{self, StreamExt};

use super::calls::Calls;
use super::resource::{self, answered, is_absent};
use super::schedule::Choice;
use super::{Target, call_region, schedule, status};
use crate::seen::{LookedUp, ScopeSeen};

/// Resources of one scope that are read at the same time.
const RESOURCES: usize = 8;
/// Resources in one scope; beyond, the listing counts as failed rather than as short.
const MAX_RESOURCES: usize = 200_000;

/// Reads one scope.
pub(crate) struct Reader<'a> {
    pub(crate) calls: &'a Calls,
    pub(crate) kind: Arc<Type>,
    pub(crate) scope: Scope,
    pub(crate) target: &'a Target,
    pub(crate) secret: &'a SecretKey,
    pub(crate) began_ms: i64,
    pub(crate) after_offset: i64,
}

/// A context's answer, before it is cut to one resource.
enum Context {
    Whole(Answer),
    Grouped(BTreeMap<String, Arc<Value>>),
}

type Contexts = BTreeMap<String, Context>;

/// An item and what is known of it, until it is its turn.
type Slot<'v> = Mutex<(Cow<'v, Value>, Answers)>;

static NONE: Answers = Answers::new();

impl Reader<'_> {
    fn context<'c>(&'c self, id: Option<&'c str>) -> ObserveContext<'c> {
        ObserveContext {
            account: &self.scope.account,
            region: call_region(self.target, &self.scope.region),
            partition: self.target.partition.as_str(),
            id,
            secrets: self.secret,
        }
    }

    fn listed<'l>(&'l self, item: &'l Value, id: Option<&'l str>) -> resource::Listed<'l> {
        resource::Listed { calls: self.calls, kind: &self.kind, context: self.context(id), item }
    }

    /// Lists and reads; `choose` says which of the listed resources get their further calls now.
    pub(crate) async fn read(self, choose: impl FnOnce(&[schedule::Listed]) -> Choice) -> ScopeSeen {
        let answer = match self.list().await {
            Ok(answer) => answer,
            Err((status, error)) => return self.seen(status, Some(error), None, Vec::new()),
        };
        // What only this scope wants of the answer is given up resource by resource.
        let shared;
        let items: Vec<Cow<'_, Value>> = match Arc::try_unwrap(answer) {
            Ok(own) => self.kind.read.list.taken(own).into_iter().map(Cow::Owned).collect(),
            Err(answer) => {
                shared = answer;
                self.kind.read.list.elements(&shared)
            }
        };
        if let Err((status, error)) = few(&items) {
            return self.seen(status, Some(error), None, Vec::new());
        }
        let contexts = self.contexts().await;
        let answers: Vec<Answers> = items.iter().map(|item| self.cut(&contexts, item)).collect();
        let ids: Vec<Option<String>> =
            items.iter().zip(&answers).map(|(item, known)| self.sight(item, known).id().map(str::to_owned)).collect();
        let listed: Vec<schedule::Listed> =
            items.iter().zip(&answers).map(|(item, known)| self.due(item, known)).collect();
        let chosen = choose(&listed);
        let read: Vec<usize> = (0..items.len()).filter(|i| chosen.read.get(*i).copied().unwrap_or(true)).collect();
        let several: Vec<_> = read.iter().map(|i| (self.listed(&items[*i], None), &answers[*i])).collect();
        let overdue = chosen.overdue.map(|overdue| told(&overdue, &ids));
        let mut batched = resource::batches(&several).await;
        let work: Vec<_> = read.iter().enumerate().map(|(n, i)| (*i, batched.remove(&n).unwrap_or_default())).collect();
        let slots: Vec<Slot<'_>> = items.into_iter().zip(answers).map(Mutex::new).collect();
        let (slots, this) = (&slots, &self);
        let observed: Vec<(usize, Result<Observed, String>)> = stream::iter(work)
            .map(|(i, batch)| async move {
                let (item, mut known) = std::mem::take(&mut *slots[i].lock().unwrap_or_else(PoisonError::into_inner));
                known.extend(batch);
                (i, this.resource(&item, known, None).await)
            })
            .buffer_unordered(RESOURCES)
            .collect()
            .await;
        self.sum_up(ids, observed, overdue)
    }

    fn sight<'s>(&'s self, item: &'s Value, known: &'s Answers) -> Seen<'s> {
        Seen::new(&self.kind, self.context(None), item, known)
    }

    /// What the schedule needs to know of an item.
    fn due(&self, item: &Value, known: &Answers) -> schedule::Listed {
        let hash = |parts: &[&str]| {
            let mut hasher = DefaultHasher::new();
            parts.hash(&mut hasher);
            hasher.finish()
        };
        let seen = self.sight(item, known);
        let calls = resource::further(&self.kind, &seen, known);
        let id = seen.id().unwrap_or_default().to_owned();
        let item = item.to_string();
        schedule::Listed { key: hash(&[&self.scope.region, &self.scope.kind, &id]), item: hash(&[&item]), calls }
    }

    /// Region and parameters of a call that is made once for all resources.
    fn place(&self, call: &Call) -> (String, Value) {
        let seen = self.sight(&Value::Null, &NONE);
        let region = call.region.as_ref().and_then(|r| r.text(&seen)).unwrap_or_else(|| self.scope.region.clone());
        (region, call.with.value(&seen))
    }

    /// Announces what [`Self::read`] asks for that others may ask for too.
    pub(crate) fn announce(&self) {
        let contexts = self.kind.read.context.values().map(|context| &context.call);
        for call in std::iter::once(&self.kind.read.list.call).chain(contexts) {
            let (region, params) = self.place(call);
            self.calls.expect(&region, call, &params);
        }
    }

    /// The listing's answer; null where an error means that there is nothing.
    async fn list(&self) -> Result<Arc<Value>, (CoverageStatus, String)> {
        let call = &self.kind.read.list.call;
        let (region, params) = self.place(call);
        match self.calls.once(&region, call, params).await {
            Ok(answer) => Ok(answer),
            Err(error) if is_absent(call, &error) => Ok(Arc::default()),
            Err(error) => Err((status(&error), format!("{}:{}: {error}", call.service, call.operation))),
        }
    }

    async fn contexts(&self) -> Contexts {
        let mut contexts = BTreeMap::new();
        for (name, context) in &self.kind.read.context {
            let (region, params) = self.place(&context.call);
            let answer = self.calls.once(&region, &context.call, params).await;
            let found = match answer.map(|answer| context.grouped(answer)) {
                Ok(Ok(groups)) => {
                    let shared = groups.into_iter().map(|(key, group)| (key, Arc::new(Value::Array(group))));
                    Context::Grouped(shared.collect())
                }
                Ok(Err(whole)) => Context::Whole(Answer::Found(context.kept(&whole))),
                Err(error) => Context::Whole(answered(&context.call, Err::<Value, _>(error))),
            };
            contexts.insert(name.clone(), found);
        }
        contexts
    }

    /// The contexts as one resource sees them.
    fn cut(&self, contexts: &Contexts, item: &Value) -> Answers {
        let whole = contexts.iter().filter_map(|(name, context)| match context {
            Context::Whole(answer) => Some((name.clone(), answer.clone())),
            Context::Grouped(_) => None,
        });
        let mut answers: Answers = whole.collect();
        for (name, context) in contexts {
            let Context::Grouped(groups) = context else { continue };
            let seen = Seen::new(&self.kind, self.context(None), item, &answers);
            let key = self.kind.read.context.get(name).and_then(|c| c.key.text(&seen));
            let group = key.and_then(|k| groups.get(&k)).cloned();
            answers.insert(name.clone(), Answer::Found(group.unwrap_or_else(|| Value::Array(Vec::new()).into())));
        }
        answers
    }

    async fn resource(&self, item: &Value, known: Answers, id: Option<&str>) -> Result<Observed, String> {
        let listed = self.listed(item, id);
        // What is no resource of this type is not asked about.
        if let Some(reason) = observe::skipped(&self.kind, &Seen::new(&self.kind, listed.context, item, &known)) {
            return Ok(Observed::Skipped(reason.to_owned()));
        }
        let answers = listed.answers(known).await;
        observe::observe(&self.kind, listed.context, item, &answers).map_err(|e| e.to_string())
    }

    fn sum_up(
        self,
        listed_ids: Vec<Option<String>>,
        observed: Vec<(usize, Result<Observed, String>)>,
        overdue: Option<String>,
    ) -> ScopeSeen {
        let (mut snapshots, mut errors, mut listed) = (Vec::new(), Vec::from_iter(overdue), true);
        let mut skipped: BTreeSet<usize> = BTreeSet::new();
        for (i, result) in observed {
            match result {
                Ok(Observed::Resource(snapshot)) => {
                    errors.extend(snapshot.unread.iter().map(|(path, e)| format!("{}: {path}: {e}", snapshot.key.id)));
                    snapshots.push(*snapshot);
                }
                Ok(Observed::Skipped(_)) => {
                    skipped.insert(i);
                }
                Err(error) => {
                    // Its id isn't known for sure: the listing proves nothing any more.
                    listed = false;
                    errors.push(error);
                }
            }
        }
        let mut ids: Vec<String> = snapshots.iter().map(|s| s.key.id.clone()).collect();
        for (_, id) in listed_ids.into_iter().enumerate().filter(|(i, _)| !skipped.contains(i)) {
            match id {
                Some(id) => ids.push(id),
                // Its id came from a further call: it is among the snapshots, or counted above.
                None if self.kind.id.answers().is_empty() => listed = false,
                None => {}
            }
        }
        ids.sort();
        ids.dedup();
        snapshots.sort_by(|a, b| a.key.cmp(&b.key));
        let status = if errors.is_empty() && listed { CoverageStatus::Complete } else { CoverageStatus::Partial };
        errors.sort();
        let error = errors.first().map(|first| match errors.len() {
            1 => first.clone(),
            more => format!("{first} (and {} more)", more - 1),
        });
        self.seen(status, error, listed.then_some(ids), snapshots)
    }

    fn seen(
        self,
        status: CoverageStatus,
        error: Option<String>,
        ids: Option<Vec<String>>,
        snapshots: Vec<Snapshot>,
    ) -> ScopeSeen {
        ScopeSeen {
            revision: self.kind.revision.clone(),
            scope: self.scope,
            status,
            error,
            began_ms: self.began_ms,
            after_offset: self.after_offset,
            listed: ids.is_some(),
            ids: ids.unwrap_or_default(),
            snapshots,
            not_found: Vec::new(),
        }
    }

    /// Looks one resource up: by the type's own call where it has one, else by listing once more. Only what the API says in
    /// so many words is NotFound: its error for that, or an answer that shows the resource as none any more.
    pub(crate) async fn look_up(self, id: &str) -> LookedUp {
        let list = &self.kind.read.list;
        let answer;
        let (items, listed) = match &self.kind.read.one {
            Some(one) => {
                let seen = Seen::new(&self.kind, self.context(Some(id)), &Value::Null, &NONE);
                match self.calls.make(&self.scope.region, &one.call, &one.call.with.value(&seen)).await {
                    Ok(found) => {
                        answer = Arc::new(found);
                        (one.elements(&answer), one.missing.is_empty())
                    }
                    Err(error) if error.code().is_some_and(|c| one.missing.iter().any(|m| m == c)) => {
                        return LookedUp::NotFound;
                    }
                    Err(error) => return LookedUp::Unknown(error.to_string()),
                }
            }
            None => match self.list().await {
                Ok(found) => {
                    answer = found;
                    (list.elements(&answer), true)
                }
                Err((_, error)) => return LookedUp::Unknown(error),
            },
        };
        if let Err((_, error)) = few(&items) {
            return LookedUp::Unknown(error);
        }
        let contexts = if items.is_empty() { Contexts::new() } else { self.contexts().await };
        let mut none_any_more = listed;
        for item in items {
            let answers = self.cut(&contexts, &item);
            let own = Seen::new(&self.kind, self.context(None), &item, &answers).id().map(str::to_owned);
            match self.resource(&item, answers, own.is_none().then_some(id)).await {
                Ok(Observed::Resource(snapshot)) if snapshot.key.id == id => return LookedUp::Found(snapshot),
                Ok(Observed::Skipped(_)) if own.is_none_or(|own| own == id) => none_any_more = true,
                Ok(_) => {}
                Err(error) => return LookedUp::Unknown(error),
            }
        }
        if none_any_more {
            return LookedUp::NotFound;
        }
        LookedUp::Unknown("asked for it by id, the API answers without it".to_owned())
    }
}

/// Whether a listing can be taken as a whole.
fn few(items: &[Cow<'_, Value>]) -> Result<(), (CoverageStatus, String)> {
    match items.len() {
        0..=MAX_RESOURCES => Ok(()),
        more => Err((CoverageStatus::Failed, format!("{more} resources; the limit is {MAX_RESOURCES}"))),
    }
}

/// What coverage says of resources that are known worse than promised; `ids` are those of all.
fn told(overdue: &schedule::Overdue, ids: &[Option<String>]) -> String {
    let (name, minutes) = (ids[overdue.oldest].as_deref().unwrap_or("a resource"), overdue.age_ms / 60_000);
    let of = format!("{} of {} resources", overdue.resources, ids.len());
    format!(
        "{name}: last read {} h {:02} min ago; {of} can't be read as often as `max_age` says",
        minutes / 60,
        minutes % 60
    )
}
