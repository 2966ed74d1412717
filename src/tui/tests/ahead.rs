//! Keys typed faster than the engine answers: none is lost, none falls on another sentence, and rows that leave the list
//! take no other row with them.

use super::keys::changes;
use super::*;
use crate::domain::SentenceId;

fn rejects(bench: &mut Bench) -> Vec<u64> {
    let changes = changes(bench);
    let id = |change: String| {
        assert!(change.contains("Some(Reject)"), "{change}");
        change.split(':').next().unwrap().parse().unwrap()
    };
    changes.into_iter().map(id).collect()
}

#[test]
fn keys_wait_for_their_sentence() {
    let mut bench = Bench::new(120, 30);
    bench.press("enter");
    bench.stall();
    // 0 is open and 1 was fetched ahead; 2 has no triples and is passed over.
    bench.press("x n x n n x n x");
    assert_eq!(rejects(&mut bench), [0, 1]);
    assert!(
        bench.sees("4 of 56,195   x n x…") && bench.sees("esc drops them"),
        "{}",
        bench.text()
    );
    bench.resume();
    assert_eq!(rejects(&mut bench), [3, 4], "{}", bench.text());
    assert!(bench.sees("✓ saved, 4 edits") && bench.sees("5 of 56,195"));
}

#[test]
fn whoever_is_fast_loses_nothing() {
    let mut bench = Bench::new(120, 30);
    bench.press("enter");
    for round in 0..10 {
        bench.stall();
        bench.press("x n x n n x n");
        bench.resume();
        let base = round * 4;
        assert_eq!(rejects(&mut bench), [base, base + 1, base + 3]);
    }
    assert!(bench.sees("✓ saved, 30 edits"), "{}", bench.text());
}

#[test]
fn a_key_meant_for_a_row_of_the_next_page_does_not_fall_on_this_one() {
    let mut bench = Bench::new(120, 30);
    bench.press("1 0 9 9 j");
    bench.requests();
    bench.press("g g 1 9 5 j enter");
    bench.stall();
    bench.press("n n n n n x");
    bench.resume();
    assert_eq!(rejects(&mut bench), [200], "{}", bench.text());
}

#[test]
fn enter_on_a_list_that_is_being_searched_opens_its_first_row() {
    let mut bench = Bench::new(120, 30);
    bench.stall();
    bench
        .press("/")
        .type_text("rel:contains")
        .press("enter enter x n x");
    assert_eq!(rejects(&mut bench), Vec::<u64>::new());
    assert!(bench.sees("x n x…"), "{}", bench.text());
    bench.resume();
    assert_eq!(rejects(&mut bench), [0, 1], "{}", bench.text());
    let mut bench = Bench::new(120, 30);
    bench.stall();
    bench.press("/").type_text("nothing").press("enter enter x");
    bench.resume();
    assert!(
        bench.sees("no sentence to open; dropped 1 key typed ahead"),
        "{}",
        bench.text()
    );
    assert_eq!(rejects(&mut bench), Vec::<u64>::new());
}

#[test]
fn whole_commands_wait_in_order() {
    let mut bench = Bench::new(120, 40);
    bench.press("enter");
    bench.stall();
    bench.press("n n n w h i enter A a d 3 u");
    bench.resume();
    let made = changes(&mut bench);
    assert_eq!(
        made,
        ["3: Note { text: \"hi\" }", "3: add 0-1 r2 6-7", "Undo"],
        "{}",
        bench.text()
    );
}

#[test]
fn what_waits_can_be_dropped_and_leaving_asks_first() {
    let mut bench = Bench::new(120, 30);
    bench.press("enter");
    bench.stall();
    bench.press("n n x n");
    bench.press("ctrl-q");
    assert!(
        bench.sees("Leave now? x n typed ahead."),
        "{}",
        bench.text()
    );
    bench.press("esc esc");
    assert!(bench.sees("dropped 2 keys typed ahead"), "{}", bench.text());
    bench.resume();
    assert_eq!(rejects(&mut bench), Vec::<u64>::new());
    assert!(bench.sees("3 of 56,195"));
    // A terminal that shows nothing lets nothing be changed.
    bench.stall();
    bench.press("n n x");
    bench.resize(50, 10);
    bench.resume();
    bench.resize(120, 30);
    assert_eq!(rejects(&mut bench), Vec::<u64>::new());
    assert!(bench.sees("dropped 1 key typed ahead"), "{}", bench.text());
}

