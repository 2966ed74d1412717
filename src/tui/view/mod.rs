//! The screens. Each holds its own state, says which actions it offers (`hints`), carries them out (`act`), takes the
//! engine's answers, fits itself to an area (`layout`) and draws (`draw`, which cannot change anything).

pub mod chrome;
pub mod corpus;
pub mod corpus_draw;
mod corpus_judge;
pub mod disputes;
pub mod errors;
pub mod glyphs;
pub mod pages;
mod queue_lines;
mod queue_rows;
pub mod sentence;
