use super::*;
use crate::domain::SentenceIdx;
use crate::domain::annotation::Change;
use crate::domain::{
    ByteSpan, Edit, Entity, GoldSource, GoldTriple, RelationId, SentenceId, Split, TokenSpan,
};
use crate::store::NewCorrection;
use crate::workspace::{Workspace, demo};
use std::collections::HashMap;

fn span(i: usize) -> TokenSpan {
    TokenSpan::new(i, i + 1).unwrap()
}
fn triple(head: usize, relation: u16, tail: usize) -> Triple {
    Triple {
        head: span(head),
        relation: RelationId(relation),
        tail: span(tail),
    }
}
fn judge(triple: Triple, verdict: Verdict) -> Edit {
    Edit::Judge {
        triple,
        verdict: Some(verdict),
    }
}

#[test]
fn curated_sentences_say_whether_a_model_is_worse() {
    let curated = |sentences, f1_after| gains::Gain {
        sentences,
        f1_before: 0.5,
        f1_after,
        ..gains::Gain::default()
    };
    let report = |curated: Option<gains::Gain>| FineTuneReport {
        before_f1: 0.5,
        after_f1: 0.4,
        gains: Gains {
            curated,
            ..Gains::default()
        },
        ..FineTuneReport::default()
    };
    let by_dev = [report(None), report(Some(curated(29, 0.6)))];
    assert!(
        by_dev
            .iter()
            .all(|r| r.is_worse() && r.judged_on() == "dev")
    );
    let better = report(Some(curated(30, 0.6)));
    assert!(!better.is_worse() && better.judged_on() == "curated sentences");
    assert!(report(Some(curated(30, 0.48))).is_worse());
}

#[test]
fn what_nobody_settled_is_taught_in_no_way() {
    let gold = |t| GoldTriple {
        triple: t,
        source: GoldSource::Distant,
        line: 1,
    };
    let (agreed, disputed, new, rejected) = (
        triple(0, 0, 1),
        triple(1, 0, 2),
        triple(0, 1, 2),
        triple(2, 0, 0),
    );
    let (predicted, predicted_rejected) = (triple(2, 0, 1), triple(1, 0, 0));
    let entity = |i| Entity {
        span: span(i),
        kind: None,
        link: None,
    };
    let sentence = Sentence {
        id: SentenceId(1),
        native_id: None,
        text: "a b c".into(),
        tokens: (0..3)
            .filter_map(|i| ByteSpan::new(2 * i, 2 * i + 1))
            .collect(),
        entities: (0..3).map(entity).collect(),
        gold: [agreed, disputed, new, rejected].map(gold).to_vec(),
        split: Split::Train,
        file: "t".into(),
        line: 1,
    };
    let annotation = Annotation::from_gold(&sentence)
        .apply(&judge(rejected, Verdict::Reject))
        .and_then(|a| a.apply(&judge(predicted_rejected, Verdict::Reject)))
        .unwrap();
    let accepted: HashSet<Triple> = [agreed, predicted, predicted_rejected].into();
    // Relation 1 is new to the model.
    let known = |r: RelationId| r.0 == 0;
    let check = |done: bool, positive: &[Triple], unsure: &[Triple]| {
        let mut viewed = Viewed::new(sentence.clone(), &[], None, &DecisionRule::default());
        viewed.annotation = annotation
            .apply(&Edit::Done { done })
            .unwrap_or(annotation.clone());
        let settled = settled(&viewed, &accepted, &known);
        let mut stands: Vec<Triple> = settled.standing().map(|t| t.triple).collect();
        let unsure_now = settled.with_verdict(Verdict::Unsure);
        let mut unsure_now: Vec<Triple> = unsure_now.map(|t| t.triple).collect();
        stands.sort();
        unsure_now.sort();
        assert_eq!(
            (stands.as_slice(), unsure_now.as_slice()),
            (positive, unsure),
            "done: {done}"
        );
    };
    check(false, &[agreed, new], &[disputed, predicted]);
    check(true, &[agreed, new, disputed], &[]);
}

/// What a curator who knows the truth would correct in a sentence.
enum Curator {
    /// Judges the false positives of one relation, and goes on.
    FalsePositives(RelationId),
    /// Judges and completes every triple, and marks the sentence done.
    Everything,
}

fn corrections(viewed: &Viewed, rule: &DecisionRule, truth: &[Triple], how: &Curator) -> Vec<Edit> {
    let rows = viewed.rows(rule);
    let mut edits = Vec::new();
    for row in &rows {
        let asked = match how {
            Curator::FalsePositives(relation) => {
                row.predicted && !row.stands && row.triple.relation == *relation
            }
            Curator::Everything => row.stands || row.predicted,
        };
        if asked {
            let right = truth.contains(&row.triple);
            let verdict = if right {
                Verdict::Accept
            } else {
                Verdict::Reject
            };
            edits.push(judge(row.triple, verdict));
        }
    }
    if let Curator::Everything = how {
        let missing = truth
            .iter()
            .filter(|t| !rows.iter().any(|r| r.triple == **t));
        edits.extend(missing.map(|t| Edit::Add { triple: *t }));
        edits.push(Edit::Done { done: true });
    }
    edits
}

