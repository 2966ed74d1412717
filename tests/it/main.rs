//! Integration tests: one binary, one module a subject.

mod architecture;
mod commands;
mod program;
mod round_trip;
mod sample_data;
