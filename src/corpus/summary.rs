//! What one import amounts to: counts to print, and what the annotation looks like.

use super::problem::{Problem, ProblemKind};
use crate::domain::Sentence;
use std::collections::BTreeMap;
use unicode_normalization::{IsNormalized, is_nfc_quick};

/// How much of an entity the annotation covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnnotationStyle {
    /// Spans of several tokens occur, or single tokens do not look cut.
    WholeSpan,
    /// Every entity is one token and many look like the end of a longer name ("New [York]").
    LastWord,
    /// Too few entities to tell.
    Unknown,
}

impl AnnotationStyle {
    pub fn name(self) -> &'static str {
        match self {
            AnnotationStyle::WholeSpan => "whole-span",
            AnnotationStyle::LastWord => "last-word",
            AnnotationStyle::Unknown => "unknown",
        }
    }
}

/// Counts over everything read so far.
#[derive(Clone, Default, Debug)]
pub struct Summary {
    pub sentences: usize,
    /// Relations imported.
    pub triples: usize,
    pub entities: usize,
    /// Relations that a sentence listed twice; one was kept.
    pub duplicate_triples: usize,
    /// Entities that a sentence listed twice at the same place; one was kept.
    pub duplicate_entities: usize,
    /// Relations of an entity with itself; kept.
    pub self_loops: usize,
    /// Pairs with the label `None` (mentions format); not relations.
    pub none_labels: usize,
    /// Predicted relations of a redress export that nobody had judged; not imported.
    pub unjudged_predictions: usize,
    /// Sentences whose words (and native id) an earlier one had; kept.
    pub repeated_sentences: usize,
    /// Sentences whose text is not in Unicode form NFC; kept as they are.
    pub not_nfc: usize,
    /// Fields of records that no reader uses, with the number of records that have them. At most 100 names.
    pub ignored_fields: BTreeMap<String, usize>,
    pub problems: BTreeMap<ProblemKind, usize>,
    single_token: usize,
    looks_cut: usize,
}

impl Summary {
    const MOST_FIELD_NAMES: usize = 100;

    /// By the share of entities that are one capitalised token after another capitalised token. On the real editions:
    /// last-word 0.40 to 0.48 of all single tokens; whole-span 0.03, and a third of the entities has several tokens.
    pub fn style(&self) -> AnnotationStyle {
        if self.entities < 20 {
            AnnotationStyle::Unknown
        } else if self.single_token * 100 >= self.entities * 99
            && self.looks_cut * 100 >= self.single_token * 15
        {
            AnnotationStyle::LastWord
        } else {
            AnnotationStyle::WholeSpan
        }
    }

    /// Problems of [`super::Severity::Lost`].
    pub fn lost(&self) -> usize {
        self.problems
            .iter()
            .filter(|(kind, _)| kind.severity() == super::Severity::Lost)
            .map(|(_, n)| n)
            .sum()
    }

    pub(super) fn add_problem(&mut self, problem: &Problem) {
        *self.problems.entry(problem.kind).or_insert(0) += 1;
    }

    pub(super) fn add_ignored_field(&mut self, name: &str) {
        if let Some(n) = self.ignored_fields.get_mut(name) {
            *n += 1;
        } else if self.ignored_fields.len() < Self::MOST_FIELD_NAMES {
            self.ignored_fields.insert(super::excerpt(name), 1);
        }
    }

    pub(super) fn add_sentence(&mut self, sentence: &Sentence) {
        self.sentences += 1;
        self.triples += sentence.gold.len();
        self.entities += sentence.entities.len();
        self.self_loops += sentence
            .gold
            .iter()
            .filter(|g| g.triple.head == g.triple.tail)
            .count();
        if !sentence.text.is_ascii() && is_nfc_quick(sentence.text.chars()) == IsNormalized::No {
            self.not_nfc += 1;
        }
        let capital = |token: usize| {
            sentence
                .tokens
                .get(token)
                .and_then(|t| sentence.text[t.range()].chars().next())
                .is_some_and(char::is_uppercase)
        };
        for span in sentence.entities.iter().map(|e| e.span) {
            if span.len() == 1 {
                self.single_token += 1;
                let start = span.start();
                self.looks_cut += usize::from(start > 0 && capital(start) && capital(start - 1));
            }
        }
    }
}
