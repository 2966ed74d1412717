//! What a screen asks of the engine and what it hears back: plain data, no handles.
//!
//! A screen sends [`Request`]s and receives [`Reply`]s over channels; it never touches the store, the index or a model.
//! Requests carry tickets where a newer one makes an older answer useless.

use super::agreement::Disputed;
use super::compare::Compared;
pub use super::explanation::{BagRow, DuplicateRow, Explanation, Heat, MutualShares};
use super::finetune::gains::Gains;
use super::runs::RunRow;
use super::slices::{Slice, Sliced};
use crate::analysis::{RelationChange, Study};
use crate::domain::{
    Annotation, Correction, DecisionRule, Edit, Outcome, Prediction, RelationId, RelationSchema,
    RunId, Scores, Sentence, SentenceId, Triple, Verdict,
};
use crate::workspace::noise::standing::Standing;
use crate::workspace::relation_rules::{KnownRule, NamedRule};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Rises with every request of its kind; an answer with an older ticket is stale.
pub type Ticket = u64;

#[derive(Clone, Debug)]
pub enum Request {
    /// Sentences matching `query` (docs/query.md), rows `offset..offset + limit`, and counts per relation.
    /// Pages of the same `list` are of one moment: an edit between two of them moves no row.
    Search {
        ticket: Ticket,
        list: Ticket,
        query: String,
        offset: usize,
        limit: usize,
    },
    /// Everything about one sentence, found by `query`; answered by `Detail` or `NotOpened`.
    Open {
        ticket: Ticket,
        id: SentenceId,
        query: String,
    },
    /// Why the models say what they say of one pair.
    Explain {
        ticket: Ticket,
        id: SentenceId,
        triple: Triple,
    },
    /// Everything the errors view shows, from a pass over the corpus; a newer one stops it.
    Study {
        ticket: Ticket,
    },
    /// Figures of the built-in slices and of those kept; a newer one stops it.
    Slices {
        ticket: Ticket,
    },
    /// The current run against an earlier one: the run of this name, else the one before; a newer one stops it.
    Compare {
        ticket: Ticket,
        before: Option<String>,
    },
    /// Keeps a slice, or drops the one of this name; answered by `SlicesChanged`.
    KeepSlice {
        slice: Slice,
    },
    DropSlice {
        name: String,
    },
    /// Gives a relation its own threshold under the current run, or the model's again; answered by `ThresholdSet`.
    SetThreshold {
        relation: RelationId,
        threshold: Option<f32>,
    },
    /// The triples on which curators differ.
    Disputes {
        ticket: Ticket,
    },
    /// An adjudicator's verdict on a disputed triple; answered by `Saved` once it is on disk, or `EditRefused`.
    Settle {
        id: SentenceId,
        triple: Triple,
        verdict: Verdict,
    },
    /// What judging the triples that the query asks for, in these rows of a list, would change; answered by `Planned`.
    PlanVerdict {
        list: Ticket,
        rows: Range<usize>,
        query: String,
        verdict: Verdict,
    },
    /// What giving this verdict to the same fact in the sentence's duplicates would change; answered by `Planned`.
    PlanDuplicates {
        id: SentenceId,
        triple: Triple,
        verdict: Verdict,
    },
    /// Looks for duplicates in the background, where nobody has since the last import.
    Duplicates,
    /// The rules that are kept, refused and suggested, found in the background; answered by `Rules`.
    Rules,
    /// Keeps a rule, refuses it, or (`None`) forgets what was decided.
    DecideRule {
        rule: NamedRule,
        keep: Option<bool>,
    },
    /// Appends all of these edits as one step to undo; answered by `SavedAll`, or `Failed` and none is saved.
    EditAll {
        edits: Vec<(SentenceId, Edit)>,
    },
    /// Appends one edit; answered by `Saved` once it is on disk, or `EditRefused`.
    Edit {
        id: SentenceId,
        edit: Edit,
    },
    /// Takes back the latest edit or batch that is not taken back yet.
    Undo,
    /// Takes back the latest undo.
    Redo,
    /// Predicts these sentences now (all of the workspace when empty).
    Predict {
        ids: Vec<SentenceId>,
    },
    /// Makes the out-of-fold answers behind the queues anew, in the background.
    Folds,
    /// Fine-tunes the current model on the corrections, in the background.
    FineTune,
    /// Makes the fine-tuned model current, or drops it.
    DecideModel {
        accept: bool,
    },
    /// `format`: of labels, or the history itself ([`exchange::CORRECTIONS`](super::exchange::CORRECTIONS)), which knows neither of the two choices.
    Export {
        format: String,
        path: PathBuf,
        only_reviewed: bool,
        train_view: bool,
    },
    /// Stops a running job at its next safe point.
    Cancel {
        job: JobKind,
    },
}

