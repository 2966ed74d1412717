use super::gradient::{Signed, batch_gradient};
use super::link::{KnownFacts, filtered_quality};
use super::tensor::{EntityRows, relation_scores};
use super::*;
use crate::model::golden::Golden;
use candle_core::{Device, Tensor, Var};
use serde_json::Value;

fn golden(name: &str) -> Value {
    Golden::load(name).json("").clone()
}

fn values(tensor: &Value) -> Vec<f64> {
    let data = tensor["data"].as_array().unwrap();
    data.iter().map(|v| v.as_f64().unwrap()).collect()
}

fn singles(tensor: &Value) -> Vec<f32> {
    values(tensor).iter().map(|&v| v as f32).collect()
}

#[track_caller]
fn close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}: length");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!(
            (f - e).abs() <= tolerance * (1.0 + e.abs()),
            "{what}[{i}]: found {f}, expected {e}"
        );
    }
}

#[track_caller]
fn close32(what: &str, found: &[f32], expected: &Value) {
    let found: Vec<f64> = found.iter().map(|&v| f64::from(v)).collect();
    close(what, &found, &values(expected), 1e-5);
}

fn spread(gradient: &gradient::RowGradient, n_rows: usize, dim: usize) -> (Vec<f32>, Vec<f32>) {
    let (mut re, mut im) = (vec![0.0; n_rows * dim], vec![0.0; n_rows * dim]);
    for (i, &row) in gradient.rows.iter().enumerate() {
        let (from, to) = (i * dim..(i + 1) * dim, row as usize * dim);
        re[to..to + dim].copy_from_slice(&gradient.re[from.clone()]);
        im[to..to + dim].copy_from_slice(&gradient.im[from]);
    }
    (re, im)
}

#[test]
fn the_pretraining_loss_and_its_gradients_match_the_golden_file() {
    let g = golden("complex_pretrain");
    let (given, out) = (&g["in"], &g["out"]);
    let tables = ComplexTables {
        n_entities: 4,
        n_relations: 4,
        dim: 3,
        entity: EntityForm::Plain,
        ent_re: singles(&given["E_re"]),
        ent_im: singles(&given["E_im"]),
        rel_re: singles(&given["R_re"]),
        rel_im: singles(&given["R_im"]),
        head_re: Vec::new(),
        head_im: Vec::new(),
    };
    let signs = singles(&given["y"]);
    let triples = given["triples"].as_array().unwrap();
    let batch: Vec<Signed> = triples
        .iter()
        .zip(signs)
        .map(|(t, sign)| {
            let at = |i: usize| t[i].as_u64().unwrap() as u32;
            let fact = Fact {
                head: at(0),
                relation: at(1),
                tail: at(2),
            };
            Signed { fact, sign }
        })
        .collect();
    let found = batch_gradient(&tables, &batch, given["lam"].as_f64().unwrap() as f32);
    close32("scores", &found.scores, &out["scores"]);
    for (what, found) in [
        ("data_loss", found.data_loss),
        ("reg", found.mean_squares),
        ("loss", found.loss),
    ] {
        close(
            what,
            &[f64::from(found)],
            &[out[what].as_f64().unwrap()],
            1e-5,
        );
    }
    let (e_re, e_im) = spread(&found.entities, 4, 3);
    let (r_re, r_im) = spread(&found.relations, 4, 3);
    close32("dE_re", &e_re, &out["dE_re"]);
    close32("dE_im", &e_im, &out["dE_im"]);
    close32("dR_re", &r_re, &out["dR_re"]);
    close32("dR_im", &r_im, &out["dR_im"]);
}

/// The golden file has no tanh: compare with central differences.
#[test]
fn the_gradient_through_tanh_matches_differences() {
    let init = TableInit::Normal { std: 0.7 };
    let tables = ComplexTables::init(5, 3, 4, EntityForm::Tanh, init, 3);
    let fact = |head, relation, tail| Fact {
        head,
        relation,
        tail,
    };
    let batch = [
        (fact(0, 1, 2), 1.0),
        (fact(0, 1, 0), -1.0),
        (fact(4, 2, 2), -1.0),
    ]
    .map(|(fact, sign)| Signed { fact, sign });
    let found = batch_gradient(&tables, &batch, 0.1);
    let (e_re, e_im) = spread(&found.entities, 5, 4);
    let difference = |change: &dyn Fn(&mut ComplexTables, f32)| {
        let step = 5e-3;
        let at = |by: f32| {
            let mut moved = tables.clone();
            change(&mut moved, by);
            f64::from(batch_gradient(&moved, &batch, 0.1).loss)
        };
        (at(step) - at(-step)) / f64::from(2.0 * step)
    };
    for i in 0..20 {
        let re = difference(&|t, by| t.ent_re[i] += by);
        let im = difference(&|t, by| t.ent_im[i] += by);
        close("re", &[f64::from(e_re[i])], &[re], 1e-4);
        close("im", &[f64::from(e_im[i])], &[im], 1e-4);
    }
}

