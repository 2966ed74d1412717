//! What a list asks about in each of its rows.

use super::*;
use crate::workspace::messages::Question;

#[test]
fn a_row_of_a_queue_asks_the_same_for_as_long_as_its_list_stands() {
    let desk = Desk::new(3);
    let query = "queue:wrong";
    let before = desk.page(1, query, 0);
    let asked = before.rows[0].question.clone().unwrap();
    let id = before.rows[0].id;
    let edit = Edit::Judge {
        triple: asked.triple,
        verdict: Some(Verdict::Reject),
    };
    desk.ask(Request::Edit { id, edit }, |reply| match reply {
        Reply::Saved { .. } => Some(()),
        _ => None,
    });
    let after = desk.page(1, query, 0).rows[0].question.clone();
    let verdict = Some(Verdict::Reject);
    assert_eq!(
        after,
        Some(Question {
            verdict,
            ..asked.clone()
        })
    );
    // A new list asks about what is left.
    let rows = desk.page(2, query, 0).rows;
    let left = rows.iter().find(|r| r.id == id).unwrap();
    let left = left.question.clone().unwrap();
    assert!(left.triple != asked.triple && left.more == 0);

    // Of dozens of missing labels a sentence is asked about those that stand together.
    let missing = desk.page(3, "queue:missing", 0);
    let question = missing.rows[0].question.clone().unwrap();
    let hits = desk.hits(&missing, "queue:missing");
    assert_eq!((hits[0], hits.len()), (question.triple, 1 + question.more));
}
