//! What runs in the background, and the windows that start it.

use super::keys::changes;
use super::*;
use crate::analysis::{Prf, RelationChange};
use crate::domain::*;
use crate::workspace::finetune::gains::{Gain, Gains};
use crate::workspace::messages::{FineTuneReport, JobEvent, JobKind, Judgements};
use std::time::Duration;

#[test]
fn jobs_are_seen_and_stopped() {
    let mut bench = Bench::new(120, 30);
    bench.press("P");
    assert!(bench.sees("Predict all 56,195 sentences"));
    bench.press("enter");
    assert_eq!(changes(&mut bench), ["Predict { ids: [] }"]);
    assert!(!bench.app.wants_ticks());
    let job = JobKind::Predict;
    bench.reply(Reply::Job(JobEvent::Started {
        job,
        total: 56_195,
        unit: "sentences",
    }));
    bench.reply(Reply::Job(JobEvent::Progress {
        job,
        done: 19_106,
        total: 56_195,
        remaining: Some(Duration::from_secs(72)),
        note: String::new(),
    }));
    assert!(
        bench.sees("predict 33% of 56,195 sentences, 1m12s left"),
        "{}",
        bench.text()
    );
    assert!(bench.app.wants_ticks());
    bench.press("ctrl-x");
    assert_eq!(changes(&mut bench), ["Cancel { job: Predict }"]);
    bench.reply(Reply::Job(JobEvent::Cancelled { job }));
    assert!(bench.sees("predict stopped") && !bench.app.wants_ticks());
    bench.press("v 2 j p");
    assert_eq!(
        changes(&mut bench),
        ["Predict { ids: [SentenceId(0), SentenceId(1), SentenceId(2)] }"]
    );
}

#[test]
fn a_fine_tuned_model_waits_for_a_decision() {
    let mut bench = Bench::new(100, 30);
    bench.press("F enter");
    assert_eq!(changes(&mut bench), ["FineTune"]);
    bench.reply(Reply::Job(JobEvent::Started {
        job: JobKind::FineTune,
        total: 3,
        unit: "epochs",
    }));
    for (epoch, loss, f1) in [(1, 0.82, 0.61), (2, 0.44, 0.66)] {
        bench.reply(Reply::Job(JobEvent::Epoch {
            epoch,
            loss,
            dev_f1: Some(f1),
        }));
    }
    assert!(bench.sees("0.4400      .66"), "{}", bench.text());
    bench.reply(Reply::Job(JobEvent::Finished {
        job: JobKind::FineTune,
        summary: "2 epochs".into(),
    }));
    let report = report(0.61, 0.66);
    bench.reply(Reply::ModelReady {
        report: Box::new(report),
    });
    assert!(
        bench.sees("F1 on dev .61 → .66  (+.05)") && bench.sees("−.02"),
        "{}",
        bench.text()
    );
    assert!(bench.sees("agrees with 3 → 11 of 14 judgements in 12 corrected sentences"));
    assert!(
        bench.sees("test        .60    .64    +.04   −.01 to +.09  200 of 300, labels that stand")
            && bench.sees("curated  no dev or test sentence is done"),
        "{}",
        bench.text()
    );
    bench.press("esc F enter");
    assert_eq!(changes(&mut bench), ["DecideModel { accept: true }"]);
    // What it changed is the next thing to see.
    assert!(bench.sees("[runs]"), "{}", bench.text());
}

fn report(before_f1: f32, after_f1: f32) -> FineTuneReport {
    let change = |relation, support, before, after| {
        let prf = |f1| Prf {
            precision: f1,
            recall: f1,
            f1,
        };
        RelationChange {
            relation: RelationId(relation),
            support,
            before: prf(before),
            after: prf(after),
        }
    };
    FineTuneReport {
        protocol: "sentence level, exact spans, dev".into(),
        n_corrected: 12,
        judgements: Judgements {
            all: 14,
            met_before: 3,
            met_after: 11,
        },
        before_f1,
        after_f1,
        gains: Gains {
            test: Some(Gain {
                sentences: 200,
                of: 300,
                labels: 250,
                f1_before: 0.6,
                f1_after: 0.64,
                interval: [-0.01, 0.09],
            }),
            ..Gains::default()
        },
        per_relation: vec![change(0, 1_204, 0.5, 0.61), change(1, 31, 0.9, 0.88)],
        model_dir: "/models/new".into(),
    }
}

