//! `disputed:any` and `assigned:NAME` in a query.

use super::terms::without;
use crate::domain::SentenceIdx;
use crate::store::Reader;
use crate::workspace::agreement::{assignment, disputed_sentences};
use anyhow::{Result, bail};
use std::collections::HashSet;

/// What a query asks of the curators. Every term narrows the list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Terms {
    pub disputed: bool,
    pub assigned: Vec<String>,
}

impl Terms {
    /// Takes its terms out of a query, every other character in its place. A name with blanks is quoted.
    pub fn take(query: &str) -> (Self, String) {
        let mut terms = Self::default();
        let rest = without(query, |term| {
            if term == "disputed:any" {
                terms.disputed = true;
            } else if let Some(name) = term.strip_prefix("assigned:").filter(|n| !n.is_empty()) {
                terms.assigned.push(name.trim_matches('"').to_owned());
            } else {
                return false;
            }
            true
        });
        (terms, rest)
    }

    pub fn is_empty(&self) -> bool {
        !self.disputed && self.assigned.is_empty()
    }

    /// Leaves the rows that the terms ask for.
    pub fn narrow(&self, reader: &Reader, rows: &mut Vec<SentenceIdx>) -> Result<()> {
        if self.disputed {
            let ids = disputed_sentences(reader)?.into_iter();
            let places = ids.map(|id| reader.idx_of(id));
            let places: HashSet<SentenceIdx> = places.collect::<Result<_, _>>()?;
            rows.retain(|idx| places.contains(idx));
        }
        if self.assigned.is_empty() {
            return Ok(());
        }
        let assignment = assignment(reader)?;
        let known = |name: &&String| assignment.curators.contains(name);
        if let Some(name) = self.assigned.iter().find(|n| !known(n)) {
            let names = assignment.curators.join(", ");
            bail!("nothing is assigned to {name}; there are {names}");
        }
        let mut mine = HashSet::new();
        for (idx, id) in reader.ids(None)? {
            let who = assignment.of(id);
            if self
                .assigned
                .iter()
                .all(|name| who.contains(&name.as_str()))
            {
                mine.insert(idx);
            }
        }
        rows.retain(|idx| mine.contains(idx));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_taken_out_and_columns_stay() {
        let check = |query: &str, disputed: bool, assigned: &[&str], rest: &str| {
            let (terms, found) = Terms::take(query);
            assert_eq!(
                (terms.disputed, found.as_str()),
                (disputed, rest),
                "{query:?}"
            );
            assert_eq!(terms.assigned, assigned, "{query:?}");
        };
        check("", false, &[], "");
        check("né disputed:any x", true, &[], "né              x");
        check("assigned:Zoë x", false, &["Zoë"], "             x");
        check(
            "a assigned:\"Ada Lum\" disputed:any b",
            true,
            &["Ada Lum"],
            "a                                 b",
        );
        check("\"x disputed:any\"", false, &[], "\"x disputed:any\"");
        check(
            "-disputed:any assigned:",
            false,
            &[],
            "-disputed:any assigned:",
        );
    }
}
