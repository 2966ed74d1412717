//! Judging many sentences at once: counted first, done by enter, one step to undo.

use super::keys::changes;
use super::*;
use crate::domain::{Edit, SentenceId, Verdict};

fn marked(bench: &mut Bench) -> &mut Bench {
    bench
        .press("/")
        .type_text("fp:place_lived")
        .press("enter v 2 j")
}

fn edits(bench: &mut Bench) -> usize {
    let requests = bench.requests().into_iter();
    requests
        .filter_map(|r| match r {
            Request::EditAll { edits } => Some(edits.len()),
            _ => None,
        })
        .sum()
}

#[test]
fn a_range_is_judged_after_a_count() {
    let mut bench = Bench::new(100, 30);
    marked(&mut bench).press("x");
    assert!(
        bench.sees("Reject 2 triples in 2 of 3 sentences?")
            && bench.sees("What `fp:place_lived` asks for.")
            && bench.sees("1 triple judged so already"),
        "{}",
        bench.text()
    );
    assert_eq!(edits(&mut bench), 0);
    bench.press("enter");
    assert_eq!(edits(&mut bench), 2);
    assert!(
        bench.sees("saved 2 edits in 2 sentences; one undo takes all back"),
        "{}",
        bench.text()
    );
    assert!(
        !bench.sees("marked"),
        "the range has served\n{}",
        bench.text()
    );
}

#[test]
fn nothing_is_judged_unseen() {
    for leave in ["esc", "q", "ctrl-c esc esc"] {
        let mut bench = Bench::new(100, 30);
        marked(&mut bench).press("a").press(leave);
        assert_eq!(edits(&mut bench), 0, "{leave}");
    }
    // Enter before there is a count to agree to.
    let mut bench = Bench::new(100, 30);
    marked(&mut bench);
    bench.stall();
    bench.press("x enter");
    assert!(bench.sees("Counting…"), "{}", bench.text());
    bench.resume();
    assert_eq!(edits(&mut bench), 0);
    assert!(bench.sees("Reject 2 triples"), "{}", bench.text());
    bench.reply(Reply::Failed {
        what: "the list has changed".into(),
    });
    assert!(bench.sees("Reject 2 triples"), "a count that came stays");
    // Without a query nobody knows which triples are meant.
    let mut bench = Bench::new(100, 30);
    bench.press("v j x");
    assert!(
        bench.sees("filter first by what is to be judged"),
        "{}",
        bench.text()
    );
    assert_eq!(changes(&mut bench), Vec::<String>::new());
}

#[test]
fn the_whole_list_is_a_range_and_a_fact_makes_a_list() {
    let mut bench = Bench::new(100, 30);
    bench.press("/").type_text("rel:x").press("enter V");
    assert!(
        bench.sees("210 of 210 filtered, 210 marked"),
        "{}",
        bench.text()
    );
    bench.press("s");
    assert!(
        bench.sees("Unsure 105 triples") || bench.sees("of 210 sentences?"),
        "{}",
        bench.text()
    );
    let mut bench = Bench::new(120, 30);
    bench.press("enter b");
    let query = "/ rel:place_lived head-is:\"ada norwood\" tail-is:\"port ellis\"";
    assert!(
        bench.sees(query) && bench.sees("[corpus]"),
        "{}",
        bench.text()
    );
}

/// Each verdict with the sentence it is on.
fn judged(bench: &mut Bench) -> Vec<(u64, Verdict)> {
    let requests = bench.requests().into_iter();
    let edits = requests.flat_map(|r| match r {
        Request::EditAll { edits } => edits,
        _ => Vec::new(),
    });
    let verdict = |(id, edit): (SentenceId, Edit)| match edit {
        Edit::Judge { verdict, .. } => (id.0, verdict.unwrap()),
        other => panic!("{other:?}"),
    };
    edits.map(verdict).collect()
}

