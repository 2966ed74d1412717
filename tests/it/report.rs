//! `redress report`: the figures follow the verdicts, and no form of it lets text of a corpus become markup.

use crate::program::Home;
use serde_json::{Value, json};

fn verdicts(
    home: &Home,
    ws: &str,
    arguments: &str,
    verdict: impl Fn(usize) -> &'static str,
) -> String {
    let ran = home
        .run(&format!("queue -w {ws} --json {arguments}"))
        .done();
    let lines = ran.out.lines().enumerate().map(|(n, line)| {
        let row: Value = serde_json::from_str(line).unwrap();
        json!({"sentence": row["sentence"], "head": row["head"], "relation": row["relation"], "tail": row["tail"],
               "verdict": verdict(n)})
        .to_string()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn quality_comes_from_the_control_rows_of_the_queue() {
    let home = Home::with_workspace();
    home.run("report -w ws").said(
        0,
        &["0 of 40 labels inspected", "No estimate yet: 0 labels"],
    );
    // Twelve rows drawn at random, three of them wrong.
    let lines = verdicts(&home, "ws", "--control 1 --limit 12", |n| {
        if n < 3 { "reject" } else { "accept" }
    });
    home.write("v.jsonl", lines);
    home.run("apply v.jsonl -w ws --by Ada").done();
    let report: Value = home.run("report -w ws --form json").done().json();
    assert_eq!(report["sample"], json!({"labels": 12, "wrong": 3}));
    assert_eq!(report["labels"]["inspected"], json!(12));
    let share = |when: &str, n: usize| report["quality"][when][n].as_f64().unwrap();
    assert_eq!(share("before", 0), 0.75);
    // 10 of 40 are wrong, 3 of them found: 30 of the 37 that stand are right.
    assert!((share("after", 0) - 30.0 / 37.0).abs() < 1e-12);
    // scipy 1.17.1, binomtest(3, 12).proportion_ci(method="wilson"): 0.0889417, 0.5323053; at least the 3 of 40 found.
    assert!((share("before", 1) - (1.0 - 0.5323053)).abs() < 1e-6);
    assert!((share("before", 2) - (1.0 - 0.0889417)).abs() < 1e-6);
    assert_eq!(report["curators"][0]["name"], json!("Ada"));

    // All of them judged: nothing is estimated any more.
    home.write("rest.jsonl", verdicts(&home, "ws", "", |_| "accept"));
    home.run("apply rest.jsonl -w ws --by Ada").done();
    let report: Value = home.run("report -w ws --form json").done().json();
    assert_eq!(report["quality"]["before"], json!([0.925, 0.925, 0.925]));
    assert_eq!(report["quality"]["after"], json!([1.0, 1.0, 1.0]));
}

#[test]
fn what_is_missing_is_estimated_from_rows_of_that_queue() {
    let home = Home::with_workspace();
    let before = home.run("report -w ws --form json").done().json()["missing"].clone();
    assert_eq!(before["all"], Value::Null);
    home.run("report -w ws")
        .said(0, &["No estimate of all yet: 0 of the random sample"]);
    let rows = "--kind missing --control 1 --limit 12";
    let lines = verdicts(
        &home,
        "ws",
        rows,
        |n| if n < 3 { "accept" } else { "reject" },
    );
    let few: Vec<&str> = lines.lines().skip(1).collect();
    home.write("few.jsonl", few.join("\n"));
    home.write("one.jsonl", lines.lines().next().unwrap());
    home.run("apply few.jsonl -w ws --by Ada").done();
    let few = home.run("report -w ws --form json").done().json()["missing"].clone();
    // The first of the order of chance is still unjudged, so there is no sample.
    assert_eq!(few["sample"], json!([0, 0]));
    home.run("apply one.jsonl -w ws --by Ada").done();
    let after = home.run("report -w ws --form json").done().json()["missing"].clone();
    assert_eq!(after["judged"], json!(12));
    assert_eq!(
        (&after["found"], &after["sample"]),
        (&json!(3), &json!([12, 3]))
    );
    // Without folds all are equally likely: three of twelve, so a quarter of all.
    let all = |n: usize| after["all"][n].as_f64().unwrap();
    let candidates = after["candidates"].as_f64().unwrap();
    assert!((all(0) - candidates / 4.0).abs() < 1e-9, "{after}");
    assert!(
        3.0 <= all(1) && all(1) < all(0) && all(0) < all(2),
        "{after}"
    );
    assert!((after["to_find"][0].as_f64().unwrap() - (all(0) - 3.0)).abs() < 1e-9);
    // Nothing is known of the labels' own quality yet.
    assert_eq!(after["completeness"], Value::Null);
    let labels = verdicts(&home, "ws", "", |n| if n < 4 { "reject" } else { "accept" });
    home.write("labels.jsonl", labels);
    home.run("apply labels.jsonl -w ws --by Ada").done();
    let after = home.run("report -w ws --form json").done().json()["missing"].clone();
    let share = |when: &str| after["completeness"][when][0].as_f64().unwrap();
    assert!(
        (share("before") - 36.0 / (36.0 + all(0))).abs() < 1e-3,
        "{after}"
    );
    assert!(
        (share("after") - 39.0 / (36.0 + all(0))).abs() < 1e-3,
        "{after}"
    );
    home.run("report -w ws")
        .said(0, &["3 of them missing", "| before |"]);
}

#[test]
fn a_report_is_one_file_that_fetches_and_runs_nothing() {
    let home = Home::with_workspace();
    home.run("import train.json -w a<b>&'c").done();
    let lines = verdicts(&home, "a<b>&'c", "--control 1 --limit 12", |n| {
        if n < 3 { "reject" } else { "accept" }
    });
    home.write("v.jsonl", lines);
    home.run("apply v.jsonl -w a<b>&'c --by <img/src=x>|")
        .done();
    for name in ["out.html", "out.md", "out.json"] {
        home.run(&format!("report -w a<b>&'c -o {name}")).done();
        home.run(&format!("report -w a<b>&'c -o {name}"))
            .said(1, &[name]);
        home.run(&format!("report -w a<b>&'c -o {name} --force"))
            .done();
    }
    home.run("report -w ws -o out.txt")
        .said(1, &["out.txt", ".html, .md or .json"]);
    let html = String::from_utf8(home.read("out.html")).unwrap();
    for forbidden in ["<script", "http", "<img", "<b>", "url(", "@import"] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    assert!(html.contains("a&lt;b&gt;&amp;&#39;c") && html.contains("&lt;img/src=x&gt;|"));
    assert_eq!(html.matches("<svg").count(), html.matches("</svg>").count());
    assert!(html.matches("<svg").count() >= 3);
    let markdown = String::from_utf8(home.read("out.md")).unwrap();
    assert!(markdown.contains("&lt;img/src=x&gt;\\|") && !markdown.contains("<img"));
}