#[test]
fn the_tensor_score_and_its_gradients_match_the_golden_file() -> candle_core::Result<()> {
    let g = golden("complex_softmax");
    let (given, out) = (&g["in"], &g["out"]);
    let var = |name: &str, rows: usize| {
        Var::from_tensor(&Tensor::from_vec(
            values(&given[name]),
            (rows, 3),
            &Device::Cpu,
        )?)
    };
    let (h_re, h_im, t_re, t_im) = (
        var("h_re", 1)?,
        var("h_im", 1)?,
        var("t_re", 1)?,
        var("t_im", 1)?,
    );
    let (r_re, r_im) = (var("r_re", 4)?, var("r_im", 4)?);
    let score = |(h_re, h_im): (&Var, &Var), (t_re, t_im): (&Var, &Var), form| {
        let (head, tail) = (
            EntityRows { re: h_re, im: h_im },
            EntityRows { re: t_re, im: t_im },
        );
        relation_scores(head, tail, &r_re, &r_im, form)
    };
    let (h, t) = ((&h_re, &h_im), (&t_re, &t_im));
    let flat = |x: &Tensor| x.flatten_all()?.to_vec1::<f64>();
    let scores = score(h, t, EntityForm::Plain)?;
    close("scores", &flat(&scores)?, &values(&out["scores"]), 1e-9);
    let reversed = score(t, h, EntityForm::Plain)?;
    close(
        "reversed",
        &flat(&reversed)?,
        &values(&out["scores_reversed"]),
        1e-9,
    );
    let tanh = score(h, t, EntityForm::Tanh)?;
    close("tanh", &flat(&tanh)?, &values(&out["scores_tanh"]), 1e-9);
    let probs = candle_nn::ops::softmax(&scores, 1)?;
    close("probs", &flat(&probs)?, &values(&out["probs"]), 1e-9);

    let gold = given["gold"].as_u64().unwrap() as usize;
    let loss = probs.narrow(1, gold, 1)?.log()?.neg()?.sum_all()?;
    close(
        "J_G",
        &[loss.to_scalar::<f64>()?],
        &[out["J_G"].as_f64().unwrap()],
        1e-9,
    );
    let grads = loss.backward()?;
    for (name, var) in [
        ("h_re", &h_re),
        ("h_im", &h_im),
        ("t_re", &t_re),
        ("t_im", &t_im),
        ("r_re", &r_re),
        ("r_im", &r_im),
    ] {
        let found = flat(grads.get(var).unwrap())?;
        close(name, &found, &values(&out["grads"][name]), 1e-7);
    }
    Ok(())
}

#[test]
fn tables_and_tensors_score_alike() -> candle_core::Result<()> {
    for form in [EntityForm::Plain, EntityForm::Tanh] {
        let tables = ComplexTables::init(6, 4, 3, form, TableInit::Normal { std: 0.8 }, 9);
        let row = |table: &[f32], at: usize| {
            Tensor::from_slice(&table[at * 3..at * 3 + 3], (1, 3), &Device::Cpu)
        };
        let (h_re, h_im) = (row(&tables.ent_re, 2)?, row(&tables.ent_im, 2)?);
        let (t_re, t_im) = (row(&tables.ent_re, 5)?, row(&tables.ent_im, 5)?);
        let r_re = Tensor::from_slice(&tables.rel_re, (4, 3), &Device::Cpu)?;
        let r_im = Tensor::from_slice(&tables.rel_im, (4, 3), &Device::Cpu)?;
        let head = EntityRows {
            re: &h_re,
            im: &h_im,
        };
        let tail = EntityRows {
            re: &t_re,
            im: &t_im,
        };
        let tensor: Vec<f32> = relation_scores(head, tail, &r_re, &r_im, form)?
            .flatten_all()?
            .to_vec1()?;
        let all = tables.scores_of_relations(2, 5);
        for r in 0..4 {
            let one = f64::from(tables.score(2, r, 5).unwrap());
            for (what, other) in [
                ("relations", all[r as usize]),
                ("tensor", tensor[r as usize]),
                ("tails", tables.scores_of_tails(2, r)[5]),
                ("heads", tables.scores_of_heads(r, 5)[2]),
            ] {
                close(what, &[f64::from(other)], &[one], 1e-5);
            }
        }
    }
    Ok(())
}

