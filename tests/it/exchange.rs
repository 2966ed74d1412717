//! Corrections from one workspace to another.

use crate::program::Home;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

/// The first labels of the queue as lines with a verdict.
fn verdicts(home: &Home, n: usize, verdict: &str) -> String {
    let ran = home.run("queue -w ws --json --order document").done();
    let line = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        json!({"sentence": row["sentence"], "head": row["head"], "relation": row["relation"], "tail": row["tail"],
               "verdict": verdict})
        .to_string()
    };
    let lines: Vec<String> = ran.out.lines().take(n).map(line).collect();
    lines.join("\n")
}

fn set(home: &Home) -> BTreeSet<String> {
    let ran = home.run("export -w ws --format corrections").done();
    ran.out.lines().map(str::to_owned).collect()
}

#[test]
fn two_workspaces_exchange_what_their_curators_decided() {
    let (ada, bo) = (Home::with_workspace(), Home::with_workspace());
    ada.write("v.jsonl", verdicts(&ada, 6, "accept"));
    bo.write("v.jsonl", verdicts(&bo, 3, "reject"));
    ada.run("apply v.jsonl -w ws --by Ada").done();
    bo.run("apply v.jsonl -w ws --by Bo").done();
    ada.run("export -w ws --format corrections -o mine.jsonl")
        .said(0, &["exported 6 corrections"]);
    ada.run("export -w ws --format corrections --view train")
        .said(1, &["leave out --view train"]);
    bo.write("ada.jsonl", ada.read("mine.jsonl"));
    let before = bo.fingerprint("ws/workspace.db");
    bo.run("apply ada.jsonl -w ws --dry-run")
        .said(3, &["would apply 3 accept", "3 conflicts"]);
    assert_eq!(bo.fingerprint("ws/workspace.db"), before);
    let ran = bo.run("apply ada.jsonl -w ws --json").said(3, &[]);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (&report["applied"], &report["held"], &report["conflicts"]),
        (&json!({"accept": 3}), &json!(3), &json!(3))
    );
    let first = &report["disputed"][0];
    assert_eq!(
        (&first["stands"]["by"], &first["stands"]["decision"]),
        (&json!("Bo"), &json!("reject"))
    );
    assert_eq!(
        (&first["held"]["by"], &first["held"]["decision"]),
        (&json!("Ada"), &json!("accept"))
    );
    // Held, not lost: what is exported is the union, and a second merge changes nothing.
    assert_eq!(set(&bo).len(), 9);
    bo.run("apply ada.jsonl -w ws")
        .said(0, &["applied nothing", "6 already so"]);
    bo.run("export -w ws --format corrections -o all.jsonl")
        .done();
    ada.write("all.jsonl", bo.read("all.jsonl"));
    ada.run("apply all.jsonl -w ws").said(3, &["3 conflicts"]);
    assert_eq!(set(&ada), set(&bo));
    // Here Ada's word stands, there Bo's.
    let labels = |home: &Home, what: &str| {
        let export = home.run("export -w ws --only reviewed").done().out;
        export.matches(what).count()
    };
    assert_eq!(
        (labels(&ada, "\"rejected\""), labels(&bo, "\"rejected\"")),
        (0, 3)
    );
}

#[test]
fn a_kill_in_the_middle_of_a_merge_loses_nothing() {
    let (ada, bo) = (Home::with_workspace(), Home::with_workspace());
    ada.write("v.jsonl", verdicts(&ada, 40, "reject"));
    ada.run("apply v.jsonl -w ws --by Ada").done();
    ada.run("export -w ws --format corrections -o mine.jsonl")
        .done();
    bo.write("ada.jsonl", ada.read("mine.jsonl"));
    bo.write("v.jsonl", verdicts(&bo, 2, "accept"));
    bo.run("apply v.jsonl -w ws --by Bo").done();
    let own = set(&bo);
    let all: BTreeSet<String> = own.union(&set(&ada)).cloned().collect();
    for wait in [2, 10, 20, 40, 60, 80, 120] {
        let mut merging = bo
            .command("apply ada.jsonl -w ws")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        merging.kill().unwrap();
        merging.wait().unwrap();
        let found = set(&bo);
        assert!(found == own || found == all, "half a merge after {wait} ms");
    }
    bo.run("apply ada.jsonl -w ws");
    assert_eq!(set(&bo), all);
}

