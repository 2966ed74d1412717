//! `redress assign`, `redress agreement`.

use super::args::{AgreementArgs, AssignArgs};
use super::{Ended, open_workspace, print_json, printable, say, workspace_dir};
use crate::workspace::agreement::{self, AgreementReport, Assignment, Measured};
use crate::workspace::read_only;
use anyhow::Result;

pub fn assign(args: AssignArgs) -> Result<Ended> {
    if !args.to.is_empty() {
        let assignment = Assignment {
            curators: args.to,
            overlap: args.overlap,
        };
        agreement::assign(&mut open_workspace(&args.workspace)?, &assignment)?;
    }
    let reader = read_only(&workspace_dir(&args.workspace)?)?;
    let assignment = agreement::assignment(&reader)?;
    let parts = agreement::parts(&reader, &assignment)?;
    if args.json {
        print_json(&parts)?;
        return Ok(Ended::Done);
    }
    for part in parts {
        let name = printable(&part.curator);
        let term = match name.contains(char::is_whitespace) {
            true => format!("assigned:\"{name}\""),
            false => format!("assigned:{name}"),
        };
        say(&format!(
            "{name}: {} sentences, {} of them shared, {} begun; `{term}` lists them",
            part.sentences, part.shared, part.begun
        ))?;
    }
    Ok(Ended::Done)
}

pub fn agreement(args: AgreementArgs) -> Result<Ended> {
    let report = agreement::measure(&read_only(&workspace_dir(&args.workspace)?)?)?;
    if args.json {
        print_json(&report)?;
    } else {
        say(&in_words(&report))?;
    }
    Ok(Ended::Done)
}

fn in_words(report: &AgreementReport) -> String {
    let mut text = String::new();
    for c in &report.curators {
        let name = printable(&c.name);
        text += &format!(
            "{name}: {} verdicts in {} sentences\n",
            c.verdicts, c.sentences
        );
    }
    text += &section("same spans", &report.exact);
    text += &section("spans that overlap", &report.overlap);
    text += &format!(
        "\n{} triples disputed; `g j` on the screen settles them\n",
        report.disputed
    );
    text + report.protocol
}

fn section(title: &str, measured: &Measured) -> String {
    let overall = measured.overall;
    let mut text = format!(
        "\n{title}: {} items that at least two decided, {} agreed, Krippendorff's alpha {}\n",
        overall.items,
        overall.agreed,
        figure(overall.alpha)
    );
    for p in &measured.pairs {
        text += &format!(
            "  {} and {}: {} items, {:.3} agreed, Cohen's kappa {}\n",
            printable(&p.curators[0]),
            printable(&p.curators[1]),
            p.items,
            p.observed,
            figure(p.kappa)
        );
    }
    for r in &measured.relations {
        text += &format!(
            "  {}: {} items, {} agreed, alpha {}\n",
            printable(&r.relation),
            r.reliability.items,
            r.reliability.agreed,
            figure(r.reliability.alpha)
        );
    }
    text
}

/// A coefficient; there is none where chance alone would agree as well.
fn figure(coefficient: Option<f64>) -> String {
    coefficient.map_or("—".to_owned(), |c| format!("{c:.3}"))
}
