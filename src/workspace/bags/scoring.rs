//! The cells base, naive, full and KB-only of predicted triples (specs: bank 5).
//!
//! Each sentence is its own case, as HRERE tests: the bag of a pair is this sentence alone. naive and full mix in the
//! knowledge base where both entities have vectors; else they are p_L and `kb` stays empty, which is the screen's mark.

use super::cases::{Cases, ask_alone};
use crate::domain::{Prediction, RelationId, Sentence, TokenSpan};
use crate::model::bags::{BagAnswer, BagBank};
use crate::model::files::Source;
use crate::model::hrere::{Bag, BagSource, PairMention};
use crate::model::sentence::SentenceModel;
use crate::model::words::{BagSentence, PieceVectors, SentenceVectors};
use crate::workspace::knowledge::Knowledge;
use anyhow::{Result, bail};

/// Number of an entity that the bank does not know.
const NOBODY: u32 = u32::MAX;

/// A bank with the word vectors of its sentence model. Shared between threads by reference.
pub struct BagScorer {
    pub bank: BagBank,
    pub vectors: PieceVectors,
}

impl BagScorer {
    /// The bag systems of the model at `source`, whose sentence model is `model`; `None` when it has none.
    pub fn load(source: Source, model: &SentenceModel) -> Result<Option<Self>> {
        let device = model.encoder().piece_vectors().device();
        match BagBank::load(source, device)? {
            Some(bank) => Self::new(bank, model).map(Some),
            None => Ok(None),
        }
    }

    pub fn new(bank: BagBank, model: &SentenceModel) -> Result<Self> {
        let vectors = PieceVectors::new(model, bank.config().vector_scale);
        let (found, wanted) = (vectors.width(), bank.config().hrere.word_dim);
        if found != wanted {
            bail!(
                "the bag models read word vectors of width {wanted}, but this model's are {found} wide; they belong to another model, train them again with `redress train --systems hrere`"
            );
        }
        Ok(Self { bank, vectors })
    }

    /// The bank's number of the entity that `span` is linked to: by the corpus or `redress label`, else by its text.
    pub fn entity(
        &self,
        knowledge: Option<&Knowledge>,
        sentence: &Sentence,
        span: TokenSpan,
    ) -> Option<u32> {
        let id = entity_id(knowledge, sentence, span)?;
        self.bank.entity_row(&id)
    }

    /// Fills the bag cells of every kept triple whose relation the bags know. `predictions` are those of `sentences`, in
    /// order; `name` gives a relation's full name. One forward a pair that has such a triple, whatever its relations.
    pub fn score<'n>(
        &self,
        knowledge: Option<&Knowledge>,
        sentences: &[&Sentence],
        predictions: &mut [Prediction],
        name: impl Fn(RelationId) -> Option<&'n str>,
    ) -> Result<()> {
        let class = |relation| self.bank.class(name(relation)?);
        let max_words = self.bank.config().hrere.max_words;
        let cases = Cases::new(
            sentences,
            predictions,
            max_words,
            |r| class(r).is_some(),
            |sentence, span| self.number(knowledge, sentence, span),
        );
        let answers = self.ask(&cases.sentences, &cases.mentions)?;
        cases.fill(predictions, |scores, relation, case| {
            let Some(class) = class(relation) else { return };
            let row = self.bank.row(class, &answers[case]);
            scores.base = row.base.map(|c| c.probability);
            scores.naive = row.naive.map(|c| c.probability);
            scores.full = row.full.map(|c| c.probability);
            scores.kb = row.kb.map(|c| c.probability);
        });
        Ok(())
    }

    /// As [`BagScorer::entity`], with a number for those that the bank does not know.
    fn number(&self, knowledge: Option<&Knowledge>, sentence: &Sentence, span: TokenSpan) -> u32 {
        self.entity(knowledge, sentence, span).unwrap_or(NOBODY)
    }

    /// One pair of one sentence, as a mention that [`BagScorer::ask`] takes.
    pub(super) fn case(
        &self,
        knowledge: Option<&Knowledge>,
        sentence: &Sentence,
        number: usize,
        head_span: TokenSpan,
        tail_span: TokenSpan,
    ) -> PairMention {
        PairMention {
            sentence: number,
            head_span,
            tail_span,
            head: self.number(knowledge, sentence, head_span),
            tail: self.number(knowledge, sentence, tail_span),
            relations: Vec::new(),
        }
    }

    /// What the models say of each mention alone, in order. Work is shared by all cores.
    pub(super) fn ask(
        &self,
        sentences: &[BagSentence],
        mentions: &[PairMention],
    ) -> Result<Vec<BagAnswer>> {
        ask_alone(sentences, mentions, |bags| {
            self.ask_bags(sentences, mentions, bags)
        })
    }

    /// What the models say of given bags, in one forward pass.
    pub(super) fn ask_bags(
        &self,
        sentences: &[BagSentence],
        mentions: &[PairMention],
        bags: &[&Bag],
    ) -> Result<Vec<BagAnswer>> {
        let words = SentenceVectors {
            vectors: &self.vectors,
            sentences,
        };
        let source = BagSource {
            mentions,
            vectors: &words,
            kb_rows: self.bank.joint_rows(),
        };
        let batch = source.batch(bags, self.bank.config().hrere.max_words)?;
        Ok(self.bank.predict(&batch)?)
    }
}

/// Id of the entity that `span` is linked to; a span that is no mention of the sentence is linked by its text.
pub(in crate::workspace) fn entity_id(
    knowledge: Option<&Knowledge>,
    sentence: &Sentence,
    span: TokenSpan,
) -> Option<std::sync::Arc<str>> {
    if let Some(id) = sentence.entity(span).and_then(|e| e.link.clone()) {
        return Some(id);
    }
    let knowledge = knowledge?;
    let link = knowledge.linker.link(sentence.surface(span))?;
    Some(knowledge.kb.id(link.entity).clone())
}
