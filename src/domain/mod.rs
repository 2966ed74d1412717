//! The nouns of the program: sentences, spans, triples, predictions, corrections.
//!
//! Pure data and pure functions. Nothing here reads a file, knows a wire format, a tensor or a terminal, and
//! nothing imports another folder of this crate. Start with [`sentence::Sentence`]; the fold that turns gold
//! labels and corrections into what a curator sees is [`annotation::Annotation::fold`].

pub mod annotation;
pub mod ids;
pub mod prediction;
pub mod record;
pub mod schema;
pub mod sentence;
pub mod span;
pub mod triple;

pub use annotation::{
    AnnotatedTriple, Annotation, Correction, Edit, EditError, ErrorTag, Origin, Verdict,
};
pub use ids::{EntityTypeId, RelationId, RunId, SentenceId, SentenceIdx};
pub use prediction::{
    DecisionRule, DecisionRules, Outcome, Prediction, ScoredEntity, ScoredTriple, Scores,
};
pub use record::{CorrectionKey, Record, SharedChange};
pub use schema::{RelationInfo, RelationSchema, SchemaError};
pub use sentence::{Entity, Sentence, Split};
pub use span::{ByteSpan, TokenSpan};
pub use triple::{GoldSource, GoldTriple, Triple};