#[derive(Clone, Debug)]
pub enum Reply {
    Opened(Arc<WorkspaceInfo>),
    Page(Page),
    /// The query does not parse; `column` is 0-based, in characters.
    BadQuery {
        ticket: Ticket,
        column: usize,
        message: String,
    },
    /// The queue of a query is being ranked: sentences read.
    Ranking {
        ticket: Ticket,
        done: u64,
        total: u64,
    },
    /// The query parses, but what it asks for cannot be listed.
    NotListed {
        ticket: Ticket,
        reason: String,
    },
    Detail(Box<Detail>),
    /// The sentence cannot be read.
    NotOpened {
        ticket: Ticket,
        id: SentenceId,
        reason: String,
    },
    Explanation(Box<Explanation>),
    /// The pass behind `Study` has come so far, in sentences.
    Studying {
        ticket: Ticket,
        done: u64,
        total: u64,
    },
    Studied {
        ticket: Ticket,
        study: Arc<Study>,
    },
    Sliced {
        ticket: Ticket,
        rows: Vec<Sliced>,
    },
    /// The pass behind `Compare` has come so far, in sentences.
    Comparing {
        ticket: Ticket,
        done: u64,
        total: u64,
    },
    /// Every run on record, the latest first, and two of them compared, or why not.
    Compared {
        ticket: Ticket,
        runs: Vec<RunRow>,
        found: Result<Arc<Compared>, String>,
    },
    SlicesChanged,
    /// Kept in the workspace; `info` has the rule as it is now.
    ThresholdSet {
        relation: RelationId,
        threshold: Option<f32>,
        info: Arc<WorkspaceInfo>,
    },
    /// In corpus order; `total` may be more than there are rows.
    Disputes {
        ticket: Ticket,
        rows: Vec<Disputed>,
        total: usize,
    },
    /// On disk. The detail is the sentence as it stands now.
    Saved {
        correction: Box<Correction>,
        detail: Box<Detail>,
    },
    Planned(Box<Plan>),
    Rules(Vec<KnownRule>),
    /// On disk: that many edits in these sentences.
    SavedAll {
        edits: usize,
        ids: Vec<SentenceId>,
    },
    EditRefused {
        id: SentenceId,
        reason: String,
    },
    /// `what` says what was taken back: "undid: reject place_lived". `ids` are the sentences that changed.
    Undone {
        what: String,
        ids: Vec<SentenceId>,
    },
    /// Edits have reached the index: what queries find and count has changed.
    Indexed,
    Job(JobEvent),
    /// A fine-tuned model waits for `DecideModel`.
    ModelReady {
        report: Box<FineTuneReport>,
    },
    /// The current model changed; predictions shown are of an older run until predicted again.
    ModelChanged(Arc<WorkspaceInfo>),
    Exported {
        path: PathBuf,
        sentences: usize,
        /// Of the history: how many decisions.
        corrections: Option<usize>,
        warnings: Vec<String>,
    },
    /// Something worth a line.
    Noted {
        what: String,
    },
    /// Anything that failed; the text says what to do.
    Failed {
        what: String,
    },
}

