//! Each curator's latest word on each thing that can be decided in a sentence.

use crate::domain::{
    CorrectionKey, Edit, EntityTypeId, ErrorTag, Record, SharedChange, TokenSpan, Triple, Verdict,
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Something of a sentence that a curator can decide.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Slot {
    Triple(Triple),
    Tag(Triple, ErrorTag),
    Type(TokenSpan),
    Entity(TokenSpan),
    Note,
    Done,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    Verdict(Verdict),
    Flag(bool),
    Kind(Option<EntityTypeId>),
    Moved(TokenSpan),
    Text(String),
    /// Taken back: no decision.
    Nothing,
}

/// What an edit decides.
pub fn says(edit: &Edit) -> Vec<(Slot, Value)> {
    let accept = |t| (Slot::Triple(t), Value::Verdict(Verdict::Accept));
    let reject = |t| (Slot::Triple(t), Value::Verdict(Verdict::Reject));
    match edit {
        Edit::Judge { triple, verdict } => {
            let value = verdict.map_or(Value::Nothing, Value::Verdict);
            vec![(Slot::Triple(*triple), value)]
        }
        Edit::Add { triple } => vec![accept(*triple)],
        Edit::Remove { triple } => vec![reject(*triple)],
        Edit::Relabel { triple, relation } => {
            let relation = *relation;
            vec![
                reject(*triple),
                accept(Triple {
                    relation,
                    ..*triple
                }),
            ]
        }
        Edit::Reverse { triple } => vec![reject(*triple), accept(triple.reversed())],
        Edit::MoveSpan { from, to } => vec![(Slot::Entity(*from), Value::Moved(*to))],
        Edit::SetType { span, kind } => vec![(Slot::Type(*span), Value::Kind(*kind))],
        Edit::AddEntity { span, .. } => vec![(Slot::Entity(*span), Value::Flag(true))],
        Edit::RemoveEntity { span } => vec![(Slot::Entity(*span), Value::Flag(false))],
        Edit::Tag { triple, tag, set } => vec![(Slot::Tag(*triple, *tag), Value::Flag(*set))],
        Edit::Note { text } => vec![(Slot::Note, Value::Text(text.clone()))],
        Edit::Done { done } => vec![(Slot::Done, Value::Flag(*done))],
    }
}

/// One curator's latest word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decided {
    pub by: String,
    pub at_ms: i64,
    pub key: CorrectionKey,
    pub value: Value,
    /// It has no effect in this workspace.
    pub held: bool,
    /// An adjudicator's choice between others.
    pub adjudicates: bool,
}

/// Decisions of different curators on one triple that do not agree; the one that stands first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dispute {
    pub triple: Triple,
    pub sides: Vec<Decided>,
}

/// The latest words on one sentence, by slot and curator.
#[derive(Clone, Debug, Default)]
pub struct Decisions {
    opinions: BTreeMap<Slot, BTreeMap<String, Decided>>,
    /// What has effect here.
    standing: HashMap<Slot, Value>,
}

impl Decisions {
    /// `records` in the order in which they came. An undo of one's own correction takes the word back; another curator's undo
    /// only takes its effect.
    pub fn of(records: &[Record]) -> Self {
        let (withdrawn, ineffective) = (withdrawn(records), ineffective(records));
        let mut decisions = Self::default();
        for record in records {
            let standing = record.seq.is_some() && !ineffective.contains(&record.key);
            if !withdrawn.contains(&record.key) {
                decisions.take(record, standing);
            }
        }
        decisions
    }

    /// Adds an edit that is not taken back. `standing`: it has effect here.
    pub fn take(&mut self, record: &Record, standing: bool) {
        let SharedChange::Edit(edit) = &record.change else {
            return;
        };
        if let (Edit::MoveSpan { from, to }, true) = (edit, standing) {
            self.rename(*from, *to);
        }
        for (slot, value) in says(edit) {
            if standing {
                self.standing.insert(slot, value.clone());
            }
            let of_slot = self.opinions.entry(slot).or_default();
            of_slot.retain(|_, decided| !record.settles.contains(&decided.key));
            let decided = Decided {
                by: record.by.clone(),
                at_ms: record.at_ms,
                key: record.key,
                value,
                held: !standing,
                adjudicates: !record.settles.is_empty(),
            };
            of_slot.insert(record.by.clone(), decided);
        }
    }

