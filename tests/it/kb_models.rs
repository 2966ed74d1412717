//! `redress kb train`, and the bag systems trained from the command line: on tables made earlier, interrupted, resumed.

use crate::program::{Home, model};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

/// "follows" on a ring of 20 and "beside" both ways; the first `n` lines of each kind, or those after.
fn ring(which: std::ops::Range<usize>) -> String {
    which
        .flat_map(|i| {
            let next = (i + 1) % 20;
            [
                format!("e{i}\tfollows\te{next}\n"),
                format!("e{i}\tbeside\te{next}\n"),
                format!("e{next}\tbeside\te{i}\n"),
            ]
        })
        .collect()
}

const SMALL: &str = "[one_vs_all]\ndim = 8\nbatch = 4\nepochs = 30\ncheck_every = 5\n\
                     [negative_sampling]\ndim = 8\nsteps = 40\nbatch = 8\n";

#[test]
fn facts_are_learned_ranked_and_kept() {
    let home = Home::new();
    home.write("train.tsv", ring(0..18));
    home.write("valid.tsv", ring(18..19));
    home.write("test.tsv", ring(19..20));
    home.write("small.toml", SMALL);
    let common = "kb train train.tsv --valid valid.tsv --config small.toml --json";
    let report = home
        .run(&format!("{common} --filter test.tsv --out kb"))
        .done()
        .json();
    assert_eq!(
        (&report["facts"], &report["entities"]),
        (&Value::from(54), &Value::from(20))
    );
    assert_eq!(report["valid"]["n_queries"], 6);
    assert!(report["test"].is_null(), "nobody asked for the test");
    assert_eq!(
        report["filtered_by"],
        serde_json::json!(["train.tsv", "valid.tsv", "test.tsv"])
    );
    assert!(report["seconds_per_epoch"].as_f64().unwrap() > 0.0);
    assert!(home.path("kb/kb.json").is_file() && home.path("kb/kb.safetensors").is_file());

    let tested = home.run(&format!("{common} --test test.tsv")).done().json();
    assert_eq!(tested["test"]["n_queries"], 6);
    let mrr = |r: &Value| r["valid"]["mrr"].as_f64();
    assert_eq!(
        mrr(&tested),
        mrr(&report),
        "same seed, same filter, same ranks"
    );
    let paper = home
        .run(&format!("{common} --preset negative-sampling"))
        .done()
        .json();
    assert_eq!(paper["run"]["learner"], "negative-sampling");

    home.run("kb train train.tsv --valid train.tsv")
        .said(1, &["54 facts of --valid", "says nothing"]);
    home.run("kb train train.tsv --preset negative-sampling --dim 9")
        .said(1, &["--dim and --epochs"]);
    std::fs::create_dir(home.path("notes")).unwrap();
    home.write("notes/todo.txt", "x");
    home.run("kb train train.tsv --config small.toml --out notes")
        .said(1, &["a directory without kb.json"]);
}

/// A workspace whose people and places are linked, with facts that no sentence names beside those that some do.
fn linked() -> Home {
    let home = Home::with_workspace();
    let people = [
        "Ada Lum",
        "Boris Kett",
        "Cora Vane",
        "Dov Marsh",
        "Edda Roy",
        "Finn Oak",
    ];
    let places = ["Korvath", "Lower Minth", "Pellan", "Orsk Bay", "Tamm"];
    let firms = [
        "Nordal Works",
        "Vexia",
        "Ortel Brothers",
        "Quill Press",
        "Zann",
    ];
    let (mut facts, mut names) = (String::new(), String::new());
    for (kind, list) in [("p", &people[..]), ("l", &places[..]), ("f", &firms[..])] {
        for (i, name) in list.iter().enumerate() {
            names += &format!("{kind}{i}\t{name}\n");
            facts += &format!("{kind}{i}\t/is\t{kind}\n{kind}{i}\t/near\tx{}\n", i % 2);
        }
    }
    home.write("facts.tsv", facts);
    home.write("names.tsv", names);
    home.run("kb import facts.tsv --names names.tsv -w ws")
        .done();
    home.run("label -w ws --link-only").done();
    home.write(
        "bags.toml",
        "[bags.hrere]\nhidden = 8\ndense = 8\nposition_dim = 2\n[bags.kb.one_vs_all]\ndim = 4\nepochs = 4\nbatch = 8\n\
         [bags.train.fit]\nepochs = 12\nbatch = 4\nclip = 5.0\nshards = 1\n",
    );
    home
}

fn hrere(home: &Home, options: &str) -> Command {
    let from = model().display();
    home.command(&format!(
        "train -w ws --systems hrere --from {from} --config bags.toml --device cpu {options}"
    ))
}

#[cfg(unix)]
#[test]
fn bag_systems_take_tables_and_continue_where_they_were_stopped() {
    let home = linked();
    home.write("kb.toml", "[one_vs_all]\ndim = 4\nepochs = 4\nbatch = 8\n");
    home.run("kb train -w ws --config kb.toml --out kb")
        .said(0, &["epoch", "valid: filtered MRR", "kb: written"]);
    let done = |mut command: Command| {
        let ran = command.output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success(), "{said}");
        said
    };
    let said = done(hrere(&home, "--out whole --kb-model kb"));
    assert!(
        !said.contains("ComplEx epoch"),
        "the tables were there: {said}"
    );
    // The same settings learn the same tables.
    let said = done(hrere(&home, "--out alone"));
    assert!(said.contains("ComplEx epoch 4"), "{said}");
    let bank = |name: &str| home.read(&format!("{name}/bags.safetensors"));
    assert!(bank("whole") == bank("alone"));

    let mut child = hrere(&home, "--out parts")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("Naive epoch 2") {
        assert_ne!(err.read_line(&mut seen).unwrap(), 0, "ended early: {seen}");
    }
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    err.read_to_string(&mut seen).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{seen}");
    assert!(!home.path("parts").exists() && home.path("parts.bags-training").exists());

    let refused = |options: &str, parts: &[&str]| {
        let ran = hrere(&home, options).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(1), "{said}");
        parts
            .iter()
            .for_each(|part| assert!(said.contains(part), "{said} lacks {part}"));
    };
    refused("--out parts", &["parts.bags-training", "--resume"]);
    refused("--out parts --seed 2 --resume", &["other data or settings"]);
    refused("--out other --resume", &["no checkpoint to resume"]);
    let said = done(hrere(&home, "--out parts --resume"));
    assert!(
        !said.contains("ComplEx epoch") && !said.contains("Base epoch"),
        "{said}"
    );
    assert!(bank("parts") == bank("whole"), "not the same bits");
    assert!(!home.path("parts.bags-training").exists(), "left over");

    // Facts that the tables were not learned from.
    home.write("more.tsv", "p0\t/is\tl0\np0\t/near\tp1\n");
    home.run("kb import more.tsv -w ws").done();
    refused("--out other --kb-model kb", &["learned from other facts"]);
}
