//! The lanes over a real workspace, without a model: what the screen relies on.

mod lists;

use super::*;
use crate::domain::{Edit, RunId, Triple, Verdict};
use crate::workspace::import::ImportOptions;
use crate::workspace::messages::{JobEvent, Page, Plan};
use crate::workspace::noise::queue::{Order, QueueKind};
use crate::workspace::relation_rules::NamedRule;
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
        serde_json::json!({"text": text, "triple_list": labels})
    };
    imported(dir, &(0..n).map(line).collect::<Vec<_>>())
}

fn imported(dir: &std::path::Path, records: &[serde_json::Value]) -> Workspace {
    let file = dir.join("corpus.jsonl");
    let lines: Vec<String> = records.iter().map(ToString::to_string).collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
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
    tmp: tempfile::TempDir,
}

impl Desk {
    fn new(n: usize) -> Self {
        Self::over(|dir| workspace(dir, n))
    }

    fn over(workspace: impl FnOnce(&std::path::Path) -> Workspace) -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let options = SessionOptions {
            author: "test".to_owned(),
            model: ModelChoice::Dir(tmp.path().join("no model")),
            device: Device::Cpu,
        };
        let (session, replies) = Session::start(workspace(tmp.path()), options).unwrap();
        Self {
            session,
            replies,
            tmp,
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
fn a_sentence_opens_while_a_queue_is_ranked() {
    let desk = Desk::new(3);
    let page = desk.page(1, "", 0);
    let held = desk.session.shared.queues.hold();
    desk.session.send(Request::Search {
        ticket: 2000,
        list: 2,
        query: "queue:wrong".to_owned(),
        offset: 0,
        limit: 10,
    });
    // The list is not there, the sentence is.
    let open = Request::Open {
        ticket: 7,
        id: page.rows[1].id,
        query: String::new(),
    };
    let opened = desk.ask(open, |reply| match reply {
        Reply::Detail(detail) => Some(detail.sentence.id),
        Reply::Page(page) => panic!("{page:?} was ranked after all"),
        _ => None,
    });
    assert_eq!(opened, page.rows[1].id);
    drop(held);
    assert_eq!(desk.page(2, "queue:wrong", 0).rows.len(), 3);
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
    // A ranking says how far it is, and one that is stopped leaves nothing behind.
    let (reader, queues) = (
        Reader::open(&desk.tmp.path().join("ws")).unwrap(),
        Queues::default(),
    );
    for kind in [QueueKind::ALL[0], QueueKind::ALL[1]] {
        let mut heard = 0;
        let stop = &mut |_, total| {
            heard = total;
            false
        };
        let dir = desk.tmp.path().join("ws");
        let ranked = queues.ranked(&dir, &reader, kind, Order::Suspicious, stop);
        assert!(ranked.unwrap().is_none() && queues.latest(kind).is_none());
        assert_eq!(heard, 6, "{kind:?}");
    }
    assert_eq!(desk.page(4, "Tamm3", 0).queue, None);
    let all = desk.page(2, "queue:wrong", 0);
    assert_eq!(all.total, 6);
    assert_eq!(desk.page(3, "Tamm3 queue:wrong", 0).total, 1);
    let hits = desk.hits(&all, "queue:wrong");
    assert_eq!(hits.len(), 2, "every label that it asks about is marked");
    // A row names the first of them, the one that the sentence opens at, and says how many follow.
    let question = all.rows[0].question.clone().unwrap();
    assert_eq!((question.triple, question.more), (hits[0], 1));
    assert!(question.head.starts_with("Ada Lum") && question.verdict.is_none());
    let of_born = desk.hits(&all, "queue:wrong gold:place_of_birth");
    assert_eq!(of_born.len(), 1, "the query names a relation");
    // The triple that is asked about, and no others, are judged by a bulk edit of its list.
    let plan = desk.plan(3, "Tamm3 queue:wrong", 0..1).unwrap();
    assert_eq!(plan.edits.len(), 1);

    // A judged label is asked about no more; its sentence goes with the last one.
    let id = all.rows[0].id;
    let mut judged = Vec::new();
    for n in 0..2 {
        let hits = desk.hits(&all, "queue:wrong");
        assert_eq!(
            hits.len(),
            2,
            "what is judged stays marked, after the open ones"
        );
        let triple = hits[0];
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

#[test]
fn the_sample_grows_with_the_rows_that_were_drawn() {
    let desk = Desk::new(6);
    let query = "queue:wrong order:random";
    for n in 1..=5u64 {
        let page = desk.page(n, query, 0);
        let id = page.rows[0].id;
        let edit = Edit::Judge {
            triple: desk.hits(&page, query)[0],
            verdict: Some(Verdict::Accept),
        };
        desk.ask(Request::Edit { id, edit }, |reply| match reply {
            Reply::Saved { .. } => Some(()),
            _ => None,
        });
        let tally = desk.page(100 + n, query, 0).queue.unwrap().tally;
        let drawn = tally.sample.judged;
        assert_eq!(tally.judged as u64, n);
        // A sentence's next label need not be the next by chance.
        assert!(1 <= drawn && drawn as u64 <= n, "{n}: {drawn}");
    }
    // Ranked anew, the same labels are in the sample.
    let before = desk.page(200, query, 0).queue.unwrap().tally;
    desk.page(201, "queue:wrong", 0);
    let again = desk.page(202, query, 0).queue.unwrap().tally;
    assert_eq!(again.sample, before.sample);
    assert_eq!(again.until, before.until);
}

/// Three sentences that say the same, of which one lacks a label and one has other words at its end; and one more.
fn alike(dir: &std::path::Path) -> Workspace {
    let record = |end: &str, labels: serde_json::Value| {
        let text = format!(
            "Ada Lum , who grew up in Tamm and now lives in Korvath with her two cats and an old piano , \
             joined Tessel last spring as its chief engineer {end} ."
        );
        serde_json::json!({"text": text, "triple_list": labels})
    };
    let (lived, worked) = (
        serde_json::json!(["Ada Lum", LIVED, "Korvath"]),
        serde_json::json!(["Ada Lum", "/business/person/company", "Tessel"]),
    );
    imported(
        dir,
        &[
            record("here", serde_json::json!([lived, worked])),
            record(
                "Here",
                serde_json::json!([
                    ["Ada Lum", LIVED, "Tamm"],
                    worked,
                    ["Tamm", "/x/near", "Korvath"]
                ]),
            ),
            record(
                "there",
                serde_json::json!([lived, worked, ["Korvath", "/x/near", "Tamm"]]),
            ),
            serde_json::json!({"text": "Bo Kett left .", "triple_list": [["Bo Kett", LIVED, "Bo Kett"]]}),
        ],
    )
}

#[test]
fn duplicates_that_disagree_are_listed_and_judged_alike_with_one_undo() {
    let desk = Desk::over(alike);
    desk.ask(Request::Duplicates, |reply| match reply {
        Reply::Job(JobEvent::Finished { summary, .. }) if summary.starts_with("1 group") => {
            Some(())
        }
        Reply::Job(JobEvent::Failed { error, .. }) => panic!("{error}"),
        _ => None,
    });
    let page = desk.page(1, "queue:duplicates", 0);
    let standing = page.queue.clone().unwrap();
    // "lived in Korvath" is said by the first and the third, and the second names both; "Tamm near Korvath" by one each way round.
    assert_eq!((page.total, standing.kind), (3, QueueKind::Duplicates));
    let triple = desk.hits(&page, "queue:duplicates rel:place_lived")[0];
    let id = page.rows[0].id;
    let ask = |verdict| Request::PlanDuplicates {
        id,
        triple,
        verdict,
    };
    let plan = |verdict| {
        desk.ask(ask(verdict), |reply| match reply {
            Reply::Planned(plan) => Some(*plan),
            _ => None,
        })
    };
    let of = plan(Verdict::Accept);
    assert_eq!(
        (of.sentences, of.edits.len(), of.settled, of.otherwise),
        (2, 2, 0, 0)
    );
    let verdicts = |list: u64| {
        let accepted = desk.page(list, "accepted:place_lived", 0).total;
        (accepted, desk.page(list + 1, "verdict:any", 0).total)
    };
    assert_eq!(verdicts(10), (0, 0));
    assert_eq!(desk.settle(Request::EditAll { edits: of.edits }), 2);
    assert_eq!(verdicts(20), (2, 2));
    // The evidence shows the group: who has the label, and what was decided.
    let explain = Request::Explain {
        ticket: 1,
        id,
        triple,
    };
    let group = desk.ask(explain, |reply| match reply {
        Reply::Explanation(explanation) => Some(explanation.duplicates),
        _ => None,
    });
    let said: Vec<_> = group.iter().map(|d| (d.stands, d.verdict)).collect();
    let accepted = (Some(true), Some(Verdict::Accept));
    assert_eq!(said, [(Some(true), None), accepted, accepted]);
    assert!(group[0].id == id && group[0].place == "corpus.jsonl:1");
    let again = plan(Verdict::Accept);
    assert_eq!((again.edits.len(), again.settled), (0, 2));
    let other = plan(Verdict::Reject);
    assert_eq!((other.edits.len(), other.otherwise), (2, 2));
    assert_eq!(desk.settle(Request::Undo), 2);
    assert_eq!(verdicts(30), (0, 0));
}

/// The page of runs and the lists behind it: of the run that was chosen, judged or not, one relation where asked.
#[test]
fn what_a_run_changed_is_compared_and_listed() {
    use crate::workspace::study::tests::{predict, workspace};
    let runs = [RunId(0x1a), RunId(0x2b), RunId(0x3c)];
    let desk = Desk::over(|dir| {
        let mut ws = workspace(dir, 20);
        // Of twenty labels of each relation: all found, then none lived, then all lived and five born lost.
        predict(&mut ws, runs[0], |_, _| 0.9);
        predict(
            &mut ws,
            runs[1],
            |_, relation| if relation == LIVED { 0.1 } else { 0.9 },
        );
        predict(&mut ws, runs[2], |i, relation| {
            if relation != LIVED && i < 5 { 0.1 } else { 0.9 }
        });
        ws
    });
    let compare = |ticket, before: Option<RunId>| {
        let before = before.map(|r| r.to_string());
        desk.ask(Request::Compare { ticket, before }, |reply| match reply {
            Reply::Compared {
                ticket: t,
                runs,
                found,
            } if t == ticket => Some((runs, found)),
            _ => None,
        })
    };
    // A list asked for before the page compares the run before.
    assert_eq!(desk.page(1, "queue:fixed", 0).total, 20);
    let (rows, found) = compare(1, None);
    let found = found.unwrap();
    assert_eq!((rows.len(), rows[0].current), (3, true));
    assert_eq!((found.before, found.after), (runs[1], runs[2]));
    assert_eq!(
        (found.all.fixed, found.all.broken, found.sentences),
        (20, 5, 20)
    );
    let of = |list, query: &str| desk.page(list, query, 0);
    assert_eq!(of(2, &format!("queue:fixed about:{LIVED}")).total, 20);
    let broken = of(3, "queue:broken");
    assert_eq!(broken.total, 5);
    assert_eq!(of(4, &format!("queue:broken about:{LIVED}")).total, 0);
    let triple = desk.hits(&broken, "queue:broken")[0];

    // Against the first run nothing was fixed, and the lists follow the page.
    let (_, found) = compare(2, Some(runs[0]));
    assert_eq!(
        (found.unwrap().all.fixed, of(5, "queue:fixed").total),
        (0, 0)
    );
    let broken = of(6, "queue:broken");
    assert_eq!(broken.total, 5);
    assert_eq!(desk.hits(&broken, "queue:broken"), [triple]);

    // What is judged leaves the list that it was found by.
    desk.session.send(Request::Edit {
        id: broken.rows[0].id,
        edit: Edit::Judge {
            triple,
            verdict: Some(Verdict::Accept),
        },
    });
    let end = Instant::now() + Duration::from_secs(20);
    while !matches!(desk.replies.recv_deadline(end), Ok(Reply::Saved { .. })) {}
    assert_eq!(of(7, "queue:broken").total, 4);
    // Listed anew it is there again: the run is still wrong about it.
    compare(3, Some(runs[0])).1.unwrap();
    of(8, "queue:fixed");
    assert_eq!(of(9, "queue:broken").total, 5);

    let unknown = desk.ask(
        Request::Search {
            ticket: 77,
            list: 77,
            query: "queue:broken about:nothing".to_owned(),
            offset: 0,
            limit: 5,
        },
        |reply| match reply {
            Reply::NotListed { reason, .. } => Some(reason),
            _ => None,
        },
    );
    assert!(unknown.contains("no relation nothing"), "{unknown}");
    let (_, same) = compare(4, Some(runs[2]));
    assert!(same.unwrap_err().contains("name another"));
}

#[test]
fn kept_rules_ask_and_labels_stay_as_they_are() {
    let desk = Desk::over(alike);
    let before = desk.page(1, "gold:place_lived", 0).total;
    assert_eq!(desk.page(2, "queue:rules", 0).total, 0, "no rule is kept");
    let rule = |kind: &str, relation: &str, other: Option<&str>| NamedRule {
        kind: kind.into(),
        relation: relation.into(),
        other: other.map(Into::into),
        types: None,
    };
    let keep = |rule: NamedRule, keep: Option<bool>| {
        desk.ask(Request::DecideRule { rule, keep }, |reply| match reply {
            Reply::Noted { what } => Some(what),
            _ => None,
        })
    };
    let implies = rule("implies", "company", Some("place_lived"));
    assert!(
        keep(implies.clone(), Some(true)).starts_with("company(a, b) → place_lived(a, b): kept")
    );
    keep(rule("symmetric", "near", None), Some(true));
    let page = desk.page(3, "queue:rules", 0);
    let standing = page.queue.clone().unwrap();
    assert_eq!(
        (page.total, standing.tally.left),
        (3, 5),
        "three companies, two ways"
    );
    let triple = desk.hits(&page, "queue:rules rel:place_lived")[0];
    let plan = desk.plan(3, "queue:rules", 0..3).unwrap();
    assert_eq!(plan.edits.len(), 3, "one question a sentence");
    assert!(plan.edits.contains(&(
        page.rows[0].id,
        Edit::Judge {
            triple,
            verdict: Some(Verdict::Reject)
        }
    )));
    keep(implies, Some(false));
    assert_eq!(desk.page(4, "queue:rules", 0).queue.unwrap().tally.left, 2);
    assert_eq!(desk.page(5, "gold:place_lived", 0).total, before);
}

#[test]
fn the_history_is_exported_whole_and_never_over_a_file() {
    let desk = Desk::new(4);
    desk.page(1, "gold:place_lived", 0);
    let plan = desk.plan(1, "gold:place_lived", 0..3);
    let Ok(plan) = plan else { panic!("no plan") };
    desk.settle(Request::EditAll { edits: plan.edits });
    let path = desk.tmp.path().join("corrections.jsonl");
    let export = || Request::Export {
        format: crate::workspace::exchange::CORRECTIONS.to_owned(),
        path: path.clone(),
        only_reviewed: true,
        train_view: false,
    };
    let told = desk.ask(export(), |reply| match reply {
        Reply::Exported {
            sentences,
            corrections,
            ..
        } => Some((sentences, corrections)),
        _ => None,
    });
    assert_eq!(told, (3, Some(3)));
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written.lines().count(), 3);
    assert!(
        written.lines().all(|l| l.contains("\"by\":\"test\"")),
        "{written}"
    );
    let refused = desk.ask(export(), |reply| match reply {
        Reply::Failed { what } => Some(what),
        _ => None,
    });
    assert!(refused.contains("corrections.jsonl"), "{refused}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
}
