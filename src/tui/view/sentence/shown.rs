//! The rows as they will be once pending edits are saved. What is only hoped for is marked so.

use crate::domain::{Edit, Triple, Verdict};
use crate::workspace::messages::{Detail, TripleRow};

#[derive(Clone, PartialEq, Debug)]
pub struct Shown {
    pub row: TripleRow,
    /// Something about this row is not on disk yet.
    pub pending: bool,
}

pub fn rows(detail: &Detail, pending: &[&Edit]) -> Vec<Shown> {
    let settled = |row: &TripleRow| Shown {
        row: row.clone(),
        pending: false,
    };
    let mut shown: Vec<Shown> = detail.rows.iter().map(settled).collect();
    for edit in pending {
        apply(&mut shown, edit);
    }
    shown
}

fn apply(shown: &mut Vec<Shown>, edit: &Edit) {
    match *edit {
        Edit::Judge { triple, verdict } => judge(shown, triple, verdict),
        Edit::Add { triple } => judge(shown, triple, Some(Verdict::Accept)),
        Edit::Remove { triple } => judge(shown, triple, Some(Verdict::Reject)),
        Edit::Relabel { triple, relation } => replace(shown, triple, Triple { relation, ..triple }),
        Edit::Reverse { triple } => replace(shown, triple, triple.reversed()),
        Edit::MoveSpan { from, to } => {
            let moved = |span| if span == from { to } else { span };
            for s in shown.iter_mut() {
                let old = s.row.triple;
                s.row.triple.head = moved(old.head);
                s.row.triple.tail = moved(old.tail);
                s.pending |= s.row.triple != old;
            }
        }
        Edit::Tag { triple, tag, set } => {
            let row = entry(shown, triple);
            row.tags.retain(|t| *t != tag);
            if set {
                row.tags.push(tag);
                row.tags.sort();
            }
        }
        // These change no row.
        Edit::SetType { .. } | Edit::AddEntity { .. } | Edit::RemoveEntity { .. } => {}
        Edit::Note { .. } | Edit::Done { .. } => {}
    }
}

/// The row of `triple`, marked as pending; a new one at the end if there is none.
fn entry(shown: &mut Vec<Shown>, triple: Triple) -> &mut TripleRow {
    let at = shown
        .iter()
        .position(|s| s.row.triple == triple)
        .unwrap_or_else(|| {
            let row = TripleRow {
                triple,
                gold: false,
                stands: false,
                verdict: None,
                tags: Vec::new(),
                scores: Default::default(),
                score: None,
                predicted: false,
                outcome: None,
                confused: None,
                runner_up: None,
            };
            shown.push(Shown { row, pending: true });
            shown.len() - 1
        });
    shown[at].pending = true;
    &mut shown[at].row
}

fn judge(shown: &mut Vec<Shown>, triple: Triple, verdict: Option<Verdict>) {
    let row = entry(shown, triple);
    row.verdict = verdict;
    row.stands = match verdict {
        Some(verdict) => verdict == Verdict::Accept,
        None => row.gold,
    };
}

fn replace(shown: &mut Vec<Shown>, old: Triple, new: Triple) {
    judge(shown, old, Some(Verdict::Reject));
    judge(shown, new, Some(Verdict::Accept));
}
