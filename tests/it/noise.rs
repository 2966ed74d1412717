//! The queues of probably wrong and probably missing labels, and verdicts from a file.

use crate::program::{Home, model};
use serde_json::{Value, json};
use std::collections::HashSet;

fn rows(home: &Home, arguments: &str) -> Vec<Value> {
    let ran = home.run(&format!("queue -w ws --json {arguments}")).done();
    ran.out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

fn key(row: &Value) -> (String, String, String, String) {
    let text = |v: &Value| v.to_string();
    (
        text(&row["sentence"]),
        text(&row["head"]),
        text(&row["relation"]),
        text(&row["tail"]),
    )
}

/// The rows as verdicts.
fn verdicts(rows: &[Value], verdict: &str) -> String {
    let line = |r: &Value| {
        json!({"sentence": r["sentence"], "head": r["head"], "relation": r["relation"], "tail": r["tail"], "verdict": verdict})
            .to_string()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn queues_list_what_nobody_judged_and_learn_from_verdicts() {
    let home = Home::with_workspace();
    // At once, without a model.
    let cheap = rows(&home, "--kind wrong");
    assert_eq!(cheap.len(), 40);
    let ranks: Vec<u64> = cheap.iter().map(|r| r["rank"].as_u64().unwrap()).collect();
    assert_eq!(ranks, (1..=40).collect::<Vec<u64>>());
    home.run("queue -w ws")
        .said(0, &["40 left", "redress folds"]);
    home.run("queue -w ws --relation nothing")
        .said(1, &["no relation nothing"]);

    let folds = format!(
        "folds -w ws --json --folds 3 --model {} --device cpu",
        model().display()
    );
    let report = home.run(&folds).done().json();
    assert_eq!(
        (&report["labelled"], &report["relations"]),
        (&json!(40), &json!(2))
    );
    let first = rows(&home, "--kind wrong");
    let scores: Vec<f64> = first.iter().map(|r| r["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b) && scores.iter().all(|s| (0.0..=1.0).contains(s)));
    for row in &first {
        let signals: HashSet<&str> = row["why"]
            .as_array()
            .unwrap()
            .iter()
            .map(|w| w["signal"].as_str().unwrap())
            .collect();
        assert!(signals.contains("class_adjusted"), "{row}");
    }
    // The same corpus and seed give the same folds.
    home.run(&folds).done();
    assert_eq!(rows(&home, "--kind wrong"), first);

    // One relation's labels are called wrong, the other's right: what is left follows.
    let of = |rows: &[Value], relation: &Value| -> Vec<Value> {
        rows.iter()
            .filter(|r| &r["relation"] == relation)
            .cloned()
            .collect()
    };
    let bad = first[0]["relation"].clone();
    let good = first.iter().find(|r| r["relation"] != bad).unwrap()["relation"].clone();
    let lines = [
        verdicts(&of(&first, &bad)[..8], "reject"),
        verdicts(&of(&first, &good)[..8], "accept"),
    ];
    home.write("verdicts.jsonl", lines.join("\n"));
    home.run("apply verdicts.jsonl -w ws")
        .said(0, &["16 lines", "8 accept, 8 reject"]);
    let later = rows(&home, "--kind wrong");
    assert_eq!(later.len(), 24);
    let judged: HashSet<_> = first.iter().map(key).collect();
    assert!(later.iter().all(|r| judged.contains(&key(r))));
    // Rows of the good relation above which a row of the bad one stands, over all such pairs.
    let ahead = |rows: &[Value]| -> usize {
        let left: HashSet<_> = later.iter().map(key).collect();
        let rows: Vec<&Value> = rows.iter().filter(|r| left.contains(&key(r))).collect();
        let below = |at: usize| rows[at..].iter().filter(|r| r["relation"] == good).count();
        let bad = (0..rows.len()).filter(|at| rows[*at]["relation"] == bad);
        bad.map(below).sum()
    };
    assert!(
        ahead(&later) > ahead(&first),
        "the verdicts were not learned from"
    );
    home.run("queue -w ws")
        .said(0, &["16 judged, 8 wrong (50 %)", "scores expect"]);

    // A label is never a candidate for a missing one, and every pair is asked for every relation.
    let missing = rows(&home, "--kind missing");
    let labels: HashSet<_> = first.iter().map(key).collect();
    assert!(!missing.is_empty() && missing.iter().all(|r| !labels.contains(&key(r))));
    let control: Vec<Value> = rows(&home, "--kind wrong --control 0.25 --limit 12");
    assert_eq!(control.iter().filter(|r| r["control"] == true).count(), 3);
    assert_eq!(control.iter().map(key).collect::<HashSet<_>>().len(), 12);
    let shuffled = rows(&home, "--order random");
    assert_ne!(
        shuffled.iter().map(key).collect::<Vec<_>>(),
        later.iter().map(key).collect::<Vec<_>>()
    );
    assert_eq!(rows(&home, "--order random"), shuffled);

    home.write("ws/folds.safetensors", b"not folds");
    home.run("queue -w ws")
        .said(1, &["folds.safetensors", "redress folds"]);
}

#[test]
fn applying_twice_changes_nothing_and_another_mind_is_a_conflict() {
    let home = Home::with_workspace();
    let first = rows(&home, "--limit 3");
    home.write("reject.jsonl", verdicts(&first, "reject"));
    home.write("accept.jsonl", verdicts(&first[..1], "accept"));
    let before = home.fingerprint("ws/workspace.db");
    home.run("apply reject.jsonl -w ws --dry-run")
        .said(0, &["would apply 3 reject"]);
    assert_eq!(home.fingerprint("ws/workspace.db"), before);
    home.run("apply reject.jsonl -w ws --by Ada")
        .said(0, &["applied 3 reject"]);
    home.run("apply reject.jsonl -w ws")
        .said(0, &["applied nothing; 3 already so"]);
    home.run("apply accept.jsonl -w ws").said(
        3,
        &["accept.jsonl:1", "decided reject already", "1 conflicts"],
    );
    home.run("apply accept.jsonl -w ws --overwrite")
        .said(0, &["applied 1 accept"]);
    let export = home.run("export -w ws --only reviewed").done().out;
    assert_eq!(export.matches("\"rejected\"").count(), 2);
    assert_eq!(export.matches("\"accepted\"").count(), 1);
}

#[test]
fn lines_that_cannot_be_taken_are_named() {
    let home = Home::with_workspace();
    let row = &rows(&home, "--limit 1")[0];
    let with = |change: &dyn Fn(&mut Value)| {
        let mut line =
            serde_json::from_str(&verdicts(std::slice::from_ref(row), "reject")).unwrap();
        change(&mut line);
        line.to_string()
    };
    let lines = [
        "no json".to_owned(),
        with(&|l| l["sentence"] = json!("0000000000000000")),
        with(&|l| l["sentence"] = json!("x\u{1b}[2J")),
        with(&|l| l["relation"] = json!("/no/such/thing")),
        with(&|l| l["head"] = json!([3, 3])),
        with(&|l| l["tail"] = json!([400, 402])),
        with(&|l| l["verdict"] = json!("perhaps")),
        with(&|l| {
            l.as_object_mut().unwrap().remove("verdict");
        }),
        json!({"id": 7, "verdict": "reject"}).to_string(),
        String::new(),
        with(&|_| ()),
    ];
    home.write("lines.jsonl", lines.join("\n"));
    let ran = home.run("apply lines.jsonl -w ws").said(
        3,
        &[
            "10 lines: applied 1 reject",
            "lines.jsonl:1: expected an object",
            "lines.jsonl:2: no sentence 0000000000000000",
            "lines.jsonl:3: expected an id of 16 hex digits",
            "lines.jsonl:4: no relation /no/such/thing",
            "lines.jsonl:5: a span 3..3",
            "lines.jsonl:6: reject: span 400..402 is outside",
            "lines.jsonl:7: expected verdict accept, reject, unsure or clear, found perhaps",
            "lines.jsonl:8: expected `verdict` or `edit`",
            "lines.jsonl:9: no sentence has the id 7",
        ],
    );
    assert!(!ran.out.contains('\u{1b}'));
}
