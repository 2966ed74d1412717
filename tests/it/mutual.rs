//! Mutual relations by command: the graph, its neighbours, training, evaluation, prediction.

use crate::program::{Home, model};
use serde_json::json;

const SETTINGS: &str = "
[mutual.line]
dim = 8
samples = 20000
[mutual.model]
project = 8
filters = 16
[mutual.train.fit]
epochs = 3
";

#[test]
fn a_graph_is_built_asked_and_replaced_only_when_told() {
    let home = Home::with_workspace();
    home.run("graph near Korvath -w ws")
        .said(1, &["graph.safetensors", "redress graph build"]);
    let small = "--dim 8 --samples 20000";
    let report = home
        .run(&format!("graph build -w ws {small} --json"))
        .done()
        .json();
    assert_eq!(
        (&report["sentences"], &report["left_out"]),
        (&json!(40), &json!(0))
    );
    // Eight people, five places, five firms.
    assert_eq!(report["vertices"], 18);
    let fell = &report["objectives"]["first"];
    assert!(fell[1].as_f64() < fell[0].as_f64(), "{report}");
    home.run("graph near ada lum -w ws -n 3")
        .said(0, &["nearest to Ada Lum"]);
    home.run("graph near Nobody -w ws")
        .said(1, &["no graph vector"]);

    let build = |more: &str| home.run(&format!("graph build -w ws {small} -o g {more}"));
    build("").said(0, &["40 sentences counted", "g: written"]);
    let first = home.read("g");
    build("").said(1, &["--force"]);
    build("--force").done();
    assert_eq!(home.read("g"), first, "same seed, same bytes");
    build("--force --leave-out-dev --seed 2").said(0, &["32 sentences counted", "8 left out"]);
    assert_ne!(home.read("g"), first);
    build("--force --weight log_norm --threshold 100").said(1, &["has no edge"]);
    home.write("g", "not a graph");
    home.run("graph near Korvath --graph g")
        .said(1, &["redress graph build"]);
}

#[test]
fn the_systems_are_trained_scored_and_predict() {
    let home = Home::with_workspace();
    home.write("mutual.toml", SETTINGS);
    home.write(
        "types.tsv",
        "Ada Lum\tPERSON:3\nKorvath\tLOCATION\tORGANIZATION\n\n",
    );
    let train = |out: &str, more: &str| {
        home.run(&format!(
            "train -w ws --systems mutual --from {} --out {out} --config mutual.toml --device cpu {more}",
            model().display()
        ))
    };
    train("m", "--types types.tsv").said(0, &["proximity graph of 32 sentences", "PA-TMR epoch 3"]);
    train("again", "--types types.tsv").done();
    for file in ["mutual.json", "mutual.safetensors", "graph.safetensors"] {
        let read = |dir: &str| home.read(&format!("{dir}/{file}"));
        assert_eq!(read("m"), read("again"), "{file}: same seed, same bytes");
    }
    train("n", "--types missing.tsv").said(1, &["missing.tsv"]);

    let evaluate = "evaluate -w ws --split dev --model m --device cpu";
    home.run(evaluate).said(
        0,
        &["PA-TMR", "AP new pairs", "precision of the first floor"],
    );
    let scores = home.run(&format!("{evaluate} --json")).done().json();
    let systems = scores["mutual"]["systems"].as_array().unwrap();
    let names: Vec<&str> = systems
        .iter()
        .filter_map(|s| s["system"].as_str())
        .collect();
    assert_eq!(names, ["base", "PA-T", "PA-MR", "PA-TMR"]);
    assert_eq!(scores["mutual"]["positives"], 8);

    home.run("predict -w ws --model m --device cpu")
        .said(0, &["+ MR"]);
    let exported = home.run("export -w ws --format redress").done();
    assert!(exported.out.contains("\"mutual\":"), "no cell was filled");
    // A graph of the workspace is taken where there is one.
    home.run("graph build -w ws --dim 8 --samples 20000").done();
    train("o", "").said(
        0,
        &["vectors of 18 entities, from 40 sentences without test"],
    );
}
