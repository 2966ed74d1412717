//! `redress rules`, `redress duplicates`, and the queues of both.

use super::args::{DuplicatesArgs, QueueArgs, RulesArgs};
use super::{Ended, print_json, print_json_line, printable, progress, remark, say, workspace_dir};
use crate::workspace::Workspace;
use crate::workspace::duplicates::{DuplicatesReport, find_duplicates, report};
use crate::workspace::noise::finding::{FindingRow, finding_rows};
use crate::workspace::noise::queue::QueueKind;
use crate::workspace::relation_rules::{KnownRule, RuleBook, RuleState, parse_rules, rules_of};
use anyhow::{Context, Result, bail};
use std::time::Instant;

/// Groups that are shown in words.
const SHOWN: usize = 10;

pub fn duplicates(args: DuplicatesArgs) -> Result<Ended> {
    let dir = workspace_dir(&args.workspace)?;
    let start = Instant::now();
    let cancel = progress::cancel_on_signal();
    let found = progress::watched("sentences", &cancel, |tell| {
        find_duplicates(&dir, args.similarity, tell)
    })?;
    let Some(found) = found else {
        remark("stopped; nothing was written");
        return Ok(Ended::Stopped);
    };
    let report = DuplicatesReport {
        seconds: start.elapsed().as_secs_f64(),
        ..report(&dir, &found)?
    };
    if args.json {
        print_json(&report)?;
    } else {
        in_words(&report)?;
    }
    Ok(Ended::Done)
}

fn in_words(report: &DuplicatesReport) -> Result<()> {
    say(&format!(
        "{} sentences in {} groups ({} of them word for word the same) among {}; {} groups disagree on {} facts; {:.1} s",
        report.sentences_in_groups,
        report.groups,
        report.exact_groups,
        report.sentences,
        report.disagreeing_groups,
        report.disagreements,
        report.seconds
    ))?;
    let groups = report.list.iter();
    for group in groups.filter(|g| !g.disagreements.is_empty()).take(SHOWN) {
        let like = if group.exact { "same" } else { "alike" };
        say(&format!("  {like}: {}", group.sentences.join(" ")))?;
        for fact in &group.disagreements {
            say(&format!(
                "    {} — {} → {}: labelled in {}, not in {}",
                printable(&fact.head),
                printable(&fact.relation),
                printable(&fact.tail),
                fact.labelled_in.len(),
                fact.not_in.len()
            ))?;
        }
    }
    if report.disagreements > 0 {
        remark("`redress queue --kind duplicates` lists them; g d in the screen");
    }
    Ok(())
}

/// `redress queue --kind rules|duplicates|fixed|broken`.
pub fn queue(args: &QueueArgs, kind: QueueKind) -> Result<Ended> {
    let dir = workspace_dir(&args.workspace)?;
    let limit = if args.json { usize::MAX } else { 20 };
    let limit = args.limit.unwrap_or(limit);
    let cancel = progress::cancel_on_signal();
    let found = progress::watched("sentences", &cancel, |tell| {
        finding_rows(&dir, kind, args.relation.as_deref(), limit, tell)
    })?;
    let Some((rows, total)) = found else {
        remark("stopped");
        return Ok(Ended::Stopped);
    };
    for row in &rows {
        if args.json {
            print_json_line(row)?;
        } else {
            say(&row_in_words(row))?;
        }
    }
    let hint = match kind {
        QueueKind::Rules => "`redress rules` shows and keeps rules",
        QueueKind::Changed(_) => "`redress compare` gives the figures",
        _ => "`redress duplicates` looks for them",
    };
    remark(&format!("{total} to look at; {hint}"));
    Ok(Ended::Done)
}

fn row_in_words(row: &FindingRow) -> String {
    format!(
        "{:>4}  {} — {} → {}\n      {}\n      {}",
        row.rank,
        printable(&row.head.text),
        printable(&row.relation),
        printable(&row.tail.text),
        printable(&row.text),
        printable(&row.why)
    )
}

pub fn rules(args: RulesArgs) -> Result<Ended> {
    let dir = workspace_dir(&args.workspace)?;
    if let Some(file) = &args.file {
        let mut workspace = Workspace::open(&dir)?;
        let name = file.display();
        let text = std::fs::read_to_string(file).with_context(|| name.to_string())?;
        let rules = parse_rules(&text, workspace.schema()).with_context(|| name.to_string())?;
        let mut book = RuleBook::read(workspace.read())?;
        for rule in &rules {
            book.decide(rule, Some(true));
        }
        workspace.set_rule_book(&book)?;
        remark(&format!("{} rules kept from {name}", rules.len()));
    }
    let cancel = progress::cancel_on_signal();
    let known = rules_of(&dir, &mut |_, _| !cancel.is_cancelled())?;
    let Some(mut known) = known else {
        return Ok(Ended::Stopped);
    };
    decide(&dir, &args, &mut known)?;
    if args.json {
        print_json(&known)?;
        return Ok(Ended::Done);
    }
    for (n, rule) in known.iter().enumerate() {
        let state = match rule.state {
            RuleState::Accepted => "✓",
            RuleState::Refused => "✗",
            RuleState::Proposed => "?",
        };
        let support = rule.support();
        say(&format!(
            "{:>3} {state} {}  ({support})",
            n + 1,
            printable(&rule.words)
        ))?;
    }
    remark(
        "✓ kept, ✗ refused, ? suggested by the labels; --accept N and --refuse N decide, --forget N takes it back",
    );
    Ok(Ended::Done)
}

/// Decides the rules of these numbers, as the list before this one numbered them.
fn decide(dir: &std::path::Path, args: &RulesArgs, known: &mut [KnownRule]) -> Result<()> {
    let decisions = [
        (&args.accept, Some(true), RuleState::Accepted),
        (&args.refuse, Some(false), RuleState::Refused),
        (&args.forget, None, RuleState::Proposed),
    ];
    if decisions.iter().all(|(numbers, ..)| numbers.is_empty()) {
        return Ok(());
    }
    let mut workspace = Workspace::open(dir)?;
    let mut book = RuleBook::read(workspace.read())?;
    for (numbers, keep, state) in decisions {
        for number in numbers {
            let Some(rule) = number.checked_sub(1).and_then(|at| known.get_mut(at)) else {
                bail!("there is no rule {number}; the list has {}", known.len());
            };
            book.decide(&rule.rule, keep);
            rule.state = state;
        }
    }
    workspace.set_rule_book(&book)
}
