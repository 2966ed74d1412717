use super::*;

fn fact(head: u32, relation: u32, tail: u32) -> Fact {
    Fact {
        head,
        relation,
        tail,
    }
}

fn config() -> OneVsAllConfig {
    OneVsAllConfig {
        dim: 8,
        init_std: 0.3,
        batch: 3,
        epochs: 4,
        ..OneVsAllConfig::default()
    }
}

/// "follows" on a ring of 12 (antisymmetric), "beside" both ways (symmetric).
fn ring() -> Vec<Fact> {
    (0..12)
        .flat_map(|i| {
            let next = (i + 1) % 12;
            [fact(i, 0, next), fact(i, 1, next), fact(next, 1, i)]
        })
        .collect()
}

fn run(facts: &[Fact], config: &OneVsAllConfig) -> Learned {
    train(facts, 12, 2, config, None, &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap()
}

/// The objective as the module's comment states it, fact by fact.
fn objective(tables: &ComplexTables, facts: &[Fact], n3: f64) -> f64 {
    let cross_entropy = |scores: Vec<f32>, answer: u32| {
        let total: f64 = scores.iter().map(|&s| f64::from(s).exp()).sum();
        total.ln() - f64::from(scores[answer as usize])
    };
    let cubes = |re: &[f32], im: &[f32], at: u32| -> f64 {
        let at = at as usize * tables.dim;
        let parts = re[at..at + tables.dim].iter().zip(&im[at..]);
        parts
            .map(|(re, im)| f64::from(re * re + im * im).powf(1.5))
            .sum()
    };
    let of_fact = |f: &Fact| {
        let entity = |at| cubes(&tables.ent_re, &tables.ent_im, at);
        let w = cubes(&tables.rel_re, &tables.rel_im, f.relation);
        let u = cubes(&tables.head_re, &tables.head_im, f.relation);
        cross_entropy(tables.scores_of_tails(f.head, f.relation), f.tail)
            + cross_entropy(tables.scores_of_heads(f.relation, f.tail), f.head)
            + n3 * (2.0 * (entity(f.head) + entity(f.tail)) + w + u)
    };
    facts.iter().map(of_fact).sum::<f64>() / facts.len() as f64
}

/// Adagrad's first step is rate * g / |g|: only the sign of each gradient shows. With a fresh table of squared sums it
/// holds g² itself, which is what this reads.
#[test]
fn the_step_follows_the_gradient_of_the_stated_objective() {
    let facts = ring();
    let settings = OneVsAllConfig {
        batch: usize::MAX,
        dim: 3,
        n3: 0.2,
        ..config()
    };
    let mut learner = Learner::new(&facts, 12, 2, &settings);
    let before = learner.tables();
    let everything = learner.order(1);
    let (loss, n) = learner.step(&everything);
    assert_eq!(n, 2 * facts.len());
    let half = |tables: &ComplexTables| objective(tables, &facts, 0.2) / 2.0;
    assert!((loss - half(&before)).abs() < 1e-4, "{loss}");
    let slope = |change: &dyn Fn(&mut ComplexTables, f32)| {
        let at = |by: f32| {
            let mut moved = before.clone();
            change(&mut moved, by);
            half(&moved)
        };
        (at(1e-2) - at(-1e-2)) / 2e-2
    };
    let check = |what: &str, squared: f32, expected: f64| {
        let found = f64::from(squared).sqrt();
        assert!(
            (found - expected.abs()).abs() < 2e-3,
            "{what}: {found} {expected}"
        );
    };
    for k in 0..3 {
        for row in [0, 5] {
            let (own, at) = (row * 6 + k, row * 3 + k);
            check(
                "ent_re",
                learner.entities.sums[own],
                slope(&|t, by| t.ent_re[at] += by),
            );
            check(
                "ent_im",
                learner.entities.sums[own + 3],
                slope(&|t, by| t.ent_im[at] += by),
            );
        }
        for row in 0..2 {
            let at = row * 3 + k;
            let (w, u) = (row * 6 + k, (row + 2) * 6 + k);
            let sums = &learner.relations.sums;
            check("rel_re", sums[w], slope(&|t, by| t.rel_re[at] += by));
            check("rel_im", sums[w + 3], slope(&|t, by| t.rel_im[at] += by));
            check("head_re", sums[u], slope(&|t, by| t.head_re[at] += by));
            check("head_im", sums[u + 3], slope(&|t, by| t.head_im[at] += by));
        }
    }
    assert!(half(&learner.tables()) < half(&before));
}

#[test]
fn a_small_base_is_learned_by_heart() {
    let facts = ring();
    let settings = OneVsAllConfig {
        epochs: 60,
        n3: 1e-3,
        ..config()
    };
    let learned = run(&facts, &settings);
    let known: KnownFacts = facts.iter().copied().collect();
    let quality = filtered_quality(&learned.tables, &facts, &known);
    assert_eq!((quality.n_queries, quality.mrr), (72, 1.0));
    assert_eq!((learned.best_epoch, learned.curve.len()), (60, 60));
    assert!(learned.curve[59].loss < learned.curve[0].loss);
    // A pair's relations: "follows" holds one way only.
    let p = |h, t| learned.tables.score(h, 0, t).unwrap();
    assert!(p(3, 4) > p(4, 3));
}

#[test]
fn same_seed_same_bits_whatever_the_threads() {
    let facts = ring();
    let with_threads = |n| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build();
        pool.unwrap().install(|| run(&facts, &config()).tables)
    };
    assert_eq!(with_threads(1), with_threads(3));
    let other = OneVsAllConfig {
        seed: 2,
        ..config()
    };
    assert_ne!(with_threads(1), run(&facts, &other).tables);
}

