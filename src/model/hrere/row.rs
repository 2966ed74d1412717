//! One row of the screen: what the bag models give for one probed relation (golden `hrere_ui_row`).

use super::config::Mix;
use super::joint::BagDistribution;
use super::loss::Mixed;
use crate::model::complex::softmax;

/// Probabilities of the probed class. A probability of .4 can still be the argmax, so the argmax stands beside it.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct BagRow {
    pub base: Option<Cell>,
    pub naive: Option<Cell>,
    pub full: Option<Cell>,
    /// p_G of the full checkpoint; `None` (shown as a dash) where an entity has no vector.
    pub kb: Option<Cell>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    pub probability: f32,
    /// Class of the highest probability; 0 is NA.
    pub argmax: u32,
    /// True: the value would mix in the knowledge base, but an entity has no vector, so it is p_L.
    pub text_only: bool,
}

/// The row for class `relation`, from the same bag's distributions under each checkpoint; `None` where a checkpoint is
/// not loaded, or the class does not exist.
pub fn bag_row(
    relation: u32,
    base: Option<&BagDistribution>,
    naive: Option<&BagDistribution>,
    full: Option<&BagDistribution>,
    rule: Mix,
) -> BagRow {
    let plain = |z: &[f32]| {
        cell(
            relation,
            &Mixed {
                p: softmax(z),
                kb_used: true,
            },
        )
    };
    let mixed = |d: &BagDistribution| cell(relation, &d.mixed(rule));
    BagRow {
        base: base.and_then(|d| plain(&d.z_text)),
        naive: naive.and_then(mixed),
        full: full.and_then(mixed),
        kb: full.and_then(|d| plain(d.z_kb.as_deref()?)),
    }
}

fn cell(relation: u32, mixed: &Mixed) -> Option<Cell> {
    let best = (0u32..)
        .zip(&mixed.p)
        .max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)))?;
    Some(Cell {
        probability: *mixed.p.get(relation as usize)?,
        argmax: best.0,
        text_only: !mixed.kb_used,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hrere::golden_tests::{golden, values};

    #[test]
    fn the_row_matches_the_golden_file() {
        let g = golden("hrere_ui_row");
        let given = &g["in"];
        let logits = |name: &str| -> Vec<f32> {
            let p = values(&given[name]);
            p.iter().map(|p| p.ln() as f32 + 2.0).collect()
        };
        let side = |text: &str, kb: Option<&str>| BagDistribution {
            z_text: logits(text),
            z_kb: kb.map(logits),
            sentence_weights: vec![],
            word_weights: vec![],
        };
        let base = side("p_text_base", None);
        let naive = side("p_text_naive", Some("p_kb_naive"));
        let full = side("p_text_full", Some("p_kb_full"));
        let rule = Mix::Prob {
            alpha: given["alpha"].as_f64().unwrap() as f32,
        };
        let relation = given["relation"].as_u64().unwrap() as u32;
        let row = bag_row(relation, Some(&base), Some(&naive), Some(&full), rule);
        for (what, found) in [
            ("base", row.base),
            ("naive", row.naive),
            ("full", row.full),
            ("kb_only", row.kb),
        ] {
            let found = found.unwrap();
            let expected = g["out"][what].as_f64().unwrap();
            assert!(
                (f64::from(found.probability) - expected).abs() < 1e-5,
                "{what}"
            );
            assert_eq!(
                (found.argmax == 1, found.text_only),
                (what != "base", false),
                "{what}"
            );
        }

        let unlinked = BagDistribution { z_kb: None, ..full };
        let row = bag_row(relation, None, None, Some(&unlinked), rule);
        let full = row.full.unwrap();
        assert!(full.text_only && (full.probability - 0.74).abs() < 1e-5);
        assert_eq!((row.base, row.naive, row.kb), (None, None, None));
        assert_eq!(bag_row(9, Some(&base), None, None, rule).base, None);
    }
}
