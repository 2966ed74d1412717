//! `redress` finds and repairs wrong labels in relation-extraction corpora, in a terminal.
//!
//! The folders are the data's way, in reading order:
//!
//! corpus file → [`domain`] sentence → [`store`] + [`index`] → [`model`] → prediction → [`analysis`] → [`tui`] →
//! correction → [`store`] → [`export`] → [`train`]
//!
//! Imports point down only; `tests/it/architecture.rs` holds every folder to the table in docs/ARCHITECTURE.md.

// Module pages tour their private files by link; `cargo doc --document-private-items` follows them.
#![allow(rustdoc::private_intra_doc_links)]

pub mod domain;

pub mod corpus;
pub mod kb;

pub mod analysis;
pub mod export;
pub mod index;
pub mod store;

pub mod model;
pub mod train;

pub mod config;
pub mod jobs;
pub mod workspace;

pub mod cli;
pub mod tui;
