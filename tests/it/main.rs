//! Integration tests: one binary, one module a subject.

mod architecture;
mod bad_input;
mod commands;
mod exchange;
mod kb_models;
mod mutual;
mod noise;
mod program;
mod repair;
mod report;
mod round_trip;
mod sample_data;
mod shards;
mod thresholds;
