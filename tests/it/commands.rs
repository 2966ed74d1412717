//! Every command of the program on good input: what it does, what it prints, how it ends.

use crate::program::{COMPANY, Home, LIVED, TINY, model};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

#[test]
fn importing_twice_adds_nothing() {
    let home = Home::with_workspace();
    let report = home
        .run("import train.json dev.json -w ws --json")
        .done()
        .json();
    let numbers =
        |r: &Value| ["sentences", "added", "known", "triples"].map(|k| r[k].as_u64().unwrap());
    assert_eq!(numbers(&report[0]), [32, 0, 32, 32]);
    assert_eq!(numbers(&report[1]), [8, 0, 8, 8]);
    assert_eq!(report[0]["format"], "casrel");
    let info = home.run("info -w ws --json").done().json();
    assert_eq!(info["sentences"], "40");
    // The split comes from the file's name.
    home.run("search -w ws split:dev").said(0, &["8 sentences"]);
}

#[test]
fn standard_input_and_gzip_are_corpora_too() {
    let home = Home::new();
    let text = crate::program::corpus(0..3);
    home.run_with("import - -w ws --split test", &text)
        .said(0, &["3 new"]);
    let mut packed = flate2::read::GzEncoder::new(text.as_bytes(), flate2::Compression::fast());
    let mut bytes = Vec::new();
    packed.read_to_end(&mut bytes).unwrap();
    home.write("again.json.gz", bytes);
    home.run("import again.json.gz -w ws")
        .said(0, &["0 new, 3 known"]);
}

/// Two people and their places, with another relation that no label comes from.
const TRIPLES: &str = "/m/a\t/people/person/place_lived\t/m/k\n/m/b\t/people/person/place_lived\t/m/m\n\
                       /m/a\t/people/person/profession\t/m/x\n";
const NAMES: &str = "/m/a\tAda Lum\n/m/b\tBoris Kett\n/m/k\tKorvath\n/m/m\tLower Minth\n";
/// Mentions without labels.
const MENTIONS: &str = r#"{"tokens": ["Ada", "Lum", "of", "Korvath", "left", "."], "entities": [{"type": "PERSON", "start": 0, "end": 2}, {"type": "LOCATION", "start": 3, "end": 4}], "relations": []}
{"tokens": ["Boris", "Kett", "saw", "Korvath", "."], "entities": [{"type": "PERSON", "start": 0, "end": 2}, {"type": "LOCATION", "start": 3, "end": 4}], "relations": []}
"#;

#[test]
fn facts_label_the_pairs_they_relate() {
    let home = Home::new();
    home.write("sentences.json", MENTIONS);
    home.write("facts.tsv", TRIPLES);
    home.write("names.tsv", NAMES);
    home.run("import sentences.json -w ws").done();
    home.run("label -w ws")
        .said(1, &["no knowledge base", "redress kb import"]);
    home.run("kb import facts.tsv --names names.tsv -w ws")
        .said(0, &["3 facts", "3 facts, 5 entities"]);
    let again = home
        .run("kb import facts.tsv --names names.tsv -w ws --json")
        .done()
        .json();
    assert_eq!(
        (&again["added_facts"], &again["facts"]),
        (&json!(0), &json!(3))
    );
    let linked = home.run("label -w ws --link-only --json").done().json();
    assert_eq!(
        (&linked["linked"], &linked["labels"]),
        (&json!(4), &json!(0))
    );
    for _ in 0..2 {
        // Twice: labels of an earlier labelling are replaced, not added to.
        let report = home.run("label -w ws --json").done().json();
        assert_eq!(report["labels"], 1, "{report}");
        assert_eq!(report["per_relation"][0][0], LIVED);
    }
    home.run("search -w ws gold:place_lived")
        .said(0, &["1 sentences", "Ada Lum of Korvath left ."]);
    home.run("label -w ws --map identity")
        .said(0, &["1 labels in 1 sentences"]);
}

fn train(home: &Home, options: &str) -> Command {
    home.write("tiny.toml", TINY);
    home.command(&format!(
        "train -w ws --encoder bilstm --config tiny.toml --device cpu {options}"
    ))
}

