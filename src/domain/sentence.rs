//! One sentence of a corpus.

use super::{ByteSpan, EntityTypeId, GoldTriple, SentenceId, TokenSpan};
use std::sync::Arc;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Split {
    Train,
    Dev,
    Test,
}

impl Split {
    pub const ALL: [Split; 3] = [Split::Train, Split::Dev, Split::Test];

    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Dev => "dev",
            Split::Test => "test",
        }
    }
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// An entity mention.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entity {
    pub span: TokenSpan,
    pub kind: Option<EntityTypeId>,
    /// Entity id in the knowledge base, when linked.
    pub link: Option<Arc<str>>,
}

/// A sentence as read from a corpus file. Invariants, held by the readers and checked by [`Sentence::check`]:
/// tokens are in order, do not overlap and lie on character boundaries of `text`; entity and gold spans lie inside
/// the tokens; every gold head and tail is an entity.
#[derive(Clone, PartialEq, Debug)]
pub struct Sentence {
    pub id: SentenceId,
    /// The id that the corpus file gave it, if any.
    pub native_id: Option<String>,
    pub text: String,
    /// Words, as byte ranges of `text`.
    pub tokens: Vec<ByteSpan>,
    pub entities: Vec<Entity>,
    pub gold: Vec<GoldTriple>,
    pub split: Split,
    /// Name of the input file (not its path) and 1-based line (or record number in a JSON array).
    pub file: Arc<str>,
    pub line: u32,
}

impl Sentence {
    /// Text of one token. Panics if out of range, like indexing.
    pub fn token(&self, index: usize) -> &str {
        &self.text[self.tokens[index].range()]
    }

    pub fn words(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tokens.iter().map(|t| &self.text[t.range()])
    }

    /// The text a token span covers, exactly as it stands in the sentence. Empty when the span is out of range.
    pub fn surface(&self, span: TokenSpan) -> &str {
        match (self.tokens.get(span.start()), self.tokens.get(span.last())) {
            (Some(first), Some(last)) => &self.text[first.start()..last.end()],
            _ => "",
        }
    }

    pub fn entity(&self, span: TokenSpan) -> Option<&Entity> {
        self.entities.iter().find(|e| e.span == span)
    }

    /// The first broken invariant, in words.
    pub fn check(&self) -> Result<(), String> {
        let mut previous = 0;
        for (i, token) in self.tokens.iter().enumerate() {
            if token.start() < previous || self.text.get(token.range()).is_none() {
                return Err(format!("token {i} is out of order or splits a character"));
            }
            previous = token.end();
        }
        let inside = |span: TokenSpan| span.end() <= self.tokens.len();
        if let Some(e) = self.entities.iter().find(|e| !inside(e.span)) {
            return Err(format!("entity {:?} is outside the tokens", e.span));
        }
        for gold in &self.gold {
            for span in [gold.triple.head, gold.triple.tail] {
                if self.entity(span).is_none() {
                    return Err(format!("gold argument {span:?} is not an entity"));
                }
            }
        }
        Ok(())
    }
}