#[test]
fn the_score_has_the_symmetries_of_its_formula() {
    let base = ComplexTables::init(6, 3, 5, EntityForm::Tanh, TableInit::Normal { std: 1.0 }, 4);
    let zeroed = |re: f32, im: f32| {
        let mut t = base.clone();
        t.rel_re.iter_mut().for_each(|x| *x *= re);
        t.rel_im.iter_mut().for_each(|x| *x *= im);
        t
    };
    let mut conjugate = base.clone();
    conjugate.ent_im.iter_mut().for_each(|x| *x = -*x);
    conjugate.rel_im.iter_mut().for_each(|x| *x = -*x);
    let (symmetric, antisymmetric) = (zeroed(1.0, 0.0), zeroed(0.0, 1.0));
    for (h, r, t) in [(0, 0, 1), (2, 1, 5), (4, 2, 3)] {
        let score = |tables: &ComplexTables, h, t| f64::from(tables.score(h, r, t).unwrap());
        close(
            "symmetric",
            &[score(&symmetric, h, t)],
            &[score(&symmetric, t, h)],
            1e-6,
        );
        close(
            "antisymmetric",
            &[score(&antisymmetric, h, t)],
            &[-score(&antisymmetric, t, h)],
            1e-6,
        );
        close(
            "conjugate",
            &[score(&conjugate, h, t)],
            &[score(&base, h, t)],
            1e-6,
        );
        assert!(
            (score(&base, h, t) - score(&base, t, h)).abs() > 1e-4,
            "order matters"
        );
    }
    let p = base.relation_probabilities(0, 1);
    close(
        "sum",
        &[p.iter().map(|&x| f64::from(x)).sum()],
        &[1.0],
        1e-6,
    );
    let shifted: Vec<f32> = base
        .scores_of_relations(0, 1)
        .iter()
        .map(|z| z + 3.0)
        .collect();
    for (a, b) in softmax(&shifted).iter().zip(&p) {
        close("shift", &[f64::from(*a)], &[f64::from(*b)], 1e-5);
    }
    assert_eq!(base.score(0, 0, 6), None);
    assert!(base.scores_of_relations(9, 0).is_empty());
}

#[test]
fn restricted_tables_keep_known_rows_and_draw_the_rest() {
    let tables = ComplexTables::init(5, 2, 3, EntityForm::Tanh, TableInit::Normal { std: 0.1 }, 1);
    let joint = tables.restrict(
        &[4, 1, 99],
        &[None, Some(1), Some(0)],
        TableInit::Uniform01,
        7,
    );
    assert!(joint.check().is_ok());
    assert_eq!(joint.ent_re[0..3], tables.ent_re[12..15]);
    assert_eq!(joint.ent_im[3..6], tables.ent_im[3..6]);
    assert_eq!(joint.rel_im[3..6], tables.rel_im[3..6]);
    assert_eq!(joint.score(0, 1, 1), tables.score(4, 1, 1));
    assert!(joint.rel_re[0..3].iter().all(|x| (0.0..1.0).contains(x)));
    assert_eq!(
        joint,
        tables.restrict(
            &[4, 1, 99],
            &[None, Some(1), Some(0)],
            TableInit::Uniform01,
            7
        )
    );
    let short = ComplexTables {
        rel_im: vec![0.0; 2],
        ..joint
    };
    assert!(
        short
            .check()
            .unwrap_err()
            .to_string()
            .contains("rel_im has 2 values")
    );
}

#[test]
fn ranks_are_filtered_and_share_ties() {
    // One entity dimension: scores of tails of (0, r) are the tails' real parts.
    let tables = ComplexTables {
        n_entities: 4,
        n_relations: 1,
        dim: 1,
        entity: EntityForm::Plain,
        ent_re: vec![1.0, 3.0, 2.0, 2.0],
        ent_im: vec![0.0; 4],
        rel_re: vec![1.0],
        rel_im: vec![0.0],
        head_re: Vec::new(),
        head_im: Vec::new(),
    };
    let fact = |tail| Fact {
        head: 0,
        relation: 0,
        tail,
    };
    // Tail 2 of head 0: entity 1 is higher, entity 3 equal. Head 0 of tail 2: all of 1, 2, 3 are higher.
    for (known, by_tail) in [
        (vec![], 2.5),
        (vec![fact(1)], 1.5),
        (vec![fact(1), fact(3)], 1.0),
    ] {
        let known: KnownFacts = known.into_iter().chain([fact(2)]).collect();
        let found = filtered_quality(&tables, &[fact(2), fact(9)], &known);
        assert_eq!(found.n_queries, 2, "there is no row 9");
        close("mrr", &[found.mrr], &[(1.0 / by_tail + 0.25) / 2.0], 1e-12);
    }
}