/// Reads standard error up to a line that holds `part`; the rest stays to be read.
fn wait_for(child: &mut Child, part: &str) -> BufReader<std::process::ChildStderr> {
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut seen = String::new();
    while !seen.lines().last().unwrap_or_default().contains(part) {
        assert_ne!(err.read_line(&mut seen).unwrap(), 0, "ended early: {seen}");
    }
    err
}

#[cfg(unix)]
#[test]
fn an_interrupted_training_continues_to_the_same_bits() {
    let home = Home::with_workspace();
    let whole = train(&home, "--out whole --epochs 30 --seed 3")
        .output()
        .unwrap();
    assert!(
        whole.status.success(),
        "{}",
        String::from_utf8_lossy(&whole.stderr)
    );

    let mut child = train(&home, "--out parts --epochs 30 --seed 3")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut err = wait_for(&mut child, "epoch 2:");
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    let mut rest = String::new();
    err.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    assert!(
        rest.contains("--resume continues") && !rest.contains("panicked"),
        "{rest}"
    );
    assert!(!home.path("parts").exists(), "half a model");

    home.run("train -w ws --encoder bilstm --config tiny.toml --device cpu --out parts --epochs 30 --seed 3")
        .said(1, &["parts.training", "--resume"]);
    home.run("train -w ws --encoder bilstm --config tiny.toml --device cpu --out parts --epochs 30 --seed 4 --resume")
        .said(1, &["other data or settings"]);
    let resumed = train(&home, "--out parts --epochs 30 --seed 3 --resume")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&resumed.stderr);
    assert!(
        resumed.status.success() && said.contains("resumed after epoch"),
        "{said}"
    );
    same_model(&home, "whole", "parts");
    assert!(
        !home.path("parts.training").exists(),
        "checkpoint left over"
    );
}

fn same_model(home: &Home, one: &str, other: &str) {
    for file in ["model.safetensors", "config.json", "tokenizer.json"] {
        let same = home.read(&format!("{one}/{file}")) == home.read(&format!("{other}/{file}"));
        assert!(same, "{file} differs");
    }
}

#[test]
fn a_model_that_cannot_be_written_costs_no_training() {
    let home = Home::with_workspace();
    let whole = train(&home, "--out whole --epochs 12 --seed 3").output();
    assert!(whole.unwrap().status.success());
    let mut child = train(&home, "--out other --epochs 12 --seed 3")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut err = wait_for(&mut child, "epoch 2:");
    // Stands for a disk that fills, a folder that goes away: the model's place is taken when it is to be written.
    home.write("other", "in the way");
    let mut rest = String::new();
    err.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{rest}");
    assert!(
        rest.contains("other.training keeps it") && rest.contains("--resume"),
        "{rest}"
    );
    std::fs::remove_file(home.path("other")).unwrap();
    let saved = train(&home, "--out other --epochs 12 --seed 3 --resume").output();
    assert!(saved.unwrap().status.success());
    same_model(&home, "whole", "other");
    assert!(!home.path("other.training").exists());
}

