//! Which sentences a fine-tuning learns from, and which ones only measure it.

use crate::domain::{Annotation, DecisionRule, RelationId, Sentence, Split};
use crate::store::Reader;
use crate::workspace::pass::Pages;
use crate::workspace::view::Viewed;
use crate::workspace::{stored_rule, viewed};
use anyhow::Result;
use std::collections::HashSet;

/// Uncorrected training sentences seen again for each corrected one, so that the rest is not forgotten.
const REPLAY: usize = 4;
const REPLAY_LEAST: usize = 128;
const REPLAY_MOST: usize = 1024;
/// Dev sentences measured after every epoch; more add minutes, not knowledge.
const DEV_MOST: usize = 500;
/// Sentences of test, and curated ones, measured once before and once after.
const MEASURED_MOST: usize = 1000;

/// Some sentences of a kind, with the labels that stand.
#[derive(Default)]
pub struct Drawn {
    pub cases: Vec<(Sentence, Annotation)>,
    /// Sentences of the kind.
    pub of: u64,
}

impl Drawn {
    fn take(&mut self, viewed: &Viewed) {
        self.of += 1;
        let case = (viewed.sentence.clone(), viewed.annotation.clone());
        self.cases.push(case);
    }

    pub fn annotations(&self) -> impl Iterator<Item = &Annotation> {
        self.cases.iter().map(|(_, annotation)| annotation)
    }

    /// An id is a hash, so the smallest are a draw from the whole corpus, the same one each time.
    fn cut(&mut self) {
        self.cases.sort_by_key(|(sentence, _)| sentence.id);
        self.cases.truncate(MEASURED_MOST);
    }
}

/// Corrected training sentences, some others to be seen again, and what measures: no sentence teaches and measures.
#[derive(Default)]
pub struct Chosen {
    pub corrected: Vec<Viewed>,
    pub others: Vec<Viewed>,
    /// Without corrections; the epoch is selected on them.
    pub dev: Vec<(Sentence, Annotation)>,
    pub held: Held,
}

/// What neither teaches nor selects.
#[derive(Default)]
pub struct Held {
    /// Dev sentences without corrections, with those that are not measured.
    pub n_dev: u64,
    pub test: Drawn,
    /// Done, of dev or test.
    pub curated: Drawn,
    /// Corrected sentences of dev and test.
    pub kept_out: u64,
}

/// Only the train split teaches. A corrected dev sentence that is not done is kept out too: it may be done tomorrow, and would then
/// measure a model that has learned from it. Until then it measures nothing: some of its labels are a curator's and some are not.
///
/// Half of the others hold a label of a relation that was corrected: ten rejected labels of a relation must not teach
/// that there is no such relation.
pub fn choose(reader: &Reader) -> Result<Chosen> {
    let rule = stored_rule(reader)?;
    let relations = corrected_relations(reader, &rule)?;
    let alike = |v: &Viewed| {
        let mut triples = v.annotation.standing();
        triples.any(|t| relations.contains(&t.triple.relation))
    };
    let mut chosen = Chosen::default();
    // Of the corrected relations, and the rest.
    let mut others: [Vec<Viewed>; 2] = Default::default();
    let mut pages = Pages::start();
    while let Some(page) = pages.next(reader, &rule)? {
        for (_, viewed) in page {
            match (viewed.n_edits > 0, viewed.sentence.split) {
                (true, Split::Train) => chosen.corrected.push(viewed),
                (false, Split::Train) => others[usize::from(!alike(&viewed))].push(viewed),
                _ => chosen.measure(viewed),
            }
        }
        for some in &mut others {
            some.sort_by_key(|v| v.sentence.id);
            some.truncate(REPLAY_MOST);
        }
        chosen.held.test.cut();
        chosen.held.curated.cut();
    }
    let wanted = (chosen.corrected.len() * REPLAY).clamp(REPLAY_LEAST, REPLAY_MOST);
    let [mut alike, mut rest] = others;
    alike.truncate((wanted / 2).max(wanted.saturating_sub(rest.len())));
    rest.truncate(wanted - alike.len());
    alike.append(&mut rest);
    chosen.others = alike;
    Ok(chosen)
}

impl Chosen {
    /// A sentence of dev or test.
    fn measure(&mut self, viewed: Viewed) {
        let is_corrected = viewed.n_edits > 0;
        self.held.kept_out += u64::from(is_corrected);
        if viewed.annotation.done {
            self.held.curated.take(&viewed);
        }
        if viewed.sentence.split == Split::Test {
            self.held.test.take(&viewed);
        } else if !is_corrected {
            self.held.n_dev += 1;
            if self.dev.len() < DEV_MOST {
                self.dev.push((viewed.sentence, viewed.annotation));
            }
        }
    }

    /// Why nothing can be learned, if so.
    pub fn lacks(&self) -> Option<String> {
        match (self.corrected.len(), self.held.kept_out) {
            (0, 0) => Some(
                "there is nothing to learn from yet: judge or correct some sentences first"
                    .to_owned(),
            ),
            (0, n) => Some(format!(
                "there is nothing to learn from yet: the corrected sentences ({n}) are of the dev and test splits, which only measure; judge or correct some of the train split"
            )),
            _ => None,
        }
    }
}