#[test]
fn beyond_the_last_sentence_nothing_is_changed() {
    let mut bench = Bench::new(120, 30);
    bench.press("/").type_text("rel:x").press("enter G k enter");
    bench.press("n N N N");
    bench.stall();
    // Back to 208 and 209 (the last); the second `x` and what follows were meant for a sentence that is not there.
    bench.press("n n n x n a x");
    bench.resume();
    assert_eq!(rejects(&mut bench), [209], "{}", bench.text());
    assert!(
        bench.sees("this was the last sentence of the list; dropped 2 keys typed ahead"),
        "{}",
        bench.text()
    );
}

#[test]
fn a_sentence_that_cannot_be_read_is_passed_over() {
    let mut bench = Bench::new(120, 30);
    bench.press("enter");
    bench.stall();
    bench.press("n n x");
    let asked = bench.waiting.as_ref().unwrap().iter();
    let ticket = asked.rev().find_map(|request| match request {
        Request::Open { ticket, id, .. } if id.0 == 2 => Some(*ticket),
        _ => None,
    });
    let (ticket, id) = (ticket.unwrap(), SentenceId(2));
    let reason = "damaged".to_owned();
    bench.reply(Reply::NotOpened { ticket, id, reason });
    assert!(
        bench.sees("cannot be opened: damaged") && bench.sees("dropped 1 key typed ahead"),
        "{}",
        bench.text()
    );
    bench.press("x");
    assert!(bench.sees("nothing was changed"), "{}", bench.text());
    bench.resume();
    bench.press("n x");
    assert_eq!(rejects(&mut bench), [3], "{}", bench.text());
}

#[test]
fn a_sentence_opens_at_the_triple_that_the_query_is_about() {
    let mut bench = Bench::new(120, 40);
    bench
        .press("/")
        .type_text("fp:place_lived")
        .press("enter enter x");
    let made = changes(&mut bench);
    assert_eq!(
        made,
        ["0: judge 0-2 r0 7-8 Some(Reject)"],
        "{}",
        bench.text()
    );
    // The first of the next one; and there and back again the cursor is where the query was, though it is settled.
    bench.press("n x N a");
    let made = changes(&mut bench);
    assert_eq!(
        made,
        [
            "1: judge 8-9 r6 13-14 Some(Reject)",
            "0: judge 0-2 r0 7-8 Some(Accept)"
        ],
        "{}",
        bench.text()
    );
    // The same sentence by another query opens at its first row.
    bench.press("q - enter x");
    let made = changes(&mut bench);
    assert_eq!(
        made,
        ["0: judge 0-2 r0 12-14 Some(Reject)"],
        "{}",
        bench.text()
    );
}

#[test]
fn sentences_that_leave_the_list_take_no_other_with_them() {
    let mut bench = Bench::new(120, 30);
    bench.press("/").type_text("state:todo").press("enter");
    bench.press("enter x n x n n x");
    assert_eq!(rejects(&mut bench), [0, 1, 3]);
    // Still the list that was opened: row 200 is the sentence that was there.
    bench.press("q");
    assert!(
        bench.sees("1 of 207 filtered") || bench.sees("2 of 207 filtered"),
        "{}",
        bench.text()
    );
    // The cursor stands on what came after the sentence that left.
    bench.press("enter x");
    assert_eq!(rejects(&mut bench), [4], "{}", bench.text());
    // From the list and back by the tabs: the sentence is out of the list, the next one is the one after it.
    bench.press("[ [ [ ]");
    bench.press("g c ] ]");
    assert!(bench.sees("[sentence]"), "{}", bench.text());
    bench.press("n x");
    assert_eq!(rejects(&mut bench), [5], "{}", bench.text());
}