/// What the status line and the header need to know.
#[derive(Clone, Debug, Default)]
pub struct WorkspaceInfo {
    pub path: PathBuf,
    pub schema: RelationSchema,
    pub n_sentences: usize,
    /// "MiniLM RIN emnlp K=2 + kernel · 3f2a9c", or why there is none.
    pub model: String,
    pub run: Option<RunId>,
    /// "4,812 facts · 2,310 entities", or empty.
    pub kb: String,
    pub rule: DecisionRule,
    /// Of the rule's own thresholds of relations, as the model brings them; what differs was kept in this workspace.
    pub model_thresholds: Vec<(RelationId, f32)>,
    /// Relations that the model can predict; others show as "not in model".
    pub model_relations: Vec<RelationId>,
    /// Edits that stood when the workspace was opened.
    pub n_corrections: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum ReviewState {
    Todo,
    /// Some triple judged or edited, not marked done.
    Started,
    Done,
}

impl ReviewState {
    pub fn name(self) -> &'static str {
        match self {
            ReviewState::Todo => "todo",
            ReviewState::Started => "started",
            ReviewState::Done => "done",
        }
    }
}

/// One page of the sentence list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub ticket: Ticket,
    pub offset: usize,
    /// Matching sentences in all.
    pub total: usize,
    pub rows: Vec<ListRow>,
    /// One per relation of the schema, counted over the matching sentences.
    pub relations: Vec<RelationCounts>,
    /// The queue whose order the list has.
    pub queue: Option<Standing>,
}

#[derive(Clone, Debug)]
pub struct ListRow {
    pub id: SentenceId,
    /// The sentence on one line, cut to 300 characters; may hold control characters: clean before drawing.
    pub snippet: String,
    pub state: ReviewState,
    pub n_gold: u16,
    pub n_predicted: u16,
    /// Gold and predicted triples that are not `Correct`.
    pub n_disagreements: u16,
    pub predicted: bool,
    /// In a queue: for what share of the next candidates from here on its suspicion should be right; `None` where its scores are no
    /// probabilities.
    pub expected: Option<f32>,
    /// What the list asks about here: in a queue always; in a list by a query about triples once something was decided.
    pub question: Option<Question>,
}

/// What a list asks about in one of its rows.
#[derive(Clone, PartialEq, Debug)]
pub struct Question {
    pub triple: Triple,
    /// As they stand in the sentence: clean before drawing.
    pub head: String,
    pub tail: String,
    /// What was decided of it; of several that a query asks for at once, what was decided of all.
    pub verdict: Option<Verdict>,
    /// Labels of the sentence that are asked about besides this one.
    pub more: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RelationCounts {
    pub relation: RelationId,
    pub gold: u32,
    pub predicted: u32,
    pub false_positives: u32,
    /// Triples of this relation that carry a verdict.
    pub reviewed: u32,
}

/// A bulk edit before it is made.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub verdict: Verdict,
    /// The query says which triples it asks for; else it finds sentences, and nothing in them is meant.
    pub names_triples: bool,
    /// Sentences looked at.
    pub sentences: usize,
    pub edits: Vec<(SentenceId, Edit)>,
    /// Sentences that are edited.
    pub edited: usize,
    /// Triples that are judged so already.
    pub settled: usize,
    /// Of the edits, those of a triple that was judged otherwise.
    pub otherwise: usize,
    /// Triples to be judged of each relation, most first.
    pub relations: Vec<(RelationId, usize)>,
}