/// The careful reader's labels of the demo, by native id.
fn truth(workspace: &Workspace) -> HashMap<SentenceId, (Sentence, Vec<Triple>)> {
    let schema = workspace.schema();
    let records = include_str!("../../sample_data/truth.jsonl").lines();
    let records: HashMap<String, serde_json::Value> = records
        .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap())
        .map(|r| (r["id"].as_str().unwrap().to_owned(), r))
        .collect();
    let page = workspace.read().page(SentenceIdx(0), 10_000).unwrap();
    let with_truth = |(_, sentence): (SentenceIdx, Sentence)| {
        let record = &records[sentence.native_id.as_deref().unwrap()];
        let span = |v: &serde_json::Value| sentence.entities[v.as_u64().unwrap() as usize].span;
        let triples = record["relations"].as_array().unwrap().iter();
        let triples = triples.filter_map(|r| {
            Some(Triple {
                head: span(&r["head"]),
                relation: schema.relation(r["type"].as_str().unwrap())?,
                tail: span(&r["tail"]),
            })
        });
        let triples = triples.collect();
        (sentence.id, (sentence, triples))
    };
    page.sentences.into_iter().map(with_truth).collect()
}

/// Fine-tunes the embedded model on corrections of the demo made by its truth, and measures on its dev split against the
/// distant labels and against the truth:
/// `cargo test --release --lib fine_tune_on_truth -- --ignored --nocapture`.
#[test]
#[ignore = "prints a measurement, takes minutes"]
fn fine_tune_on_truth() {
    let place_lived = "/people/person/place_lived";
    for (name, n) in [("fp", 8), ("fp", 32), ("all", 8), ("all", 64)] {
        let tmp = tempfile::tempdir().unwrap();
        let mut workspace = demo::open(&tmp.path().join("demo")).unwrap();
        let device = Device::Cpu;
        let choice = ModelChoice::Embedded;
        let before = choice.load(&device).unwrap();
        workspace.use_model(&before, "{}").unwrap();
        let schema = workspace.schema().clone();
        let rule = before.rule(&schema);
        let truth = truth(&workspace);
        let how = match name {
            "fp" => Curator::FalsePositives(schema.relation(place_lived).unwrap()),
            _ => Curator::Everything,
        };
        let train = truth.values().filter(|(s, _)| s.split == Split::Train);
        let mut train: Vec<&Sentence> = train.map(|(s, _)| s).collect();
        train.sort_by_key(|s| s.line);
        let mut corrected = 0;
        for chunk in train.chunks(32) {
            let predictions = predict(&before, chunk.iter().copied(), &schema).unwrap();
            for (sentence, prediction) in chunk.iter().zip(predictions) {
                let viewed = Viewed::new((*sentence).clone(), &[], Some(prediction), &rule);
                let edits = corrections(&viewed, &rule, &truth[&sentence.id].1, &how);
                if edits.is_empty() || corrected == n {
                    continue;
                }
                corrected += 1;
                let correction = |edit| NewCorrection {
                    at_ms: 0,
                    by: "truth".into(),
                    sentence: sentence.id,
                    seen: None,
                    change: Change::Edit(edit),
                };
                let edits: Vec<_> = edits.into_iter().map(correction).collect();
                workspace.append(&edits).unwrap();
            }
        }
        let options = FineTuneOptions {
            from: choice,
            models: tmp.path().join("models"),
            device: device.clone(),
        };
        let began = std::time::Instant::now();
        let mut said = Vec::new();
        let mut around = Around {
            observe: &mut |event| said.extend(words(&event)),
            cancelled: &|| false,
        };
        let report = fine_tune(workspace.read(), &options, &mut around)
            .unwrap()
            .unwrap();
        let seconds = began.elapsed().as_secs_f64();
        let after = ModelChoice::Dir(report.model_dir.clone())
            .load(&device)
            .unwrap();
        println!("{name} {corrected}: {seconds:.0} s; {}", said.join("; "));
        println!(
            "  judgements met {} → {} of {}",
            report.judgements.met_before, report.judgements.met_after, report.judgements.all
        );
        println!(
            "  distant dev micro {:.3} → {:.3}",
            report.before_f1, report.after_f1
        );
        let dev = |s: &&(Sentence, Vec<Triple>)| s.0.split == Split::Dev;
        let dev: Vec<_> = truth.values().filter(dev).cloned().collect();
        let dev = dev.into_iter().map(|(mut sentence, triples)| {
            let gold = |t| GoldTriple {
                triple: t,
                source: GoldSource::Human,
                line: 0,
            };
            sentence.gold = triples.into_iter().map(gold).collect();
            let annotation = Annotation::from_gold(&sentence);
            (sentence, annotation)
        });
        let data = Data {
            train: vec![],
            dev: dev.collect(),
            labels: vec![],
            entity_types: vec![],
            schema: schema.clone(),
            dev_source: String::new(),
            n_positives: 0,
            one_per_pair: false,
        };
        let on_truth =
            |model: &SentenceModel| dev_report(&data, &predict_dev(model, &data).unwrap(), &rule);
        let change = compare(&on_truth(&before), &on_truth(&after)).unwrap();
        println!(
            "  true dev micro {:.3} → {:.3}",
            change.before.f1, change.after.f1
        );
        for c in change
            .relations
            .iter()
            .filter(|c| schema.name(c.relation) == place_lived)
        {
            println!("  true place_lived {:.3} → {:.3}", c.before.f1, c.after.f1);
        }
        let distant = report
            .per_relation
            .iter()
            .filter(|c| schema.name(c.relation) == place_lived);
        for c in distant {
            println!(
                "  distant place_lived {:.3} → {:.3}",
                c.before.f1, c.after.f1
            );
        }
    }
}

fn words(event: &TrainEvent) -> Option<String> {
    match crate::workspace::training::in_words(event) {
        crate::workspace::training::TrainProgress::Line(line) => Some(line),
        _ => None,
    }
}