#[test]
fn validation_selects_the_best_epoch_and_stops_the_run() {
    let facts = ring();
    let (train_facts, valid) = facts.split_at(30);
    let known: KnownFacts = facts.iter().copied().collect();
    let settings = OneVsAllConfig {
        epochs: 40,
        check_every: 2,
        patience: 2,
        ..config()
    };
    let validation = Validation {
        facts: valid,
        known: &known,
    };
    let mut heard = Vec::new();
    let learned = train(
        train_facts,
        12,
        2,
        &settings,
        Some(validation),
        &mut |event| {
            if let Heard::Epoch(record) = event {
                heard.push(*record);
            }
            ControlFlow::Continue(())
        },
    )
    .unwrap();
    assert_eq!(heard, learned.curve);
    let looks: Vec<(usize, f64)> = (heard.iter())
        .filter_map(|r| Some((r.epoch, r.valid?.mrr)))
        .collect();
    assert!(looks.iter().all(|(epoch, _)| epoch % 2 == 0));
    let best = looks.iter().map(|l| l.1).fold(0.0, f64::max);
    let first_best = looks.iter().find(|l| l.1 == best).unwrap().0;
    assert_eq!(learned.best_epoch, first_best);
    let again = filtered_quality(&learned.tables, valid, &known);
    assert_eq!(
        again.mrr, best,
        "the tables are those of the selected epoch"
    );
}

#[test]
fn a_stopped_run_and_settings_that_cannot_run() {
    let mut steps = 0;
    let stopped = train(&ring(), 12, 2, &config(), None, &mut |_| {
        steps += 1;
        if steps == 3 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!(stopped.unwrap().ended, Ended::Stopped { after: 3 });
    let refused = |config: OneVsAllConfig, facts: &[Fact], expected: &str| {
        let result = train(facts, 12, 2, &config, None, &mut |_| {
            ControlFlow::Continue(())
        });
        let message = result.err().unwrap().to_string();
        assert!(message.contains(expected), "{message} lacks {expected}");
    };
    let base = config;
    refused(
        OneVsAllConfig { dim: 0, ..base() },
        &ring(),
        "one_vs_all.dim is 0",
    );
    refused(
        OneVsAllConfig {
            n3: f32::NAN,
            ..base()
        },
        &ring(),
        "one_vs_all.n3 is NaN",
    );
    refused(base(), &[], "no facts");
    refused(base(), &[fact(0, 2, 1)], "relation 2");
}