/// Everything the sentence view shows.
#[derive(Clone, Debug)]
pub struct Detail {
    pub ticket: Ticket,
    pub sentence: Sentence,
    pub annotation: Annotation,
    pub prediction: Option<Prediction>,
    /// One row a triple of annotation or prediction: annotation order, then predicted ones by falling score.
    pub rows: Vec<TripleRow>,
    pub state: ReviewState,
    /// The triples that the query it was found by is about: the first is where it opens.
    pub hits: Vec<Triple>,
    /// Those of them that a queue asks about one after the other, each with the verdict that it had when it was asked.
    pub questions: Vec<(Triple, Option<Verdict>)>,
    /// Edits that no longer apply, in words.
    pub skipped_edits: Vec<String>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct TripleRow {
    pub triple: Triple,
    /// In the corpus file or made by the labeller, whatever was decided since.
    pub gold: bool,
    /// The label stands now (accepted, or unjudged gold).
    pub stands: bool,
    pub verdict: Option<crate::domain::Verdict>,
    pub tags: Vec<crate::domain::ErrorTag>,
    pub scores: Scores,
    /// Sentence-level score by the model's decision rule.
    pub score: Option<f32>,
    pub predicted: bool,
    /// Against the labels that stand; `None` when neither stands nor is predicted, or nothing was predicted yet.
    pub outcome: Option<Outcome>,
    /// Gold and predicted relation, where the same pair has another relation on the other side.
    pub confused: Option<(RelationId, RelationId)>,
    /// Best other relation for the pair.
    pub runner_up: Option<(RelationId, f32)>,
}

impl TripleRow {
    /// A triple that is neither labelled nor predicted: a question.
    pub fn unseen(triple: Triple, scores: Scores, score: Option<f32>) -> Self {
        Self {
            triple,
            gold: false,
            stands: false,
            verdict: None,
            tags: Vec::new(),
            scores,
            score,
            predicted: false,
            outcome: None,
            confused: None,
            runner_up: None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum JobKind {
    Predict,
    FineTune,
    Folds,
    Duplicates,
    Rules,
    Export,
    Index,
}

#[derive(Clone, Debug)]
pub enum JobEvent {
    Started {
        job: JobKind,
        total: u64,
        unit: &'static str,
    },
    Progress {
        job: JobKind,
        done: u64,
        total: u64,
        remaining: Option<Duration>,
        note: String,
    },
    /// An epoch of fine-tuning ended.
    Epoch {
        epoch: u32,
        loss: f32,
        dev_f1: Option<f32>,
    },
    Finished {
        job: JobKind,
        summary: String,
    },
    Cancelled {
        job: JobKind,
    },
    Failed {
        job: JobKind,
        error: String,
    },
}

/// Triples that curators judged right or wrong in the corrected sentences, and on how many of them the model agrees.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Judgements {
    pub all: usize,
    pub met_before: usize,
    pub met_after: usize,
}

/// A fall of F1 by less than this is not told from chance.
pub const WORSE_BY: f32 = 0.01;

/// What fine-tuning changed, measured on the same sentences before and after; `before_f1`, `after_f1` and `per_relation` on dev.
#[derive(Clone, Debug, Default)]
pub struct FineTuneReport {
    pub protocol: String,
    pub n_corrected: usize,
    pub judgements: Judgements,
    pub before_f1: f32,
    pub after_f1: f32,
    /// The change on dev, test and curated sentences, with intervals.
    pub gains: Gains,
    /// Relations in dev or predicted, the largest change first.
    pub per_relation: Vec<RelationChange>,
    pub model_dir: PathBuf,
}

impl FineTuneReport {
    /// The new model scores lower: it should be dropped unless the curator knows better.
    pub fn is_worse(&self) -> bool {
        let (before, after) = self.judged_f1();
        after <= before - WORSE_BY
    }

    /// F1 before and after of what [`FineTuneReport::is_worse`] looks at.
    pub fn judged_f1(&self) -> (f32, f32) {
        match self.gains.curated_say() {
            Some(curated) => (curated.f1_before as f32, curated.f1_after as f32),
            None => (self.before_f1, self.after_f1),
        }
    }

    /// What [`FineTuneReport::is_worse`] looks at.
    pub fn judged_on(&self) -> &'static str {
        match self.gains.curated_say() {
            Some(_) => "curated sentences",
            None => "dev",
        }
    }
}
