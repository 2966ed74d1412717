//! Thresholds that a curator kept for single relations, carried with a copy of the model.

use crate::program::{COMPANY, Home, LIVED, TINY, corpus};
use redress::workspace::Workspace;
use serde_json::{Value, json};

fn read(home: &Home, file: &str) -> Value {
    serde_json::from_slice(&home.read(file)).unwrap()
}

/// What the page of thresholds keeps on `w`.
fn keep(home: &Home, workspace: &str, relation: &str, threshold: f32) {
    let mut ws = Workspace::open(&home.path(workspace)).unwrap();
    let relation = ws.schema().relation(relation).unwrap();
    ws.set_threshold(relation, Some(threshold)).unwrap();
    ws.refresh_index(&mut |_, _| true).unwrap();
}

fn predicted(home: &Home, workspace: &str, relation: &str) -> u64 {
    let line = format!("search -w {workspace} pred:{relation} --json -n 1");
    home.run(&line).done().json()["total"].as_u64().unwrap()
}

/// A workspace `ws` with predictions of a small model, `model`; returns the run.
fn home() -> (Home, String) {
    let home = Home::with_workspace();
    home.write("tiny.toml", TINY);
    home.run(
        "train -w ws --out model --encoder bilstm --config tiny.toml --epochs 12 --device cpu",
    )
    .done();
    let made = home.run("predict -w ws --model model --device cpu --json");
    let run = made.done().json()["run"].as_str().unwrap().to_owned();
    (home, run)
}

#[test]
fn a_copy_of_the_model_decides_by_the_curators_thresholds_and_names_them() {
    let (home, run) = home();
    home.run("convert --thresholds ws --out own")
        .said(1, &["ws: no relation has a threshold", &run, "--model"]);
    assert!(predicted(&home, "ws", "place_lived") > 0);
    keep(&home, "ws", LIVED, 1.0);
    keep(&home, "ws", COMPANY, 0.06);
    let companies = predicted(&home, "ws", "company");
    let original = home.fingerprint("model");

    home.run("convert --thresholds ws --out model")
        .said(1, &["the model itself"]);
    home.run("convert --thresholds ws --out own").said(
        0,
        &[
            "weights as they were",
            "/people/person/place_lived is predicted from 1.000 on",
            "another run",
        ],
    );
    assert_eq!(home.fingerprint("model"), original, "the model was written");
    for same in ["model.safetensors", "tokenizer.json"] {
        let copy = home.read(&format!("own/{same}"));
        assert!(copy == home.read(&format!("model/{same}")), "{same}");
    }
    let card = read(&home, "own/card.json");
    let named = |relation: &str, threshold: f64| {
        json!({"relation": relation, "threshold": threshold, "chosen_by": "a curator",
               "workspace": "ws", "run": run, "sentences": 40})
    };
    assert_eq!(
        card["thresholds"],
        json!([named(COMPANY, 0.06), named(LIVED, 1.0)])
    );
    assert_eq!(card["curve"], read(&home, "model/card.json")["curve"]);

    // Here as another run, which decides the same without anything kept; and where nobody kept anything.
    let again = home.run("predict -w ws --model own --device cpu --json");
    assert_ne!(again.done().json()["run"], json!(run));
    home.write("other.json", corpus(0..40));
    home.run("import other.json -w other").done();
    home.run("predict -w other --model own --device cpu").done();
    for ws in ["ws", "other"] {
        assert_eq!(predicted(&home, ws, "place_lived"), 0, "{ws}");
        assert_eq!(predicted(&home, ws, "company"), companies, "{ws}");
    }
    let rules = home.run("evaluate -w other --json").done().json()["rules"].clone();
    assert_eq!(rules[0]["thresholds"].as_object().unwrap().len(), 2);
    assert_eq!(
        rules[1]["thresholds"],
        Value::Null,
        "given entities have another rule"
    );
    let line = r#"{"text": "Ada Lum has lived in Korvath for 4 years ."}"#;
    let filtered = |model: &str| {
        let ran = home.run_with(&format!("predict --model {model} --device cpu"), line);
        ran.done().out.matches(LIVED).count()
    };
    assert_eq!((filtered("model").min(1), filtered("own")), (1, 0));
    // The copy's own are not the workspace's: nothing is kept under its run.
    home.run("convert --thresholds ws --out twice")
        .said(1, &["no relation has a threshold"]);
}

#[test]
fn thresholds_stay_with_a_model_that_is_tuned_or_given_more_of_them() {
    let (home, run) = home();
    keep(&home, "ws", LIVED, 0.7);
    home.run("convert --thresholds ws --out own").done();
    home.run("predict -w ws --model own --device cpu").done();
    keep(&home, "ws", COMPANY, 0.3);
    // The original model is named: what was kept under it is still there.
    home.run("convert --thresholds ws --model model --out same")
        .done();
    assert_eq!(home.read("own/config.json"), home.read("same/config.json"));
    home.run("convert --thresholds ws --out both --precision f16")
        .said(0, &["both: ", "f16", COMPANY]);
    let thresholds =
        |model: &str| read(&home, &format!("{model}/config.json"))["thresholds"].clone();
    assert_eq!(thresholds("own"), json!({LIVED: 0.7}));
    assert_eq!(thresholds("both"), json!({COMPANY: 0.3, LIVED: 0.7}));
    let card = read(&home, "both/card.json");
    let runs: Vec<bool> = card["thresholds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["run"] == json!(run))
        .collect();
    assert_eq!(
        (runs, &card["stored_as"]),
        (vec![true, false], &json!("f16"))
    );

    let judged = r#"{"schema": "redress/1", "split": "train", "text": "Ada Lum left Tamm .", "tokens": ["Ada", "Lum", "left", "Tamm", "."], "entities": [{"id": 0, "start": 0, "end": 2, "type": null}, {"id": 1, "start": 3, "end": 4, "type": null}], "relations": [{"id": 0, "head": 0, "tail": 1, "type": "/people/person/place_lived", "decision": "accepted", "origin": "gold"}]}"#;
    home.write("judged.jsonl", format!("{judged}\n"));
    home.run("import judged.jsonl -w ws").done();
    let tuned = home.run("fine-tune -w ws --model both --device cpu --json");
    let tuned = tuned.done().json()["model"].as_str().unwrap().to_owned();
    assert_eq!(thresholds(&tuned), thresholds("both"));
    assert_eq!(
        read(&home, &format!("{tuned}/card.json"))["thresholds"],
        card["thresholds"]
    );
}
