//! The lanes over a real workspace, without a model: what the screen relies on.

use super::*;
use crate::domain::{Edit, Triple, Verdict};
use crate::workspace::import::ImportOptions;
use crate::workspace::messages::{Page, Plan};
use crate::workspace::noise::queue::Order;
use std::time::Instant;

const LIVED: &str = "/people/person/place_lived";

/// `n` sentences, each with two labels: who lived and who was born where.
fn workspace(dir: &std::path::Path, n: usize) -> Workspace {
    let line = |i: usize| {
        let text = format!("Ada Lum{i} of Tamm{i} left Korvath{i} .");
        let [head, lived, born] = [
            format!("Ada Lum{i}"),
            format!("Tamm{i}"),
            format!("Korvath{i}"),
        ];
        let labels = serde_json::json!([
            [head, "/people/person/place_of_birth", born],
            [head, LIVED, lived],
        ]);
        serde_json::json!({"text": text, "triple_list": labels}).to_string() + "\n"
    };
    let file = dir.join("corpus.jsonl");
    std::fs::write(&file, (0..n).map(line).collect::<String>()).unwrap();
    let mut workspace = Workspace::open_or_create(&dir.join("ws")).unwrap();
    let options = ImportOptions::default();
    workspace
        .import(&[file], &options, &mut |_, _, _| {})
        .unwrap();
    workspace.refresh_index(&mut |_, _| true).unwrap();
    workspace
}

struct Desk {
    session: Session,
    replies: Receiver<Reply>,
    _tmp: tempfile::TempDir,
}

impl Desk {
    fn new(n: usize) -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let options = SessionOptions {
            author: "test".to_owned(),
            model: ModelChoice::Dir(tmp.path().join("no model")),
            device: Device::Cpu,
        };
        let (session, replies) = Session::start(workspace(tmp.path(), n), options).unwrap();
        Self {
            session,
            replies,
            _tmp: tmp,
        }
    }

    /// Sends a request and waits for the reply that `wanted` picks.
    fn ask<T>(&self, request: Request, wanted: impl Fn(Reply) -> Option<T>) -> T {
        self.session.send(request);
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let reply = self.replies.recv_deadline(end).expect("an answer in time");
            if let Some(found) = wanted(reply) {
                return found;
            }
        }
    }

    fn page(&self, list: u64, query: &str, offset: usize) -> Page {
        let ticket = list * 1000 + offset as u64;
        let request = Request::Search {
            ticket,
            list,
            query: query.to_owned(),
            offset,
            limit: 10,
        };
        self.ask(request, |reply| match reply {
            Reply::Page(page) if page.ticket == ticket => Some(page),
            _ => None,
        })
    }

    fn hits(&self, page: &Page, query: &str) -> Vec<Triple> {
        let request = Request::Open {
            ticket: 1,
            id: page.rows[0].id,
            query: query.to_owned(),
        };
        self.ask(request, |reply| match reply {
            Reply::Detail(detail) => Some(detail.hits),
            _ => None,
        })
    }

    fn plan(&self, list: u64, query: &str, rows: std::ops::Range<usize>) -> Result<Plan, String> {
        let request = Request::PlanVerdict {
            list,
            rows,
            query: query.to_owned(),
            verdict: Verdict::Reject,
        };
        self.ask(request, |reply| match reply {
            Reply::Planned(plan) => Some(Ok(*plan)),
            Reply::Failed { what } if what.contains("list") => Some(Err(what)),
            _ => None,
        })
    }

    fn settle(&self, request: Request) -> usize {
        let n = self.ask(request, |reply| match reply {
            Reply::SavedAll { edits, .. } => Some(edits),
            Reply::Undone { ids, .. } => Some(ids.len()),
            _ => None,
        });
        let end = Instant::now() + Duration::from_secs(20);
        while !matches!(self.replies.recv_deadline(end), Ok(Reply::Indexed)) {}
        n
    }
}