    /// Words on triples that use a moved entity are words on the moved triples.
    fn rename(&mut self, from: TokenSpan, to: TokenSpan) {
        let moved = |span: TokenSpan| if span == from { to } else { span };
        let triple = |t: Triple| Triple {
            head: moved(t.head),
            tail: moved(t.tail),
            ..t
        };
        let slot = |slot: Slot| match slot {
            Slot::Triple(t) => Slot::Triple(triple(t)),
            Slot::Tag(t, tag) => Slot::Tag(triple(t), tag),
            other => other,
        };
        let opinions = std::mem::take(&mut self.opinions);
        for (old, words) in opinions {
            self.opinions.entry(slot(old)).or_default().extend(words);
        }
        let standing = std::mem::take(&mut self.standing);
        self.standing
            .extend(standing.into_iter().map(|(s, v)| (slot(s), v)));
    }

    /// Decisions of others that stand here and that this edit by `by` contradicts, unless it settles them. None where it says what
    /// stands already.
    pub fn contradicted(
        &self,
        by: &str,
        edit: &Edit,
        settles: &[CorrectionKey],
    ) -> Vec<(Slot, &Decided)> {
        let mut found = Vec::new();
        for (slot, value) in says(edit) {
            if self.standing.get(&slot) == Some(&value) {
                continue;
            }
            let others = self.opinions.get(&slot).into_iter().flatten();
            let others = others.map(|(_, decided)| decided).filter(|d| {
                let differs = d.value != value && d.value != Value::Nothing;
                differs && d.by != by && !d.held && !settles.contains(&d.key)
            });
            found.extend(others.map(|d| (slot, d)));
        }
        found
    }

    /// Triples on which curators' latest verdicts differ.
    pub fn disputes(&self) -> Vec<Dispute> {
        let mut disputes = Vec::new();
        for (slot, words) in &self.opinions {
            let Slot::Triple(triple) = *slot else {
                continue;
            };
            let mut sides: Vec<Decided> = words
                .values()
                .filter(|d| d.value != Value::Nothing)
                .cloned()
                .collect();
            if sides.windows(2).all(|w| w[0].value == w[1].value) {
                continue;
            }
            let stands = self.standing.get(slot);
            sides.sort_by_key(|d| (d.held, Some(&d.value) != stands, d.at_ms));
            disputes.push(Dispute { triple, sides });
        }
        disputes
    }

    /// Everybody's latest words, by slot; taken-back ones are not among them.
    pub fn words(&self) -> impl Iterator<Item = (Slot, &Decided)> {
        let all = self.opinions.iter();
        all.flat_map(|(slot, words)| words.values().map(|d| (*slot, d)))
            .filter(|(_, d)| d.value != Value::Nothing)
    }
}

/// Records whose own author took them back.
fn withdrawn(records: &[Record]) -> HashSet<CorrectionKey> {
    let author: HashMap<CorrectionKey, &str> =
        records.iter().map(|r| (r.key, r.by.as_str())).collect();
    taken_back(records, |undo, target| {
        author.get(&target) == Some(&undo.by.as_str())
    })
}

/// Records without effect because something that stands here took them back.
fn ineffective(records: &[Record]) -> HashSet<CorrectionKey> {
    taken_back(records, |undo, _| undo.seq.is_some())
}