#[test]
fn a_model_predicts_a_workspace_once_and_is_scored_under_named_protocols() {
    let home = Home::with_workspace();
    let with_model = format!("--model {} --device cpu", model().display());
    home.run("evaluate -w ws")
        .said(1, &["nothing is predicted here yet", "redress predict"]);
    let numbers = |line: &str| {
        let outcome = home.run(line).done().json();
        ["now", "total"].map(|k| outcome[k].as_u64().unwrap())
    };
    assert_eq!(
        numbers(&format!("predict -w ws {with_model} --json")),
        [40, 40]
    );
    // The workspace remembers its model.
    assert_eq!(numbers("predict -w ws --json --device cpu"), [0, 40]);
    assert_eq!(
        numbers("predict -w ws --json --device cpu --again"),
        [40, 40]
    );

    let stored = home.run("evaluate -w ws --split dev --json").done().json();
    let fresh = home
        .run(&format!("evaluate -w ws --split dev --json {with_model}"))
        .done()
        .json();
    assert_eq!(stored, fresh, "stored and fresh predictions differ");
    assert_eq!(
        (&stored["sentences"], &stored["split"]),
        (&json!(8), &json!("dev"))
    );
    let protocols: Vec<String> = stored["protocols"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["protocol"].as_str().unwrap().to_owned())
        .collect();
    for candidates in [
        "predicted entities",
        "gold entities, all pairs",
        "gold pairs",
    ] {
        for matching in ["exact", "partial"] {
            let named = protocols
                .iter()
                .any(|p| p.contains(candidates) && p.contains(matching));
            assert!(
                named || (candidates, matching) == ("gold pairs", "partial"),
                "{protocols:?}"
            );
        }
    }
    for protocol in stored["protocols"].as_array().unwrap() {
        let gold: u64 = [LIVED, COMPANY].iter().map(|r| gold_of(protocol, r)).sum();
        assert_eq!(
            (gold, &protocol["micro"]["gold"]),
            (8, &json!(8)),
            "{protocol}"
        );
        let classes: Vec<&str> = protocol["by_class"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["name"].as_str().unwrap())
            .collect();
        assert_eq!(classes, ["Normal", "EPO", "SEO"]);
    }
    // Twelve epochs on forty sentences: enough for the pairs to be more than chance.
    let gold_pairs = stored["protocols"].as_array().unwrap().last().unwrap();
    assert!(
        gold_pairs["micro"]["f1"].as_f64().unwrap() > 0.3,
        "{gold_pairs}"
    );
    home.run("evaluate -w ws").said(
        0,
        &[
            "all splits: 40 sentences",
            "predicted entities",
            "per relation",
        ],
    );
    home.run("search -w ws score>0.1 pred:any").done();
    home.run("search -w ws pred:unknown")
        .said(0, &["0 sentences"]);
}

fn gold_of(protocol: &Value, relation: &str) -> u64 {
    let rows = protocol["per_relation"].as_array().unwrap();
    let row = rows.iter().find(|r| r["name"] == relation);
    row.map_or(0, |r| r["score"]["gold"].as_u64().unwrap())
}

#[test]
fn a_search_finds_and_a_bad_query_is_pointed_at() {
    let home = Home::with_workspace();
    let found = home
        .run("search -w ws ada gold:place_lived -n 2 --json")
        .done()
        .json();
    assert!(found["total"].as_u64().unwrap() > 2, "{found}");
    assert_eq!(found["rows"].as_array().unwrap().len(), 2);
    for row in found["rows"].as_array().unwrap() {
        assert!(row["text"].as_str().unwrap().contains("Ada Lum"), "{row}");
    }
    let check = |query: &str, column: usize, says: &str| {
        let ran = home.run(&format!("search -w ws {query}")).said(2, &[says]);
        let mark = ran
            .err
            .lines()
            .find(|l| l.trim() == "^")
            .unwrap_or_else(|| panic!("{ran}"));
        assert_eq!(mark.find('^').unwrap() - 2, column, "{ran}");
        assert!(ran.out.is_empty(), "{ran}");
    };
    check("ada gold:place_livd", 9, "place_lived");
    check("ada colour:red", 4, "colour");
    check("(ada", 0, "");
}