#[test]
fn one_triple_is_judged_at_one_key_and_its_row_says_so() {
    let mut bench = Bench::new(100, 30);
    bench
        .press("/")
        .type_text("fp:place_lived")
        .press("enter x j a j j s");
    assert_eq!(
        judged(&mut bench),
        [
            (0, Verdict::Reject),
            (1, Verdict::Accept),
            (3, Verdict::Unsure)
        ]
    );
    let text = bench.text();
    for row in ["  ◐ ✗", "  ◐ ✓", "▸ ◐ ?"] {
        assert!(text.contains(row), "{row}\n{text}");
    }
    assert!(!text.contains("judge"), "no question\n{text}");
    // No row moves while one judges here; the list is made anew when one comes back to it.
    let lists = |bench: &mut Bench| {
        let requests = bench.requests().into_iter();
        let lists = requests.filter_map(|r| match r {
            Request::Search { list, .. } => Some(list),
            _ => None,
        });
        lists.collect::<Vec<_>>()
    };
    bench.press("x");
    bench.reply(Reply::Indexed);
    let kept = lists(&mut bench);
    assert!(
        !kept.is_empty() && kept.iter().all(|l| *l == kept[0]),
        "{kept:?}"
    );
    bench.press("enter q");
    let anew = lists(&mut bench);
    assert!(anew.iter().any(|l| *l != kept[0]), "{anew:?} {kept:?}");
}

#[test]
fn verdicts_typed_ahead_fall_on_the_rows_they_were_typed_for() {
    let mut bench = Bench::new(100, 30);
    bench.press("/").type_text("fp:place_lived").press("enter");
    bench.stall();
    bench.press("x j a j j x");
    assert_eq!(judged(&mut bench), []);
    bench.resume();
    assert_eq!(
        judged(&mut bench),
        [
            (0, Verdict::Reject),
            (1, Verdict::Accept),
            (3, Verdict::Reject)
        ]
    );
    // What cannot be looked up takes with it what was typed after it.
    bench.stall();
    bench.press("x j x");
    bench.reply(Reply::Failed {
        what: "the list has changed since".into(),
    });
    bench.resume();
    assert!(bench.sees("dropped 2 keys typed ahead"), "{}", bench.text());
    assert_eq!(judged(&mut bench), []);
}

#[test]
fn a_query_that_names_no_triple_says_what_to_add() {
    let mut bench = Bench::new(80, 24);
    bench
        .press("/")
        .type_text("born or raised")
        .press("enter V x");
    assert!(
        bench.sees("Nothing to reject: the query finds sentences and names no label in them.")
            && bench.sees("`(born or raised) gold:any`, every label that stands")
            && bench.sees("`(born or raised) gold:place_lived`, those of one relation"),
        "{}",
        bench.text()
    );
    bench.press("enter");
    assert_eq!(judged(&mut bench), []);
}

#[test]
fn a_pattern_makes_a_list() {
    let mut bench = Bench::new(120, 30);
    bench.press("enter B");
    let query = "/ gold:place_lived between:\"who grew up in larkhaven and now lives in\"";
    assert!(
        bench.sees(query) && bench.sees("[corpus]"),
        "{}",
        bench.text()
    );
}

#[test]
fn a_verdict_goes_to_the_duplicates_after_a_count() {
    let mut bench = Bench::new(100, 30);
    bench.press("enter =");
    assert!(bench.sees("judge it here first"), "{}", bench.text());
    bench.press("x =");
    assert!(
        bench.sees("Reject 1 triple in 1 of 2 sentences?")
            && bench.sees("in sentences that say the same as this one."),
        "{}",
        bench.text()
    );
    bench.requests();
    bench.press("enter");
    assert_eq!(edits(&mut bench), 1);
}

#[test]
fn rules_are_kept_and_refused_on_the_screen() {
    let mut bench = Bench::new(100, 24);
    bench.press("R");
    assert_eq!(changes(&mut bench), ["Rules"]);
    insta::assert_snapshot!(bench.text());
    bench.press("enter j x");
    let sent = changes(&mut bench);
    assert!(
        sent[0].contains("keep: None")
            && sent[1].contains("antisymmetric")
            && sent[1].contains("keep: Some(false)"),
        "the first was kept already: {sent:?}"
    );
    bench.press("esc g r");
    assert!(
        bench.sees("labels that rules ask about: 1234 left") && bench.sees("R shows, keeps"),
        "{}",
        bench.text()
    );
    bench.press("g d");
    assert!(
        bench.sees("labels on which duplicates disagree"),
        "{}",
        bench.text()
    );
    assert_eq!(changes(&mut bench), ["Duplicates"]);
}