/// Relations of triples that a curator judged or added in the train split.
fn corrected_relations(reader: &Reader, rule: &DecisionRule) -> Result<HashSet<RelationId>> {
    let mut relations = HashSet::new();
    for id in reader.corrected_since(0)? {
        let viewed = viewed(reader, rule, None, id)?;
        if viewed.sentence.split == Split::Train {
            let triples = viewed.annotation.triples.iter();
            let judged = triples.filter(|t| t.verdict.is_some());
            relations.extend(judged.map(|t| t.triple.relation));
        }
    }
    Ok(relations)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::annotation::Change;
    use crate::domain::{Edit, SentenceId, SentenceIdx, Verdict};
    use crate::store::NewCorrection;
    use crate::workspace::Workspace;
    use crate::workspace::import::ImportOptions;

    const EACH: usize = 4;

    /// Four labelled sentences of each split.
    fn workspace(dir: &std::path::Path) -> Workspace {
        let mut workspace = Workspace::open_or_create(&dir.join("ws")).unwrap();
        for split in [Split::Train, Split::Dev, Split::Test] {
            let line = |i: usize| {
                let (person, place) = (format!("Ada{i}"), format!("Tamm{i}"));
                let text = format!("{person} left {place} for {} .", split.name());
                serde_json::json!({"text": text, "triple_list": [[person, "lived", place]]})
                    .to_string()
                    + "\n"
            };
            let file = dir.join(split.name());
            std::fs::write(&file, (0..EACH).map(line).collect::<String>()).unwrap();
            let options = ImportOptions {
                split: Some(split),
                ..ImportOptions::default()
            };
            workspace
                .import(&[file], &options, &mut |_, _, _| {})
                .unwrap();
        }
        workspace
    }

    /// Of each split the first sentence is judged, the second judged and done, the third done.
    fn curate(workspace: &mut Workspace, splits: &[Split]) {
        let page = workspace.read().page(SentenceIdx(0), 100).unwrap();
        for split in splits {
            let of_split = page.sentences.iter().map(|(_, s)| s);
            let of_split = of_split.filter(|s| s.split == *split);
            for (i, sentence) in of_split.take(3).enumerate() {
                let judge = Edit::Judge {
                    triple: sentence.gold[0].triple,
                    verdict: Some(Verdict::Reject),
                };
                let edits = [(i < 2, judge), (i > 0, Edit::Done { done: true })];
                let edits = edits.into_iter().filter(|(wanted, _)| *wanted);
                let correction = |(_, edit)| NewCorrection {
                    at_ms: 0,
                    by: "Ada".into(),
                    sentence: sentence.id,
                    seen: None,
                    change: Change::Edit(edit),
                };
                let corrections: Vec<_> = edits.map(correction).collect();
                workspace.append(&corrections).unwrap();
            }
        }
    }

    /// What is measured on is never learned from, whatever a curator did to it: a test sentence that is done least of all.
    #[test]
    fn only_the_train_split_teaches() {
        let tmp = tempfile::tempdir().unwrap();
        let mut workspace = workspace(tmp.path());
        curate(&mut workspace, &[Split::Train, Split::Dev, Split::Test]);
        let chosen = choose(workspace.read()).unwrap();
        assert_eq!(chosen.lacks(), None);
        assert_eq!((chosen.corrected.len(), chosen.others.len()), (3, 1));
        let teach = chosen.corrected.iter().chain(&chosen.others);
        assert!(teach.clone().all(|v| v.sentence.split == Split::Train));
        let teach: HashSet<SentenceId> = teach.map(|v| v.sentence.id).collect();
        let held = &chosen.held;
        let measure = chosen.dev.iter().chain(&held.test.cases);
        for (sentence, _) in measure.chain(&held.curated.cases) {
            assert!(!teach.contains(&sentence.id), "{}", sentence.text);
        }
        let numbers = |drawn: &Drawn| (drawn.cases.len(), drawn.of as usize);
        assert_eq!((chosen.dev.len(), held.n_dev), (1, 1));
        assert_eq!(numbers(&held.test), (EACH, 4));
        assert_eq!((numbers(&held.curated), held.kept_out), ((4, 4), 6));
        // The labels that stand: of the two done sentences of a split one was rejected.
        let standing = |(_, a): &(Sentence, Annotation)| a.standing().count();
        let labels: usize = held.curated.cases.iter().map(standing).sum();
        assert_eq!(labels, 2);
    }

    #[test]
    fn without_a_corrected_train_sentence_there_is_nothing_to_learn_and_why_is_said() {
        let check = |splits: &[Split], says: &str| {
            let tmp = tempfile::tempdir().unwrap();
            let mut workspace = workspace(tmp.path());
            curate(&mut workspace, splits);
            let chosen = choose(workspace.read()).unwrap();
            let why = chosen.lacks().unwrap();
            assert!(why.contains(says), "{why}");
            assert!(chosen.corrected.is_empty());
        };
        check(&[], "judge or correct some sentences first");
        check(&[Split::Dev, Split::Test], "(6) are of the dev and test");
    }
}