#[test]
fn pages_of_a_list_are_of_one_moment_and_a_bulk_edit_is_one_undo() {
    let desk = Desk::new(30);
    let query = "gold:place_lived";
    let first = desk.page(1, query, 0);
    assert_eq!((first.total, first.rows.len()), (30, 10));
    assert_eq!(
        desk.page(1, query, 10).rows[0].id,
        desk.page(9, query, 10).rows[0].id
    );
    let third = desk.page(1, query, 20);

    let plan = desk.plan(1, query, 0..5).unwrap();
    assert_eq!((plan.sentences, plan.edited, plan.edits.len()), (5, 5, 5));
    assert_eq!(plan.relations.len(), 1, "the other relation is left alone");
    assert!(
        plan.edits
            .iter()
            .all(|(_, e)| matches!(e, Edit::Judge { .. }))
    );
    assert_eq!(desk.settle(Request::EditAll { edits: plan.edits }), 5);

    // What was rejected is out of what the query finds, and not out of the list that is being worked through.
    assert_eq!(desk.page(1, query, 20).rows[0].id, third.rows[0].id);
    assert_eq!(desk.page(2, query, 0).total, 25);
    let refused = desk.plan(1, query, 0..5).unwrap_err();
    assert!(refused.contains("mark the sentences again"), "{refused}");
    assert_eq!(desk.plan(2, query, 0..99).unwrap().edits.len(), 25);

    assert_eq!(desk.settle(Request::Undo), 5);
    assert_eq!(desk.page(3, query, 0).total, 30);
}

#[test]
fn a_sentence_says_what_its_query_is_about() {
    let desk = Desk::new(3);
    let check = |query: &str, expected: usize| {
        let list = 100 + query.len() as u64;
        let page = desk.page(list, query, 0);
        let hits = desk.hits(&page, query);
        assert_eq!(hits.len(), expected, "{query}: {hits:?}");
        hits
    };
    let lived = check("gold:place_lived", 1);
    let born = check("gold:place_of_birth tail:korvath0", 1);
    assert_ne!(lived, born);
    check("gold:any", 2);
    check("ada left", 0);
    check("", 0);
}

#[test]
fn a_queue_is_an_order_of_the_list_and_asks_about_its_own_labels_only() {
    let desk = Desk::new(6);
    let first = desk.page(1, "queue:wrong", 0);
    let standing = first.queue.unwrap();
    assert_eq!((standing.tally.left, standing.tally.judged), (12, 0));
    assert_eq!(desk.page(4, "Tamm3", 0).queue, None);
    let all = desk.page(2, "queue:wrong", 0);
    assert_eq!(all.total, 6);
    assert_eq!(desk.page(3, "Tamm3 queue:wrong", 0).total, 1);
    let hits = desk.hits(&all, "queue:wrong");
    assert_eq!(hits.len(), 1, "one label at a time is asked about");
    let of_born = desk.hits(&all, "queue:wrong gold:place_of_birth");
    assert_eq!(of_born.len(), 1, "the query names a relation");
    // The triple that is asked about, and no others, are judged by a bulk edit of its list.
    let plan = desk.plan(3, "Tamm3 queue:wrong", 0..1).unwrap();
    assert_eq!(plan.edits.len(), 1);

    // A judged label is asked about no more; its sentence goes with the last one.
    let id = all.rows[0].id;
    let mut judged = Vec::new();
    for n in 0..2 {
        let triple = desk.hits(&all, "queue:wrong")[0];
        assert!(!judged.contains(&triple));
        judged.push(triple);
        let edit = Edit::Judge {
            triple,
            verdict: Some(Verdict::Reject),
        };
        desk.ask(Request::Edit { id, edit }, |reply| match reply {
            Reply::Saved { .. } => Some(()),
            _ => None,
        });
        assert_eq!(
            desk.page(10 + n, "queue:wrong", 0).total,
            6 - n as usize,
            "{n}"
        );
        // The counts follow each verdict; the order does not.
        let tally = desk.page(12 + n, "queue:wrong", 0).queue.unwrap().tally;
        let judged = judged.len();
        assert_eq!(
            (tally.left, tally.judged, tally.confirmed),
            (12 - judged, judged, judged)
        );
    }

    let undone = desk.ask(Request::Undo, |reply| match reply {
        Reply::Undone { ids, .. } => Some(ids),
        _ => None,
    });
    assert_eq!(undone, [id]);
    let again = desk.page(18, "queue:wrong", 0);
    assert_eq!((again.total, again.queue.unwrap().tally.judged), (6, 1));
    // Another order of the same candidates; in the random one every judged row is of the sample.
    let random = desk.page(19, "queue:wrong order:random", 0);
    assert_eq!(random.total, 6);
    assert_eq!(random.queue.unwrap().order, Order::Random);

    // What is missing has no row of its own in the sentence, so it gets one.
    let missing = desk.page(20, "queue:missing", 0);
    let request = Request::Open {
        ticket: 30,
        id: missing.rows[0].id,
        query: "queue:missing".to_owned(),
    };
    let detail = desk.ask(request, |reply| match reply {
        Reply::Detail(detail) if detail.ticket == 30 => Some(detail),
        _ => None,
    });
    let first = detail.hits.first().expect("a candidate");
    let row = detail
        .rows
        .iter()
        .find(|r| r.triple == *first)
        .expect("a row for it");
    assert!(!row.gold && !row.stands && !row.predicted);
}
