//! Parts that several views share: no state of the program, only what they draw.

pub mod bars;
pub mod dots;
pub mod input;
pub mod numbers;
pub mod scroll;
