//! The cell MR of predicted triples: what PA-TMR says of the pair in this sentence alone.

use crate::domain::{Prediction, RelationId, RelationSchema, Sentence, TokenSpan};
use crate::model::files::Source;
use crate::model::hrere::{Bag, BagSource, PairMention};
use crate::model::mutual::bank::MutualBank;
use crate::model::mutual::{EntityFacts, MutualAnswer, MutualBatch, System};
use crate::model::sentence::SentenceModel;
use crate::model::words::{BagSentence, PieceVectors, SentenceVectors};
use crate::workspace::bags::cases::{Cases, ask_alone};
use crate::workspace::bags::scoring::entity_id;
use crate::workspace::knowledge::Knowledge;
use anyhow::{Result, bail};
use std::collections::HashMap;

/// A bank with the word vectors of its sentence model. Shared between threads by reference.
pub struct MutualScorer {
    pub bank: MutualBank,
    pub words: PieceVectors,
}

/// Bags' numbers and what they stand for.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub sentences: &'a [BagSentence],
    pub mentions: &'a [PairMention],
    /// By the numbers in mentions and bags.
    pub entities: &'a [EntityFacts],
}

impl MutualScorer {
    /// The mutual-relation systems of the model at `source`, whose sentence model is `model`; `None` when it has none.
    pub fn load(source: Source, model: &SentenceModel) -> Result<Option<Self>> {
        let device = model.encoder().piece_vectors().device();
        match MutualBank::load(source, device)? {
            Some(bank) => Self::new(bank, model).map(Some),
            None => Ok(None),
        }
    }

    pub fn new(bank: MutualBank, model: &SentenceModel) -> Result<Self> {
        let words = PieceVectors::new(model, bank.config().vector_scale);
        let (found, wanted) = (words.width(), bank.config().model.word_dim);
        if found != wanted {
            bail!(
                "the mutual-relation models read word vectors of width {wanted}, but this model's are {found} wide; they belong to another model, train them again with `redress train --systems mutual`"
            );
        }
        Ok(Self { bank, words })
    }

    /// What is known of the entity that `span` names: by its link, else by its text.
    pub fn facts(
        &self,
        knowledge: Option<&Knowledge>,
        schema: &RelationSchema,
        sentence: &Sentence,
        span: TokenSpan,
    ) -> EntityFacts {
        let link = entity_id(knowledge, sentence, span);
        let kind = sentence.entity(span).and_then(|e| e.kind);
        self.bank.facts(
            link.as_deref(),
            sentence.surface(span),
            kind.map(|k| schema.type_name(k)),
        )
    }

    /// Fills the cell of every kept triple whose relation the models know.
    pub fn score(
        &self,
        knowledge: Option<&Knowledge>,
        schema: &RelationSchema,
        sentences: &[&Sentence],
        predictions: &mut [Prediction],
    ) -> Result<()> {
        let class = |relation: RelationId| {
            let info = schema.relations().get(relation.index())?;
            self.bank.class(&info.name)
        };
        let mut entities = Vec::new();
        let max_words = self.bank.config().model.max_words;
        let cases = Cases::new(
            sentences,
            predictions,
            max_words,
            |r| class(r).is_some(),
            |sentence, span| {
                entities.push(self.facts(knowledge, schema, sentence, span));
                entities.len() as u32 - 1
            },
        );
        let asked = Asked {
            sentences: &cases.sentences,
            mentions: &cases.mentions,
            entities: &entities,
        };
        let answers = ask_alone(asked.sentences, asked.mentions, |bags| {
            self.ask(System::PaTmr, asked, bags)
        })?;
        cases.fill(predictions, |scores, relation, case| {
            let p = class(relation).and_then(|c| answers[case].p.get(c as usize));
            scores.mutual = p.copied();
        });
        Ok(())
    }

    /// What one system says of given bags, in one forward pass.
    pub fn ask(&self, system: System, asked: Asked, bags: &[&Bag]) -> Result<Vec<MutualAnswer>> {
        let words = SentenceVectors {
            vectors: &self.words,
            sentences: asked.sentences,
        };
        let source = BagSource {
            mentions: asked.mentions,
            vectors: &words,
            kb_rows: &HashMap::new(),
        };
        let max_words = self.bank.config().model.max_words;
        let vectors = self.bank.vectors().table();
        let batch = MutualBatch::new(&source, asked.entities, vectors, bags, max_words)?;
        Ok(self.bank.predict(system, &batch)?)
    }
}
