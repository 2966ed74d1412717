//! The program without a screen. The command line and the terminal interface call only this.

pub mod messages;
