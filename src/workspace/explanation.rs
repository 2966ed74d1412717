//! The evidence for one triple, as a screen shows it: what the models saw, what the knowledge base knows, what the bag and the
//! duplicates say. Who fills it in: `session`, `bags`, `mutual`, `duplicates`.

use super::messages::Ticket;
use crate::domain::{SentenceId, Triple, Verdict};

/// The detail pane of one pair.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    pub ticket: Ticket,
    pub triple: Option<Triple>,
    pub heat: Option<Heat>,
    /// RIN's probability at the anchors after 0, 1, .. K rounds.
    pub rounds: Vec<f32>,
    /// Facts of the pair in the knowledge base, in words; both directions.
    pub facts: Vec<String>,
    /// Link prediction by ComplEx for (head, relation, ?): entity name and probability.
    pub links: Vec<(String, f32)>,
    /// Sentences of the bag with HRERE's sentence attention.
    pub bag: Vec<BagRow>,
    /// Top relations of p_L and p_G of the full checkpoint: (relation or "NA", probability).
    pub text_top: Vec<(String, f32)>,
    pub kb_top: Vec<(String, f32)>,
    /// Terms of PA-TMR; `None` without such a model.
    pub mutual: Option<MutualShares>,
    /// Of a sentence in the list of duplicates: those that say the same, itself among them, each with what it says of this fact.
    pub duplicates: Vec<DuplicateRow>,
    /// Why a part is missing ("head is not linked to the knowledge base").
    pub notes: Vec<String>,
}

/// One sentence of a group of duplicates.
#[derive(Clone, PartialEq, Debug)]
pub struct DuplicateRow {
    pub id: SentenceId,
    /// Input file and line.
    pub place: String,
    pub snippet: String,
    /// Whether the label of the fact stands there; `None` where the sentence does not name both entities.
    pub stands: Option<bool>,
    pub verdict: Option<Verdict>,
}

/// What PA-TMR's terms say for one relation of one pair, and pairs that stand to each other alike.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MutualShares {
    pub p: f32,
    /// What each term adds to the log odds against NA; `None`: dropped, an entity has no graph vector.
    pub text: Option<f32>,
    pub mutual: Option<f32>,
    pub types: Option<f32>,
    /// The shares sum to the log odds; else a last layer stands behind them.
    pub sums_up: bool,
    /// Labelled pairs whose mutual relation is nearest, in words, with the cosine.
    pub near: Vec<(String, f32)>,
}

/// Kernel head: P(token of head, token of tail) for one relation, row-major.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heat {
    pub rows: Vec<String>,
    pub columns: Vec<String>,
    pub p: Vec<f32>,
    /// Mean over the rectangle: the kernel probability.
    pub mean: f32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct BagRow {
    pub id: SentenceId,
    pub snippet: String,
    /// Attention weight; sums to 1 over the bag. `None` without a bag model.
    pub weight: Option<f32>,
}
