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
    // What stands above them follows each verdict, and says when the ranking will.
    let standing = |list| desk.page(list, query, 0).queue.unwrap();
    let before = standing(1);
    assert_eq!((before.tally.judged, before.anew_in), (1, Some(24)));
    assert!(!before.is_behind());
    let edit = Edit::Judge {
        triple: asked.triple,
        verdict: Some(Verdict::Accept),
    };
    desk.ask(Request::Edit { id, edit }, |reply| match reply {
        Reply::Saved { .. } => Some(()),
        _ => None,
    });
    let now = standing(1);
    assert_eq!(
        (now.tally.judged, now.tally.confirmed, now.anew_in),
        (1, 0, Some(23))
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

#[test]
fn a_row_of_a_query_keeps_the_triples_that_were_meant() {
    let desk = Desk::new(3);
    let query = "gold:place_lived";
    assert_eq!(desk.page(1, query, 0).rows[0].question, None);
    let plan = desk.plan(1, query, 0..1).unwrap();
    assert!(plan.names_triples && plan.edits.len() == 1);
    desk.settle(Request::EditAll { edits: plan.edits });
    // No label of the query stands there any more; the row still says what was decided of it, and can be judged again.
    let page = desk.page(1, query, 0);
    let question = page.rows[0].question.clone().unwrap();
    assert_eq!((page.total, question.verdict), (3, Some(Verdict::Reject)));
    let again = desk.plan(1, query, 0..1).unwrap();
    assert_eq!((again.edits.len(), again.settled), (0, 1));
    desk.settle(Request::Undo);
    let undone = desk.page(1, query, 0).rows[0].question.clone().unwrap();
    assert_eq!(undone.verdict, None);
    // Of several that are meant at once the row says what holds of all.
    desk.page(2, "gold:any", 0);
    let plan = desk.plan(2, "gold:any", 0..1).unwrap();
    let one = plan.edits[..1].to_vec();
    assert_eq!(plan.edits.len(), 2);
    let verdict = |edits| {
        desk.settle(Request::EditAll { edits });
        desk.page(2, "gold:any", 0).rows[0]
            .question
            .clone()
            .unwrap()
            .verdict
    };
    assert_eq!(verdict(one), None);
    assert_eq!(verdict(plan.edits[1..].to_vec()), Some(Verdict::Reject));

    desk.page(3, "left", 0);
    let nothing = desk.plan(3, "left", 0..3).unwrap();
    assert!(!nothing.names_triples && nothing.edits.is_empty());
}

/// Where head and tail stand in `tokens`, with their links.
fn linked(tokens: &[&str], [head, tail]: [(usize, usize, Option<&str>); 2]) -> serde_json::Value {
    let entity = |id, (start, end, link): (usize, usize, Option<&str>)| serde_json::json!({"id": id, "start": start, "end": end, "link": link});
    serde_json::json!({
        "schema": "redress/1",
        "text": tokens.join(" "),
        "tokens": tokens,
        "entities": [entity(0, head), entity(1, tail)],
        "relations": [{"head": 0, "tail": 1, "type": "/l/contains", "decision": "unjudged", "origin": "kb"}],
    })
}

#[test]
fn a_fact_is_of_two_entities_and_not_of_their_words() {
    let (apple, record) = (Some("/m/0K8z"), Some("/m/0qm9p"));
    let desk = Desk::over(|dir| {
        let records = [
            linked(
                &["Los", "Angeles", "holds", "Beverly", "Hills"],
                [(0, 2, None), (3, 5, None)],
            ),
            linked(
                &["los", "angeles", "and", "Beverly", "Hills"],
                [(0, 2, None), (3, 5, None)],
            ),
            linked(
                &["Los", "Angeles", "County", "holds", "Beverly", "Hills"],
                [(0, 3, None), (4, 6, None)],
            ),
            linked(
                &["Apple", "Inc.", "of", "Cupertino"],
                [(0, 2, apple), (3, 4, None)],
            ),
            linked(&["Apple", "in", "Cupertino"], [(0, 1, apple), (2, 3, None)]),
            linked(
                &["Apple", "sang", "in", "Cupertino"],
                [(0, 1, record), (3, 4, None)],
            ),
        ];
        imported(dir, &records)
    });
    let check = |list, query: &str, expected: usize| {
        assert_eq!(desk.page(list, query, 0).total, expected, "{query}");
    };
    let los_angeles = "rel:contains head-is:\"los angeles\" tail-is:\"beverly hills\"";
    check(1, los_angeles, 2);
    let plan = desk.plan(1, los_angeles, 0..9).unwrap();
    assert_eq!((plan.sentences, plan.edits.len()), (2, 2));
    check(2, "head:\"los angeles\" tail:\"beverly hills\"", 3);
    check(3, "head-is:\"Los Angeles County\"", 1);
    // Two names of one entity, and one name of two.
    check(4, "rel:contains head-is:/m/0K8z tail-is:cupertino", 2);
    check(5, "head-is:/m/0k8z", 0);
    check(6, "head-is:apple", 0);
}
