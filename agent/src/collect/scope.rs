//! Reading one scope: its contexts, its listing, then each resource.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use driftline_model::catalogue::Type;
use driftline_model::observe::{self, Answer, Observed};
use driftline_model::secret::SecretKey;
use driftline_model::{CoverageStatus, Scope, Snapshot};
use futures::stream::{self, StreamExt};
use serde_json::Value;

use super::calls::Calls;
use super::resource::{self, Groups};
use super::schedule::Listed;
use super::sight::View;
use super::{LookedUp, Target, status};
use crate::ScopeSeen;

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
    Grouped(Groups),
}

static NONE: BTreeMap<String, Answer> = BTreeMap::new();

impl Reader<'_> {
    fn view<'v>(&'v self, item: &'v Value, answers: &'v BTreeMap<String, Answer>, id: Option<&'v str>) -> View<'v> {
        View {
            item,
            answers,
            account: &self.scope.account,
            region: &self.scope.region,
            partition: self.target.partition.as_str(),
            id,
            each: None,
        }
    }

    /// Lists and reads; `choose` says which of the listed resources get their further calls now.
    pub(crate) async fn read(self, choose: impl FnOnce(&[Listed]) -> Vec<bool>) -> ScopeSeen {
        let items = match self.list().await {
            Ok(items) => items,
            Err((status, error)) => return self.seen(status, Some(error), None, Vec::new()),
        };
        let contexts = self.contexts().await;
        let answers: Vec<BTreeMap<String, Answer>> = items.iter().map(|item| self.cut(&contexts, item)).collect();
        let further = self.kind.read.get.len();
        let listed: Vec<Listed> = items.iter().map(|item| self.listed(item, further)).collect();
        let chosen = choose(&listed);
        let read: Vec<usize> = (0..items.len()).filter(|i| chosen.get(*i).copied().unwrap_or(true)).collect();
        let views: Vec<View<'_>> = read.iter().map(|i| self.view(&items[*i], &answers[*i], None)).collect();
        let mut batched = resource::batches(self.calls, &self.kind, &views).await;
        let work = read.iter().enumerate().map(|(n, i)| (*i, batched.remove(&n).unwrap_or_default()));
        let (items_ref, answers_ref, this) = (&items, &answers, &self);
        let observed: Vec<(usize, Result<Observed, String>)> = stream::iter(work.collect::<Vec<_>>())
            .map(|(i, batch)| async move { (i, this.resource(&items_ref[i], &answers_ref[i], batch).await) })
            .buffer_unordered(RESOURCES)
            .collect()
            .await;
        self.sum_up(&items, &answers, observed)
    }

    fn listed(&self, item: &Value, calls: usize) -> Listed {
        let hash = |parts: &[&str]| {
            let mut hasher = DefaultHasher::new();
            parts.hash(&mut hasher);
            hasher.finish()
        };
        let id = self.kind.id.text(&self.view(item, &NONE, None)).unwrap_or_default();
        let item = item.to_string();
        Listed { key: hash(&[&self.scope.region, &self.scope.kind, &id]), item: hash(&[&item]), calls }
    }

    async fn list(&self) -> Result<Vec<Value>, (CoverageStatus, String)> {
        let list = &self.kind.read.list;
        let view = self.view(&Value::Null, &NONE, None);
        let region = list.call.region.as_ref().and_then(|r| r.text(&view)).unwrap_or_else(|| self.scope.region.clone());
        let answer = match self.calls.once(&region, &list.call, list.call.with.value(&view)).await {
            Ok(answer) => answer,
            Err(error) if error.code().is_some_and(|c| list.call.absent.iter().any(|a| a == c)) => return Ok(Vec::new()),
            Err(error) => {
                let text = format!("{}:{}: {error}", list.call.service, list.call.operation);
                return Err((status(&error), text));
            }
        };
        let items = match list.items.eval(&View { item: &answer, ..view }) {
            Value::Array(items) => items,
            Value::Null => Vec::new(),
            one => vec![one],
        };
        if items.len() > MAX_RESOURCES {
            return Err((CoverageStatus::Failed, format!("{} resources; the limit is {MAX_RESOURCES}", items.len())));
        }
        Ok(items)
    }

    async fn contexts(&self) -> BTreeMap<String, Context> {
        let mut contexts = BTreeMap::new();
        for (name, context) in &self.kind.read.context {
            let view = self.view(&Value::Null, &NONE, None);
            let region = context.call.region.as_ref().and_then(|r| r.text(&view));
            let region = region.as_deref().unwrap_or(&self.scope.region);
            let answer = self.calls.once(region, &context.call, context.call.with.value(&view)).await;
            let found = match answer {
                Err(error) if error.code().is_some_and(|c| context.call.absent.iter().any(|a| a == c)) => {
                    Context::Whole(Answer::Absent)
                }
                Err(error) => {
                    let call = &context.call;
                    Context::Whole(Answer::Failed(format!("{}:{}: {error}", call.service, call.operation)))
                }
                Ok(value) => {
                    let inner = View { item: &value, ..view };
                    let value = context.items.as_ref().map_or_else(|| (*value).clone(), |i| i.eval(&inner));
                    match &context.by {
                        Some(by) => Context::Grouped(Arc::new(resource::groups(by, &value, &view))),
                        None => Context::Whole(Answer::Found(value)),
                    }
                }
            };
            contexts.insert(name.clone(), found);
        }
        contexts
    }

    /// The contexts as one resource sees them.
    fn cut(&self, contexts: &BTreeMap<String, Context>, item: &Value) -> BTreeMap<String, Answer> {
        let mut answers = BTreeMap::new();
        for (name, context) in contexts {
            let answer = match context {
                Context::Whole(answer) => answer.clone(),
                Context::Grouped(groups) => {
                    let id = self.kind.id.text(&self.view(item, &answers, None));
                    let view = self.view(item, &answers, id.as_deref());
                    let key = self.kind.read.context.get(name).and_then(|c| c.key.text(&view));
                    let group = key.and_then(|k| groups.get(&k)).cloned().unwrap_or_default();
                    Answer::Found(Value::Array(group))
                }
            };
            answers.insert(name.clone(), answer);
        }
        answers
    }

    async fn resource(
        &self,
        item: &Value,
        contexts: &BTreeMap<String, Answer>,
        batch: BTreeMap<String, Answer>,
    ) -> Result<Observed, String> {
        let mut answers = contexts.clone();
        answers.extend(batch);
        let id = self.kind.id.text(&self.view(item, contexts, None));
        let view = self.view(item, contexts, id.as_deref());
        let answers = resource::answers(self.calls, &self.kind, view, answers).await;
        let context = observe::Context {
            account: &self.scope.account,
            region: &self.scope.region,
            partition: self.target.partition.as_str(),
            secret: self.secret,
        };
        observe::observe(&self.kind, &context, item, &answers).map_err(|e| e.to_string())
    }

    fn sum_up(
        self,
        items: &[Value],
        answers: &[BTreeMap<String, Answer>],
        observed: Vec<(usize, Result<Observed, String>)>,
    ) -> ScopeSeen {
        let (mut snapshots, mut errors, mut listed) = (Vec::new(), Vec::new(), true);
        let mut gone: HashMap<usize, ()> = HashMap::new();
        for (i, result) in observed {
            match result {
                Ok(Observed::Resource(snapshot)) => {
                    errors.extend(snapshot.unread.iter().map(|(path, e)| format!("{}: {path}: {e}", snapshot.key.id)));
                    snapshots.push(*snapshot);
                }
                Ok(Observed::Skipped(_)) => {
                    gone.insert(i, ());
                }
                Err(error) => {
                    // Its id isn't known for sure: the listing proves nothing any more.
                    listed = false;
                    errors.push(error);
                }
            }
        }
        let mut ids: Vec<String> = snapshots.iter().map(|s| s.key.id.clone()).collect();
        for (i, item) in items.iter().enumerate().filter(|(i, _)| !gone.contains_key(i)) {
            match self.kind.id.text(&self.view(item, &answers[i], None)) {
                Some(id) => ids.push(id),
                None => listed = false,
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

    /// Looks one resource up: by the type's own call where it has one, else by listing once more.
    pub(crate) async fn look_up(self, id: &str) -> LookedUp {
        let items = match &self.kind.read.one {
            Some(one) => {
                let view = self.view(&Value::Null, &NONE, Some(id));
                match self.calls.make(&self.scope.region, &one.call, &one.call.with.value(&view)).await {
                    Ok(answer) => match one.items.eval(&View { item: &answer, ..view }) {
                        Value::Array(items) => items,
                        Value::Null => Vec::new(),
                        item => vec![item],
                    },
                    Err(error) if error.code().is_some_and(|c| one.missing.iter().any(|m| m == c)) => Vec::new(),
                    Err(error) => return LookedUp::Unknown(error.to_string()),
                }
            }
            None => match self.list().await {
                Ok(items) => items,
                Err((_, error)) => return LookedUp::Unknown(error),
            },
        };
        let contexts = self.contexts().await;
        for item in items {
            let answers = self.cut(&contexts, &item);
            match self.resource(&item, &answers, BTreeMap::new()).await {
                Ok(Observed::Resource(snapshot)) if snapshot.key.id == id => return LookedUp::Found(snapshot),
                Ok(_) => {}
                Err(error) => return LookedUp::Unknown(error),
            }
        }
        LookedUp::NotFound
    }
}
