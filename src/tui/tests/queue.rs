//! A queue asks about labels: its rows name them, and the key that goes on goes from one to the next.

use super::keys::changes;
use super::*;

#[test]
fn one_label_after_the_other_then_the_next_sentence() {
    let mut bench = Bench::new(120, 30);
    bench.press("g w enter");
    assert!(
        bench.sees("4 labels asked about, 4 left"),
        "{}",
        bench.text()
    );
    // The third is passed by, not judged; the sentence after the next has two.
    bench.press("x n a n n s n x");
    assert_eq!(
        changes(&mut bench),
        [
            "0: judge 0-2 r0 12-14 Some(Reject)",
            "0: judge 15-16 r1 12-14 Some(Accept)",
            "0: judge 0-2 r4 18-20 Some(Unsure)",
            "1: judge 2-4 r5 8-9 Some(Reject)",
        ]
    );
    assert!(bench.sees("2 of 158"), "{}", bench.text());
    // Back over the same labels, judged or not, then to the sentence before, at what is left of it.
    bench.press("n N N");
    assert!(bench.sees("1 of 158"), "{}", bench.text());
    assert!(
        bench.sees("4 labels asked about, 1 left"),
        "{}",
        bench.text()
    );
}

#[test]
fn a_step_in_a_queue_waits_for_the_sentence_that_it_is_from() {
    let mut bench = Bench::new(120, 30);
    bench.press("g w enter");
    bench.requests();
    bench.stall();
    // Four labels, then two of the sentence fetched ahead, then one that is not here yet.
    bench.press("x n x n x n x n x n x n x n x");
    let early = changes(&mut bench).len();
    bench.resume();
    let late = changes(&mut bench).len();
    assert_eq!((early, late), (6, 2), "{}", bench.text());
}

#[test]
fn outside_of_a_queue_the_next_sentence_is_next() {
    let mut bench = Bench::new(120, 30);
    bench
        .press("/")
        .type_text("gold:any")
        .press("enter enter n");
    assert!(
        bench.sees("2 of 210") && !bench.sees("asked about"),
        "{}",
        bench.text()
    );
}

#[test]
fn a_row_names_the_label_that_it_asks_about() {
    for (width, height) in [(200, 15), (120, 15), (80, 15), (60, 15)] {
        let mut bench = Bench::new(width, height);
        bench.press("g w enter x n n n n a q");
        insta::assert_snapshot!(format!("queue_{width}x{height}"), bench.text());
    }
}