#[test]
fn lines_that_are_no_corrections_are_named() {
    let home = Home::with_workspace();
    home.write("v.jsonl", verdicts(&home, 2, "accept"));
    home.run("apply v.jsonl -w ws").done();
    let lines: Vec<Value> = set(&home)
        .iter()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut line = lines[0].clone();
        change(&mut line);
        line.to_string()
    };
    let bad = [
        with(&|l| l["by"] = json!("Mallory")),
        with(&|l| l["by"] = json!("")),
        with(&|l| l["sentence"] = json!("0000000000000000")),
        with(&|l| l["edit"]["triple"]["relation"] = json!("/made/up\u{1b}[2J")),
        with(&|l| l["edit"] = json!("judge")),
        with(&|l| {
            l.as_object_mut().unwrap().remove("edit");
        }),
        "{\"correction\":\"x\"}".to_owned(),
        verdicts(&home, 1, "accept"),
    ];
    home.write("bad.jsonl", bad.join("\n"));
    let ran = home.run("apply bad.jsonl -w ws").said(
        3,
        &[
            "8 problems",
            "bad.jsonl:1: its key does not fit",
            "bad.jsonl:2: expected a name",
            "bad.jsonl:3: no sentence 0000000000000000",
            "bad.jsonl:4: its key does not fit",
            "bad.jsonl:5: a correction is not readable",
            "bad.jsonl:6: expected either `edit` or `undoes`",
            "bad.jsonl:7: expected a correction with",
        ],
    );
    assert!(!ran.out.contains('\u{1b}'));
    assert_eq!(set(&home).len(), 2);
}

#[test]
fn curators_get_their_parts_and_their_agreement_is_measured() {
    let (ada, bo) = (Home::with_workspace(), Home::with_workspace());
    ada.run("assign -w ws")
        .said(1, &["nothing is assigned here"]);
    ada.run("assign -w ws --to Ada --to Ada")
        .said(1, &["named twice"]);
    ada.run("assign -w ws --to Ada --overlap 2")
        .said(1, &["0 to 1"]);
    ada.run("assign -w ws --to Ada --to Bo --overlap 0.5")
        .done();
    let parts: Value = ada.run("assign -w ws --json").done().json();
    let count = |n: usize, field: &str| parts[n][field].as_u64().unwrap();
    assert_eq!(
        count(0, "sentences") + count(1, "sentences") - count(0, "shared"),
        40
    );
    assert_eq!(count(0, "shared"), count(1, "shared"));
    assert!(count(0, "shared") > 5);

    // Ada accepts six labels, Bo rejects three of them and accepts two: 2 of 5 items agreed.
    ada.write("v.jsonl", verdicts(&ada, 6, "accept"));
    let lines = verdicts(&bo, 5, "reject");
    let lines: Vec<String> = lines
        .lines()
        .enumerate()
        .map(|(n, l)| {
            if n < 3 {
                l.to_owned()
            } else {
                l.replace("reject", "accept")
            }
        })
        .collect();
    bo.write("v.jsonl", lines.join("\n"));
    ada.run("apply v.jsonl -w ws --by Ada").done();
    bo.run("apply v.jsonl -w ws --by Bo").done();
    bo.run("export -w ws --format corrections -o bo.jsonl")
        .done();
    ada.write("bo.jsonl", bo.read("bo.jsonl"));
    ada.run("apply bo.jsonl -w ws").said(3, &["3 conflicts"]);
    let report: Value = ada.run("agreement -w ws --json").done().json();
    let exact = &report["exact"];
    assert_eq!((&exact["items"], &exact["agreed"]), (&json!(5), &json!(2)));
    assert_eq!(report["disputed"], json!(3));
    // scikit-learn 1.9.1: cohen_kappa_score("aaaaa", "rrraa") = 0; krippendorff 0.8: alpha = -0.2857142857142858.
    assert_eq!(exact["pairs"][0]["kappa"], json!(0.0));
    assert!((exact["alpha"].as_f64().unwrap() + 0.2857142857142858).abs() < 1e-12);
    ada.run("agreement -w ws").said(
        0,
        &[
            "Ada: 6 verdicts",
            "5 items that at least two decided, 2 agreed",
            "3 triples disputed",
        ],
    );

    // The command line finds what the screen's list holds.
    let n = |query: &str| {
        let found: Value = ada
            .run(&format!("search -w ws --json {query}"))
            .done()
            .json();
        found["total"].as_u64().unwrap()
    };
    assert_eq!(n("assigned:Ada"), count(0, "sentences"));
    assert_eq!(n("assigned:Ada assigned:Bo"), count(0, "shared"));
    assert!(n("disputed:any") <= 3 && n("disputed:any") > 0);
    assert!(n("queue:wrong assigned:Ada") < n("queue:wrong"));
    ada.run("search -w ws assigned:Cy")
        .said(1, &["nothing is assigned to Cy; there are Ada, Bo"]);
    ada.run("search -w ws queue:wrong about:nowhere")
        .said(1, &["there is no relation nowhere"]);
    ada.run("search -w ws assigned:Ada gld:x")
        .said(2, &["there is no field `gld`", "\n               ^"]);
    for slice in ["assigned:Ada", "disputed:any", "queue:wrong"] {
        ada.run(&format!("evaluate -w ws --slice {slice} --split train"))
            .said(0, &[slice]);
    }
    ada.run("evaluate -w ws --keep-slice cy=assigned:Cy")
        .said(1, &["nothing is assigned to Cy"]);
}