#[test]
fn corrections_become_a_model_that_keeps_what_it_knew() {
    let home = Home::with_workspace();
    let tune = |options: &str| {
        let model = model().display();
        home.run(&format!(
            "fine-tune -w ws --model {model} --device cpu {options}"
        ))
    };
    tune("").said(1, &["nothing to learn from yet"]);
    // What is curated of dev measures, and does not teach.
    home.write("dev.jsonl", DECIDED.replace("left", "quit"));
    home.run("import dev.jsonl -w ws").done();
    tune("").said(1, &["(1) are of the dev and test splits"]);
    // Two of these four are like sentences of the train split.
    home.write("test.json", crate::program::corpus(40..44));
    home.run("import test.json -w ws").done();
    let of_train = DECIDED.replace(r#""split": "dev""#, r#""split": "train""#);
    home.write("train.jsonl", of_train);
    home.run("import train.jsonl -w ws").done();
    let report = tune("--json").done().json();
    assert_eq!(report["corrected_sentences"], 1, "{report}");
    assert_eq!(report["judgements"]["all"], 3, "{report}");
    let gains = &report["gains"];
    let sentences = ["dev", "test", "curated"].map(|kind| gains[kind]["sentences"].clone());
    assert_eq!(sentences, [json!(8), json!(2), json!(1)], "{report}");
    assert_eq!(gains["kept_out"], 1, "{report}");
    for when in ["f1_before", "f1_after"] {
        let (one, other) = (report[when].as_f64(), gains["dev"][when].as_f64());
        assert!((one.unwrap() - other.unwrap()).abs() < 1e-6, "{report}");
    }
    let (before, after) = (&report["f1_before"], &report["f1_after"]);
    let (before, after) = (before.as_f64().unwrap(), after.as_f64().unwrap());
    // Eight dev sentences and a model of seconds: it may forget (the ignored `fine_tune_on_truth` measures that on the
    // embedded model). The report must say so, and what was met before stays met.
    assert_eq!(report["worse"], after <= before - 0.01, "{report}");
    let met = |when: &str| report["judgements"][when].as_u64().unwrap();
    assert!(met("met_after") >= met("met_before"), "{report}");
    // One of the corrections is of a relation that the model had never heard of.
    let labels = |dir: &str| {
        let config: Value =
            serde_json::from_slice(&home.read(&format!("{dir}/config.json"))).unwrap();
        config["labels"].as_array().unwrap().clone()
    };
    let (old, new) = (
        labels(model().to_str().unwrap()),
        labels(report["model"].as_str().unwrap()),
    );
    assert!(new.starts_with(&old) && new.len() > old.len(), "{new:?}");
    assert!(new.contains(&json!("/business/company/place")));
    let accepted = tune("--accept");
    let state = home.run("info -w ws --json").done().json();
    let own = state["model"].as_str().unwrap().contains("fine-tuned");
    assert_eq!(
        (accepted.code, own),
        if own {
            (Some(0), true)
        } else {
            (Some(3), false)
        },
        "{accepted}"
    );
}

/// A sentence with each kind of decision.
const DECIDED: &str = r#"{"schema": "redress/1", "split": "dev", "text": "Ada Lum left Tamm for Zann .", "tokens": ["Ada", "Lum", "left", "Tamm", "for", "Zann", "."], "entities": [{"id": 0, "start": 0, "end": 2, "type": "PERSON"}, {"id": 1, "start": 3, "end": 4, "type": "LOCATION"}, {"id": 2, "start": 5, "end": 6, "type": null}], "relations": [{"id": 0, "head": 0, "tail": 1, "type": "/people/person/place_lived", "decision": "accepted", "origin": "gold"}, {"id": 1, "head": 0, "tail": 2, "type": "/business/person/company", "decision": "rejected", "origin": "gold", "tags": ["not_expressed"]}, {"id": 2, "head": 2, "tail": 1, "type": "/business/company/place", "decision": "accepted", "origin": "curator"}], "note": "left?", "done": true}
"#;

/// The lines of a redress export without what tells one workspace from another.
fn without_provenance(bytes: &[u8]) -> Vec<Value> {
    let mut lines = lines(std::str::from_utf8(bytes).unwrap());
    for line in &mut lines {
        line.as_object_mut().unwrap().remove("provenance").unwrap();
    }
    lines
}

#[test]
fn what_is_exported_and_imported_again_has_the_same_labels() {
    let home = Home::with_workspace();
    home.write("decided.jsonl", DECIDED);
    home.run("import decided.jsonl -w ws")
        .said(0, &["decisions restored"]);
    for format in ["redress", "casrel", "spert"] {
        let (first, second) = (format!("{format}-1.json"), format!("{format}-2.json"));
        home.run(&format!("export -w ws --format {format} -o {first}"))
            .said(0, &["41 sentences"]);
        home.run(&format!("import {first} -w from-{format}"))
            .said(0, &["41 new"]);
        home.run(&format!(
            "export -w from-{format} --format {format} -o {second}"
        ))
        .done();
        let (a, b) = (home.read(&first), home.read(&second));
        match format {
            // Nothing is lost: decisions, types, notes, tags, ids, splits.
            "redress" => assert_eq!(without_provenance(&a), without_provenance(&b)),
            _ => assert_eq!(String::from_utf8(a), String::from_utf8(b), "{format}"),
        }
        let labels = |workspace: &str, relation: &str| {
            let line = format!("search -w {workspace} gold:{relation} --json -n 1");
            home.run(&line).done().json()["total"].clone()
        };
        for relation in [LIVED, COMPANY, "/business/company/place"] {
            let there = labels(&format!("from-{format}"), relation);
            assert_eq!(labels("ws", relation), there, "{format} {relation}");
        }
    }
    let lost = home.run("export -w ws --format casrel");
    assert!(lost.err.contains(" × "), "{lost}");
    assert_eq!(
        serde_json::from_str::<Value>(&lost.out)
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        41
    );
}

#[test]
fn an_export_is_narrowed_and_replaces_nothing_unasked() {
    let home = Home::with_workspace();
    home.write("decided.jsonl", DECIDED);
    home.run("import decided.jsonl -w ws").done();
    let reviewed = lines(
        &home
            .run("export -w ws --only reviewed --view train")
            .done()
            .out,
    );
    assert_eq!(reviewed.len(), 1);
    let labels: Vec<&Value> = reviewed[0]["relations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["label"])
        .collect();
    assert_eq!(labels, ["positive", "negative", "positive"]);
    assert_eq!(
        lines(&home.run("export -w ws --split dev").done().out).len(),
        9
    );

    let path = home.write("mine.json", "dear to me");
    home.run("export -w ws -o mine.json")
        .said(1, &["mine.json", "already"]);
    assert_eq!(fs::read(&path).unwrap(), b"dear to me");
    home.run("export -w ws -o mine.json --force").done();
    assert_ne!(fs::read(&path).unwrap(), b"dear to me");
    // Never over the workspace itself, forced or not.
    home.run("export -w ws -o ws/workspace.db --force")
        .said(1, &["workspace.db", "choose another"]);
    home.run("export -w ws -o ws --force").said(1, &["ws"]);
    home.run("export -w ws -o no/such/folder.json")
        .said(1, &["no/such/folder.json"]);
    home.run("info -w ws").said(0, &["41"]);
}

#[test]
fn the_filter_answers_each_line_in_order_and_bad_ones_in_line() {
    let home = Home::new();
    let filter = format!("predict --model {} --device cpu", model().display());
    let mut input: Vec<u8> = Vec::new();
    for n in 0..150 {
        input.extend(
            format!("{{\"text\": \"Ada Lum lives in Tamm{n} .\", \"id\": \"s{n}\"}}\n").bytes(),
        );
    }
    let ran = home.run_with(&filter, &input).done();
    let out = lines(&ran.out);
    assert_eq!(out.len(), 150);
    for (n, line) in out.iter().enumerate() {
        assert_eq!(
            (&line["line"], &line["id"]),
            (&json!(n + 1), &json!(format!("s{n}")))
        );
        assert!(
            line["relations"].is_array() && line["entities"].is_array(),
            "{line}"
        );
    }

    let odd: &[&[u8]] = &[
        b"{\"text\": \"Ada Lum lives in Tamm .\"}",
        b"{\"text\": 3}",
        b"",
        b"{\"tokens\": [\"Ada\", \"Lum\"]}",
        b"plain words",
        b"{\"text\": \"\xff\"}",
        b"{\"text\": \"last, without a line feed\"}",
    ];
    let ran = home
        .run_with(&filter, odd.join(&b'\n'))
        .said(3, &["4 of 7 lines"]);
    let out = lines(&ran.out);
    let bad: Vec<bool> = out.iter().map(|l| l["error"].is_string()).collect();
    assert_eq!(bad, [false, true, true, false, true, true, false], "{ran}");
    for (n, line) in out.iter().enumerate() {
        assert_eq!(line["line"], json!(n + 1));
    }
    assert!(home.run_with(&filter, "").done().out.is_empty());
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_error() {
    let home = Home::with_workspace();
    let many = "{\"text\": \"Ada Lum lives in Tamm .\"}\n".repeat(2000);
    home.write("many.jsonl", many);
    let program = env!("CARGO_BIN_EXE_redress");
    let model = model().display().to_string();
    for (line, input) in [
        (
            format!("predict --model {model} --device cpu"),
            "many.jsonl",
        ),
        ("export -w ws".to_owned(), "/dev/null"),
        ("search -w ws".to_owned(), "/dev/null"),
        ("info -w ws".to_owned(), "/dev/null"),
        ("info -w ws --json".to_owned(), "/dev/null"),
        ("doctor".to_owned(), "/dev/null"),
        ("import train.json -w ws".to_owned(), "/dev/null"),
        ("completions bash".to_owned(), "/dev/null"),
        ("man".to_owned(), "/dev/null"),
        ("--help".to_owned(), "/dev/null"),
    ] {
        // `true` reads nothing; the sleep lets it close the pipe first.
        let script =
            format!("(sleep 0.2; {program} {line} < {input}; echo \"code $?\" >&2) | true");
        let output = home.shell(&script).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("code 0") && !said.contains("panicked") && !said.contains("pipe"),
            "{line}: {said}"
        );
    }
}

#[test]
fn without_a_terminal_the_screen_says_what_to_do_instead() {
    let home = Home::with_workspace();
    for line in ["", "--demo", "-w ws"] {
        home.run(line)
            .said(2, &["needs a terminal", "redress import", "redress --help"]);
    }
}

#[test]
fn completions_and_the_manual_name_every_command() {
    let home = Home::new();
    let commands = [
        "import",
        "kb",
        "label",
        "train",
        "fine-tune",
        "predict",
        "evaluate",
        "export",
        "search",
        "info",
        "doctor",
    ];
    for line in [
        "completions bash",
        "completions zsh",
        "completions fish",
        "man",
        "--help",
    ] {
        // The manual page escapes hyphens.
        let mut ran = home.run(line).done();
        ran.out = ran.out.replace("\\-", "-");
        ran.said(0, &commands);
    }
    home.run("--version").said(0, &[env!("CARGO_PKG_VERSION")]);
}

#[test]
fn info_and_doctor_tell_paths_and_state() {
    let home = Home::with_workspace();
    home.run("info -w ws").said(
        0,
        &["version", "config.toml", "redress.log", "sentences", "40"],
    );
    home.run("info -w nowhere")
        .said(0, &["nowhere", "redress import"]);
    let doctor = home.run("doctor -w ws --json");
    let checks = doctor.json();
    let ok = |name: &str| checks[name]["ok"].as_bool().unwrap();
    assert_eq!(
        (ok("terminal"), ok("device"), ok("workspace")),
        (false, true, true),
        "{doctor}"
    );
    assert_eq!(
        ok("embedded model"),
        cfg!(feature = "embedded-model"),
        "{doctor}"
    );
    assert_eq!(doctor.code, Some(if ok("embedded model") { 0 } else { 3 }));
    home.run("doctor -w nowhere")
        .said(3, &["FAIL workspace", "redress import"]);
    // Where there is none yet, none is missing.
    let fresh = Home::new();
    fresh.run("info").said(0, &["none yet", "CPU"]);
    if cfg!(feature = "embedded-model") {
        fresh.run("doctor").said(0, &["ok   workspace", "none yet"]);
    }
}

#[test]
fn wrong_usage_ends_with_two() {
    let home = Home::with_workspace();
    for (line, says) in [
        ("frobnicate", "frobnicate"),
        ("import", "FILE"),
        ("import train.json --format conll -w ws", "casrel"),
        ("export -w ws --format conll", "spert"),
        ("export -w ws --only some", "reviewed"),
        ("train -w ws", "--out"),
        ("train -w ws --out m --systems magic", "hrere"),
        ("train -w ws --out m --precision f64", "int8"),
        ("train -w ws --out m --encoder a --from b", "--from"),
        ("evaluate -w ws --split middle", "dev"),
    ] {
        home.run(line).said(2, &[says]);
    }
}