/// Later records decide about earlier ones, so one pass from the end is enough.
fn taken_back(
    records: &[Record],
    counts: impl Fn(&Record, CorrectionKey) -> bool,
) -> HashSet<CorrectionKey> {
    let mut gone = HashSet::new();
    for record in records.iter().rev() {
        if let SharedChange::Undo(target) = record.change
            && !gone.contains(&record.key)
            && counts(record, target)
        {
            gone.insert(target);
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{RelationId, SentenceId};
    use Verdict::{Accept, Reject, Unsure};

    fn triple() -> Triple {
        Triple {
            head: TokenSpan::new(0, 1).unwrap(),
            relation: RelationId(0),
            tail: TokenSpan::new(2, 3).unwrap(),
        }
    }

    fn judge(verdict: Verdict) -> Edit {
        Edit::Judge {
            triple: triple(),
            verdict: Some(verdict),
        }
    }

    /// `held` ones have no seq.
    fn record(key: u128, by: &str, change: SharedChange, held: bool) -> Record {
        Record {
            key: CorrectionKey(key),
            copy: 0,
            seq: (!held).then_some(key as u64),
            at_ms: key as i64,
            by: by.to_owned(),
            sentence: SentenceId(1),
            seen: None,
            change,
            settles: Vec::new(),
        }
    }

    fn edit(key: u128, by: &str, verdict: Verdict, held: bool) -> Record {
        record(key, by, SharedChange::Edit(judge(verdict)), held)
    }

    fn undo(key: u128, by: &str, target: u128, held: bool) -> Record {
        let target = SharedChange::Undo(CorrectionKey(target));
        record(key, by, target, held)
    }

    /// Who differs, the one that stands first.
    fn sides(records: &[Record]) -> Vec<String> {
        let disputes = Decisions::of(records).disputes();
        assert!(disputes.len() < 2);
        let sides = disputes.into_iter().flat_map(|d| d.sides);
        sides.map(|d| d.by).collect()
    }

    #[test]
    fn curators_differ_until_they_agree_or_somebody_settles_it() {
        let (ada, bo) = (edit(1, "Ada", Accept, false), edit(2, "Bo", Reject, true));
        let differ = [ada.clone(), bo.clone()];
        assert_eq!(sides(&differ), ["Ada", "Bo"]);
        assert!(sides(&[ada.clone(), edit(2, "Bo", Accept, false)]).is_empty());
        // One's own later word replaces the earlier; an undo takes it back, a redo brings it back.
        let with = |more: &[Record]| sides(&[&differ[..], more].concat());
        assert!(with(&[edit(3, "Ada", Reject, false)]).is_empty());
        assert_eq!(with(&[edit(3, "Ada", Unsure, false)]), ["Ada", "Bo"]);
        assert!(with(&[undo(3, "Bo", 2, true)]).is_empty());
        assert_eq!(
            with(&[undo(3, "Bo", 2, true), undo(4, "Bo", 3, true)]),
            ["Ada", "Bo"]
        );
        // Another's undo takes the effect only: Ada still thinks so.
        assert_eq!(with(&[undo(3, "Bo", 1, false)]).len(), 2);
        // Whoever joins in does not settle it, an adjudicator does; until that is undone.
        assert_eq!(with(&[edit(3, "Cy", Reject, false)])[0], "Cy");
        let mut settles = edit(3, "Cy", Reject, false);
        settles.settles = vec![CorrectionKey(1), CorrectionKey(2)];
        assert!(with(std::slice::from_ref(&settles)).is_empty());
        let undone = [settles.clone(), undo(4, "Cy", 3, false)];
        assert_eq!(with(&undone), ["Ada", "Bo"]);
        // A word that it did not know is a new dispute.
        assert_eq!(with(&[settles, edit(5, "Bo", Accept, true)]), ["Cy", "Bo"]);
    }

    #[test]
    fn what_contradicts_a_standing_decision_of_another_is_found() {
        let check = |records: &[Record], by: &str, edit: &Edit, settles: &[u128], n: usize| {
            let settles: Vec<CorrectionKey> = settles.iter().copied().map(CorrectionKey).collect();
            let decisions = Decisions::of(records);
            let found = decisions.contradicted(by, edit, &settles).len();
            assert_eq!(found, n, "{records:?} {by} {edit:?}");
        };
        let ada = edit(1, "Ada", Accept, false);
        let one = std::slice::from_ref(&ada);
        check(&[], "Bo", &judge(Reject), &[], 0);
        check(one, "Bo", &judge(Reject), &[], 1);
        check(one, "Bo", &judge(Accept), &[], 0);
        check(one, "Ada", &judge(Reject), &[], 0);
        check(one, "Bo", &judge(Reject), &[1], 0);
        check(one, "Bo", &Edit::Reverse { triple: triple() }, &[], 1);
        check(one, "Bo", &Edit::Done { done: true }, &[], 0);
        // She agreed and takes that back: his word stands.
        let clear = Edit::Judge {
            triple: triple(),
            verdict: None,
        };
        check(
            &[ada.clone(), edit(2, "Bo", Accept, false)],
            "Bo",
            &clear,
            &[],
            1,
        );
        // What is undone does not stand.
        check(
            &[ada, undo(2, "Ada", 1, false)],
            "Bo",
            &judge(Reject),
            &[],
            0,
        );
    }
}
