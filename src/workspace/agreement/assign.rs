//! Which curator works on which sentences.

use crate::analysis::mix;
use crate::domain::SentenceId;
use crate::store::Reader;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const SETTING: &str = "assignment";

/// Curators in order, and the share of sentences that two of them work on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Assignment {
    pub curators: Vec<String>,
    pub overlap: f64,
}

impl Assignment {
    /// The curators of a sentence: one, or two where it is shared. By a hash of the sentence alone, so the same names in the same order
    /// part every copy of the corpus alike, and a sentence that is added later moves no other.
    pub fn of(&self, id: SentenceId) -> Vec<&str> {
        let n = self.curators.len() as u64;
        if n == 0 {
            return Vec::new();
        }
        // Ids are hashes already, but their bits are used elsewhere too.
        let first = mix(id.0 ^ 1) % n;
        let mut who = vec![self.curators[first as usize].as_str()];
        // 53 bits: every double of [0, 1) that a hash can give.
        let chance = (mix(id.0 ^ 2) >> 11) as f64 / (1u64 << 53) as f64;
        if n > 1 && chance < self.overlap {
            let other = (first + 1 + mix(id.0 ^ 3) % (n - 1)) % n;
            who.push(self.curators[other as usize].as_str());
        }
        who
    }
}

/// The workspace's assignment; an error where there is none.
pub fn assignment(reader: &Reader) -> Result<Assignment> {
    let text = reader
        .setting(SETTING)?
        .context("nothing is assigned here; `redress assign --to NAME --to NAME` does it")?;
    serde_json::from_str(&text).context("the assignment is not readable; make it anew")
}

/// Keeps who works on what.
pub fn assign(workspace: &mut Workspace, assignment: &Assignment) -> Result<()> {
    let names = &assignment.curators;
    if names.iter().any(|n| n.trim().is_empty()) {
        bail!("a curator needs a name");
    }
    if let Some(twice) = names
        .iter()
        .enumerate()
        .find(|(i, n)| names[..*i].contains(n))
    {
        bail!("{} is named twice", twice.1);
    }
    if !(0.0..=1.0).contains(&assignment.overlap) {
        bail!(
            "the overlap is a share, 0 to 1; found {}",
            assignment.overlap
        );
    }
    workspace
        .store
        .set_setting(SETTING, &serde_json::to_string(assignment)?)?;
    Ok(())
}

/// What one curator has to do and has done.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Part {
    pub curator: String,
    pub sentences: usize,
    /// Of those, shared with another curator.
    pub shared: usize,
    /// Of those, with a correction of the curator's own.
    pub begun: usize,
}

pub fn parts(reader: &Reader, assignment: &Assignment) -> Result<Vec<Part>> {
    let mut parts: BTreeMap<&str, Part> = BTreeMap::new();
    let authors = reader.authors_of_sentences()?;
    for (_, id) in reader.ids(None)? {
        let who = assignment.of(id);
        for name in &who {
            let part = parts.entry(name).or_default();
            part.sentences += 1;
            part.shared += usize::from(who.len() > 1);
            let begun = authors
                .get(&id)
                .is_some_and(|a| a.iter().any(|a| a == name));
            part.begun += usize::from(begun);
        }
    }
    let of = |name: &String| Part {
        curator: name.clone(),
        ..parts.get(name.as_str()).cloned().unwrap_or_default()
    };
    Ok(assignment.curators.iter().map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_even_shared_as_asked_and_stay() {
        let assignment = Assignment {
            curators: ["Ada", "Bo", "Cy"].map(str::to_owned).to_vec(),
            overlap: 0.2,
        };
        let ids = (0..30_000u64).map(|i| SentenceId(mix(i)));
        let (mut of, mut shared) = (BTreeMap::<&str, u32>::new(), 0);
        for id in ids {
            let who = assignment.of(id);
            assert!(who.len() == 1 || who[0] != who[1]);
            shared += u32::from(who.len() == 2);
            for name in who {
                *of.entry(name).or_default() += 1;
            }
        }
        // Three standard deviations of a binomial: 0.2 +- 0.007, 12,000 +- 250.
        assert!((5790..6210).contains(&shared), "{shared}");
        assert!(of.values().all(|n| (11_750..12_250).contains(n)), "{of:?}");
        // Pinned: another version of the program must part alike.
        let first = [1, 2, 3, 8, u64::MAX].map(|i| assignment.of(SentenceId(i)).join("+"));
        assert_eq!(first, ["Bo+Cy", "Ada", "Bo", "Bo+Ada", "Cy"]);
        let alone = Assignment {
            curators: vec!["Ada".to_owned()],
            overlap: 1.0,
        };
        assert_eq!(alone.of(SentenceId(7)), ["Ada"]);
    }
}
