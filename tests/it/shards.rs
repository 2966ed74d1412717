//! Predictions made elsewhere by the filter come back whole, once, and only where they belong.

use crate::program::{Home, model};
use serde_json::{Value, json};

fn with_model() -> String {
    format!("--model {} --device cpu", model().display())
}

fn numbers(report: &Value) -> [u64; 4] {
    ["lines", "added", "known", "problems"].map(|k| report[k].as_u64().unwrap())
}

#[test]
fn shards_predicted_elsewhere_equal_a_prediction_on_the_spot() {
    let home = Home::with_workspace();
    let export = home.run("export -w ws").done().out;
    let filter = format!("predict --kept {}", with_model());
    let (mut first, mut second) = (String::new(), String::new());
    for (n, line) in export.lines().enumerate() {
        let shard = if n % 3 == 0 { &mut first } else { &mut second };
        *shard += &format!("{line}\n");
    }
    home.write("b.jsonl", home.run_with(&filter, first).done().out);
    home.write("a.jsonl", home.run_with(&filter, second).done().out);

    let import = format!(
        "import-predictions b.jsonl a.jsonl -w ws --json {}",
        with_model()
    );
    assert_eq!(numbers(&home.run(&import).done().json()), [40, 40, 0, 0]);
    let scores = "evaluate -w ws --json --device cpu";
    let brought = home.run(scores).done().json();
    let found = home.run("search outcome:spurious -w ws --json").done().out;
    assert_eq!(numbers(&home.run(&import).done().json()), [40, 0, 40, 0]);
    assert_eq!(home.run(scores).done().json(), brought);

    // Nothing is left to predict, and predicting anew gives the same.
    let predict = |more: &str| home.run(&format!("predict -w ws --json --device cpu{more}"));
    assert_eq!(predict("").done().json()["now"], 0);
    assert_eq!(predict(" --again").done().json()["now"], 40);
    assert_eq!(home.run(scores).done().json(), brought);
    assert_eq!(
        home.run("search outcome:spurious -w ws --json").done().out,
        found
    );
}

#[test]
fn equal_sentences_share_what_was_predicted_once() {
    let home = Home::new();
    let line = "{\"text\": \"Ada Lum lives in Tamm .\", \"triple_list\": []}\n";
    home.write("two.jsonl", line.repeat(2));
    home.run("import two.jsonl -w ws").done();
    // The corpus has the tokens between its spaces.
    let plain = "{\"tokens\": [\"Ada\", \"Lum\", \"lives\", \"in\", \"Tamm\", \".\"]}\n";
    let predict = format!("predict --kept {}", with_model());
    home.write("p.jsonl", home.run_with(&predict, plain).done().out);
    let import = format!("import-predictions p.jsonl -w ws --json {}", with_model());
    assert_eq!(numbers(&home.run(&import).done().json()), [1, 2, 0, 0]);
}

#[test]
fn lines_that_do_not_belong_are_named_and_the_rest_is_kept() {
    let home = Home::with_workspace();
    let export = home.run("export -w ws").done().out;
    let predict = |more: &str, lines: &str| {
        let filter = format!("predict {more} {}", with_model());
        home.run_with(&filter, lines).out
    };
    let good: Vec<String> = predict("--kept", &export)
        .lines()
        .map(str::to_owned)
        .collect();
    let one = export.lines().next().unwrap();
    let change = |line: &str, change: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        change(&mut value);
        value.to_string()
    };
    let lines = [
        good[0].clone(),
        predict("", one).trim().to_owned(),
        predict("--kept", "{\"text\": 3}").trim().to_owned(),
        predict("--kept", "{\"text\": \"Nobody knows this .\"}")
            .trim()
            .to_owned(),
        change(&good[1], &|v| v["model"] = json!("0123456789abcdef")),
        change(&good[2], &|v| v["tokens"][0] = json!("Other")),
        change(&good[3], &|v| v["covered"] = json!(5000)),
        change(&good[4], &|v| v["sentence"] = json!("\u{1b}[31m")),
        good[5][..good[5].len() / 2].to_owned(),
        String::new(),
        good[6].clone(),
    ];
    home.write("part.jsonl", lines.join("\n"));
    let line = format!("import-predictions part.jsonl -w ws {}", with_model());
    let ran = home.run(&line).said(
        3,
        &[
            "10 lines: 2 sentences new",
            "part.jsonl:2: holds accepted triples only",
            "part.jsonl:3: not predicted: ",
            "part.jsonl:4: no sentence of this workspace: \"Nobody knows",
            "part.jsonl:5: predicted by model 0123456789abcdef",
            "part.jsonl:6: the workspace cuts sentence",
            "part.jsonl:7: does not fit model and sentence: 5000 of",
            "part.jsonl:8: expected an id of 16 hex digits",
            "part.jsonl:9: expected a line of `redress predict --kept`",
        ],
    );
    assert!(!ran.out.contains('\u{1b}'));
    home.run("import-predictions none.jsonl -w ws")
        .said(1, &["none.jsonl"]);
    let total = home.run("predict -w ws --json --device cpu").done().json();
    assert_eq!((&total["now"], &total["total"]), (&json!(38), &json!(40)));
}
