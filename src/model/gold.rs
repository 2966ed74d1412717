//! What both sentence-level heads are trained on: a sentence's entities, triples and verdicts, as spans of words.

use crate::domain::TokenSpan;

/// (head, relation, tail); relations are numbered as in the model's label list.
pub type SpanTriple = (TokenSpan, usize, TokenSpan);

/// Gold of one sentence.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gold<'a> {
    pub entities: &'a [TokenSpan],
    pub triples: &'a [SpanTriple],
    /// Judged Unsure: neither positive nor negative.
    pub unsure: &'a [SpanTriple],
    /// Judged Reject or removed. RIN takes every other cell as negative anyway; the kernel head is always shown these pairs.
    pub rejected: &'a [SpanTriple],
    /// Spans that a model predicted and that are no entity: further negative pairs for the kernel head.
    pub distractors: &'a [TokenSpan],
}
