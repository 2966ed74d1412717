//! Pieces of wire types that several formats share.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// A list that keeps at most [`crate::corpus::MAX_TOKENS`] elements and counts the rest: a hostile record may hold
/// millions of empty ones.
pub struct Bounded<T> {
    pub kept: Vec<T>,
    /// Elements in the file, kept or not.
    pub total: usize,
}

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Self {
            kept: Vec::new(),
            total: 0,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Bounded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
            type Value = Bounded<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Bounded<T>, A::Error> {
                let mut bounded = Bounded::default();
                while bounded.total < crate::corpus::MAX_TOKENS {
                    let Some(element) = list.next_element()? else {
                        return Ok(bounded);
                    };
                    bounded.kept.push(element);
                    bounded.total += 1;
                }
                while list.next_element::<IgnoredAny>()?.is_some() {
                    bounded.total += 1;
                }
                Ok(bounded)
            }
        }
        deserializer.deserialize_seq(List(PhantomData))
    }
}

/// An id that files write as a string or a number.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum NativeId {
    Text(String),
    Number(serde_json::Number),
}

impl NativeId {
    pub fn into_text(self) -> String {
        match self {
            NativeId::Text(text) => text,
            NativeId::Number(number) => number.to_string(),
        }
    }
}

/// The field names of a JSON object, in order; `None` for anything else.
pub fn field_names(json: &str) -> Option<Vec<String>> {
    struct Names(Vec<String>);
    struct NamesVisitor;
    impl<'de> Visitor<'de> for NamesVisitor {
        type Value = Names;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
            let mut names = Vec::new();
            while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                names.push(name);
            }
            Ok(Names(names))
        }
    }
    impl<'de> Deserialize<'de> for Names {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(NamesVisitor)
        }
    }
    serde_json::from_str::<Names>(json).ok().map(|n| n.0)
}
