//! Thresholds, slices and comparisons over a real store and index, with made-up predictions.

use super::*;
use crate::domain::{Edit, Prediction, ScoredTriple, Scores, Split, Verdict};
use crate::domain::{RunId, Triple, annotation::Change};
use crate::index::{Sort, query::parse};
use crate::store::{NewCorrection, RunInfo};
use crate::workspace::Workspace;
use crate::workspace::import::ImportOptions;

const LIVED: &str = "/people/person/place_lived";
const BORN: &str = "/people/person/place_of_birth";

/// `n` sentences, each with two labels, lived and born.
pub fn workspace(dir: &std::path::Path, n: usize) -> Workspace {
    let line = |i: usize| {
        let text = format!("Ada Lum{i} of Tamm{i} left Korvath{i} .");
        let [head, lived, born] = [
            format!("Ada Lum{i}"),
            format!("Tamm{i}"),
            format!("Korvath{i}"),
        ];
        let labels = serde_json::json!([[head, BORN, born], [head, LIVED, lived]]);
        serde_json::json!({"text": text, "triple_list": labels}).to_string() + "\n"
    };
    let file = dir.join("corpus.jsonl");
    std::fs::write(&file, (0..n).map(line).collect::<String>()).unwrap();
    let mut workspace = Workspace::open_or_create(&dir.join("ws")).unwrap();
    let options = ImportOptions {
        split: Some(Split::Dev),
        ..ImportOptions::default()
    };
    workspace
        .import(&[file], &options, &mut |_, _, _| {})
        .unwrap();
    workspace
}

/// Makes `run` current with predictions of the labels, each with the score that `score` gives (sentence, relation).
pub fn predict(workspace: &mut Workspace, run: RunId, score: impl Fn(usize, &str) -> f32) {
    let schema = workspace.schema().clone();
    workspace.set_rules(run, Default::default()).unwrap();
    let info = RunInfo {
        id: run,
        model: "{}".into(),
        at_ms: 0,
    };
    workspace.store.put_run(&info).unwrap();
    workspace.store.set_current_run(run).unwrap();
    let page = workspace.read().page(SentenceIdx(0), 10_000).unwrap();
    let of = |(i, (_, sentence)): (usize, &(SentenceIdx, crate::domain::Sentence))| Prediction {
        sentence: sentence.id,
        run,
        covered: sentence.tokens.len() as u32,
        entities: Vec::new(),
        triples: sentence
            .gold
            .iter()
            .map(|g| ScoredTriple {
                triple: g.triple,
                scores: Scores {
                    kernel: Some(score(i, schema.name(g.triple.relation))),
                    ..Scores::default()
                },
                runner_up: None,
            })
            .collect(),
    };
    let predictions: Vec<Prediction> = page.sentences.iter().enumerate().map(of).collect();
    workspace.keep(run, &predictions).unwrap();
    workspace.refresh_index(&mut |_, _| true).unwrap();
}

fn found(workspace: &Workspace, query: &str) -> usize {
    let query = parse(query, workspace.schema()).unwrap();
    let searcher = workspace.index.searcher();
    searcher
        .search(&query, Sort::Corpus, 0..0, 0)
        .unwrap()
        .total
}

fn whole(workspace: &Workspace) -> Study {
    study(workspace.read(), &mut |_, _| true).unwrap().unwrap()
}

/// A relation's own threshold decides in the index, in lists, in the study and after opening again; another relation and another
/// run keep theirs, and it comes back with its run.
#[test]
fn a_kept_threshold_decides_everywhere_and_belongs_to_its_run() {
    let tmp = tempfile::tempdir().unwrap();
    let mut ws = workspace(tmp.path(), 10);
    let score = |i: usize, _: &str| i as f32 / 10.0;
    predict(&mut ws, RunId(1), score);
    let lived = ws.schema().relation(LIVED).unwrap();
    let expect = |ws: &Workspace, lived_found: usize| {
        assert_eq!(found(ws, "pred:place_lived"), lived_found);
        assert_eq!(found(ws, "pred:place_of_birth"), 5);
        assert_eq!(found(ws, "fn:place_lived"), 10 - lived_found);
        let found = whole(ws).curated;
        let row = found.row(lived).unwrap().row;
        assert_eq!(row.counts.predicted, lived_found as u64);
        assert_eq!(found.total.predicted, 5 + lived_found as u64);
        let rule = crate::workspace::stored_rule(ws.read()).unwrap();
        assert_eq!(rule, ws.rule());
    };
    expect(&ws, 5);
    ws.set_threshold(lived, Some(0.8)).unwrap();
    ws.refresh_index(&mut |_, _| true).unwrap();
    expect(&ws, 2);
    assert!(ws.set_threshold(lived, Some(1.5)).is_err());
    assert!(ws.set_threshold(lived, Some(f32::NAN)).is_err());
    let dir = ws.dir().to_owned();
    drop(ws);
    let mut ws = Workspace::open(&dir).unwrap();
    ws.refresh_index(&mut |_, _| true).unwrap();
    expect(&ws, 2);
    // Another run has thresholds of its own; this one's come back with it.
    predict(&mut ws, RunId(2), score);
    expect(&ws, 5);
    predict(&mut ws, RunId(1), score);
    expect(&ws, 2);
    ws.set_threshold(lived, None).unwrap();
    ws.refresh_index(&mut |_, _| true).unwrap();
    expect(&ws, 5);
}

/// Judged labels count against the curated labels only; the original ones stay what they were.
#[test]
fn original_and_standing_labels_are_counted_apart() {
    let tmp = tempfile::tempdir().unwrap();
    let mut ws = workspace(tmp.path(), 10);
    predict(&mut ws, RunId(1), |_, _| 0.9);
    let lived = ws.schema().relation(LIVED).unwrap();
    let page = ws.read().page(SentenceIdx(0), 3).unwrap();
    let corrections = page.sentences.iter().map(|(_, s)| {
        let gold: Vec<Triple> = s.gold.iter().map(|g| g.triple).collect();
        let triple = gold.into_iter().find(|t| t.relation == lived).unwrap();
        NewCorrection {
            at_ms: 0,
            by: "test".into(),
            sentence: s.id,
            seen: None,
            change: Change::Edit(Edit::Judge {
                triple,
                verdict: Some(Verdict::Reject),
            }),
        }
    });
    let corrections: Vec<_> = corrections.collect();
    ws.append(&corrections).unwrap();
    let found = whole(&ws);
    let counts = |m: &crate::analysis::Measured| {
        let row = m.row(lived).unwrap().row;
        (row.counts.correct, row.counts.predicted, row.counts.gold)
    };
    assert_eq!(counts(&found.original), (10, 10, 10));
    assert_eq!(counts(&found.curated), (7, 10, 7));
    assert_eq!(found.sentences, 10);
    assert!(study(ws.read(), &mut |_, _| false).unwrap().is_none());
}
