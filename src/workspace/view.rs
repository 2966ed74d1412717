//! One sentence as a curator sees it: annotation, prediction and their disagreements as rows, and the numbers that lists
//! and the index keep of them. Pure; reading and writing are the callers'.

use super::messages::{Detail, ReviewState, Ticket, TripleRow};
use crate::analysis::{Alignment, align_sentence};
use crate::domain::{
    Annotation, Correction, DecisionRule, EditError, Prediction, RelationSchema, RunId,
    ScoredTriple, Scores, Sentence, TokenSpan, Triple,
};
use crate::store::Summary;
use crate::workspace::noise::pairs::entity_key;
use std::collections::{HashMap, HashSet};

/// A sentence with everything known of it.
pub struct Viewed {
    pub sentence: Sentence,
    pub annotation: Annotation,
    pub prediction: Option<Prediction>,
    /// Standing labels against accepted predictions; `None` where nothing was predicted.
    pub alignment: Option<Alignment>,
    /// Corrections that are not undone.
    pub n_edits: usize,
    skipped: Vec<String>,
}

impl Viewed {
    pub fn new(
        sentence: Sentence,
        corrections: &[Correction],
        prediction: Option<Prediction>,
        rule: &DecisionRule,
    ) -> Self {
        let folded = Annotation::fold(&sentence, corrections);
        let undone = crate::domain::annotation::undone_seqs(corrections);
        let is_edit =
            |c: &&Correction| matches!(c.change, crate::domain::annotation::Change::Edit(_));
        let n_edits = corrections
            .iter()
            .filter(is_edit)
            .filter(|c| !undone.contains(&c.seq))
            .count();
        let alignment = prediction
            .as_ref()
            .map(|p| align_sentence(&folded.annotation, p, rule));
        // What another curator had said already is no edit that got lost.
        let said = |error: &EditError| {
            let said = [
                EditError::NoChange,
                EditError::AlreadyThere,
                EditError::EntityThere,
            ];
            said.contains(error)
        };
        let skipped = folded
            .skipped
            .iter()
            .filter(|(_, error)| !said(error))
            .map(|(seq, error)| format!("correction {seq}: {error}"))
            .collect();
        Self {
            sentence,
            annotation: folded.annotation,
            prediction,
            alignment,
            n_edits,
            skipped,
        }
    }

    /// [`entity_key`] of a mention.
    pub fn entity_key(&self, span: TokenSpan) -> String {
        entity_key(&self.annotation, &self.sentence, span)
    }

    pub fn state(&self) -> ReviewState {
        if self.annotation.done {
            ReviewState::Done
        } else if self.n_edits > 0 {
            ReviewState::Started
        } else {
            ReviewState::Todo
        }
    }

    /// What the sentence list keeps.
    pub fn summary(&self, run: Option<RunId>) -> Summary {
        let small = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let (n_predicted, n_disagreements) = match &self.alignment {
            Some(a) => (a.predicted.len(), a.n_disagreements()),
            None => (0, 0),
        };
        Summary {
            run: self.prediction.as_ref().and(run),
            n_gold: small(self.annotation.standing().count()),
            n_predicted: small(n_predicted),
            n_disagreements: small(n_disagreements),
            touched: self.n_edits > 0,
            done: self.annotation.done,
        }
    }

    /// Everything the sentence view shows.
    pub fn detail(self, ticket: Ticket, rule: &DecisionRule) -> Detail {
        let rows = self.rows(rule);
        let state = self.state();
        Detail {
            ticket,
            rows,
            state,
            hits: Vec::new(),
            questions: Vec::new(),
            skipped_edits: self.skipped,
            sentence: self.sentence,
            annotation: self.annotation,
            prediction: self.prediction,
        }
    }

    /// Annotation order first, then accepted predictions that nobody judged, by falling score.
    pub fn rows(&self, rule: &DecisionRule) -> Vec<TripleRow> {
        let gold: HashSet<Triple> = self.sentence.gold.iter().map(|g| g.triple).collect();
        let empty = Vec::new();
        let scored = self.prediction.as_ref().map_or(&empty, |p| &p.triples);
        let by_triple: HashMap<Triple, &ScoredTriple> =
            scored.iter().map(|t| (t.triple, t)).collect();
        let accepted = self.prediction.as_ref();
        let accepted = accepted.map_or_else(Vec::new, |p| p.accepted(rule));
        let predicted: HashSet<Triple> = accepted.iter().map(|t| t.triple).collect();
        let row = |triple: Triple| {
            let scored = by_triple.get(&triple).copied();
            let scores = scored.map_or(Scores::default(), |s| s.scores);
            TripleRow {
                triple,
                gold: gold.contains(&triple),
                stands: false,
                verdict: None,
                tags: Vec::new(),
                scores,
                score: rule.score(&scores),
                predicted: predicted.contains(&triple),
                outcome: self.alignment.as_ref().and_then(|a| a.outcome(triple)),
                confused: self.alignment.as_ref().and_then(|a| a.confused(triple)),
                runner_up: scored.and_then(|s| s.runner_up),
            }
        };
        let mut rows: Vec<TripleRow> = self
            .annotation
            .triples
            .iter()
            .map(|t| TripleRow {
                stands: t.stands(),
                verdict: t.verdict,
                tags: t.tags.clone(),
                ..row(t.triple)
            })
            .collect();
        let annotated: HashSet<Triple> = self.annotation.triples.iter().map(|t| t.triple).collect();
        let unjudged = accepted.iter().filter(|t| !annotated.contains(&t.triple));
        rows.extend(unjudged.map(|t| row(t.triple)));
        rows
    }
}

/// "reject place_lived: Obama → Chicago", for messages about an edit.
pub fn describe_edit(
    edit: &crate::domain::Edit,
    sentence: Option<&Sentence>,
    schema: &RelationSchema,
) -> String {
    use crate::domain::Edit;
    let span = |s| sentence.map_or_else(String::new, |t: &Sentence| t.surface(s).to_owned());
    let triple = |t: &Triple| {
        let relation = schema
            .relations()
            .get(t.relation.index())
            .map_or("?", |r| r.short.as_str());
        format!("{relation}: {} → {}", span(t.head), span(t.tail))
    };
    match edit {
        Edit::Judge {
            triple: t,
            verdict: Some(v),
        } => format!("{} {}", v.name(), triple(t)),
        Edit::Judge {
            triple: t,
            verdict: None,
        } => format!("clear verdict of {}", triple(t)),
        Edit::Add { triple: t } => format!("add {}", triple(t)),
        Edit::Remove { triple: t } => format!("remove {}", triple(t)),
        Edit::Relabel {
            triple: t,
            relation,
        } => {
            let new = schema
                .relations()
                .get(relation.index())
                .map_or("?", |r| r.short.as_str());
            format!("relabel {} as {new}", triple(t))
        }
        Edit::Reverse { triple: t } => format!("reverse {}", triple(t)),
        Edit::MoveSpan { from, to } => format!("move span “{}” to “{}”", span(*from), span(*to)),
        Edit::SetType { span: s, .. } => format!("set type of “{}”", span(*s)),
        Edit::AddEntity { span: s, .. } => format!("add entity “{}”", span(*s)),
        Edit::RemoveEntity { span: s } => format!("remove entity “{}”", span(*s)),
        Edit::Tag {
            triple: t,
            tag,
            set,
        } => {
            format!(
                "{} {} {}",
                if *set { "tag" } else { "untag" },
                tag.name(),
                triple(t)
            )
        }
        Edit::Note { .. } => "note".to_owned(),
        Edit::Done { done } => if *done { "done" } else { "not done" }.to_owned(),
    }
}
