//! Identifiers. Two kinds: stable on disk ([`SentenceId`], [`RunId`]) and dense in memory (the rest, valid for one
//! open workspace). Disk holds relation and type *names*; a dense id never leaves the process.

use std::fmt;
use std::str::FromStr;

/// Stable identity of a sentence: hash of its native id, else of its text and its ordinal among equal texts.
/// Survives reordering of the input file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SentenceId(pub u64);

/// A prediction always names its model: hash of weights, model configuration and schema.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RunId(pub u64);

/// Position of a sentence in one open workspace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SentenceIdx(pub u32);

/// Position of a relation in the [`super::RelationSchema`] of one open workspace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RelationId(pub u16);

/// Position of an entity type in the [`super::RelationSchema`] of one open workspace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EntityTypeId(pub u16);

macro_rules! hex_id {
    ($($name:ident),+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }
        impl FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                u64::from_str_radix(s, 16).map($name)
            }
        }
    )+};
}
hex_id!(SentenceId, RunId);

impl RelationId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}
impl EntityTypeId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_ids_print_and_parse_as_sixteen_hex_digits() {
        for id in [SentenceId(0), SentenceId(0xff), SentenceId(u64::MAX)] {
            let text = id.to_string();
            assert_eq!(text.len(), 16);
            assert_eq!(text.parse(), Ok(id));
        }
        assert!("xyz".parse::<RunId>().is_err());
    }
}
