//! Pictures of the main screens at the sizes that matter: as text, and where colour carries meaning also with a
//! letter for the role of each cell.

use super::*;
use crate::domain::SentenceId;
use crate::workspace::messages::{JobEvent, JobKind};

const SIZES: [(u16, u16); 4] = [(200, 50), (100, 30), (80, 24), (60, 15)];

/// One picture for each size after these keys.
fn check(name: &str, keys: &str) {
    for (width, height) in SIZES {
        let mut bench = Bench::new(width, height);
        bench.press(keys);
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), bench.text());
    }
}

#[test]
fn the_list_of_sentences() {
    check("corpus", "3 j");
}

#[test]
fn the_errors() {
    check("errors", "]");
    check("confusions", "] tab");
    check("outcomes", "] tab tab");
    check("thresholds", "] j tab tab tab l l");
    check("slices", "] backtab backtab j");
    check("runs", "] backtab j");
}

#[test]
fn a_sentence_with_its_triples_and_the_kernel() {
    check("sentence", "enter x j j a");
}

#[test]
fn the_other_evidence() {
    let mut bench = Bench::new(100, 30);
    bench.press("enter j");
    let mut pictures = String::new();
    for _ in 0..3 {
        bench.press("tab");
        let text = bench.text();
        let from = text.lines().position(|l| l.starts_with("──")).unwrap_or(0);
        pictures += &text
            .lines()
            .skip(from + 8)
            .take(14)
            .map(|l| format!("{l}\n"))
            .collect::<String>();
    }
    insta::assert_snapshot!(pictures);
}

#[test]
fn roles_of_the_sentence_view() {
    let mut bench = Bench::new(80, 24);
    bench.press("enter x j j j");
    insta::assert_snapshot!(bench.text_and_roles());
}

#[test]
fn roles_of_the_list() {
    let mut bench = Bench::new(80, 18);
    bench
        .press("/")
        .type_text("rel:contains")
        .press("enter j v j");
    insta::assert_snapshot!(bench.text_and_roles());
}

#[test]
fn jumping_and_moving_edges() {
    let mut bench = Bench::new(80, 24);
    let mut pictures = String::new();
    for keys in ["enter A", "a", "tab", "esc m a l"] {
        bench.press(keys);
        pictures += &format!(
            "{keys}\n{}\n",
            bench.text().lines().take(6).collect::<Vec<_>>().join("\n")
        );
        pictures += &format!("{}\n\n", bench.text().lines().last().unwrap_or(""));
    }
    insta::assert_snapshot!(pictures);
}

#[test]
fn windows_on_top() {
    for (name, keys) in [
        ("help", "enter ?"),
        ("palette", ": p r e d"),
        ("relation_picker", "enter c"),
        ("flag_picker", "enter f"),
        ("note", "enter w o k"),
        ("export", "g x j"),
        ("fine_tune", "F"),
        ("leave", "q"),
    ] {
        let mut bench = Bench::new(80, 24);
        bench.press(keys);
        insta::assert_snapshot!(name, bench.text());
    }
}

#[test]
fn what_is_said_when_there_is_nothing_to_show() {
    let mut pictures = String::new();
    let mut picture = |name: &str, bench: &mut Bench| {
        let text = bench.text();
        pictures += &format!(
            "{name}\n{}\n",
            text.lines()
                .filter(|l| !l.trim().is_empty())
                .collect::<Vec<_>>()
                .join("\n")
        );
    };
    let small = || Bench::new(76, 15);
    let mut bench = small();
    bench.press("/").type_text("nothing").press("enter");
    picture("no match", &mut bench);
    let mut bench = small();
    bench.press("j j enter");
    picture("no triple", &mut bench);
    let mut bench = small();
    bench.engine.n = 0;
    let opened = bench.engine.opened();
    bench.reply(opened);
    picture("no sentence", &mut bench);
    let mut bench = small();
    bench.stall();
    bench.press("enter n n n");
    picture("slow engine", &mut bench);
    let mut bench = small();
    bench.reply(Reply::Job(JobEvent::Started {
        job: JobKind::Predict,
        total: 100,
        unit: "sentences",
    }));
    bench.reply(Reply::Failed {
        what: format!(
            "sentence {} cannot be read: the disk is full",
            SentenceId(3)
        ),
    });
    picture("failure while a job runs", &mut bench);
    insta::assert_snapshot!(pictures);
}

#[test]
fn the_smallest_terminals() {
    let mut pictures = String::new();
    for (width, height) in [(59, 15), (60, 14), (20, 3), (1, 1), (0, 0)] {
        let mut bench = Bench::new(width, height);
        pictures += &format!("{width}x{height}\n{}", bench.text());
    }
    insta::assert_snapshot!(pictures);
}

#[test]
fn a_queue_says_where_it_stands_above_its_list() {
    let mut bench = Bench::new(140, 24);
    bench.press("g w");
    let text = bench.text();
    assert!(
        bench.sees("probably wrong, most suspicious first: 1234 left; 57 judged, 41 wrong (72 %)")
            && bench.sees("64 % of the next ones are expected to be wrong · g f adds")
            && bench.sees("3 of 25 wrong, base rate 12 % (4.2–30 %); 114 to find (13–346)"),
        "{text}"
    );
    insta::assert_snapshot!(text);
    bench.press("o");
    assert!(
        bench.sees("/ queue:wrong order:uncertain") && bench.sees("most uncertain first"),
        "{}",
        bench.text()
    );
    // Nothing tells a random row from the others: they are to be judged alike.
    bench.press("o o o");
    assert!(bench.sees("/ queue:wrong  "), "{}", bench.text());
    bench.press("-");
    assert!(!bench.sees("probably wrong"), "{}", bench.text());
    bench.press("o");
    assert!(bench.sees("only a queue has orders"), "{}", bench.text());
    let mut narrow = Bench::new(80, 24);
    narrow.press("g w");
    insta::assert_snapshot!(narrow.text());
}