#[test]
fn a_worse_model_says_so_and_is_taken_by_a_second_press_only() {
    let mut bench = Bench::new(100, 30);
    bench.reply(Reply::ModelReady {
        report: Box::new(report(0.58, 0.43)),
    });
    bench.press("F enter");
    assert_eq!(changes(&mut bench), Vec::<String>::new());
    assert!(
        bench.sees("✗ worse than the current model") && bench.sees("enter once more"),
        "{}",
        bench.text()
    );
    // Another look asks again.
    bench.press("esc F enter");
    assert_eq!(changes(&mut bench), Vec::<String>::new());
    bench.press("enter");
    assert_eq!(changes(&mut bench), ["DecideModel { accept: true }"]);
    let mut bench = Bench::new(100, 30);
    bench.reply(Reply::ModelReady {
        report: Box::new(report(0.58, 0.43)),
    });
    bench.press("F x");
    assert_eq!(changes(&mut bench), ["DecideModel { accept: false }"]);
    // No room for the table, or for anything: nothing breaks.
    for (width, height) in [(60, 15), (30, 6), (1, 1)] {
        let mut bench = Bench::new(width, height);
        let mut report = report(0.58, 0.6);
        report.gains.start_saw_dev = true;
        report.gains.curated = report.gains.test;
        bench.reply(Reply::ModelReady {
            report: Box::new(report),
        });
        bench.press("F j j k");
        assert_eq!(bench.sees("curated"), width == 60, "{}", bench.text());
    }
}

#[test]
fn an_export_is_set_up_by_keys() {
    let check = |keys: &str, expected: &str| {
        let mut bench = Bench::new(100, 30);
        bench.press("g x").press(keys);
        assert_eq!(changes(&mut bench), [expected], "{keys}");
    };
    check(
        "enter",
        r#"Export { format: "redress", path: "reviewed.redress.jsonl", only_reviewed: true, train_view: false }"#,
    );
    check(
        "l j l j l enter",
        r#"Export { format: "casrel", path: "reviewed.casrel.json", only_reviewed: false, train_view: true }"#,
    );
    check(
        "h h up ctrl-u o u t enter",
        r#"Export { format: "spert", path: "out", only_reviewed: true, train_view: false }"#,
    );
    // The history asks neither question.
    check(
        "h j l j l enter",
        r#"Export { format: "corrections", path: "corrections.jsonl", only_reviewed: true, train_view: false }"#,
    );
}

#[test]
fn an_exported_history_is_told_in_decisions() {
    let mut bench = Bench::new(100, 30);
    bench.press("g x h");
    assert!(bench.sees("undone decisions too"), "{}", bench.text());
    bench.press("esc").reply(Reply::Exported {
        path: "corrections.jsonl".into(),
        sentences: 1,
        corrections: Some(3),
        warnings: Vec::new(),
    });
    let told = "exported 3 corrections of 1 sentence to corrections.jsonl";
    assert!(bench.sees(told), "{}", bench.text());
}

#[test]
fn any_action_is_found_by_its_name() {
    let mut bench = Bench::new(100, 30);
    bench.press("space").type_text("messag").press("enter");
    assert!(bench.sees("messages, newest first"), "{}", bench.text());
    bench
        .press("esc enter :")
        .type_text("accept")
        .press("enter");
    assert!(bench.sees("✓ accept"), "{}", bench.text());
    bench.press("?");
    assert!(bench.sees("Judge the triple right."), "{}", bench.text());
}

#[test]
fn folds_are_made_from_the_screen_and_the_list_is_asked_for_again() {
    let mut bench = Bench::new(120, 30);
    bench.press("g w g f");
    assert!(
        bench.sees("Ask models that never saw a pair"),
        "{}",
        bench.text()
    );
    bench.press("esc");
    assert_eq!(changes(&mut bench), Vec::<String>::new());
    bench.press("g f enter");
    assert_eq!(changes(&mut bench), ["Folds"]);
    let job = JobKind::Folds;
    bench.reply(Reply::Job(JobEvent::Started {
        job,
        total: 400,
        unit: "pairs",
    }));
    bench.press("ctrl-x");
    assert_eq!(changes(&mut bench), ["Cancel { job: Folds }"]);
    bench.reply(Reply::Job(JobEvent::Finished {
        job,
        summary: "400 pairs asked".into(),
    }));
    assert!(
        bench.sees("folds finished: 400 pairs asked"),
        "{}",
        bench.text()
    );
    let requests = bench.requests();
    let again = |r: &Request| matches!(r, Request::Search { query, .. } if query == "queue:wrong");
    assert!(requests.iter().any(again), "{requests:?}");
}
