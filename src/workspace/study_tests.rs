//! Thresholds, slices and comparisons over a real store and index, with made-up predictions.

use super::*;
use crate::domain::SentenceIdx;
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
    workspace.note_current(run).unwrap();
    workspace.set_rules(run, &Default::default()).unwrap();
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

/// A model may bring a relation's threshold; one that is kept here wins over it, and dropping that gives the model's back.
#[test]
fn a_kept_threshold_wins_over_the_models_own() {
    let tmp = tempfile::tempdir().unwrap();
    let mut ws = workspace(tmp.path(), 10);
    predict(&mut ws, RunId(1), |i, _| i as f32 / 10.0);
    let mut rules = crate::model::rules::RulesConfig::default();
    rules.thresholds.insert(LIVED.to_owned(), 0.8);
    rules.thresholds.insert("/not/here".to_owned(), 0.1);
    ws.set_rules(RunId(1), &rules).unwrap();
    let lived = ws.schema().relation(LIVED).unwrap();
    let expect = |ws: &Workspace, threshold: f32| {
        let own = vec![(lived, threshold)];
        assert_eq!(ws.rule().own, own);
        assert_eq!(crate::workspace::stored_rule(ws.read()).unwrap(), ws.rule());
        let of_run = crate::workspace::rules_of_run(ws.read(), RunId(1)).unwrap();
        let of_run = of_run.unwrap();
        assert_eq!(of_run.predicted.own, own);
        // A threshold means something by the rule that it was chosen under only.
        assert_eq!(
            (of_run.gold_entities.own, of_run.gold_pairs.own),
            (vec![], vec![])
        );
        let chosen = crate::workspace::rules::chosen_thresholds(ws.read(), RunId(1)).unwrap();
        assert_eq!(chosen.contains_key(LIVED), threshold != 0.8);
    };
    expect(&ws, 0.8);
    ws.set_threshold(lived, Some(0.3)).unwrap();
    expect(&ws, 0.3);
    let dir = ws.dir().to_owned();
    drop(ws);
    let mut ws = Workspace::open(&dir).unwrap();
    expect(&ws, 0.3);
    ws.set_threshold(lived, None).unwrap();
    expect(&ws, 0.8);
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

/// Built-in slices find what their names say; a kept one survives opening again and a wrong query is refused.
#[test]
fn slices_have_figures_of_their_own() {
    use crate::workspace::slices::{Slice, built_in, evaluate, kept};
    let tmp = tempfile::tempdir().unwrap();
    let mut ws = workspace(tmp.path(), 12);
    predict(&mut ws, RunId(1), |i, _| if i < 9 { 0.9 } else { 0.1 });
    let slice = |name: &str, query: &str| Slice {
        name: name.into(),
        query: query.into(),
    };
    ws.keep_slice(slice("late", "lum11 or lum10")).unwrap();
    ws.keep_slice(slice("late", "lum11 or lum10 or lum8"))
        .unwrap();
    assert!(ws.keep_slice(slice("bad", "gold:nowhere")).is_err());
    assert!(ws.keep_slice(slice(" ", "")).is_err());
    assert!(ws.drop_slice("early").is_err());
    let dir = ws.dir().to_owned();
    let n_built_in = built_in(ws.schema()).len();
    drop(ws);
    let run = |within: &str| {
        let asked = ["lum3".to_owned()];
        evaluate(&dir, &asked, true, within, &mut |_, _| true).unwrap()
    };
    let report = run("");
    let row = |name: &str| {
        let found = report.slices.iter().find(|s| s.name == name);
        let s = found.unwrap_or_else(|| panic!("{name}"));
        (
            s.sentences,
            s.score.correct,
            s.score.predicted,
            s.score.gold,
        )
    };
    assert_eq!(report.slices.len(), 1 + n_built_in + 1);
    assert_eq!(row("lum3"), (1, 2, 2, 2));
    assert_eq!(row("all sentences"), (12, 18, 18, 24));
    assert_eq!(row("late"), (3, 2, 2, 6));
    assert_eq!(row("up to 20 words"), (12, 18, 18, 24));
    assert_eq!(row("over 40 words"), (0, 0, 0, 0));
    // Two labels share their head.
    assert_eq!((row("overlap: SEO").0, row("overlap: Normal").0), (12, 0));
    assert_eq!(row("heads and tails at most 5 words apart").0, 12);
    assert_eq!(row("labels not in the knowledge base").0, 12);
    let all = report.slices.iter().find(|s| s.name == "all sentences");
    let [low, high] = all.unwrap().f1_interval;
    assert!(low < 36.0 / 42.0 && 36.0 / 42.0 < high, "{low} {high}");
    assert!(run("split:train").slices.iter().all(|s| s.sentences == 0));
    let mut ws = Workspace::open(&dir).unwrap();
    ws.drop_slice("late").unwrap();
    assert!(kept(ws.read()).unwrap().is_empty());
}

/// Two runs are compared each by its own thresholds; the oldest run's predictions make room for the newest.
#[test]
fn runs_are_compared_and_old_predictions_make_room() {
    use crate::workspace::compare::compare_runs;
    use crate::workspace::runs::{KEPT, chosen, run_named, runs};
    let tmp = tempfile::tempdir().unwrap();
    let mut ws = workspace(tmp.path(), 20);
    assert!(chosen(ws.read(), None, None).is_err());
    predict(&mut ws, RunId(0x1a), |i, _| if i < 10 { 0.9 } else { 0.1 });
    assert!(chosen(ws.read(), None, None).is_err());
    predict(&mut ws, RunId(0x2b), |i, relation| match relation {
        LIVED if i < 5 => 0.1,
        LIVED => 0.6,
        _ if i < 10 => 0.9,
        _ => 0.1,
    });
    let compare = |ws: &Workspace, before: Option<&str>, after: Option<&str>| {
        let runs = chosen(ws.read(), before, after).unwrap();
        let found = compare_runs(ws.read(), runs, None, 3, &mut |_, _| true);
        found.unwrap().unwrap()
    };
    let found = compare(&ws, None, None);
    assert_eq!(
        (found.all.fixed, found.all.broken, found.sentences),
        (10, 5, 20)
    );
    assert_eq!(found.relations.len(), 2);
    let lived = &found.relations[0];
    assert_eq!((lived.relation.as_str(), lived.fixed), (LIVED, 10));
    assert!((lived.gain - (30.0 / 35.0 - 20.0 / 30.0)).abs() < 1e-9);
    assert!(lived.interval[0] < lived.gain && lived.gain < lived.interval[1]);
    assert_eq!(
        (found.relations[1].gain, found.relations[1].interval),
        (0.0, [0.0; 2])
    );
    assert_eq!((found.fixed.len(), found.broken.len()), (3, 3));
    let first = &found.broken[0];
    assert!(first.label && first.head == "Ada Lum0" && first.tail == "Tamm0");
    // The other way round the lists change places.
    let names = |i: usize| runs(ws.read()).unwrap()[i].run.clone();
    let (new, old) = (names(0), names(1));
    let back = compare(&ws, Some(&new), Some(&old));
    assert_eq!((back.all.fixed, back.all.broken), (5, 10));
    assert!(chosen(ws.read(), Some(&new), Some(&new)).is_err());
    assert!(run_named(ws.read(), "zz").is_err());
    // A threshold of the newer run's own changes its side only.
    let id = ws.schema().relation(LIVED).unwrap();
    ws.set_threshold(id, Some(0.7)).unwrap();
    assert_eq!(compare(&ws, None, None).all.broken, 10);
    assert!(ws.drop_run(RunId(0x2b)).is_err());
    for run in 3..8 {
        predict(&mut ws, RunId(run), |_, _| 0.9);
    }
    let kept = |ws: &Workspace| {
        let rows = runs(ws.read()).unwrap();
        rows.iter().filter(|r| r.predicted > 0).count()
    };
    assert_eq!(kept(&ws), KEPT);
    assert_eq!(ws.drop_run(RunId(6)).unwrap(), 20);
    assert_eq!((kept(&ws), runs(ws.read()).unwrap().len()), (KEPT - 1, 7));
    assert!(chosen(ws.read(), None, None).is_ok());
    // A model that was just made current.
    ws.note_current(RunId(9)).unwrap();
    let info = RunInfo {
        id: RunId(9),
        model: "{}".into(),
        at_ms: 0,
    };
    ws.store.put_run(&info).unwrap();
    ws.store.set_current_run(RunId(9)).unwrap();
    let why = chosen(ws.read(), None, None).unwrap_err().to_string();
    assert!(why.contains("predicted nothing here yet"), "{why}");
}
