//! Duplicates and relation rules from the command line.

use crate::program::Home;
use serde_json::{Value, json};

const LONG: &str = "Ada Lum , who grew up in Tamm and now lives in Korvath with her two cats and an old piano , joined Tessel last \
                    spring as its chief engineer";

fn home() -> Home {
    let home = Home::new();
    let lived = json!(["Ada Lum", "/p/lived", "Korvath"]);
    let works = json!(["Ada Lum", "/p/company", "Tessel"]);
    let born = json!(["Ada Lum", "/p/lived", "Tamm"]);
    let lines = [
        json!({"text": format!("{LONG} here ."), "triple_list": [lived, works]}),
        json!({"text": format!("{LONG} , Here !"), "triple_list": [born, works]}),
        json!({"text": format!("{LONG} there ."), "triple_list": [lived]}),
        json!({"text": "Bo Kett lives in Korvath .", "triple_list": [["Bo Kett", "/p/lived", "Korvath"]]}),
    ];
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    home.write("corpus.jsonl", lines.join("\n"));
    home.run("import corpus.jsonl -w ws").done();
    home
}

fn queue(home: &Home, kind: &str) -> Vec<Value> {
    let ran = home
        .run(&format!("queue -w ws --json --kind {kind}"))
        .done();
    let lines = ran.out.lines();
    lines.map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn duplicates_are_found_and_what_they_disagree_on_is_a_queue() {
    let home = home();
    assert!(
        queue(&home, "duplicates").is_empty(),
        "nobody has looked yet"
    );
    let report = home.run("duplicates -w ws --json").done().json();
    assert_eq!(
        (
            &report["groups"],
            &report["exact_groups"],
            &report["sentences_in_groups"]
        ),
        (&json!(1), &json!(0), &json!(3))
    );
    // Who lived where, two facts, and one who works.
    assert_eq!(report["disagreements"], json!(3));
    let exact = home
        .run("duplicates -w ws --json --similarity 1")
        .done()
        .json();
    assert_eq!(
        (&exact["groups"], &exact["exact_groups"]),
        (&json!(1), &json!(1))
    );
    home.run("duplicates -w ws --similarity 2")
        .said(1, &["a similarity from 0 to 1"]);
    home.run("duplicates -w ws")
        .said(0, &["3 sentences in 1 groups", "disagree on 3 facts"]);
    let rows = queue(&home, "duplicates");
    assert_eq!(rows.len(), 9, "three facts, three sentences each");
    assert!(rows.iter().all(|r| {
        r["why"]
            .as_str()
            .unwrap()
            .contains("duplicates disagree: labelled in")
    }));
    let lines = rows.iter().map(|r| {
        json!({"sentence": r["sentence"], "head": r["head"], "relation": r["relation"], "tail": r["tail"], "verdict": "accept"}).to_string()
    });
    home.write("verdicts.jsonl", lines.collect::<Vec<_>>().join("\n"));
    home.run("apply verdicts.jsonl -w ws")
        .said(0, &["9 accept"]);
    assert!(queue(&home, "duplicates").is_empty(), "all agree now");
}

#[test]
fn a_verdict_on_one_duplicate_makes_the_others_suspicious() {
    let home = home();
    home.run("duplicates -w ws").done();
    let company = |rows: &[Value]| -> Vec<(usize, f64)> {
        let of = |(n, r): (usize, &Value)| {
            let why = r["why"].as_array().unwrap();
            let part = why.iter().find(|w| w["signal"] == "duplicates");
            let weight = part.map_or(0.0, |w| w["weight"].as_f64().unwrap());
            (r["relation"] == "/p/company").then_some((n, weight))
        };
        rows.iter().enumerate().filter_map(of).collect()
    };
    let before = queue(&home, "wrong");
    assert_eq!(company(&before).len(), 2);
    assert!(
        company(&before).iter().all(|(_, w)| *w <= 0.0),
        "both agree: {before:?}"
    );
    let row = &before[company(&before)[0].0];
    let verdict = json!({"sentence": row["sentence"], "head": row["head"], "relation": row["relation"], "tail": row["tail"], "verdict": "reject"});
    home.write("verdict.jsonl", verdict.to_string());
    home.run("apply verdict.jsonl -w ws").done();
    let after = queue(&home, "wrong");
    let left = company(&after);
    assert!(left.len() == 1 && left[0].1 > 0.0, "{after:?}");
    assert_eq!(left[0].0, 0, "asked first: {after:?}");
}

#[test]
fn rules_are_kept_and_their_consequences_are_a_queue() {
    let home = home();
    home.write(
        "bad.toml",
        "[[rule]]\nkind = \"implies\"\nrelation = \"lived\"\nother = \"nothing\"\n",
    );
    home.run("rules bad.toml -w ws")
        .said(1, &["bad.toml", "rule 1", "no relation nothing"]);
    home.write(
        "rules.toml",
        "[[rule]]\nkind = \"antisymmetric\"\nrelation = \"company\"\n\
         [[rule]]\nkind = \"implies\"\nrelation = \"/p/company\"\nother = \"lived\"\n",
    );
    home.run("rules rules.toml -w ws")
        .said(0, &["2 rules kept", "✓ company(a, b) → lived(a, b)"]);
    let rows = queue(&home, "rules");
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(
        rows.iter()
            .all(|r| r["relation"] == "/p/lived" && r["tail"]["text"] == "Tessel")
    );
    home.run("rules -w ws --refuse 2")
        .said(0, &["✗ company(a, b) → lived(a, b)"]);
    assert!(queue(&home, "rules").is_empty());
    home.run("rules -w ws --accept 9")
        .said(1, &["there is no rule 9"]);
    let known = home.run("rules -w ws --json").done().json();
    let states: Vec<&str> = known
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["accepted", "refused"]);
}
